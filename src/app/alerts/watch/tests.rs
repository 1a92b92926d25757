//! Looks at services that get worse and better, minute by minute.

use super::*;
use crate::{actors::gateway::Health, store::Tallies};

/// A service that is well, at a minute of its life.
fn well(minute: i64) -> Vitals {
    Vitals {
        at: Timestamp::from_secs(minute * 60),
        health: Health { shards: Some(1), connected: [0].into(), heard_at: None },
        lease_held: true,
        tallies: Tallies::default(),
        queues: BTreeMap::new(),
        places: BTreeMap::new(),
        holes: BTreeMap::new(),
        soonest_expiry: None,
        published_at: None,
        verification: None,
        publication_due: None,
        erasing_held: 0,
        store_bytes: 0,
    }
}

/// What is told of a service, each with its minute.
fn told(vitals: impl IntoIterator<Item = Vitals>) -> Vec<(i64, String)> {
    let mut watch = Watch::default();
    vitals
        .into_iter()
        .flat_map(|vitals| {
            let minute = vitals.at.as_secs() / 60;
            watch.look(&vitals).into_iter().map(move |words| (minute, words))
        })
        .collect()
}

/// The minutes in which something is told, and how it begins.
#[track_caller]
fn check(vitals: impl IntoIterator<Item = Vitals>, expected: &[(i64, &str)]) {
    let told = told(vitals);
    let fits = told.len() == expected.len()
        && told.iter().zip(expected).all(|((minute, words), (expected, beginning))| {
            minute == expected && words.starts_with(beginning)
        });
    assert!(fits, "{told:#?}");
}

#[test]
fn a_service_that_is_well_is_left_alone() {
    check((0..500).map(well), &[]);
}

#[test]
fn a_short_outage_is_no_news_and_a_long_one_is_told_once_with_its_end() {
    let deaf = |vitals: Vitals| Vitals { health: Health::default(), ..vitals };
    let outage = |from: i64, to: i64| {
        (0..60).map(move |minute| {
            let vitals = well(minute);
            if (from..to).contains(&minute) { deaf(vitals) } else { vitals }
        })
    };
    check(outage(10, 14), &[]);
    check(outage(10, 40), &[(15, "Capture stopped"), (40, "Over: Discord is listened to")]);
}

#[test]
fn a_bucket_that_takes_nothing_is_told() {
    let away = |minute| Vitals { lease_held: false, ..well(minute) };
    check((0..30).map(away), &[(5, "The bucket takes nothing")]);
}

#[test]
fn a_page_that_falls_behind_and_links_that_die_are_told() {
    let due = |minute| Vitals { publication_due: Some(Timestamp::from_secs(60)), ..well(minute) };
    check((0..30).map(due), &[(17, "The page is not up to date")]);
    let dead = |minute| Vitals { soonest_expiry: Some(Timestamp::from_secs(90)), ..well(minute) };
    check((0..5).map(dead), &[(3, "Links die")]);
}

#[test]
fn a_hole_that_stays_is_told_with_its_name_escaped() {
    let hole = |minute| Vitals {
        holes: BTreeMap::from([(ChannelId(7), ("cl\nips".to_owned(), 2))]),
        ..well(minute)
    };
    check((0..29).map(hole), &[]);
    let told = told((0..60).map(hole));
    assert_eq!(told.len(), 1);
    assert!(told[0].1.contains("2 holes in what was read of \"cl\\nips\" (7)"), "{told:?}");
}

#[test]
fn places_that_are_lost_are_told_and_those_that_never_were_read_are_not() {
    let denied = |minute: i64| Vitals {
        places: BTreeMap::from([(Standing::Denied, if minute < 10 { 4 } else { 6 })]),
        ..well(minute)
    };
    check((0..30).map(denied), &[(10, "2 more channels")]);
}

#[test]
fn what_is_put_aside_is_told_once_an_hour() {
    let parked = |minute: i64| Vitals {
        tallies: Tallies::of(&[(Tally::DownloadsParked, u64::try_from(minute / 10).unwrap())]),
        ..well(1_000 + minute)
    };
    check((0..130).map(parked), &[(1_010, "1 more jobs"), (1_070, "6 more jobs")]);
    let again = [(0, 3), (61, 0), (125, 2)].map(|(minute, count)| Vitals {
        tallies: Tallies::of(&[(Tally::ThumbnailsParked, count)]),
        ..well(1_000 + minute)
    });
    check(again, &[(1_000, "3 more jobs"), (1_125, "2 more jobs")]);
}
