//! What was edited and deleted while nobody told of it is found by reading again, and nothing else is.

use std::{collections::BTreeSet, time::Duration};

use bowerbird::{
    actors::reconcile::Reconciling,
    app::{from_now_on, only, reconciling, reconciling_once},
    domain::{
        coverage::{EXTRACTOR, Span},
        id::{ChannelId, MessageId},
        place::Access,
    },
    store::{Change, Tally},
};

use super::{
    World,
    discord::Turn,
    fate::Step,
    file::Sort,
    life::Ran,
    truth::{TakeOff, Telling},
    weather::Climate,
};

const DAY: Duration = Duration::from_hours(24);

/// A channel that was archived, and whose service goes on.
fn archived(seed: u64, messages: usize, reconciling: Reconciling) -> World {
    let mut world = World::new(seed).messages(messages);
    world.reconciling = reconciling;
    world.truth.pass(Duration::from_mins(10));
    world.start();
    world.run_until_idle();
    world
}

/// Those with files, oldest first.
fn with_files(world: &World, channel: ChannelId) -> Vec<MessageId> {
    let state = world.truth.state();
    let posts = state.channels[&channel].posts.iter();
    let with = posts.filter(|(_, post)| post.deleted.is_none() && !post.current().files.is_empty());
    with.map(|(id, _)| *id).collect()
}

/// Something happens of which no event tells.
fn unheard(world: &World, happens: impl FnOnce()) {
    world.truth.state().telling = Telling::Never;
    happens();
    world.truth.state().telling = Telling::Once;
}

fn delete_unheard(world: &World, channel: ChannelId, messages: &[MessageId]) {
    unheard(world, || {
        for id in messages {
            world.truth.delete(channel, *id);
        }
    });
}

fn shown(world: &World) -> BTreeSet<MessageId> {
    let archive = world.archive();
    let ids = archive.entries.values().map(|entry| entry["Discord_id"].as_str().unwrap().parse());
    ids.map(|id: Result<u64, _>| MessageId(id.unwrap())).collect()
}

/// The page shows each message that is there as it is now, and none other.
#[track_caller]
fn assert_exact(world: &World) {
    let mut expected = BTreeSet::new();
    let channels: Vec<_> = world.truth.state().channels.keys().copied().collect();
    for channel in channels {
        expected.extend(with_files(world, channel));
    }
    assert_eq!(shown(world), expected);
    let state = world.truth.state();
    for entry in world.archive().entries.values() {
        let id = MessageId(entry["Discord_id"].as_str().unwrap().parse().unwrap());
        let channel = ChannelId(entry["channelId"].as_str().unwrap().parse().unwrap());
        let post = &state.channels[&channel].posts[&id];
        assert_eq!(entry["Description"], post.current().text);
        let file = entry["Attachment_id"].as_str().unwrap();
        assert!(post.current().files.iter().any(|there| there.to_string() == file), "{entry}");
    }
    drop(state);
    world.assert_archived();
}

fn again(world: &World, call: &str) -> u32 {
    world.again.lock().unwrap().get(call).copied().unwrap_or(0)
}

fn found(world: &World) -> (u64, u64) {
    let tallies = world.store().tallies().unwrap();
    (tallies.get(Tally::EditsFound), tallies.get(Tally::DeletionsFound))
}

#[test]
fn edits_and_deletions_that_nobody_told_of_are_found_within_a_period() {
    let mut world = archived(1, 730, reconciling(Some(DAY)));
    let channel = world.channel();
    let files = with_files(&world, channel);
    let last = *files.last().unwrap();
    // The first of the channel and its last, some between, and two that were next to each other.
    let deleted = [files[0], files[1], files[40], files[77], last];
    unheard(&world, || {
        for id in deleted {
            world.truth.delete(channel, id);
        }
        // Whatever came after the last file goes as well, so that nothing stands above it.
        let state = world.truth.state();
        let above = state.channels[&channel].posts.range(last.next()..);
        let above: Vec<_> = above.map(|(id, _)| *id).collect();
        drop(state);
        for id in above {
            world.truth.delete(channel, id);
        }
        world.truth.edit(channel, files[20], TakeOff::Nothing);
        world.truth.edit(channel, files[60], TakeOff::Last);
    });
    assert_eq!(world.run_for(DAY + Duration::from_hours(2)), Ran::On);
    assert_exact(&world);
    assert_eq!(found(&world), (2, 5));
    world.drain();
}

