//! Which page comes next, when, and which absences are suspects.

use proptest::prelude::*;

use super::*;

fn span(first: u64, last: u64) -> Span {
    Span::new(MessageId(first), MessageId(last)).unwrap()
}

fn spans(spans: &[(u64, u64)]) -> Vec<Span> {
    spans.iter().map(|&(first, last)| span(first, last)).collect()
}

fn sight(below: u64, shown: &[u64], full: bool) -> Sight {
    Sight { below: MessageId(below), shown: shown.iter().copied().map(MessageId).collect(), full }
}

#[track_caller]
fn check_bound(covered: &[(u64, u64)], window: Span, below: u64, bound: Option<u64>) {
    let below = if below == 0 { MessageId::LAST } else { MessageId(below) };
    assert_eq!(next_bound(&spans(covered), window, below), bound.map(MessageId));
}

#[test]
fn what_is_covered_is_gone_through_from_above_and_holes_are_left_out() {
    check_bound(&[], Span::ALL, 0, None);
    check_bound(&[(10, 20)], Span::ALL, 0, Some(21));
    check_bound(&[(10, 20)], Span::ALL, 15, Some(15));
    check_bound(&[(10, 20)], Span::ALL, 10, None);
    check_bound(&[(10, 20), (30, 40)], Span::ALL, 30, Some(21));
    check_bound(&[(10, 20), (30, 40)], Span::ALL, 25, Some(21));
    check_bound(&[(10, 20), (30, 40)], span(12, 35), 0, Some(36));
    check_bound(&[(10, 20), (30, 40)], span(25, 35), 30, None);
    check_bound(&[(10, 20)], span(30, 40), 0, None);
    check_bound(&[(0, 20)], Span::ALL, 1, Some(1));
}

#[track_caller]
fn check_absent(sight: &Sight, kept: &[u64], absent: &[u64]) {
    let kept: Vec<_> = kept.iter().copied().map(MessageId).collect();
    let absent: Vec<_> = absent.iter().copied().map(MessageId).collect();
    assert_eq!(sight.absent(&spans(&[(0, 50), (60, 100)]), &kept), absent);
}

#[test]
fn only_what_a_page_speaks_of_is_suspect() {
    // Between its messages, and above them where it was asked for.
    check_absent(&sight(90, &[20, 30, 40], true), &[10, 20, 25, 30, 35, 70, 95], &[25, 35, 70]);
    // Not where nobody ever read.
    check_absent(&sight(90, &[40, 80], true), &[45, 55, 70], &[45, 70]);
    // A page that is not full does not speak of what lies below.
    check_absent(&sight(90, &[40, 80], false), &[10, 70], &[70]);
    // One that shows where it began, and nothing else, does.
    check_absent(&sight(41, &[40], false), &[10, 20, 40, 70], &[10, 20]);
    check_absent(&sight(42, &[40], false), &[10, 20, 40, 70], &[]);
    // An empty page proves nothing.
    check_absent(&sight(90, &[], false), &[10, 70], &[]);
}

#[track_caller]
fn check_next(sight: &Sight, window: Span, keeps: Keeps, next: Option<u64>) {
    let covered = spans(&[(0, 50), (60, 100)]);
    assert_eq!(sight.next(&covered, window, keeps), next.map(MessageId));
}

#[test]
fn pages_overlap_and_end_where_nothing_is_left() {
    use Keeps::{Nothing, Something};
    check_next(&sight(101, &[70, 80], true), Span::ALL, Nothing, Some(71));
    // The lowest of what was read, or a hole right below it.
    check_next(&sight(101, &[60, 80], true), Span::ALL, Nothing, Some(51));
    check_next(&sight(101, &[55, 80], true), Span::ALL, Nothing, Some(51));
    check_next(&sight(101, &[40, 80], true), Span::ALL, Nothing, Some(41));
    check_next(&sight(101, &[70, 80], true), span(71, 100), Nothing, None);
    check_next(&sight(51, &[0, 20], true), Span::ALL, Something, None);
    // The end of the channel.
    check_next(&sight(51, &[10, 20], false), Span::ALL, Nothing, None);
    check_next(&sight(51, &[10, 20], false), Span::ALL, Something, Some(11));
    check_next(&sight(11, &[10], false), Span::ALL, Something, None);
    // A page of one message goes on all the same.
    check_next(&sight(11, &[10], true), Span::ALL, Nothing, Some(10));
    check_next(&sight(51, &[], false), Span::ALL, Something, None);
}

#[track_caller]
fn check_pace(last: i64, rounds: &[(i64, u64)], next: Option<i64>) {
    let rounds: Vec<_> = rounds
        .iter()
        .map(|&(due, pages)| Round { due: Timestamp::from_secs(due), pages })
        .collect();
    let next = next.map(Timestamp::from_secs);
    assert_eq!(next_page_at(Timestamp::from_secs(last), &rounds), next);
}

