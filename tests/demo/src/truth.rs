//! What the page ought to show, told by the simulated Discord itself.
//!
//! Nothing here comes from the service: neither what a file is, nor who may see it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use discord_sim::{ChannelId, Content, Placement, TruthAttachment, TruthMessage, World};

/// The sorts of files that the demo asks for.
pub(crate) const KINDS: [&str; 3] = ["video", "image", "audio"];

/// What a complete page shows.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// By the id of the entry.
    pub(crate) files: BTreeMap<String, TrueFile>,
    /// Channels and threads with something to show: what they are called.
    pub(crate) places: BTreeMap<String, TruePlace>,
    /// Channels that must not be named, nor shown.
    pub(crate) hidden: BTreeMap<String, String>,
    /// What authors are called, and the bytes of their pictures.
    pub(crate) people: BTreeMap<String, TruePerson>,
    /// Messages that exist, wherever.
    pub(crate) messages: usize,
}

/// A file that the page must show.
#[derive(Clone, Debug)]
pub(crate) struct TrueFile {
    pub(crate) channel: String,
    pub(crate) author: String,
    pub(crate) author_name: String,
    /// The text of its message, where it is readable as it stands.
    pub(crate) text: Option<String>,
    pub(crate) edited: bool,
    pub(crate) kind: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    pub(crate) spoiler: bool,
}

/// A channel or thread with something to show.
#[derive(Clone, Debug, Default)]
pub(crate) struct TruePlace {
    pub(crate) name: String,
    /// The channel above a thread.
    pub(crate) parent: Option<String>,
    /// How many files stand here.
    pub(crate) files: u64,
}

/// An author.
#[derive(Clone, Debug)]
pub(crate) struct TruePerson {
    pub(crate) name: String,
    pub(crate) avatar: Option<Content>,
}

impl Truth {
    /// What is so now.
    pub(crate) fn of(world: &World) -> io::Result<Self> {
        let mut truth = Self { messages: world.message_count(), ..Self::default() };
        let places = world.places();
        let is_shown = |place: &&discord_sim::Place| place.public && place.readable && !place.nsfw;
        let shown: BTreeSet<ChannelId> = places.iter().filter(is_shown).map(|p| p.id).collect();
        for message in world.expected() {
            if shown.contains(&message.channel) {
                truth.take(world, &message)?;
            }
        }
        for place in &places {
            let is_thread = place.kind as u8 >= 10 && place.kind as u8 <= 12;
            let known = TruePlace {
                name: place.name.clone(),
                parent: place.parent.filter(|_| is_thread).map(|parent| parent.to_string()),
                files: 0,
            };
            let id = place.id.to_string();
            if !shown.contains(&place.id) {
                truth.hidden.insert(id, known.name);
            } else if let Some(held) = truth.places.get_mut(&id) {
                held.name = known.name;
                held.parent = known.parent;
            }
        }
        Ok(truth)
    }

    fn take(&mut self, world: &World, message: &TruthMessage) -> io::Result<()> {
        for file in message.attachments.iter().filter(|file| is_wanted(file)) {
            let id = format!("{}-{}", message.id, file.id);
            self.files.insert(id, describe(message, file)?);
            self.places.entry(message.channel.to_string()).or_default().files += 1;
            let person = TruePerson {
                name: message.author_name.clone(),
                avatar: world.avatar(message.author).map(|(_, picture)| picture),
            };
            self.people.insert(message.author.to_string(), person);
        }
        Ok(())
    }

    /// How many bytes all files have together, repeated ones as often as they are shown.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.size).sum()
    }
}

fn is_wanted(file: &TruthAttachment) -> bool {
    file.placement == Placement::Listed && KINDS.contains(&kind(file).as_str())
}

/// All that the demo posts is what Discord says it is.
fn kind(file: &TruthAttachment) -> String {
    let claimed = file.content_type.as_deref().unwrap_or_default();
    claimed.split_once('/').map_or(String::new(), |(kind, _)| kind.to_owned())
}

fn describe(message: &TruthMessage, file: &TruthAttachment) -> io::Result<TrueFile> {
    Ok(TrueFile {
        channel: message.channel.to_string(),
        author: message.author.to_string(),
        author_name: message.author_name.clone(),
        text: (!message.content.contains('<')).then(|| message.content.clone()),
        edited: message.edited.is_some(),
        kind: kind(file),
        size: file.content.size(),
        sha256: file.content.sums()?.sha256.clone(),
        spoiler: file.filename.starts_with("SPOILER_"),
    })
}

#[cfg(test)]
mod tests {
    use discord_sim::{Edit, NewAttachment, NewMessage};

    use super::*;
    use crate::server::Server;

    #[test]
    fn only_what_everybody_may_see_and_is_still_there_is_expected() {
        let server = Server::found();
        server.open_doors();
        let world = &server.world;
        let place =
            |name: &str| world.places().into_iter().find(|place| place.name == name).unwrap().id;
        let clip = |byte: u8| NewAttachment::new("SPOILER_clip.mp4", vec![byte; 5]);
        let post = |name, byte| world.post(place(name), NewMessage::text("a").attach(clip(byte)));
        let kept = post("clips", 1);
        let in_thread = post("Falling off things", 2);
        for hidden in ["moderators", "after-dark", "surprise for Wren"] {
            post(hidden, 3);
        }
        let deleted = post("clips", 4);
        world.delete(place("clips"), deleted);
        world.post(place("clips"), NewMessage::text("b").attach(crate::clips::notes()));
        world.edit(place("clips"), kept, Edit::text("<@1>"));

        let truth = Truth::of(world).unwrap();
        let mut messages: Vec<_> =
            truth.files.keys().map(|id| id.split_once('-').unwrap().0.to_owned()).collect();
        messages.sort();
        assert_eq!(messages, [kept.to_string(), in_thread.to_string()]);
        let files: Vec<_> = truth.files.values().collect();
        assert!(files[0].edited && files[0].text.is_none() && files[0].spoiler);
        assert_eq!(files[1].text.as_deref(), Some("a"));
        assert_eq!(truth.bytes(), 10);
        let clips = place("clips").to_string();
        let thread = &truth.places[&files[1].channel];
        assert_eq!((thread.parent.as_deref(), thread.files), (Some(clips.as_str()), 1));
        assert!(truth.hidden.values().any(|name| name == "moderators"));
        assert!(!truth.hidden.values().any(|name| name == "clips"));
    }
}