#[test]
fn what_was_deleted_is_missed_though_the_disk_was_lost() {
    let mut world = archived(21, 130, reconciling(Some(DAY)));
    let channel = world.channel();
    let files = with_files(&world, channel);
    world.crash();
    world.disk_is_lost();
    // Only the page knows of it, and nobody will tell.
    delete_unheard(&world, channel, &[files[3], files[17]]);
    world.start();
    assert_eq!(world.run_for(DAY + Duration::from_hours(2)), Ran::On);
    assert_exact(&world);
    assert_eq!(found(&world), (0, 2));
}

#[test]
fn a_round_takes_a_request_for_each_page_and_is_spread_over_its_period() {
    let world = archived(2, 2_000, reconciling(Some(2 * DAY)));
    for number in 0..3 {
        let channel = world.truth.add_channel(&format!("small {number}"));
        world.truth.post(channel, &[Sort::Film]);
    }
    world.run_for(Duration::from_hours(2));
    world.run_until_idle();
    assert_eq!(world.run_for(DAY), Ran::On);
    let half = again(&world, "messages");
    assert!((9..=14).contains(&half), "{half} of 24 pages in half the time");
    assert_eq!(world.run_for(DAY), Ran::On);
    let whole = again(&world, "messages");
    assert!((22..=26).contains(&whole), "{whole} pages");
    assert_eq!(again(&world, "message"), 0, "nothing was suspect");
    let state = world.store().reread_state().unwrap();
    assert!(state.places.values().all(|place| place.round.done.is_some()), "{state:#?}");
    world.assert_archived();
}

#[test]
fn what_was_posted_lately_is_read_again_first_when_events_were_lost() {
    let mut world = archived(3, 1_500, reconciling(Some(3 * DAY)));
    let channel = world.channel();
    let old = with_files(&world, channel)[3];
    world.crash();
    world.truth.pass(5 * DAY);
    let lately: Vec<_> = (0..150).map(|_| world.truth.post(channel, &[Sort::Film])).collect();
    world.start();
    world.run_until_idle();
    let before = again(&world, "messages");
    world.crash();
    // Deleted while nobody listened, and the session can't be resumed.
    delete_unheard(&world, channel, &[old, lately[10], lately[149]]);
    world.weather.turn(Climate { session_ends: 1.0, ..Climate::calm() });
    world.start();
    world.run_for(Duration::from_mins(5));
    assert_eq!(found(&world), (0, 2), "the old one can wait");
    let pages = again(&world, "messages") - before;
    assert!((2..=4).contains(&pages), "{pages} pages for 150 messages");
    assert_eq!(world.store().reread_state().unwrap().unheard, None);
    world.run_for(Duration::from_mins(5));
    assert!(!shown(&world).contains(&lately[149]));
    world.run_for(3 * DAY);
    assert_exact(&world);
    assert_eq!(found(&world), (0, 3));
}

#[test]
fn nothing_is_read_again_where_nobody_wants_it() {
    let mut world = archived(4, 300, Reconciling::Never);
    let channel = world.channel();
    let files = with_files(&world, channel);
    delete_unheard(&world, channel, &files[..3]);
    world.weather.turn(Climate { session_ends: 1.0, ..Climate::calm() });
    world.restart();
    world.run_for(2 * DAY);
    assert!(world.again.lock().unwrap().is_empty());
    assert!(shown(&world).contains(&files[0]));
}

