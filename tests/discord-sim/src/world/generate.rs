//! Whole servers from a seed: every kind of place, message and file that an archive meets.
//!
//! The same seed and [`Spec`] give the same world, ids and bytes included.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;

use super::{NewThread, World};
use crate::{
    compose::{Edit, NewAttachment, NewChannel, NewMessage},
    content::Content,
    ids::{ChannelId, GuildId, MessageId, RoleId, UserId},
    model::{Kind, Overwrite, Subject},
    permissions,
};

/// How large a generated server is.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Text, announcement, voice and stage channels together.
    pub channels: usize,
    /// Messages over all places; system messages of threads come on top.
    pub messages: usize,
    /// Files over all messages, however placed.
    pub attachments: usize,
    /// Forum and media channels together.
    pub forums: usize,
    /// Posts over all forums, half of them archived.
    pub posts: usize,
    /// Active threads.
    pub active_threads: usize,
    /// Archived public threads; every third shares its archive time with the one before.
    pub archived_threads: usize,
    /// Archived private threads, every other one with the bot as a member.
    pub private_threads: usize,
    /// Channels on top that the bot cannot read: unseen, or seen without history.
    pub unreadable: usize,
    /// Accounts that write.
    pub users: usize,
    /// The largest generated file; most are far smaller.
    pub largest: u64,
    /// When the server was founded (unix milliseconds).
    pub founded: u64,
    /// How long the history is.
    pub span: Duration,
}

impl Default for Spec {
    /// A server that a test reads in a moment and that still has one of everything.
    fn default() -> Self {
        Self {
            channels: 4,
            messages: 200,
            attachments: 60,
            forums: 2,
            posts: 6,
            active_threads: 2,
            archived_threads: 5,
            private_threads: 2,
            unreadable: 2,
            users: 5,
            largest: 64 * 1024,
            // 2024-03-01, after links were first signed.
            founded: 1_709_251_200_000,
            span: Duration::from_hours(400 * 24),
        }
    }
}

/// Names as people and phones give them, with what Discord leaves of them.
const NAMES: &[(&str, Option<&str>)] = &[
    ("clip.mp4", None),
    ("CLIP.MP4", None),
    ("IMG_0042.MOV", None),
    ("screen_recording.webm", Some("screen recording")),
    ("movie.mkv", None),
    ("no-extension", None),
    ("video.mp4.exe", None),
    ("SPOILER_ending.mp4", None),
    ("..mp4", None),
    ("-.mp4", None),
    ("unknown.png", None),
    ("photo.JPG", None),
    ("anim.gif", None),
    ("Grune_Wiese.mp4", Some("Grüne Wiese 🌻")),
    ("___.mp4", Some("映画 <b>\"quoted\"</b> & more")),
    ("voice-message.ogg", None),
    ("song.mp3", None),
    ("notes.txt", None),
    ("page.html", None),
    ("drawing.svg", None),
    ("archive.tar.gz", None),
    ("a_rather_long_name_that_goes_on_and_on_until_nobody_reads_it_any_more_0123456789.mp4", None),
];

const TEXTS: &[&str] = &[
    "look at this",
    "",
    "<@1> did it again <#2> :sparkles:",
    "first try! https://example.com/watch?v=1",
    "**bold** ||hidden|| `code`",
    "<script>alert(1)</script>",
    "ascii art\n```\n/\\_/\\\n```",
    "日本語 и кириллица 🎬",
];

impl World {
    /// A server of this size, in the past whole.
    pub fn generate(seed: u64, spec: &Spec) -> (Self, GuildId) {
        let world = Self::new(seed);
        world.pretend(Some(spec.founded));
        let guild = world.create_guild("The Bower");
        let mut maker = Maker {
            random: StdRng::seed_from_u64(seed),
            users: Vec::new(),
            places: Vec::new(),
            plain: Vec::new(),
            recent: Vec::new(),
            world: world.clone(),
            guild,
            spec: spec.clone(),
        };
        maker.populate();
        world.pretend(None);
        (world, guild)
    }
}

struct Maker {
    random: StdRng,
    world: World,
    guild: GuildId,
    spec: Spec,
    users: Vec<UserId>,
    /// Everywhere that takes messages, with the earliest time for one.
    places: Vec<(ChannelId, u64)>,
    /// Places that are no threads, for forwards and for threads.
    plain: Vec<(ChannelId, Kind)>,
    /// Contents already used, for the duplicates people post.
    recent: Vec<Content>,
}

