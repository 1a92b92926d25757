//! The gates every REST request passes: faults, rate limits, the token, the route table; then its answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::Query,
    http::{HeaderMap, Method, Response, Uri, header},
};
use bytes::Bytes;
use serde_json::json;

use super::{Call, ROUTES, Route};
use crate::{
    clock::http_date,
    core::Core,
    faults::{Fault, Request, Scope},
    rate::{Bucket, Key, Ordered, Verdict},
    reply::{Headers, Reply, Reset, uncounted},
};

/// The version this simulator speaks.
const BASE: &str = "/api/v10";

/// Names requests that no route takes, in counts and buckets.
const UNKNOWN: &str = "unknown";

/// What an answer tells the client about its pace.
struct Pace {
    wait: Duration,
    scope: Option<Scope>,
}

pub(crate) async fn serve(
    core: &Arc<Core>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, Reset> {
    let arrived = Instant::now();
    let path = uri.path().strip_prefix(BASE).unwrap_or(uri.path());
    let found = ROUTES.iter().find_map(|route| {
        let ids = route.ids(path).filter(|_| route.method == *method && path != uri.path())?;
        Some((route, ids))
    });
    let name = found.as_ref().map_or(UNKNOWN, |(route, _)| route.name);
    *core.ledger().stats.requests.entry(name.to_owned()).or_default() += 1;
    let query = inspect(core, method, uri, headers, found.as_ref().map(|(route, _)| *route));

    let faults = core.strike(Request::Rest { route: name }, path);
    for fault in &faults {
        match fault {
            Fault::Reset => {
                core.ledger().stats.answered(name, 0);
                return Err(Reset);
            }
            Fault::Stall(late) => tokio::time::sleep(*late).await,
            Fault::Act(act) => act(&core.world),
            _ => {}
        }
    }
    let key: Key = (name, found.as_ref().and_then(|(_, ids)| ids.first().copied()).unwrap_or(0));
    let bucket = found.as_ref().map_or(Bucket::GlobalOnly, |(route, _)| route.bucket);
    let (limits, pace) = limited(core, key, bucket, arrived, &faults);
    let reply = match limits {
        Err(refusal) => refusal,
        Ok(limits) => {
            let reply = answer(core, headers, found, query, body);
            let limits = if reply.status == 401 { Vec::new() } else { limits };
            reply.with(limits)
        }
    };
    let reply = reply.spoiled(&faults);
    book(core, key, &reply, &pace, arrived);
    let date = http_date(core.world.clock().now());
    Ok(reply.with(vec![("date", date)]).send(&faults, uncounted()))
}

/// Complains about everything Discord does not know; returns the query.
fn inspect(
    core: &Core,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    route: Option<&Route>,
) -> Vec<(String, String)> {
    let asked = format!("{method} {}", uri.path());
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    if !text(header::USER_AGENT).is_some_and(well_formed_agent) {
        core.violation(format!("{asked}: User-Agent is not DiscordBot (url, version)"));
    }
    if text(header::AUTHORIZATION).is_none_or(|token| !token.starts_with("Bot ")) {
        core.violation(format!("{asked}: no Authorization: Bot"));
    }
    let Some(route) = route else {
        core.violation(format!("{asked}: no such route"));
        return Vec::new();
    };
    let query = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(query)| query);
    let Ok(query) = query else {
        core.violation(format!("{asked}: the query cannot be read"));
        return Vec::new();
    };
    for (key, _) in &query {
        if !route.query.contains(&key.as_str()) {
            core.violation(format!("{asked}: no such query key {key}"));
        }
    }
    let cursors =
        query.iter().filter(|(key, _)| matches!(key.as_str(), "before" | "after" | "around"));
    if route.name == "list_messages" && cursors.count() > 1 {
        core.violation(format!("{asked}: cursors exclude one another"));
    }
    query
}

/// Whether the client names itself as Discord wants: `DiscordBot (url, version)`, more may follow.
fn well_formed_agent(agent: &str) -> bool {
    let inside = agent.strip_prefix("DiscordBot (").and_then(|rest| rest.split_once(')'));
    let parts = inside.and_then(|(inside, _)| inside.split_once([',', ' ']));
    parts.is_some_and(|(url, version)| url.starts_with("http") && !version.trim().is_empty())
}

