//! What goes wrong with REST and CDN answers: by script, by count, or by chance from a seed.
//!
//! Rules are tried for every request; each fires by its own count, so a printed seed replays a run.

use std::{fmt, sync::Arc, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::world::World;

/// One thing that goes wrong, where and when.
#[derive(Clone, Debug)]
pub struct Rule {
    target: Target,
    only: Option<u64>,
    when: When,
    fault: Fault,
}

/// Which requests a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// All REST requests.
    Rest,
    /// REST requests of one route, by its name in Discord's description: `list_messages`.
    Route(&'static str),
    /// All downloads of originals.
    Cdn,
    /// REST and CDN.
    Everything,
}

/// How often a rule fires among the requests it looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// At the n-th only; the first is 1.
    Nth(u64),
    /// At the first n.
    First(u64),
    /// At every n-th.
    Every(u64),
    /// With this probability.
    Chance(f64),
    /// At each.
    Always,
}

/// What happens to an answer.
#[derive(Clone)]
pub enum Fault {
    /// This status instead, with Discord's JSON, or the CDN's text.
    Status(u16),
    /// This status instead, with a page from the server in front.
    HtmlStatus(u16),
    /// This status instead, with nothing.
    EmptyStatus(u16),
    /// The connection is reset before the first byte.
    Reset,
    /// The headers come late.
    Stall(Duration),
    /// The body comes in pieces of so many bytes with a pause between them.
    Drip(usize, Duration),
    /// The body ends after so many bytes, though `Content-Length` promised all.
    Truncate(u64),
    /// `Content-Length` itself claims so many bytes less, and that is all there is.
    WrongLength(u64),
    /// 200 with an HTML page instead of the file.
    HtmlOk,
    /// Another file's bytes, of the right length.
    WrongBytes,
    /// 429 with Discord's headers; until its time has passed, every further request gets one too.
    Limited(Scope, Duration),
    /// A 403 or 429 from Cloudflare: HTML, none of Discord's headers, `Retry-After` only when told,
    /// and then every further request before its time gets one too.
    Cloudflare(u16, Option<Duration>),
    /// The answer is another one, made of the one that would have been given; headers and length follow it.
    Forge(Arc<dyn Fn(Vec<u8>) -> Forged + Send + Sync>),
    /// The world changes just before this request is answered.
    Act(Arc<dyn Fn(&World) + Send + Sync>),
}

/// An answer that nobody but a liar gives.
#[derive(Clone, Debug, Default)]
pub struct Forged {
    /// Headers beside the usual ones.
    pub headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub body: Vec<u8>,
}

/// Whose limit a 429 tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The bot's own, in one bucket.
    User,
    /// The bot's own, over all routes.
    Global,
    /// The resource's, shared by all its users; it does not count as an invalid request.
    Shared,
}

impl Rule {
    /// A rule that fires `when` among the requests to `target`.
    pub fn new(target: Target, when: When, fault: Fault) -> Self {
        Self { target, only: None, when, fault }
    }

    /// Fires once, at the n-th request; the first is 1.
    pub fn nth(target: Target, n: u64, fault: Fault) -> Self {
        Self::new(target, When::Nth(n), fault)
    }

    /// Fires with this probability.
    pub fn chance(target: Target, probability: f64, fault: Fault) -> Self {
        Self::new(target, When::Chance(probability), fault)
    }

    /// Fires once, at the n-th request, with a change of the world: `withdraw` between two pages, say.
    pub fn act_at(target: Target, n: u64, act: impl Fn(&World) + Send + Sync + 'static) -> Self {
        Self::nth(target, n, Fault::Act(Arc::new(act)))
    }

    /// Fires at each request, with another answer in the place of the true one.
    pub fn forge(
        target: Target,
        forge: impl Fn(Vec<u8>) -> Forged + Send + Sync + 'static,
    ) -> Self {
        Self::new(target, When::Always, Fault::Forge(Arc::new(forge)))
    }