#[test]
fn a_permission_that_goes_and_comes_back_proves_nothing() {
    for access in [Access::NoHistory, Access::Hidden] {
        for at in 1..=8 {
            let world = archived(u64::from(at), 260, reconciling(Some(DAY / 4)));
            let channel = world.channel();
            let files = with_files(&world, channel);
            delete_unheard(&world, channel, &[files[10], files[11], files[30]]);
            {
                let mut turns = world.turns.lock().unwrap();
                let so_far = turns.0[&channel];
                turns.1.push(Turn { at: so_far + at, channel, access });
            }
            world.run_for(DAY / 4 + Duration::from_hours(3));
            let gone = found(&world).1;
            assert!(gone <= 3, "{gone} deletions of three at {at}, {access:?}");
            for id in [files[0], files[20], *files.last().unwrap()] {
                assert!(shown(&world).contains(&id), "{id} is there, {access:?} at {at}");
            }
            world.truth.permit(channel, Access::Readable);
            world.run_for(DAY / 2);
            assert_exact(&world);
            assert_eq!(found(&world).1, 3);
        }
    }
}

#[test]
fn a_page_that_leaves_something_out_is_not_believed() {
    let world = archived(5, 400, reconciling(Some(DAY)));
    let channel = world.channel();
    let files = with_files(&world, channel);
    // A few, and then so many that they are not each asked for at first.
    world.truth.state().overlooked.extend([files[5], files[6]]);
    world.truth.state().overlooked.extend(&files[40..52]);
    world.run_for(2 * DAY);
    assert_eq!(found(&world), (0, 0));
    assert_exact(&world);
    // Neither is one who finds nothing any more.
    world.truth.state().mislaid.extend(&files);
    let posts: Vec<_> = world.truth.state().channels[&channel].posts.keys().copied().collect();
    world.truth.state().mislaid.extend(posts);
    world.run_for(2 * DAY);
    assert_eq!(found(&world), (0, 0));
    // One is gone among many that are only left out.
    world.truth.state().mislaid.clear();
    delete_unheard(&world, channel, &[files[45]]);
    world.run_for(2 * DAY);
    assert_eq!(found(&world), (0, 1));
    world.truth.state().overlooked.clear();
    assert_exact(&world);
}

#[test]
fn whoever_deletes_a_thousand_messages_costs_no_thousand_requests() {
    let world = archived(6, 3_000, reconciling(Some(DAY)));
    let channel = world.channel();
    let files = with_files(&world, channel);
    // The newest two hundred files, and half of the rest.
    let kept: Vec<_> = files[..400].iter().step_by(2).copied().collect();
    let deleted: Vec<_> = files.iter().copied().filter(|id| !kept.contains(id)).collect();
    delete_unheard(&world, channel, &deleted);
    world.run_for(DAY + Duration::from_hours(2));
    assert_exact(&world);
    assert_eq!(found(&world), (0, 400));
    let asked = again(&world, "message");
    let pages = again(&world, "messages");
    assert!(asked <= 200 && pages <= 75, "{asked} messages and {pages} pages were asked for");
}

#[test]
fn an_empty_channel_proves_nothing_until_somebody_posts_there() {
    let world = archived(7, 30, reconciling(Some(DAY)));
    let channel = world.channel();
    let files = with_files(&world, channel);
    let posts: Vec<_> = world.truth.state().channels[&channel].posts.keys().copied().collect();
    delete_unheard(&world, channel, &posts);
    world.run_for(2 * DAY);
    assert_eq!(found(&world), (0, 0));
    assert_eq!(shown(&world).len(), files.len());
    world.truth.post(channel, &[Sort::Film]);
    world.run_for(2 * DAY);
    assert_exact(&world);
    assert_eq!(usize::try_from(found(&world).1).unwrap(), files.len());
}

#[test]
fn whoever_dies_in_between_goes_on_where_it_stopped() {
    for (seed, step) in [(8, Step::Answered), (9, Step::Commit), (10, Step::Flushed)] {
        let mut world = archived(seed, 1_200, reconciling(Some(DAY)));
        let channel = world.channel();
        let files = with_files(&world, channel);
        world.run_for(Duration::from_hours(12));
        delete_unheard(&world, channel, &[files[2], files[30], files[60]]);
        world.crash();
        let before = again(&world, "messages");
        assert!((4..10).contains(&before), "{before} of 13 pages in half a day");
        for time in [4, 2] {
            world.crash_at(step, time);
            world.start();
            world.run_for(Duration::from_hours(2));
            world.crash();
            world.assert_sound();
        }
        world.start();
        world.run_for(Duration::from_hours(12));
        let pages = again(&world, "messages");
        assert!(pages <= 16, "{pages} pages of a round that takes 13");
        assert_exact(&world);
        assert_eq!(found(&world), (0, 3));
    }
}

