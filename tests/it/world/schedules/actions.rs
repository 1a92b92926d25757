//! What may happen in a schedule, and how often in comparison with the rest.
//!
//! An action happens while a process lives or between two lives. One that does not apply does nothing.

use std::{sync::atomic::Ordering, time::Duration};

use bowerbird::domain::{
    forget::Forgotten,
    id::{ChannelId, MessageId},
    place::Access,
};
use rand::{Rng, seq::IndexedRandom};

use super::{Schedule, storm};
use crate::world::{
    file::Sort,
    life,
    truth::{TakeOff, Telling},
};

/// How wrong a clock may be at most: more than a lease lasts, and less than the patience of whoever waits for the end.
pub(super) const CLOCK_ERROR: Duration = Duration::from_mins(50);

/// Who takes a dead link for a live one loses a file: links are made new a sixth of their life before its end, and
/// no clock is as wrong as that.
const OF_A_LINK: u32 = 8;

/// How many messages go at once at most: more files than count as a wave.
const PURGED: usize = 60;

/// Something that may happen.
type Action = fn(&mut Schedule);

/// Everything that may happen, and how likely it is.
const ACTIONS: &[(u32, Action)] = &[
    (128, post_somewhere),
    (32, post_several),
    (32, edit),
    (40, delete),
    (8, purge),
    (16, thread),
    (16, permission),
    (16, bucket_goes_away),
    (16, bucket_comes_back),
    (8, clock_jumps),
    (8, clock_is_set_right),
    (8, long_time_passes),
    (8, file_is_lost),
    (6, place_goes),
    (6, something_is_forgotten),
];

/// One thing happens, and Discord tells of it or not.
pub(super) fn something_happens(schedule: &mut Schedule) {
    let telling = telling(schedule);
    schedule.world.truth.state().telling = telling;
    let total: u32 = ACTIONS.iter().map(|(weight, _)| weight).sum();
    let mut thrown = schedule.dice.random_range(0..total);
    for (weight, action) in ACTIONS {
        if thrown < *weight {
            action(schedule);
            break;
        }
        thrown -= weight;
    }
    schedule.world.truth.state().telling = Telling::Once;
}

fn telling(schedule: &mut Schedule) -> Telling {
    if !schedule.foul {
        return Telling::Once;
    }
    let (telling, fault) = match schedule.dice.random_range(0..16) {
        0 => (Telling::Never, "gateway: event lost"),
        1 => (Telling::Twice, "gateway: event twice"),
        2 => (Telling::Late, "gateway: event late"),
        3 => (Telling::Again, "gateway: event again, late"),
        _ => return Telling::Once,
    };
    schedule.world.weather.meets(fault);
    telling
}

fn post_somewhere(schedule: &mut Schedule) {
    let channel = some_channel(schedule);
    post(schedule, channel);
}

/// Somebody posts words, or a file or two.
pub(super) fn post(schedule: &mut Schedule, channel: ChannelId) {
    let files = *[0, 0, 1, 1, 2].choose(&mut schedule.dice).unwrap();
    let sorts: Vec<_> =
        (0..files).map(|_| *Sort::ALL.choose(&mut schedule.dice).unwrap()).collect();
    schedule.world.truth.post(channel, &sorts);
}

fn post_several(schedule: &mut Schedule) {
    let channel = some_channel(schedule);
    for _ in 0..schedule.dice.random_range(1..6) {
        post(schedule, channel);
    }
}

fn edit(schedule: &mut Schedule) {
    let Some((channel, message)) = some_message(schedule) else { return };
    let takes = *[TakeOff::Nothing, TakeOff::Last].choose(&mut schedule.dice).unwrap();
    schedule.world.truth.edit(channel, message, takes);
}

fn delete(schedule: &mut Schedule) {
    let Some((channel, message)) = some_message(schedule) else { return };
    schedule.world.truth.delete(channel, message);
}

/// Somebody tidies up, or is an attacker: the latest messages of a place go all at once.
fn purge(schedule: &mut Schedule) {
    let channel = some_channel(schedule);
    let most = schedule.dice.random_range(2..PURGED);
    let messages: Vec<_> = {
        let state = schedule.world.truth.state();
        state.channels[&channel].posts.keys().rev().take(most).copied().collect()
    };
    for message in messages {
        schedule.world.truth.delete(channel, message);
    }
}