impl Maker {
    fn populate(&mut self) {
        for n in 0..self.spec.users.max(1) {
            let user = self.world.create_user(&format!("Member {n}"));
            self.world.join(self.guild, user);
            self.users.push(user);
        }
        self.channels();
        let archived = self.threads();
        self.messages();
        // Posting into an archived thread opens it again, so archiving comes last.
        for (thread, at) in archived {
            self.world.archive_thread_at(thread, at);
        }
    }

    fn channels(&mut self) {
        let category = NewChannel::new(Kind::Category, "Everything").at(self.spec.founded);
        let category = self.world.create_channel(self.guild, category);
        for n in 0..self.spec.channels {
            let (kind, name) = match n % 8 {
                3 => (Kind::Announcement, "news"),
                5 => (Kind::Voice, "lounge"),
                7 => (Kind::Stage, "stage"),
                _ => (Kind::Text, "general"),
            };
            let new = NewChannel::new(kind, format!("{name}-{n}")).under(category);
            let id = self.world.create_channel(self.guild, new.at(self.spec.founded));
            self.places.push((id, self.spec.founded));
            self.plain.push((id, kind));
        }
        let everyone = Subject::Role(RoleId(self.guild.0));
        for n in 0..self.spec.unreadable {
            let deny = match n % 2 {
                0 => permissions::VIEW_CHANNEL,
                _ => permissions::READ_MESSAGE_HISTORY,
            };
            let new = NewChannel::text(format!("closed-{n}"))
                .overwrite(Overwrite { subject: everyone, allow: 0, deny })
                .at(self.spec.founded);
            let id = self.world.create_channel(self.guild, new);
            self.places.push((id, self.spec.founded));
        }
    }

    /// Opens all threads and posts; says which to archive, and with what time.
    fn threads(&mut self) -> Vec<(ChannelId, u64)> {
        let mut archived = Vec::new();
        let closes = self.ends();
        for n in 0..self.spec.forums {
            let kind = if n % 2 == 0 { Kind::Forum } else { Kind::Media };
            let new = NewChannel::new(kind, format!("forum-{n}")).at(self.spec.founded);
            let forum = self.world.create_channel(self.guild, new);
            for post in (n..self.spec.posts).step_by(self.spec.forums) {
                let at = self.early();
                let opening = self.message(1).at(at);
                let thread = self.world.create_post(forum, &format!("Post {post}"), opening);
                self.places.push((thread, at));
                if post % 2 == 1 {
                    archived.push((thread, closes + post as u64 * 1000));
                } else if post % 4 == 2 {
                    self.world.delete(thread, MessageId(thread.0));
                }
            }
        }
        let parents: Vec<ChannelId> = self
            .plain
            .iter()
            .filter(|(_, kind)| matches!(kind, Kind::Text | Kind::Announcement))
            .map(|(id, _)| *id)
            .collect();
        if parents.is_empty() {
            return archived;
        }
        for n in 0..self.spec.active_threads + self.spec.archived_threads {
            let parent = parents[n % parents.len()];
            let at = self.early();
            let mut new = NewThread::public(format!("thread {n}")).at(at);
            if n % 2 == 1 {
                let starter = self.message(0).at(at);
                new = new.from_message(self.world.post(parent, starter));
            }
            let thread = self.world.create_thread(parent, new);
            self.places.push((thread, at));
            if n >= self.spec.active_threads {
                let step = if n % 3 == 0 { n - 1 } else { n };
                archived.push((thread, closes + step as u64 * 1000));
            }
        }
        let bot = self.world.bot();
        let texts: Vec<ChannelId> =
            self.plain.iter().filter(|(_, kind)| *kind == Kind::Text).map(|(id, _)| *id).collect();
        for n in 0..if texts.is_empty() { 0 } else { self.spec.private_threads } {
            let at = self.early();
            let mut new = NewThread::private(format!("private {n}")).at(at);
            if n % 2 == 0 {
                new = new.member(bot);
            }
            let thread = self.world.create_thread(texts[n % texts.len()], new);
            self.places.push((thread, at));
            archived.push((thread, closes + n as u64 * 1000));
        }
        archived
    }

