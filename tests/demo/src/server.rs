//! The demonstrated server: its channels, forums and threads, laid out before anybody posts.
//!
//! What must not appear on the page is here too: a private and an age-restricted channel, and a private thread.

use discord_sim::{
    ChannelId, GuildId, Kind, NewChannel, NewThread, Overwrite, RoleId, Subject, UserId,
    VIEW_CHANNEL, World,
};

use crate::people::People;

/// What the server and the page are called.
pub(crate) const NAME: &str = "The Bower";

/// Decides every id, hash and token.
const SEED: u64 = 7;

/// A day in milliseconds.
pub(crate) const DAY: u64 = 24 * 60 * 60 * 1000;

/// How old the server is: long enough for two of every month.
const AGE: u64 = 730 * DAY;

/// What a channel is for, which decides how much of what is posted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Nearly every post brings media.
    Show,
    /// Some do.
    Talk,
}

/// A place where people write, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    /// The channel or thread.
    pub(crate) id: ChannelId,
    /// What it is for.
    pub(crate) purpose: Purpose,
    /// How often people write here, beside the others.
    pub(crate) weight: u32,
    /// When it was opened (unix milliseconds).
    pub(crate) opened: u64,
    /// When it ended, for threads that did.
    pub(crate) closed: Option<u64>,
}

/// The server with its people.
pub(crate) struct Server {
    /// The truth.
    pub(crate) world: World,
    /// The server.
    pub(crate) guild: GuildId,
    /// Who writes.
    pub(crate) people: People,
    /// Where they write.
    pub(crate) spots: Vec<Spot>,
    /// Forum and media channels, which hold posts only.
    pub(crate) forums: Vec<ChannelId>,
    /// Channels that a text may point at by name.
    pub(crate) named: Vec<ChannelId>,
    /// When it all began (unix milliseconds).
    pub(crate) founded: u64,
}

/// The channels: category, kind, name, what it is for, how busy it is.
const CHANNELS: [(&str, Kind, &str, Purpose, u32); 11] = [
    ("Welcome", Kind::Announcement, "news", Purpose::Talk, 3),
    ("Welcome", Kind::Text, "introductions", Purpose::Talk, 3),
    ("Clips", Kind::Text, "clips", Purpose::Show, 12),
    ("Clips", Kind::Text, "best-of", Purpose::Show, 5),
    ("Clips", Kind::Text, "screenshots", Purpose::Show, 6),
    ("Clips", Kind::Text, "works-in-progress", Purpose::Show, 6),
    ("Clips", Kind::Media, "gallery", Purpose::Show, 0),
    ("Hangout", Kind::Text, "general", Purpose::Talk, 10),
    ("Hangout", Kind::Voice, "Lounge", Purpose::Talk, 4),
    // A voice channel may be called anything.
    ("Hangout", Kind::Voice, "<script>alert(1)</script>", Purpose::Talk, 1),
    ("Hangout", Kind::Forum, "show-and-tell", Purpose::Show, 0),
];

/// Threads: the channel they are in, their name, when they opened and closed, in days after the founding.
const THREADS: [(&str, &str, u64, Option<u64>); 8] = [
    ("clips", "Summer challenge", 120, Some(160)),
    ("clips", "Falling off things", 300, None),
    ("clips", "Slow motion only", 610, None),
    ("best-of", "Best of last year", 380, Some(420)),
    ("screenshots", "\"><svg onload=alert(1)> ../../etc/passwd", 200, Some(230)),
    ("works-in-progress", "Fractals, all of them", 450, None),
    ("news", "About the new rules", 500, Some(515)),
    ("general", "\u{202e}sdrawkcab", 560, Some(590)),
];

