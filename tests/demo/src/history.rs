//! Two years of messages, written before the doors open.
//!
//! Written in the order of time; the same files and the same seed give the same history, counted back from now.

use std::io;

use discord_sim::{ChannelId, Edit, MessageId, NewAttachment, NewMessage, UserId};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sample_media::Sample;

use crate::{
    clips::{self, Veil},
    people,
    server::{DAY, Purpose, Server, Spot},
};

/// Messages in channels and threads; posts in forums come on top.
const MESSAGES: usize = 420;
/// Posts over all forums, every third archived.
const POSTS: [&str; 9] = [
    "My balcony in June",
    "Night walks",
    "Bread!",
    "A box of old tapes",
    "Things that glow",
    "Rain on the window, 10 hours",
    "How I light small things",
    "Nest building, day by day",
    "</title><b>bold</b> & 'quoted' \u{1F389}",
];
/// The last message is this old: what comes after it is posted live.
const LULL: u64 = 60_000;
/// Discord's message flag for a voice message.
pub(crate) const VOICE: u64 = 1 << 13;

/// Fills the server.
pub(crate) fn write(server: &mut Server, samples: &[Sample]) -> io::Result<()> {
    let mut writer = Writer {
        random: StdRng::seed_from_u64(1),
        unused: samples.to_vec(),
        used: Vec::new(),
        server,
    };
    // Drawn from the end, in an order in which sorts are mixed.
    writer.unused.reverse();
    writer.open_posts()?;
    let mut times = writer.times();
    times.sort_unstable();
    for at in times {
        writer.message(at)?;
    }
    Ok(())
}

struct Writer<'a> {
    random: StdRng,
    server: &'a mut Server,
    unused: Vec<Sample>,
    used: Vec<Sample>,
}

impl Writer<'_> {
    fn open_posts(&mut self) -> io::Result<()> {
        let step = (self.ends() - self.server.founded) / (POSTS.len() as u64 + 1);
        for (n, (name, at)) in POSTS.iter().zip(1..).enumerate() {
            let at = self.server.founded + at * step;
            let forum = self.server.forums[n % self.server.forums.len()];
            let author = self.server.people.any(&mut self.random);
            let opening = self.showing(author, 1)?.at(at);
            let post = self.server.world.create_post(forum, name, opening);
            let closed = (n % 3 == 1).then_some(at + 20 * DAY);
            self.server.add(post, Purpose::Talk, 3, at, closed);
        }
        Ok(())
    }

    /// When messages are written: a server that grows has more of them towards the end.
    fn times(&mut self) -> Vec<u64> {
        let (founded, ends) = (self.server.founded, self.ends());
        let mut draw = || {
            let (one, two) =
                (self.random.random_range(founded..ends), self.random.random_range(founded..ends));
            one.max(two)
        };
        (0..MESSAGES).map(|_| draw()).collect()
    }

    fn message(&mut self, at: u64) -> io::Result<()> {
        self.server.world.pretend(Some(at));
        let spot = self.spot(at);
        let author = self.server.people.any(&mut self.random);
        let chance = if spot.purpose == Purpose::Show { 0.28 } else { 0.08 };
        let files = match self.random.random_bool(chance) {
            true if self.random.random_bool(0.12) => self.random.random_range(2..=4),
            true => 1,
            false => 0,
        };
        let new = match files {
            0 => self.talking(author),
            _ => self.showing(author, files)?,
        };
        let message = self.server.world.post(spot.id, new.at(at));
        self.afterwards(spot.id, message, at);
        Ok(())
    }

    /// Second thoughts.
    fn afterwards(&mut self, channel: ChannelId, message: MessageId, at: u64) {
        let (world, random) = (&self.server.world, &mut self.random);
        let later = random.random_range(1_000..600_000);
        world.pretend(Some(at + later));
        match random.random_range(0..100) {
            0..4 => world.delete(channel, message),
            4..9 => world.edit(channel, message, Edit::text(people::corrected(random))),
            9..11 => world.pin(channel, message),
            _ => {}
        }
    }

    fn talking(&mut self, author: UserId) -> NewMessage {
        let text = people::said(&mut self.random);
        let new = address(self.server, NewMessage::default().by(author), text, &mut self.random);
        match self.random.random_range(0..40) {
            0 => new.attach(clips::notes()),
            1 => new.sticker(749_054_660_769_218_631, "Wave", 3),
            _ => new,
        }
    }

    fn showing(&mut self, author: UserId, files: usize) -> io::Result<NewMessage> {
        let text = people::shown(&mut self.random);
        let mut new =
            address(self.server, NewMessage::default().by(author), text, &mut self.random);
        for _ in 0..files {
            let sample = self.sample();
            let veil = veil(&mut self.random);
            if clips::is_voice(&sample) && files == 1 {
                new = NewMessage::default().by(author).flags(VOICE);
            }
            new = new.attach(self.upload(&sample, veil)?);
        }
        Ok(new)
    }

    fn upload(&mut self, sample: &Sample, veil: Veil) -> io::Result<NewAttachment> {
        clips::upload(sample, veil, &mut self.random)
    }

    /// A new one while there are any; people also post what was posted before.
    fn sample(&mut self) -> Sample {
        let again = self.random.random_bool(0.06);
        match self.unused.pop_if(|_| !again || self.used.is_empty()) {
            Some(sample) => {
                self.used.push(sample.clone());
                sample
            }
            None => self.used.choose(&mut self.random).expect("something was used before").clone(),
        }
    }

    fn spot(&mut self, at: u64) -> Spot {
        let open = |spot: &&Spot| spot.opened < at && spot.closed.is_none_or(|closed| at < closed);
        let open: Vec<&Spot> = self.server.spots.iter().filter(open).collect();
        **open
            .choose_weighted(&mut self.random, |spot| spot.weight)
            .expect("channels are open from the founding on")
    }

    fn ends(&self) -> u64 {
        self.server.world.clock().now() - LULL
    }
}