/// A thread begins, or is archived.
fn thread(schedule: &mut Schedule) {
    let channel = some_channel(schedule);
    let is_thread = schedule.world.truth.state().channels[&channel].place.kind.is_thread();
    if is_thread {
        schedule.world.truth.archive(channel);
    } else {
        let thread = schedule.world.truth.add_thread(channel, "new thread");
        post(schedule, thread);
    }
}

/// What may be read of a channel may be read of its threads.
fn permission(schedule: &mut Schedule) {
    let channel = some_channel(schedule);
    let parent = schedule.world.truth.state().channels[&channel].place.parent;
    let all = [Access::Readable, Access::NoHistory, Access::Hidden];
    let access = *all.choose(&mut schedule.dice).unwrap();
    if access != Access::Readable {
        schedule.world.weather.meets("discord: permission withdrawn");
    }
    schedule.world.truth.permit(parent.unwrap_or(channel), access);
}

fn bucket_goes_away(schedule: &mut Schedule) {
    if schedule.foul {
        schedule.world.weather.meets("bucket: away");
        schedule.world.bucket_is(life::away());
    }
}

fn bucket_comes_back(schedule: &mut Schedule) {
    if schedule.foul {
        schedule.world.bucket_is(storm());
    }
}

/// Somebody sets the clock of the machine, or its battery died.
fn clock_jumps(schedule: &mut Schedule) {
    if !schedule.foul {
        return;
    }
    let lives = schedule.world.truth.state().link_lives;
    let most = i64::try_from(CLOCK_ERROR.min(lives / OF_A_LINK).as_millis()).unwrap();
    let error = schedule.dice.random_range(-most..=most);
    let fault = if error < 0 { "clock: jumps back" } else { "clock: jumps forward" };
    schedule.world.weather.meets(fault);
    schedule.world.clock_error.store(error, Ordering::Relaxed);
}

fn clock_is_set_right(schedule: &mut Schedule) {
    schedule.world.clock_error.store(0, Ordering::Relaxed);
}

/// Discord loses a file without a word.
fn file_is_lost(schedule: &mut Schedule) {
    let Some((channel, message)) = some_message(schedule) else { return };
    let files = {
        let state = schedule.world.truth.state();
        state.channels[&channel].posts[&message].current().files.clone()
    };
    if let Some(file) = files.choose(&mut schedule.dice) {
        schedule.world.weather.meets("discord: file lost");
        schedule.world.truth.lose(*file);
    }
}

/// Somebody deletes a thread, or a channel with its threads, but not the last one: a server without any channel is
/// believed to be out of sight.
fn place_goes(schedule: &mut Schedule) {
    let channel = some_channel(schedule);
    let last = {
        let state = schedule.world.truth.state();
        state.there().filter(|channel| !channel.place.kind.is_thread()).count() < 2
    };
    let is_thread = schedule.world.truth.state().channels[&channel].place.kind.is_thread();
    if is_thread || !last {
        schedule.world.weather.meets("discord: place deleted");
        schedule.world.truth.delete_channel(channel);
    }
}

/// Somebody asks that a message, a person or a place be forgotten, whether it is still on Discord or not.
fn something_is_forgotten(schedule: &mut Schedule) {
    let posts: Vec<_> = {
        let state = schedule.world.truth.state();
        state.posts().map(|(id, post, channel)| (id, post.author, channel.place.id)).collect()
    };
    let Some((message, author, channel)) = posts.choose(&mut schedule.dice).copied() else {
        return;
    };
    let (what, about) = match schedule.dice.random_range(0..4) {
        0 => (Forgotten::User(author), "person: forgotten"),
        1 => (Forgotten::Channel(channel), "place: forgotten"),
        _ => (Forgotten::Message(message), "message: forgotten"),
    };
    schedule.world.weather.meets(about);
    schedule.world.ask_to_forget(what);
}

/// Long enough for what nothing names to be swept.
fn long_time_passes(schedule: &mut Schedule) {
    schedule.pause = Duration::from_secs(schedule.dice.random_range(1_000..5_000));
}

fn some_channel(schedule: &mut Schedule) -> ChannelId {
    let channels: Vec<_> =
        schedule.world.truth.state().there().map(|channel| channel.place.id).collect();
    *channels.choose(&mut schedule.dice).unwrap()
}

fn some_message(schedule: &mut Schedule) -> Option<(ChannelId, MessageId)> {
    let channel = some_channel(schedule);
    let state = schedule.world.truth.state();
    let messages: Vec<_> = state.channels[&channel].posts.keys().copied().collect();
    Some((channel, *messages.choose(&mut schedule.dice)?))
}