/// Refuses the request when a fault or a limit says so; otherwise the headers of its bucket.
fn limited(
    core: &Core,
    key: Key,
    bucket: Bucket,
    arrived: Instant,
    faults: &[Fault],
) -> (Result<Headers, Reply>, Pace) {
    for fault in faults {
        match fault {
            Fault::Limited(scope, wait) => {
                let whom = (*scope != Scope::Global).then_some(key);
                core.limiter().pause(whom, Ordered::Discord(*scope), *wait, arrived);
                return refuse(*scope, *wait, Vec::new());
            }
            Fault::Cloudflare(status, wait) => {
                let ordered = Ordered::Cloudflare(*status);
                core.limiter().pause(None, ordered, wait.unwrap_or_default(), arrived);
                return cloudflare(*status, *wait);
            }
            _ => {}
        }
    }
    let epoch = Duration::from_millis(core.world.clock().now()).as_secs_f64();
    match core.limiter().take(key, bucket, arrived, epoch) {
        Verdict::Blocked { status, retry_after } => cloudflare(status, retry_after),
        Verdict::Limited { scope, retry_after, headers } => refuse(scope, retry_after, headers),
        Verdict::Pass(headers) => {
            let value = |name| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
            let spent = value("x-ratelimit-remaining").is_some_and(|left| left == "0");
            let reset = value("x-ratelimit-reset-after").and_then(|text| text.parse().ok());
            let wait = reset.filter(|_| spent).map_or(Duration::ZERO, Duration::from_secs_f64);
            (Ok(headers), Pace { wait, scope: None })
        }
    }
}

fn refuse(scope: Scope, wait: Duration, headers: Headers) -> (Result<Headers, Reply>, Pace) {
    let seconds = wait.as_secs_f64();
    let (name, message) = match scope {
        Scope::User => ("user", "You are being rate limited."),
        Scope::Global => ("global", "You are being rate limited."),
        Scope::Shared => ("shared", "The resource is being rate limited."),
    };
    let body = json!({
        "message": message,
        "retry_after": (seconds * 1000.0).ceil() / 1000.0,
        "global": scope == Scope::Global,
    });
    let mut told = headers;
    told.push(("retry-after", format!("{:.0}", seconds.ceil())));
    told.push(("x-ratelimit-scope", name.to_owned()));
    if scope == Scope::Global {
        told.push(("x-ratelimit-global", "true".to_owned()));
    }
    (Err(Reply::json(429, &body).with(told)), Pace { wait, scope: Some(scope) })
}

fn cloudflare(status: u16, wait: Option<Duration>) -> (Result<Headers, Reply>, Pace) {
    let retry = wait.map(|wait| ("retry-after", format!("{:.0}", wait.as_secs_f64().ceil())));
    let reply = Reply::html(status).with(retry.into_iter().collect());
    (Err(reply), Pace { wait: wait.unwrap_or_default(), scope: Some(Scope::Global) })
}

fn answer(
    core: &Core,
    headers: &HeaderMap,
    found: Option<(&Route, Vec<u64>)>,
    query: Vec<(String, String)>,
    body: Bytes,
) -> Reply {
    let state = core.world.lock();
    let token = format!("Bot {}", state.token);
    if headers.get(header::AUTHORIZATION).is_none_or(|given| given.as_bytes() != token.as_bytes()) {
        return Reply::error(401, 0, "401: Unauthorized");
    }
    match found {
        Some((route, ids)) => (route.answer)(&Call { core, state, ids, query, body }),
        None => Reply::error(404, 0, "404: Not Found"),
    }
}

/// Writes down what was answered, and holds the client to what it has been told.
fn book(core: &Core, key: Key, reply: &Reply, pace: &Pace, arrived: Instant) {
    let now = Instant::now();
    let mut limiter = core.limiter();
    let mut ledger = core.ledger();
    ledger.stats.answered(key.0, reply.status);
    if reply.status == 429 {
        ledger.stats.limited += 1;
        if limiter.was_impolite(key, arrived) {
            ledger.stats.avoidable += 1;
        }
    }
    let shared = pace.scope == Some(Scope::Shared);
    if matches!(reply.status, 401 | 403 | 429) && !shared {
        ledger.stats.invalid += 1;
        limiter.note_invalid(now);
    }
    if !pace.wait.is_zero() {
        let whom = (pace.scope != Some(Scope::Global)).then_some(key);
        limiter.promise(whom, pace.wait, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_well_formed_when_they_name_url_and_version() {
        assert!(well_formed_agent("DiscordBot (https://github.com/a/b, 0.1.0)"));
        assert!(well_formed_agent("DiscordBot (https://a.b, 1) Twilight-rs"));
        assert!(well_formed_agent("DiscordBot (https://a.b 2.6.0) Python/3.11 aiohttp/3.9"));
        assert!(!well_formed_agent("DiscordBot (https://a.b)"));
        assert!(!well_formed_agent("reqwest/0.13"));
        assert!(!well_formed_agent("DiscordBot"));
    }
}