/// Adds the text, with the person and the channel that it speaks of.
pub(crate) fn address(
    server: &Server,
    new: NewMessage,
    text: &str,
    random: &mut StdRng,
) -> NewMessage {
    let mut new = new;
    let mut text = text.to_owned();
    if text.contains("{person}") {
        let person = server.people.any(random);
        text = text.replace("{person}", &Server::mention(person));
        new = new.mention(person);
    }
    if text.contains("{channel}") {
        let channel = people::pick(&server.named, random);
        text = text.replace("{channel}", &format!("<#{channel}>"));
    }
    new.saying(text)
}

/// Few things are spoilers.
pub(crate) fn veil(random: &mut StdRng) -> Veil {
    if random.random_bool(0.06) { Veil::Spoiler } else { Veil::Open }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use sample_media::{Container, Kind};

    use super::*;
    use crate::truth::Truth;

    /// Samples in name only; nobody reads them but the sums.
    fn samples(folder: &std::path::Path, count: usize) -> Vec<Sample> {
        let sample = |n: usize| {
            let path: PathBuf = folder.join(format!("{n}.mp4"));
            std::fs::write(&path, n.to_string()).unwrap();
            Sample {
                file_name: format!("hills-{n:03}.mp4"),
                path,
                content_type: "video/mp4",
                kind: Kind::Video,
                container: Container::Mp4MoovFirst,
                duration: Some(Duration::from_secs(3)),
                size: Some((640, 360)),
                black_lead: Duration::ZERO,
            }
        };
        (0..count).map(sample).collect()
    }

    #[test]
    fn two_years_of_everything_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let samples = samples(folder.path(), 80);
        let mut server = Server::found();
        write(&mut server, &samples).unwrap();
        server.open_doors();
        let world = &server.world;
        let places = world.places();
        let all: Vec<_> = places.iter().flat_map(|place| world.messages(place.id)).collect();
        assert!(all.len() >= MESSAGES + POSTS.len());
        assert!(all.iter().any(|message| message.deleted.is_some()));
        assert!(all.iter().any(|message| message.edited.is_some()));
        let now = world.clock().now();
        let oldest = all.iter().map(|message| message.id.millis()).min().unwrap();
        assert!(now - oldest > 600 * DAY, "the history is shorter than it should be");
        assert!(all.iter().all(|message| message.id.millis() < now));
        assert!(places.iter().filter(|place| place.archived).count() >= 4);

        let truth = Truth::of(world).unwrap();
        assert!(truth.files.len() >= samples.len(), "{} files", truth.files.len());
        assert!(truth.files.values().any(|file| file.spoiler));
        let written = |name: &str| {
            let place = places.iter().find(|place| place.name == name).unwrap();
            !world.messages(place.id).is_empty()
        };
        assert!(written("moderators") && written("after-dark"), "there is something to hide");
    }
}
