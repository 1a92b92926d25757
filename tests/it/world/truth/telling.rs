//! What gateway sessions are told of what happens, when, and what of it is lost for those who listen.

use super::{Post, State};
use bowerbird::domain::id::{ChannelId, MessageId};

/// What becomes of an event on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::world) enum Telling {
    Once,
    Twice,
    Never,
    /// After others that happened later.
    Late,
    /// At once, and again after others that happened later.
    Again,
}

/// Through which events a change could be heard of.
#[derive(Clone, Debug, Default)]
pub(in crate::world) struct Hearing(Vec<(usize, u64)>);

/// A gateway session, with all that it ever sent.
#[derive(Debug)]
pub(in crate::world) struct Session {
    pub(in crate::world) events: Vec<Told>,
    /// From this event on, what was sent is lost: the session could not be resumed there.
    pub(in crate::world) lost_from: u64,
}

/// An event, as it is kept for sending.
#[derive(Clone, Debug)]
pub(in crate::world) enum Told {
    Here,
    Posted(ChannelId, MessageId),
    Edited(ChannelId, MessageId, usize),
    Deleted(ChannelId, MessageId),
    Thread(ChannelId),
    PlacesChanged,
    ChannelGone(ChannelId),
    GuildLost,
}

impl Session {
    /// The event after so many.
    pub(in crate::world) fn at(&self, sent: u64) -> &Told {
        &self.events[usize::try_from(sent).expect("a session is short")]
    }
}

impl Told {
    pub(in crate::world) fn name(&self) -> &'static str {
        match self {
            Self::Here => "server there",
            Self::Posted(..) => "posted",
            Self::Edited(..) => "edited",
            Self::Deleted(..) => "deleted",
            Self::Thread(_) => "thread",
            Self::PlacesChanged => "places changed",
            Self::ChannelGone(_) => "channel gone",
            Self::GuildLost => "server lost",
        }
    }
}

impl State {
    /// Tells the session of an event, and of those that came late.
    pub(super) fn tell(&mut self, event: &Told) -> Hearing {
        let mut hearing = Hearing::default();
        let (now, later) = match self.telling {
            Telling::Once => (1, 0),
            Telling::Twice => (2, 0),
            Telling::Never => (0, 0),
            Telling::Late => (0, 1),
            Telling::Again => (1, 1),
        };
        for _ in 0..now {
            hearing.0.extend(self.send(event));
        }
        if now > 0 {
            self.catch_up();
        }
        self.late.extend(std::iter::repeat_n(event.clone(), later));
        hearing
    }

    /// Sends what is late.
    pub(super) fn catch_up(&mut self) {
        for event in std::mem::take(&mut self.late) {
            let Some(heard) = self.send(&event) else { continue };
            match event {
                Told::Edited(channel, id, version) => {
                    self.post_mut(channel, id).versions[version].hearing.0.push(heard);
                }
                Told::Deleted(channel, id) => {
                    let deleted = &mut self.post_mut(channel, id).deleted;
                    deleted.as_mut().expect("it was deleted").0.push(heard);
                }
                Told::Here | Told::Posted(..) | Told::Thread(_) | Told::PlacesChanged => {}
                Told::GuildLost => {}
                Told::ChannelGone(channel) => {
                    for place in self.channels.values_mut() {
                        if place.place.id != channel && place.place.parent != Some(channel) {
                            continue;
                        }
                        let deleted = place.posts.values_mut().map(|post| &mut post.deleted);
                        for deleted in deleted.chain([&mut place.deleted]) {
                            deleted.as_mut().expect("it was deleted").0.push(heard);
                        }
                    }
                }
            }
        }
    }

    fn post_mut(&mut self, channel: ChannelId, id: MessageId) -> &mut Post {
        let posts = &mut self.channels.get_mut(&channel).expect("it was told of").posts;
        posts.get_mut(&id).expect("it was told of")
    }

    /// The place of an event in the session, if there is one. A session that another one followed hears nothing more.
    fn send(&mut self, event: &Told) -> Option<(usize, u64)> {
        let number = self.sessions.len().checked_sub(1)?;
        let events = &mut self.sessions[number].events;
        events.push(event.clone());
        let place = (number, events.len() as u64);
        if let Told::Thread(thread) = event {
            let parent = self.channels[thread].place.parent;
            let known = parent.is_some_and(|parent| self.channels[&parent].known);
            self.channels.get_mut(thread).expect("it was told of").known |= known;
        }
        Some(place)
    }

    /// Whether somebody who resumes as Discord allows hears of a change for certain.
    pub(in crate::world) fn is_heard(&self, hearing: &Hearing) -> bool {
        hearing.0.iter().any(|(session, number)| *number < self.sessions[*session].lost_from)
    }
}
