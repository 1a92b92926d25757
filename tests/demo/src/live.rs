//! What happens on the server while the demo runs: new clips above all, and now and then second thoughts.
//!
//! Each step is one thing that a person does, told in a line. Steps follow a round, so that every sort comes soon.

use std::{collections::BTreeSet, io};

use anyhow::Context;
use discord_sim::{ChannelId, Edit, MessageId, NewMessage, NewThread, UserId};
use rand::{SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sample_media::Sample;

use crate::{
    clips::{self, Clips},
    history::{VOICE, address, veil},
    objects::checksum,
    people,
    server::{Purpose, Server},
};

/// Names of threads and posts that are opened live.
const TOPICS: [&str; 8] = [
    "Just now",
    "Look what I found",
    "Works on my desk",
    "Tonight's sky",
    "One clip an hour",
    "Is this yours?",
    "Second attempt",
    "For the competition",
];

/// What is done in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Post,
    OpenPost,
    OpenThread,
    Edit,
    Delete,
    Archive,
}

/// One round; most of it is posting, and what is opened has time to be seen before it is closed.
const ROUND: [Turn; 12] = [
    Turn::Post,
    Turn::Post,
    Turn::OpenThread,
    Turn::Post,
    Turn::Edit,
    Turn::Post,
    Turn::OpenPost,
    Turn::Post,
    Turn::Delete,
    Turn::Post,
    Turn::Archive,
    Turn::Post,
];

/// The people of the server, at it.
pub(crate) struct Live {
    server: Server,
    clips: Clips,
    random: StdRng,
    turns: usize,
    posted: Vec<Posted>,
    /// Threads that were opened live and not archived yet.
    threads: Vec<ChannelId>,
    /// Checksums of clips that begin black.
    dark: BTreeSet<String>,
}

struct Posted {
    channel: ChannelId,
    message: MessageId,
}

impl Live {
    /// Begins where the history ends.
    pub(crate) fn new(server: Server, clips: Clips, history: &[Sample]) -> io::Result<Self> {
        let mut live = Self {
            server,
            clips,
            random: StdRng::seed_from_u64(5),
            turns: 0,
            posted: Vec::new(),
            threads: Vec::new(),
            dark: BTreeSet::new(),
        };
        for sample in history {
            live.note(sample)?;
        }
        Ok(live)
    }

    /// Clips that begin black, by their checksums.
    pub(crate) fn dark(&self) -> &BTreeSet<String> {
        &self.dark
    }

    /// Does the next thing, and says what it was; nothing while the next clip is still being made.
    pub(crate) async fn step(&mut self) -> anyhow::Result<Option<String>> {
        let turn = ROUND[self.turns % ROUND.len()];
        let said = match turn {
            Turn::Edit => self.edit(),
            Turn::Delete => self.delete(),
            Turn::Archive => self.archive(),
            Turn::Post | Turn::OpenThread | Turn::OpenPost => {
                let fresh = self.clips.fresh().await.context("make another clip")?;
                let Some(sample) = fresh else { return Ok(None) };
                self.note(&sample)?;
                match turn {
                    Turn::OpenThread => self.open_thread(&sample)?,
                    Turn::OpenPost => self.open_post(&sample)?,
                    _ => self.post(&sample)?,
                }
            }
        };
        self.turns += 1;
        Ok(Some(said))
    }

    fn post(&mut self, sample: &Sample) -> io::Result<String> {
        let channel = self.channel();
        let author = self.server.people.any(&mut self.random);
        self.post_to(channel, author, sample)
    }

    fn open_thread(&mut self, sample: &Sample) -> io::Result<String> {
        let author = self.server.people.any(&mut self.random);
        let name = people::pick(&TOPICS, &mut self.random);
        let parent = self.server.named.iter().copied().find(|id| self.name(*id) == "clips");
        let parent = parent.expect("the server has a channel for clips");
        let thread = self.server.world.create_thread(parent, NewThread::public(name).by(author));
        self.threads.push(thread);
        self.post_to(thread, author, sample).map(|said| format!("{said}, a new thread"))
    }

