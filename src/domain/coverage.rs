//! What of a channel was read completely, as sets of message ids.
//!
//! Resuming, catching up, fetching everything, fetching one March and reading again with a wiser extractor are one
//! operation: subtract what is covered from what is wanted.

use serde::{Deserialize, Serialize};

use super::id::MessageId;

/// What this build finds in a message. Raised when it learns to find more, so that what older builds read is read
/// again.
pub const EXTRACTOR: Extractor = Extractor(1);

/// The version of the code that looked for media in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Extractor(pub u16);

/// Message ids from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The lowest id.
    pub first: MessageId,
    /// The highest id.
    pub last: MessageId,
}

impl Span {
    /// Every id.
    pub const ALL: Self = Self { first: MessageId::FIRST, last: MessageId::LAST };

    /// From one id to another, both included; none when they are the wrong way round.
    pub fn new(first: MessageId, last: MessageId) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// From an id on.
    pub const fn from(first: MessageId) -> Self {
        Self { first, last: MessageId::LAST }
    }

    /// Whether an id lies in it.
    pub fn contains(self, id: MessageId) -> bool {
        self.first <= id && id <= self.last
    }

    /// Whether it reaches into the future.
    pub fn is_open(self) -> bool {
        self.last == MessageId::LAST
    }

    /// What is left of it: nothing, one part or two.
    fn without(self, other: Self) -> impl Iterator<Item = Self> {
        let below = (self.first < other.first)
            .then(|| Self { first: self.first, last: self.last.min(other.first.previous()) });
        let above = (self.last > other.last)
            .then(|| Self { first: self.first.max(other.last.next()), last: self.last });
        [below, above].into_iter().flatten()
    }

    fn touches(self, other: Self) -> bool {
        self.first <= other.last.next() && other.first <= self.last.next()
    }
}

/// A span and who read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Read {
    span: Span,
    by: Extractor,
}

/// What was read: disjoint spans, in order. It grows only in the transaction that holds what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    reads: Vec<Read>,
}

impl Coverage {
    /// Adds a span that was read completely from history.
    pub fn add(&mut self, span: Span, by: Extractor) {
        let mut reads = Vec::with_capacity(self.reads.len() + 2);
        let mut fresh = vec![span];
        for read in self.reads.drain(..) {
            if read.by > by {
                fresh = fresh.into_iter().flat_map(|part| part.without(read.span)).collect();
                reads.push(read);
            } else {
                reads.extend(read.span.without(span).map(|span| Read { span, by: read.by }));
            }
        }
        reads.extend(fresh.into_iter().map(|span| Read { span, by }));
        reads.sort_by_key(|read| read.span);
        for read in reads {
            match self.reads.last_mut() {
                Some(last) if last.by == read.by && last.span.touches(read.span) => {
                    last.span.last = last.span.last.max(read.span.last);
                }
                _ => self.reads.push(read),
            }
        }
    }

    /// Forgets that a span was read.
    pub fn remove(&mut self, span: Span) {
        let part = |read: &Read| {
            let by = read.by;
            read.span.without(span).map(move |span| Read { span, by }).collect::<Vec<_>>()
        };
        self.reads = self.reads.iter().flat_map(part).collect();
    }

    /// What was read, and by which extractor, lowest first.
    pub fn reads(&self) -> impl Iterator<Item = (Span, Extractor)> + '_ {
        self.reads.iter().map(|read| (read.span, read.by))
    }

    /// What of `wanted` was not read by this extractor or a wiser one, lowest first.
    pub fn holes(&self, wanted: Span, by: Extractor) -> Vec<Span> {
        self.reads.iter().filter(|read| read.by >= by).fold(vec![wanted], |holes, read| {
            holes.into_iter().flat_map(|hole| hole.without(read.span)).collect()
        })
    }

    /// The spans that this extractor or a wiser one read, lowest first.
    pub fn spans(&self, by: Extractor) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        for read in self.reads.iter().filter(|read| read.by >= by) {
            match spans.last_mut() {
                Some(last) if last.touches(read.span) => last.last = read.span.last,
                _ => spans.push(read.span),
            }
        }
        spans
    }

    /// The highest id that was read, by whomever.
    pub fn top(&self) -> Option<MessageId> {
        self.reads.last().map(|read| read.span.last)
    }

    /// How complete a place is, to be told to people: what was actually read counts, whether or not it is wanted now.
    ///
    /// `wanted` is where the reading of it is to begin, `born` its own first moment.
    pub fn extent(&self, wanted: MessageId, born: MessageId, by: Extractor) -> Extent {
        let (Some(lowest), Some(top)) =
            (self.reads.first().map(|read| read.span.first), self.top())
        else {
            return Extent { since: None, holes: Vec::new() };
        };
        let first = wanted.min(lowest).max(born);
        let holes = Span::new(first, top).map_or_else(Vec::new, |span| self.holes(span, by));
        let since = holes.last().map_or(first, |hole| hole.last.next());
        Extent { since: Some(since), holes }
    }

    /// Whether an id was read.
    pub fn contains(&self, id: MessageId) -> bool {
        self.reads.iter().any(|read| read.span.contains(id))
    }
}