#[test]
fn pages_are_spread_so_that_each_round_ends_in_time() {
    check_pace(0, &[], None);
    check_pace(0, &[(1_000, 1)], Some(1_000));
    check_pace(0, &[(1_000, 10)], Some(100));
    check_pace(900, &[(1_000, 1)], Some(1_000));
    // Two that are due together share the time; one that is due later has more.
    check_pace(0, &[(1_000, 5), (1_000, 5)], Some(100));
    check_pace(0, &[(4_000, 10), (1_000, 5)], Some(200));
    check_pace(0, &[(4_200, 100), (1_000, 5)], Some(40));
    // Whoever is late reads a page a second.
    check_pace(5_000, &[(1_000, 5)], Some(5_001));
    check_pace(0, &[(10, 1_000)], Some(1));
}

#[test]
fn the_pages_of_a_place_are_estimated() {
    for (messages, left, expected) in [
        (0, 1.0, 1),
        (99, 1.0, 1),
        (100, 1.0, 2),
        (9_900, 1.0, 100),
        (9_900, 0.5, 50),
        (9_900, 0.0, 1),
    ] {
        assert_eq!(pages(messages, left), expected, "{messages} {left}");
    }
}

#[test]
fn many_suspects_are_represented_by_a_few_from_end_to_end() {
    let run = |count: u64| (1..=count).map(MessageId).collect::<Vec<_>>();
    assert_eq!(sample(&run(0)), []);
    assert_eq!(sample(&run(5)), run(5));
    assert_eq!(sample(&run(6)).len(), 5);
    assert_eq!(sample(&run(1_001)), [1, 251, 501, 751, 1_001].map(MessageId));
}

#[test]
fn what_went_unheard_is_read_again_from_a_day_before() {
    let at = |text| Timestamp::parse(text).unwrap();
    let night = Unheard { from: at("2026-03-02T22:00:00Z"), to: at("2026-03-03T06:00:00Z") };
    let earlier = Unheard { from: at("2026-03-01T10:00:00Z"), to: at("2026-03-01T11:00:00Z") };
    assert_eq!(night.window(), Span::from(MessageId::at(at("2026-03-01T22:00:00Z"))));
    assert_eq!(night.with(earlier), Unheard { from: earlier.from, to: night.to });
}

proptest! {
    /// Reading a channel of these messages, some of which were deleted, sees each that is left, suspects each of the
    /// others that a page with something else beside it speaks of, and takes one request for each 99 messages and a few.
    #[test]
    fn a_walk_sees_everything_and_ends(
        ids in prop::collection::btree_set(1_u64..4_000, 1..600),
        deleted in prop::collection::vec(any::<bool>(), 600),
        cuts in prop::collection::btree_set(0_u64..4_000, 0..6),
    ) {
        let all: Vec<MessageId> = ids.iter().copied().map(MessageId).collect();
        let is_left = |at: usize| !deleted[at];
        let left: Vec<_> =
            all.iter().enumerate().filter(|(at, _)| is_left(*at)).map(|(_, id)| *id).collect();
        let cuts: Vec<u64> = cuts.into_iter().collect();
        let covered: Vec<_> = cuts
            .chunks_exact(2)
            .map(|pair| span(pair[0], pair[1] - 1))
            .collect();
        let covered = if covered.is_empty() { vec![span(0, 5_000)] } else { covered };
        let is_covered = |id: &MessageId| covered.iter().any(|span| span.contains(*id));
        let (mut below, mut requests) = (MessageId::LAST, 0);
        let (mut seen, mut suspects) = (BTreeSet::new(), BTreeSet::new());
        while let Some(bound) = next_bound(&covered, Span::ALL, below) {
            requests += 1;
            prop_assert!(requests < 40, "it never ends");
            let shown: BTreeSet<_> =
                left.iter().copied().filter(|id| *id < bound).rev().take(100).collect();
            let page = Sight { below: bound, full: shown.len() == 100, shown };
            suspects.extend(page.absent(&covered, &all));
            seen.extend(page.shown.iter().copied().filter(is_covered));
            let further = page.shown.first().is_some_and(|lowest| {
                all.iter().any(|id| id < lowest && is_covered(id))
            });
            let keeps = if further { Keeps::Something } else { Keeps::Nothing };
            match page.next(&covered, Span::ALL, keeps) {
                Some(next) => below = next,
                None => break,
            }
        }
        let there: BTreeSet<_> = left.iter().copied().filter(is_covered).collect();
        prop_assert_eq!(&seen, &there);
        prop_assert!(suspects.is_disjoint(&left.iter().copied().collect()));
        // What lies below everything that is left in a place with holes may go unnoticed; with none, nothing does.
        if covered.len() == 1 && covered[0].first == MessageId::FIRST && !there.is_empty() {
            let lost: BTreeSet<_> =
                all.iter().copied().filter(|id| is_covered(id) && !left.contains(id)).collect();
            prop_assert_eq!(suspects, lost);
        }
        prop_assert!(requests <= left.len() / 99 + 2 + 2 * covered.len(), "{} requests", requests);
    }
}