    fn open_post(&mut self, sample: &Sample) -> io::Result<String> {
        let author = self.server.people.any(&mut self.random);
        let name = people::pick(&TOPICS, &mut self.random);
        let forum = people::pick(&self.server.forums, &mut self.random);
        let opening = self.showing(author, sample)?;
        let post = self.server.world.create_post(forum, name, opening);
        let (who, forum) = (self.who(author), self.name(forum));
        self.posted.push(Posted { channel: post, message: MessageId(post.0) });
        Ok(format!("{who} opened {name:?} in {forum} with {}", sort(sample)))
    }

    fn edit(&mut self) -> String {
        let Some(Posted { channel, message }) = self.posted.last() else { return nothing() };
        let text = people::corrected(&mut self.random);
        self.server.world.edit(*channel, *message, Edit::text(text));
        format!("a text in {} was edited: {text:?}", self.name(*channel))
    }

    fn delete(&mut self) -> String {
        if self.posted.is_empty() {
            return nothing();
        }
        let oldest = self.posted.remove(0);
        self.server.world.delete(oldest.channel, oldest.message);
        format!("a clip in {} was deleted", self.name(oldest.channel))
    }

    fn archive(&mut self) -> String {
        let Some(thread) = self.threads.pop() else { return nothing() };
        self.server.world.archive_thread(thread);
        format!("the thread {} was archived", self.name(thread))
    }

    fn post_to(
        &mut self,
        channel: ChannelId,
        author: UserId,
        sample: &Sample,
    ) -> io::Result<String> {
        let new = self.showing(author, sample)?;
        let message = self.server.world.post(channel, new);
        self.posted.push(Posted { channel, message });
        Ok(format!("{} posted {} in {}", self.who(author), sort(sample), self.name(channel)))
    }

    fn showing(&mut self, author: UserId, sample: &Sample) -> io::Result<NewMessage> {
        let veil = veil(&mut self.random);
        let file = clips::upload(sample, veil, &mut self.random)?;
        let new = NewMessage::default().by(author).attach(file);
        if clips::is_voice(sample) {
            return Ok(new.flags(VOICE));
        }
        let text = people::shown(&mut self.random);
        Ok(address(&self.server, new, text, &mut self.random))
    }

    /// Busy places more often than quiet ones; what is hidden goes on living too.
    fn channel(&mut self) -> ChannelId {
        let spots = self.server.spots.iter();
        let open: Vec<_> = spots
            .filter(|spot| spot.closed.is_none())
            .map(|spot| match spot.purpose {
                Purpose::Show => (spot.id, spot.weight),
                Purpose::Talk => (spot.id, spot.weight.div_ceil(4)),
            })
            .collect();
        let drawn = open.choose_weighted(&mut self.random, |(_, weight)| *weight);
        drawn.expect("channels stay open").0
    }

    fn note(&mut self, sample: &Sample) -> io::Result<()> {
        if sample.starts_black() {
            self.dark.insert(checksum(&std::fs::read(&sample.path)?));
        }
        Ok(())
    }

    fn who(&self, user: UserId) -> String {
        self.server.world.user_name(user)
    }

    fn name(&self, channel: ChannelId) -> String {
        let places = self.server.world.places();
        let place = places.into_iter().find(|place| place.id == channel);
        place.map_or(channel.to_string(), |place| place.name)
    }
}

fn sort(sample: &Sample) -> String {
    let extension = sample.path.extension().unwrap_or_default().to_string_lossy();
    let black = if sample.starts_black() { " that begins black" } else { "" };
    match sample.duration {
        Some(length) => format!("{:.0} s of {extension}{black}", length.as_secs_f64().max(1.0)),
        None => format!("a {extension}"),
    }
}

/// Only the first round can find nothing to change, and its order prevents that.
fn nothing() -> String {
    "all is quiet".to_owned()
}
