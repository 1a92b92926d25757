//! Who lives on the demonstrated server, and what they say.
//!
//! Lists that the history and the live posts draw from; a few of them are meant to break a careless page.

use discord_sim::{GuildId, UserId, World};
use rand::{rngs::StdRng, seq::IndexedRandom};

/// Names as people choose them; the last one would run if a page made markup of it.
const NAMES: [&str; 11] = [
    "Wren",
    "Kea",
    "Lyre",
    "Merle",
    "Pica",
    "Rook",
    "Oriole",
    "Tui",
    "Sora 🌿",
    "Zaunkönig",
    "<img src=x onerror=alert(1)>",
];

/// Said with something to look at.
const SHOWN: [&str; 26] = [
    "wait for it",
    "third try, first success",
    "look at this!",
    "",
    "",
    "",
    "I can't believe that worked",
    "nobody will ever believe me",
    "slowed it down so that you can see it",
    "same spot as last week, better light",
    "what do you think, {person}?",
    "{person} this one is for you",
    "here's the one I promised {person}",
    "posted the long version in {channel}",
    "sound on 🔊",
    "**finally** got the colours right",
    "made with an old camera and a lot of patience",
    "the last seconds are the best",
    "still rendering the rest, here is a first look",
    "found this on my phone, no idea when I took it",
    "der Moment danach war noch besser",
    "これはすごい ✨",
    "before / after",
    "1 < 2 & \"quotes\" </script> stay as they are",
    "thanks for the tip, it works!\nDetails: https://example.org/notes?day=3&full=1",
    "my favourite of this month",
];

/// Said without.
const SAID: [&str; 14] = [
    "love it",
    "how did you do that?",
    "{person} have you seen this?",
    "haha",
    "this belongs in {channel}",
    "can you post the original?",
    "good night everybody",
    "👏👏👏",
    "I'll try that tomorrow",
    "that light though",
    "no way",
    "is it supposed to look like that?",
    "welcome!",
    "same here",
];

/// What an author makes of a text later.
const CORRECTED: [&str; 6] = [
    "edit: better cut",
    "edit: forgot to say, best with sound",
    "edit: typo",
    "edit: now the right file, sorry",
    "edit: thanks for all the comments!",
    "edit: more of this next week",
];

/// The accounts of a server.
pub(crate) struct People(Vec<UserId>);

impl People {
    /// Lets everybody join, with a picture each.
    pub(crate) fn join(world: &World, guild: GuildId) -> Self {
        let everybody = NAMES.iter().map(|name| {
            let user = world.create_user(name);
            world.join(guild, user);
            user
        });
        Self(everybody.collect())
    }

    /// Somebody.
    pub(crate) fn any(&self, random: &mut StdRng) -> UserId {
        pick(&self.0, random)
    }
}

/// A text that goes with media; `{person}` and `{channel}` in it are still to be named.
pub(crate) fn shown(random: &mut StdRng) -> &'static str {
    pick(&SHOWN, random)
}

/// A text by itself, likewise.
pub(crate) fn said(random: &mut StdRng) -> &'static str {
    pick(&SAID, random)
}

/// What a text is changed into.
pub(crate) fn corrected(random: &mut StdRng) -> &'static str {
    pick(&CORRECTED, random)
}

/// One of several.
pub(crate) fn pick<T: Copy>(from: &[T], random: &mut StdRng) -> T {
    *from.choose(random).expect("the lists here are not empty")
}
