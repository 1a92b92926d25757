//! Places as they come, go and change what may be done in them.

use super::{Loss, PlacesLost, Surveyed};
use crate::{
    domain::{
        id::{ChannelId, GuildId},
        place::{Access, Guild, Place, PlaceKind, Survey},
    },
    store::{
        Deleted, PageRead,
        sample::{CHANNEL, FORUM, POST, THREAD, World, at, id, place},
    },
};

fn survey(world: &World, channels: Vec<Place>) {
    let guild = Guild { id: GuildId(1), name: "birds".into(), icon: None };
    let survey = Survey { guild, channels, answered_at: world.now.get() };
    world.apply(Surveyed { survey });
}

fn missing(world: &World, id: ChannelId) -> bool {
    world.store.place(id).unwrap().unwrap().missing_since.is_some()
}

#[test]
fn a_thread_may_be_read_again_when_its_channel_may() {
    let world = World::new();
    let forum = || place(FORUM, PlaceKind::Forum, None);
    let channel = || place(CHANNEL, PlaceKind::Text, None);
    let standing = || {
        let post = world.store.place(POST).unwrap().unwrap().place;
        (post.access, post.public)
    };
    survey(&world, vec![channel(), Place { access: Access::Hidden, public: false, ..forum() }]);
    assert_eq!(standing(), (Access::Hidden, false));
    survey(&world, vec![channel(), forum()]);
    assert_eq!(standing(), (Access::Readable, true));
}

#[test]
fn a_channel_that_is_gone_takes_its_threads_along() {
    let world = World::new();
    survey(&world, vec![place(CHANNEL, PlaceKind::Text, None)]);
    assert!(missing(&world, FORUM) && missing(&world, POST));
    assert!(!missing(&world, CHANNEL) && !missing(&world, THREAD));
    world.apply(PlacesLost { places: vec![CHANNEL], loss: Loss::Told });
    assert!(missing(&world, CHANNEL) && missing(&world, THREAD));
}

#[test]
fn what_is_watched_begins_with_the_first_survey() {
    let world = World::new();
    survey(&world, Vec::new());
    world.wait(100);
    survey(&world, Vec::new());
    let guild = &world.store.guilds().unwrap()[0].1;
    assert_eq!(guild.watch_from, crate::domain::id::MessageId::at(at(0)));
    assert_eq!(guild.surveyed_at, at(100));
}

#[test]
fn a_deleted_message_is_no_anchor() {
    let world = World::new();
    let page = |anchor| PageRead {
        unreadable: Vec::new(),
        place: CHANNEL,
        span: None,
        messages: Vec::new(),
        anchor,
        answered_at: at(0),
    };
    let anchor = || world.store.place(CHANNEL).unwrap().unwrap().anchor;
    world.apply(page(Some(id(5))));
    world.apply(page(None));
    assert_eq!(anchor(), Some(id(5)));
    world.apply(Deleted { channel: CHANNEL, messages: vec![id(4)] });
    assert_eq!(anchor(), Some(id(5)));
    world.apply(Deleted { channel: CHANNEL, messages: vec![id(5)] });
    assert_eq!(anchor(), None);
}