    /// Looks only at requests with this id in their path: a channel's, a file's.
    #[must_use]
    pub fn only(mut self, id: u64) -> Self {
        self.only = Some(id);
        self
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::HtmlStatus(status) => write!(f, "status {status} in HTML"),
            Self::EmptyStatus(status) => write!(f, "status {status} without body"),
            Self::Reset => f.write_str("reset"),
            Self::Stall(late) => write!(f, "headers {late:?} late"),
            Self::Drip(bytes, pause) => write!(f, "{bytes} bytes every {pause:?}"),
            Self::Truncate(bytes) => write!(f, "cut after {bytes} bytes"),
            Self::WrongLength(bytes) => write!(f, "Content-Length {bytes} short"),
            Self::HtmlOk => f.write_str("HTML with 200"),
            Self::WrongBytes => f.write_str("wrong bytes"),
            Self::Limited(scope, pause) => write!(f, "429 of scope {scope:?} for {pause:?}"),
            Self::Cloudflare(status, pause) => write!(f, "Cloudflare {status}, retry {pause:?}"),
            Self::Forge(_) => f.write_str("forgery"),
            Self::Act(_) => f.write_str("change of the world"),
        }
    }
}

/// The rules in force, with their counts and the dice.
pub(crate) struct Rules {
    rules: Vec<(Rule, u64)>,
    dice: StdRng,
}

/// What a request is to the rules.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request<'a> {
    Rest { route: &'a str },
    Cdn,
}

impl Rules {
    pub(crate) fn new(rules: Vec<Rule>, seed: u64) -> Self {
        let rules = rules.into_iter().map(|rule| (rule, 0)).collect();
        Self { rules, dice: StdRng::seed_from_u64(seed) }
    }

    pub(crate) fn add(&mut self, rule: Rule) {
        self.rules.push((rule, 0));
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Counts the request with every rule that looks at it; returns what fires.
    pub(crate) fn strike(&mut self, request: Request<'_>, path: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (rule, seen) in &mut self.rules {
            let looked_at = match (rule.target, request) {
                (Target::Everything, _)
                | (Target::Rest, Request::Rest { .. })
                | (Target::Cdn, Request::Cdn) => true,
                (Target::Route(name), Request::Rest { route }) => name == route,
                _ => false,
            };
            let named = rule.only.is_none_or(|id| {
                let id = id.to_string();
                path.split('/').any(|segment| segment == id)
            });
            if !looked_at || !named {
                continue;
            }
            *seen += 1;
            let fires = match rule.when {
                When::Nth(n) => *seen == n,
                When::First(n) => *seen <= n,
                When::Every(n) => seen.is_multiple_of(n),
                When::Chance(probability) => self.dice.random_bool(probability),
                When::Always => true,
            };
            if fires {
                faults.push(rule.fault.clone());
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(when: When, expected: &[bool]) {
        let mut rules =
            Rules::new(vec![Rule::new(Target::Route("list_messages"), when, Fault::Reset)], 1);
        let fired: Vec<bool> = expected
            .iter()
            .map(|_| {
                // Other routes and files do not count.
                assert!(rules.strike(Request::Cdn, "/attachments/1/2/a").is_empty());
                assert!(rules.strike(Request::Rest { route: "get_guild" }, "/guilds/1").is_empty());
                let request = Request::Rest { route: "list_messages" };
                !rules.strike(request, "/channels/1/messages").is_empty()
            })
            .collect();
        assert_eq!(fired, expected, "{when:?}");
    }

    #[test]
    fn rules_fire_by_their_own_count() {
        check(When::Nth(2), &[false, true, false, false]);
        check(When::First(2), &[true, true, false, false]);
        check(When::Every(2), &[false, true, false, true]);
        check(When::Always, &[true, true]);
        check(When::Chance(0.0), &[false, false]);
    }

    #[test]
    fn a_rule_for_one_id_leaves_others_alone() {
        let rule = Rule::new(Target::Cdn, When::Always, Fault::Reset).only(2);
        let mut rules = Rules::new(vec![rule], 1);
        assert!(rules.strike(Request::Cdn, "/attachments/1/22/a").is_empty());
        assert_eq!(rules.strike(Request::Cdn, "/attachments/1/2/a").len(), 1);
    }
}