/// How complete a place is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The message from which on nothing is missing, up to the highest that was read; none while nothing was read.
    pub since: Option<MessageId>,
    /// What is missing before: between the lowest that is wanted or was read, and the highest that was read.
    pub holes: Vec<Span>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn span(first: u64, last: u64) -> Span {
        Span::new(MessageId(first), MessageId(last)).unwrap()
    }

    #[track_caller]
    fn check(read: &[(u64, u64)], wanted: (u64, u64), holes: &[(u64, u64)]) {
        let mut coverage = Coverage::default();
        for &(first, last) in read {
            coverage.add(span(first, last), EXTRACTOR);
        }
        let expected: Vec<_> = holes.iter().map(|&(first, last)| span(first, last)).collect();
        assert_eq!(coverage.holes(span(wanted.0, wanted.1), EXTRACTOR), expected);
    }

    #[test]
    fn holes_are_what_is_wanted_less_what_was_read() {
        check(&[], (0, 9), &[(0, 9)]);
        check(&[(0, 9)], (0, 9), &[]);
        check(&[(3, 5)], (0, 9), &[(0, 2), (6, 9)]);
        check(&[(3, 5), (6, 7)], (0, 9), &[(0, 2), (8, 9)]);
        check(&[(6, 7), (3, 5)], (4, 6), &[]);
        check(&[(0, 3), (8, 20)], (2, 9), &[(4, 7)]);
        check(&[(20, 30)], (0, 9), &[(0, 9)]);
        check(&[(0, u64::MAX)], (5, u64::MAX), &[]);
        check(&[(0, 4)], (0, u64::MAX), &[(5, u64::MAX)]);
    }

    #[test]
    fn spans_that_meet_are_one() {
        let mut coverage = Coverage::default();
        coverage.add(span(0, 3), EXTRACTOR);
        coverage.add(span(8, 9), EXTRACTOR);
        coverage.add(span(4, 7), EXTRACTOR);
        assert_eq!(coverage.spans(EXTRACTOR), [span(0, 9)]);
        assert_eq!(coverage.reads.len(), 1);
    }

    #[track_caller]
    fn check_extent(
        read: &[(u64, u64)],
        (wanted, born): (u64, u64),
        since: Option<u64>,
        holes: &[(u64, u64)],
    ) {
        let mut coverage = Coverage::default();
        for &(first, last) in read {
            coverage.add(span(first, last), EXTRACTOR);
        }
        let expected = Extent {
            since: since.map(MessageId),
            holes: holes.iter().map(|&(first, last)| span(first, last)).collect(),
        };
        assert_eq!(coverage.extent(MessageId(wanted), MessageId(born), EXTRACTOR), expected);
    }

    #[test]
    fn what_was_read_counts_and_not_what_is_wanted() {
        check_extent(&[], (5, 10), None, &[]);
        // Everything was read, though the service wants only what came after its start.
        check_extent(&[(0, 90)], (50, 10), Some(10), &[]);
        check_extent(&[(0, 90)], (0, 10), Some(10), &[]);
        // A fetch of one March, and the service since its start: the time between is a hole.
        check_extent(&[(20, 30), (50, 90)], (50, 10), Some(50), &[(31, 49)]);
        // History is wanted, and reading is on its way down, or up.
        check_extent(&[(50, 90)], (0, 10), Some(50), &[(10, 49)]);
        check_extent(&[(0, 30), (50, 90)], (0, 10), Some(50), &[(31, 49)]);
        check_extent(&[(50, 90)], (50, 10), Some(50), &[]);
        check_extent(
            &[(20, 30), (40, 45), (50, 90)],
            (0, 10),
            Some(50),
            &[(10, 19), (31, 39), (46, 49)],
        );
        // The place came to be after all that was asked for.
        check_extent(&[(0, 5)], (0, 10), Some(10), &[]);
        // What a less wise extractor read is to be read again.
        let mut coverage = Coverage::default();
        coverage.add(span(0, 90), Extractor(0));
        coverage.add(span(60, 80), EXTRACTOR);
        let extent = coverage.extent(MessageId(0), MessageId(10), EXTRACTOR);
        assert_eq!(extent.since, Some(MessageId(91)));
        assert_eq!(extent.holes, [span(10, 59), span(81, 90)]);
    }

    proptest! {
        /// The model: a map from each of 64 ids to the wisest extractor that read it.
        #[test]
        fn coverage_is_the_map_it_stands_for(
            adds in prop::collection::vec((0_u64..64, 0_u64..64, 1_u16..4), 0..24),
            wanted in (0_u64..64, 0_u64..64),
            removed in (0_u64..64, 0_u64..64),
            by in 1_u16..4,
        ) {
            let mut coverage = Coverage::default();
            let mut model: BTreeMap<u64, u16> = BTreeMap::new();
            for (a, b, version) in adds {
                coverage.add(span(a.min(b), a.max(b)), Extractor(version));
                for id in a.min(b)..=a.max(b) {
                    let best = model.entry(id).or_default();
                    *best = (*best).max(version);
                }
            }
            let mut again = Coverage::default();
            coverage.reads().for_each(|(span, by)| again.add(span, by));
            prop_assert_eq!(&again, &coverage);
            let forgotten = span(removed.0.min(removed.1), removed.0.max(removed.1));
            coverage.remove(forgotten);
            model.retain(|id, _| !forgotten.contains(MessageId(*id)));
            let wanted = span(wanted.0.min(wanted.1), wanted.0.max(wanted.1));
            let holes = coverage.holes(wanted, Extractor(by));
            for id in 0..64 {
                let read = model.get(&id).is_some_and(|version| *version >= by);
                let in_hole = holes.iter().any(|hole| hole.contains(MessageId(id)));
                prop_assert_eq!(in_hole, wanted.contains(MessageId(id)) && !read, "id {}", id);
                prop_assert_eq!(coverage.contains(MessageId(id)), model.contains_key(&id));
            }
            for pair in coverage.reads.windows(2) {
                prop_assert!(pair[0].span.last < pair[1].span.first);
                prop_assert!(pair[0].by != pair[1].by || !pair[0].span.touches(pair[1].span));
            }
            for pair in holes.windows(2) {
                prop_assert!(pair[0].last < pair[1].first);
            }
        }
    }
}