#[test]
fn holes_are_read_before_anything_is_read_again() {
    let mut world = World::new(11).messages(2_500).wanted(from_now_on(false));
    world.reconciling = reconciling(Some(30 * DAY));
    world.start();
    world.run_until_idle();
    let channel = world.channel();
    let lately: Vec<_> = (0..20).map(|_| world.truth.post(channel, &[Sort::Film])).collect();
    world.run_for(Duration::from_mins(10));
    world.run_until_idle();
    world.crash();
    // From now on history is wanted too, and events were lost.
    world.wanted = from_now_on(true);
    delete_unheard(&world, channel, &lately[3..5]);
    world.weather.turn(Climate { session_ends: 1.0, ..Climate::calm() });
    world.start();
    let ran = world.life().run_until(DAY, |_| again(&world, "messages") > 0);
    assert_eq!(ran, Ran::On);
    let row = world.store().place(channel).unwrap().unwrap();
    let oldest = *world.truth.state().channels[&channel].posts.keys().next().unwrap();
    let read = Span::new(oldest, *lately.last().unwrap()).unwrap();
    assert_eq!(row.coverage.holes(read, EXTRACTOR), [], "there was more to read");
    world.run_for(Duration::from_hours(1));
    assert_exact(&world);
    assert_eq!(found(&world), (0, 2));
}

#[test]
fn a_fetch_reads_again_what_it_is_asked_for_and_ends() {
    let mut world = archived(12, 900, Reconciling::Never);
    let channel = world.channel();
    let files = with_files(&world, channel);
    world.crash();
    delete_unheard(&world, channel, &[files[4], files[100]]);
    let ask = |first| {
        let span = Span::from(first);
        (only(span), reconciling_once(span, Some(world.truth.now())))
    };
    let done = |world: &World| {
        let service = world.life().service.as_ref().unwrap();
        world.life().run(service.done()).unwrap();
    };
    (world.wanted, world.reconciling) = ask(files[50]);
    world.crash_at(Step::Answered, 8);
    world.start();
    world.run_for(Duration::from_mins(2));
    world.restart();
    done(&world);
    assert_eq!(found(&world), (0, 1));
    let pages = again(&world, "messages");
    assert!((7..=10).contains(&pages), "{pages} pages for 650 messages");
    world.crash();
    (world.wanted, world.reconciling) = (only(Span::ALL), world.reconciling);
    world.start();
    done(&world);
    assert_eq!(again(&world, "messages"), pages, "it was read again already");
    world.crash();
    world.reconciling = reconciling_once(Span::ALL, Some(world.truth.now()));
    world.start();
    done(&world);
    assert_eq!(found(&world), (0, 2));
    world.run_until_idle();
    assert_exact(&world);
}

#[test]
fn messages_that_were_put_aside_are_asked_for_again_on_request() {
    let mut world = World::new(13).messages(60);
    let channel = world.channel();
    let files = with_files(&world, channel);
    world.truth.state().garbled.extend([files[3], files[4], files[5]]);
    world.start();
    world.run_for(Duration::from_mins(30));
    let parked = |world: &World| world.store().parked_messages(9).unwrap().len();
    assert_eq!(parked(&world), 3);
    let retry = |world: &World| {
        let service = world.life().service.as_ref().unwrap();
        world.life().run(service.ledger.record([Change::RetryParked]));
        world.run_for(Duration::from_mins(5));
    };
    retry(&world);
    assert_eq!(parked(&world), 3, "they make no sense still");
    world.truth.state().garbled.remove(&files[3]);
    world.truth.state().garbled.remove(&files[5]);
    delete_unheard(&world, channel, &[files[5]]);
    retry(&world);
    assert_eq!(parked(&world), 1);
    assert!(shown(&world).contains(&files[3]));
    assert!(!shown(&world).contains(&files[5]));
    world.truth.state().garbled.clear();
    retry(&world);
    world.run_until_idle();
    assert_exact(&world);
}
