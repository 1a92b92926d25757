//! How history is read: which page comes next, and what an answer proves.
//!
//! The newest page joins what was read before to what was posted since, in one request; holes below it are read
//! downwards, newest first. An answer proves what lies between its messages. That there is nothing more is believed
//! only of an answer that shows something else at the same moment: without the permission to read history, Discord
//! answers "no messages" rather than "no".

use std::time::Duration;

use super::{
    coverage::{Coverage, EXTRACTOR, Span},
    id::MessageId,
    time::Timestamp,
};

/// Ids are given before messages can be read; Discord's own clocks differ by less than this.
const SETTLING: Duration = Duration::from_mins(1);

/// The page to read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The newest messages, to join them to what was read.
    Newest,
    /// The newest messages of a hole.
    Below(Span),
}

/// What is known of a place besides what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// The newest message that anybody told of; a hint, it may be deleted.
    pub newest: Option<MessageId>,
    /// Whether live messages wait to be confirmed.
    pub unconfirmed: bool,
}

/// What an answer with messages proves: everything from its lowest on, up to where it was asked for. For the newest
/// page that is its highest message, or a little before the answer was given, whichever is later.
pub fn proven(
    step: Step,
    lowest: MessageId,
    highest: MessageId,
    answered_at: Timestamp,
) -> Option<Span> {
    match step {
        Step::Newest => Span::new(lowest, highest.max(settled(answered_at))),
        Step::Below(hole) => Span::new(lowest.max(hole.first), hole.last),
    }
}

/// What is proven once it is believed that nothing more is there: the rest of the hole, or all of a place up to a
/// little before the answer was given.
pub fn proven_empty(step: Step, answered_at: Timestamp) -> Option<Span> {
    match step {
        Step::Newest => Span::new(MessageId::FIRST, settled(answered_at)),
        Step::Below(hole) => Some(hole),
    }
}

/// What of that remains proven when the messages that nobody wants are left out of an answer: `ids` are all that came.
/// None where they were all there was to prove.
pub fn proven_without_unwanted(
    span: Span,
    wanted: Span,
    ids: impl Iterator<Item = MessageId>,
) -> Option<Span> {
    let unwanted: Vec<_> = ids.filter(|id| !wanted.contains(*id)).collect();
    let below = unwanted.iter().filter(|id| **id < wanted.first).max();
    let above = unwanted.iter().filter(|id| **id > wanted.last).min();
    Span::new(
        below.map_or(span.first, |below| span.first.max(below.next())),
        above.map_or(span.last, |above| span.last.min(above.previous())),
    )
}

/// The page of a place to read next; none when everything that is wanted was read.
pub fn next_step(coverage: &Coverage, wanted: Span, signs: Signs) -> Option<Step> {
    let holes = coverage.holes(wanted, EXTRACTOR);
    let highest = *holes.last()?;
    if highest.is_open() {
        let never_read = coverage.spans(EXTRACTOR).is_empty();
        let news = signs.unconfirmed || signs.newest.is_some_and(|newest| newest >= highest.first);
        if never_read || news {
            return Some(Step::Newest);
        }
    }
    holes.into_iter().rfind(|hole| !hole.is_open()).map(Step::Below)
}

fn settled(answered_at: Timestamp) -> MessageId {
    MessageId::at(answered_at.before(SETTLING))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Signs = Signs { newest: None, unconfirmed: false };

    fn span(first: u64, last: u64) -> Span {
        Span::new(MessageId(first), MessageId(last)).unwrap()
    }

    #[track_caller]
    fn check(read: &[(u64, u64)], wanted: Span, signs: Signs, step: Option<Step>) {
        let mut coverage = Coverage::default();
        for &(first, last) in read {
            coverage.add(span(first, last), EXTRACTOR);
        }
        assert_eq!(next_step(&coverage, wanted, signs), step);
    }

    #[test]
    fn the_newest_page_comes_first_and_holes_are_read_from_above() {
        let news = |id| Signs { newest: Some(MessageId(id)), unconfirmed: false };
        check(&[], Span::ALL, QUIET, Some(Step::Newest));
        check(&[(50, 100)], Span::ALL, QUIET, Some(Step::Below(span(0, 49))));
        check(&[(50, 100)], Span::ALL, news(101), Some(Step::Newest));
        check(&[(50, 100)], Span::ALL, news(100), Some(Step::Below(span(0, 49))));
        check(&[(50, 100), (150, 200)], Span::ALL, QUIET, Some(Step::Below(span(101, 149))));
        check(&[(0, 100)], Span::ALL, QUIET, None);
        check(&[(0, 100)], Span::ALL, Signs { unconfirmed: true, ..QUIET }, Some(Step::Newest));
    }

    #[test]
    fn only_what_is_wanted_is_read() {
        let from_now = Span::from(MessageId(80));
        check(&[(50, 100)], from_now, QUIET, None);
        check(&[(90, 100)], from_now, QUIET, Some(Step::Below(span(80, 89))));
        check(&[], span(10, 20), QUIET, Some(Step::Below(span(10, 20))));
        check(&[(0, 30)], span(10, 20), QUIET, None);
    }

    #[test]
    fn an_answer_proves_what_lies_between_its_messages() {
        let answered = Timestamp::parse("2026-01-01T00:10:00Z").unwrap();
        let minute_before = MessageId::at(Timestamp::parse("2026-01-01T00:09:00Z").unwrap());
        let just_now = MessageId::at(answered);
        let old = MessageId(7);
        assert_eq!(
            proven(Step::Newest, old, MessageId(9), answered),
            Span::new(old, minute_before)
        );
        assert_eq!(proven(Step::Newest, old, just_now, answered), Span::new(old, just_now));
        let hole = span(5, 20);
        assert_eq!(
            proven(Step::Below(hole), MessageId(12), MessageId(18), answered),
            Some(span(12, 20))
        );
        assert_eq!(proven(Step::Below(hole), MessageId(2), MessageId(18), answered), Some(hole));
        // Everything that came lies above or below the hole.
        assert_eq!(proven(Step::Below(hole), MessageId(1), MessageId(3), answered), Some(hole));
    }

    #[test]
    fn what_is_left_out_is_not_proven() {
        let check = |ids: &[u64], expected: Option<Span>| {
            let ids = ids.iter().copied().map(MessageId);
            assert_eq!(proven_without_unwanted(span(3, 50), span(10, 40), ids), expected);
        };
        check(&[], Some(span(3, 50)));
        check(&[10, 40], Some(span(3, 50)));
        check(&[3, 9, 12], Some(span(10, 50)));
        check(&[12, 45, 50], Some(span(3, 44)));
        check(&[4, 6], Some(span(7, 50)));
        let too_fresh = [MessageId(9)].into_iter();
        assert_eq!(proven_without_unwanted(span(3, 9), Span::from(MessageId(10)), too_fresh), None);
    }

    #[test]
    fn nothing_more_proves_the_rest() {
        let answered = Timestamp::parse("2026-01-01T00:10:00Z").unwrap();
        assert_eq!(proven_empty(Step::Below(span(5, 20)), answered), Some(span(5, 20)));
        let all = proven_empty(Step::Newest, answered).unwrap();
        assert_eq!(all.first, MessageId::FIRST);
        assert_eq!(all.last.created_at(), answered.before(SETTLING));
    }
}