impl Server {
    /// Founds the server, two years before now.
    pub(crate) fn found() -> Self {
        let world = World::new(SEED);
        let founded = world.clock().now() - AGE;
        world.pretend(Some(founded));
        let guild = world.create_guild(NAME);
        let people = People::join(&world, guild);
        let mut server = Self {
            world,
            guild,
            people,
            spots: Vec::new(),
            forums: Vec::new(),
            named: Vec::new(),
            founded,
        };
        server.lay_out_channels();
        server.lay_out_threads();
        server
    }

    /// Lets time run again, and closes what is closed by now: posting into an archived thread would open it again.
    pub(crate) fn open_doors(&self) {
        for (thread, closed) in self.spots.iter().filter_map(|spot| Some((spot.id, spot.closed?))) {
            self.world.archive_thread_at(thread, closed);
        }
        self.world.pretend(None);
    }

    fn lay_out_channels(&mut self) {
        let mut category: Option<(&str, ChannelId)> = None;
        for (above, kind, name, purpose, weight) in CHANNELS {
            let parent = match category {
                Some((known, id)) if known == above => id,
                _ => self.world.create_channel(self.guild, NewChannel::new(Kind::Category, above)),
            };
            category = Some((above, parent));
            let new = NewChannel::new(kind, name).under(parent);
            let id = self.world.create_channel(self.guild, new);
            if kind == Kind::Forum || kind == Kind::Media {
                self.forums.push(id);
            } else {
                self.add(id, purpose, weight, self.founded, None);
                self.named.push(id);
            }
        }
        self.hidden_channels();
    }

    /// Everything about these stays off the page, and people write here as anywhere.
    fn hidden_channels(&mut self) {
        let everyone = Subject::Role(RoleId(self.guild.0));
        let own = Subject::Role(self.world.bot_role(self.guild));
        let private = NewChannel::text("moderators")
            .overwrite(Overwrite { subject: everyone, allow: 0, deny: VIEW_CHANNEL })
            .overwrite(Overwrite { subject: own, allow: VIEW_CHANNEL, deny: 0 });
        for new in [private, NewChannel::text("after-dark").nsfw()] {
            let id = self.world.create_channel(self.guild, new);
            self.add(id, Purpose::Show, 1, self.founded, None);
        }
    }

    fn lay_out_threads(&mut self) {
        for (parent, name, opened, closed) in THREADS {
            let opened = self.founded + opened * DAY;
            let closed = closed.map(|closed| self.founded + closed * DAY);
            let parent = self.channel(parent);
            let id = self.world.create_thread(parent, NewThread::public(name).at(opened));
            self.add(id, Purpose::Show, 4, opened, closed);
        }
        let opened = self.founded + 470 * DAY;
        let secret = NewThread::private("surprise for Wren").member(self.world.bot()).at(opened);
        let id = self.world.create_thread(self.channel("general"), secret);
        self.add(id, Purpose::Show, 1, opened, None);
    }

    fn channel(&self, name: &str) -> ChannelId {
        let places = self.world.places();
        places.iter().find(|place| place.name == name).expect("the lists here agree").id
    }

    pub(crate) fn add(
        &mut self,
        id: ChannelId,
        purpose: Purpose,
        weight: u32,
        opened: u64,
        closed: Option<u64>,
    ) {
        self.spots.push(Spot { id, purpose, weight, opened, closed });
    }

    /// What people call an account.
    pub(crate) fn mention(user: UserId) -> String {
        format!("<@{user}>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_has_what_a_page_must_show_and_what_it_must_hide() {
        let server = Server::found();
        server.open_doors();
        let places = server.world.places();
        let named = |name: &str| places.iter().find(|place| place.name == name).unwrap();
        assert!(named("clips").public && named("clips").readable);
        assert!(!named("moderators").public && named("moderators").readable);
        assert!(named("after-dark").nsfw);
        assert!(!named("surprise for Wren").public && named("surprise for Wren").readable);
        assert!(named("Summer challenge").archived && !named("Falling off things").archived);
        assert_eq!(server.forums.len(), 2);
        let age = server.world.clock().now() - server.guild.millis();
        assert!((AGE..AGE + DAY).contains(&age));
    }
}