    fn messages(&mut self) {
        let mut files = self.spec.attachments;
        for n in 0..self.spec.messages {
            // The first rounds visit every place once, so none is empty by chance.
            let (place, opened) = match self.places.get(n) {
                Some(place) => *place,
                None => *self.places.choose(&mut self.random).expect("there is a channel"),
            };
            let left = self.spec.messages - n;
            let wanted = match files.div_ceil(left) {
                1 if files < left => usize::from(self.random.random_range(0..left) < files),
                several => several,
            };
            files -= wanted;
            let at = self.random.random_range(opened + 1..self.ends());
            let new = self.message(wanted).at(at);
            let id = self.world.post(place, new);
            match self.random.random_range(0..100) {
                0..3 => self.world.delete(place, id),
                3..6 => self.world.edit(place, id, Edit::text("edited")),
                6 => self.world.pin(place, id),
                7..9 => self.forward(place, id),
                _ => {}
            }
        }
    }

    fn forward(&mut self, from: ChannelId, id: MessageId) {
        let (to, _) = *self.plain.choose(&mut self.random).expect("there is a channel");
        let at = self.random.random_range(id.millis() + 1..=self.ends());
        self.world.post(to, NewMessage::default().forward_of(from, id).at(at));
    }

    fn message(&mut self, files: usize) -> NewMessage {
        let text = TEXTS.choose(&mut self.random).copied().unwrap_or_default();
        let author = *self.users.choose(&mut self.random).expect("there is an account");
        let mut new = NewMessage::text(text).by(author);
        for _ in 0..files {
            new = new.attach(self.file());
        }
        match self.random.random_range(0..40) {
            0 => new.sticker(749_054_660_769_218_631, "Wave", 3),
            1 => new.embed(json!({
                "type": "gifv",
                "url": "https://example.com/funny",
                "video": { "url": "https://example.com/funny.mp4", "width": 320, "height": 240 },
            })),
            2 => new.poll(json!({
                "question": { "text": "Which?" },
                "answers": [{ "answer_id": 1, "poll_media": { "text": "This" } }],
                "expiry": "2024-03-02T00:00:00.000000+00:00",
                "allow_multiselect": false,
                "layout_type": 1,
                "results": { "is_finalized": true, "answer_counts": [] },
            })),
            3 if files == 0 => {
                NewMessage::default().by(author).upload(self.file()).component(json!({
                    "type": 12,
                    "id": 1,
                    "items": [{
                        "media": { "id": "1", "url": "sim:0", "proxy_url": "sim:0", "attachment_id": "sim-id:0" },
                        "description": null,
                        "spoiler": false,
                    }],
                }))
            }
            4 => new.webhook(),
            5 => new.mention(author),
            _ => new,
        }
    }

    fn file(&mut self) -> NewAttachment {
        let (name, title) = *NAMES.choose(&mut self.random).expect("there are names");
        let content = match self.random.random_range(0..20) {
            0 => Content::bytes(Vec::new()),
            1..4 if !self.recent.is_empty() => {
                self.recent.choose(&mut self.random).expect("not empty").clone()
            }
            _ => {
                // Small ones are common and large ones rare, as with people's uploads.
                let scale = self.random.random_range(0..=self.spec.largest.max(1).ilog2());
                let size = self.random.random_range(1..=1_u64 << scale);
                Content::seeded(self.random.random(), size)
            }
        };
        self.recent.push(content.clone());
        let mut file = NewAttachment::new(name, content);
        if let Some(title) = title {
            file = file.title(title);
        }
        let kind = file.content_type.clone().unwrap_or_default();
        if kind.starts_with("video/") || kind.starts_with("image/") {
            file = file.dimensions(640, 360).placeholder("3OcRJYB4d3h/iIeHeEh3eIhw+j2w");
        }
        if kind.starts_with("video/") || kind.starts_with("audio/") {
            file = file.duration(f64::from(self.random.random_range(1..600_u16)) / 10.0);
        }
        file
    }

    /// A time in the first tenth, so that threads have room for messages.
    fn early(&mut self) -> u64 {
        let tenth = (self.ends() - self.spec.founded) / 10;
        self.spec.founded + self.random.random_range(1..=tenth.max(1))
    }

    fn ends(&self) -> u64 {
        let span = u64::try_from(self.spec.span.as_millis()).expect("a span of years fits");
        self.spec.founded + span
    }
}
