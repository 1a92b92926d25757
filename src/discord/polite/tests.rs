//! The polite layer on paused time, against a Discord that is a few lines long.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use reqwest::header::HeaderMap;
use twilight_http::routing::Route;

use super::*;

/// How long an answer is on its way.
const LATENCY: Duration = Duration::from_millis(40);

fn answer(status: u16, headers: &[(&'static str, String)], body: &'static str) -> Answer {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    Answer { status, headers, body: Bytes::from_static(body.as_bytes()) }
}

fn page_of(channel: u64) -> Request {
    Request::from_route(&Route::GetMessages {
        after: None,
        around: None,
        before: None,
        channel_id: channel,
        limit: Some(100),
    })
}

fn read(answer: Answer) -> Result<Answer, DiscordError> {
    if answer.body == "half" {
        return Err(DiscordError::Malformed { reason: "half".to_owned() });
    }
    Ok(answer)
}

/// Says the same, or one thing after another.
#[derive(Debug)]
struct Scripted {
    script: Mutex<Vec<Result<Answer, String>>>,
    then: Result<Answer, String>,
    sent: AtomicU32,
}

impl Scripted {
    fn new(
        script: impl IntoIterator<Item = Result<Answer, String>>,
        then: Result<Answer, String>,
    ) -> Arc<Self> {
        let mut script: Vec<_> = script.into_iter().collect();
        script.reverse();
        Arc::new(Self { script: Mutex::new(script), then, sent: AtomicU32::new(0) })
    }

    fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Wire for Arc<Scripted> {
    async fn send(&self, _: &Request) -> Result<Answer, String> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(LATENCY).await;
        self.script.lock().unwrap().pop().unwrap_or_else(|| self.then.clone())
    }
}

/// Keeps Discord's limits: so many in each window of a channel, so many a second altogether.
#[derive(Debug)]
struct Strict {
    started: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    windows: BTreeMap<String, (Duration, u32)>,
    recent: Vec<Duration>,
    refused: u32,
}

const LIMIT: u32 = 5;
const WINDOW: Duration = Duration::from_secs(5);

#[async_trait]
impl Wire for Arc<Strict> {
    async fn send(&self, request: &Request) -> Result<Answer, String> {
        tokio::time::sleep(LATENCY / 2).await;
        let now = self.started.elapsed();
        let answer = {
            let mut seen = self.seen.lock().unwrap();
            seen.recent.retain(|&at| at + Duration::from_secs(1) > now);
            seen.recent.push(now);
            let global = seen.recent.len() > 50;
            let (start, used) = seen.windows.entry(request.path().to_owned()).or_insert((now, 0));
            if now >= *start + WINDOW {
                (*start, *used) = (now, 0);
            }
            *used += 1;
            let reset = (*start + WINDOW).saturating_sub(now).as_secs_f64();
            let headers = [
                ("x-ratelimit-limit", LIMIT.to_string()),
                ("x-ratelimit-remaining", LIMIT.saturating_sub(*used).to_string()),
                ("x-ratelimit-reset-after", format!("{reset:.3}")),
            ];
            if *used > LIMIT || global {
                seen.refused += 1;
                answer(429, &headers, r#"{"retry_after":1,"global":false}"#)
            } else {
                answer(200, &headers, "[]")
            }
        };
        tokio::time::sleep(LATENCY / 2).await;
        Ok(answer)
    }
}

#[tokio::test(start_paused = true)]
async fn limits_are_used_up_and_never_overstepped() {
    let strict = Arc::new(Strict { started: Instant::now(), seen: Mutex::default() });
    let polite = Polite::new(Box::new(Arc::clone(&strict)));
    let polite = &polite;
    // Twelve pages at once in each of thirty channels: three windows each.
    let mut calls: FuturesUnordered<_> =
        (0..360).map(|call| polite.call(page_of(call % 30 + 1), Priority::Urgent, read)).collect();
    while let Some(answer) = calls.next().await {
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(strict.seen.lock().unwrap().refused, 0);
    // Two whole windows and the calls of the third, slowed down a little by the global limit.
    let took = strict.started.elapsed();
    assert!(took < 2 * WINDOW + Duration::from_secs(4), "{took:?}");
}

/// Refuses everything for a while.
#[derive(Debug)]
struct Closed {
    started: Instant,
    opens: Duration,
    refusal: Answer,
    refused: AtomicU32,
}

#[async_trait]
impl Wire for Arc<Closed> {
    async fn send(&self, _: &Request) -> Result<Answer, String> {
        tokio::time::sleep(LATENCY).await;
        if self.started.elapsed() >= self.opens {
            return Ok(answer(200, &[], "[]"));
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Ok(self.refusal.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_everything_costs_a_handful_of_calls() {
    for body in [r#"{"message":"","retry_after":10.0,"global":true}"#, "<html>1015</html>"] {
        let wire = Arc::new(Closed {
            started: Instant::now(),
            opens: Duration::from_secs(45),
            refusal: answer(429, &[("retry-after", "10".to_owned())], body),
            refused: AtomicU32::new(0),
        });
        let polite = Polite::new(Box::new(Arc::clone(&wire)));
        let polite = &polite;
        let call = |channel| polite.call(page_of(channel), Priority::Urgent, read);
        let first = async { call(1).await };
        let others = async {
            tokio::time::sleep(2 * LATENCY).await;
            let mut calls: FuturesUnordered<_> =
                (0..200).map(|number| call(number % 50 + 1)).collect();
            while let Some(answer) = calls.next().await {
                answer.unwrap();
            }
        };
        let (first, ()) = tokio::join!(first, others);
        first.unwrap();
        // At the beginning and after each of the four pauses that were too short, one found out for all.
        assert_eq!(wire.refused.load(Ordering::Relaxed), 5, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_pause_is_the_callers_to_wait_out() {
    let refusal = answer(429, &[("retry-after", "3600".to_owned())], "<html>");
    let wire = Scripted::new([], Ok(refusal));
    let polite = Polite::new(Box::new(Arc::clone(&wire)));
    for _ in 0..50 {
        let error = polite.call(page_of(1), Priority::Urgent, read).await.unwrap_err();
        let DiscordError::Unavailable { retry_after: Some(wait), .. } = error else {
            panic!("{error:?}")
        };
        assert!(wait > Duration::from_secs(3_500));
    }
    assert_eq!(wire.sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_waited_out() {
    let wire = Scripted::new(
        [
            Ok(answer(502, &[], "<html>")),
            Err("connection reset".to_owned()),
            Ok(answer(200, &[], "half")),
            Ok(answer(429, &[], r#"{"retry_after":2.5,"global":false}"#)),
            Ok(answer(503, &[("retry-after", "7".to_owned())], "")),
        ],
        Ok(answer(200, &[], "[]")),
    );
    let polite = Polite::new(Box::new(Arc::clone(&wire)));
    let started = Instant::now();
    polite.call(page_of(1), Priority::Urgent, read).await.unwrap();
    assert_eq!(wire.sent(), 6);
    assert!(started.elapsed() >= Duration::from_millis(2_800 + 7_000));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_reported_after_a_minute() {
    let wire = Scripted::new([], Err("no route to host".to_owned()));
    let polite = Polite::new(Box::new(Arc::clone(&wire)));
    let started = Instant::now();
    let error = polite.call(page_of(1), Priority::Urgent, read).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(error.to_string(), "Discord can't be reached: no route to host");
    assert!((30..=60).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert!((5..=14).contains(&wire.sent()), "{}", wire.sent());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_stays_unreadable_is_not_asked_for_for_ever() {
    let wire = Scripted::new([], Ok(answer(200, &[], "half")));
    let polite = Polite::new(Box::new(Arc::clone(&wire)));
    let error = polite.call(page_of(1), Priority::Urgent, read).await.unwrap_err();
    assert!(matches!(error, DiscordError::Malformed { .. }));
    assert_eq!(wire.sent(), MALFORMED_TRIES);
}

#[tokio::test(start_paused = true)]
async fn after_a_refused_token_nothing_is_sent() {
    let wire = Scripted::new([], Ok(answer(401, &[], r#"{"code":0}"#)));
    let polite = Polite::new(Box::new(Arc::clone(&wire)));
    for _ in 0..3 {
        let error = polite.call(page_of(1), Priority::Urgent, read).await.unwrap_err();
        assert!(matches!(error, DiscordError::Unauthorized));
    }
    assert_eq!(wire.sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn five_hundred_refusals_stop_everything() {
    let wire = Scripted::new([], Ok(answer(403, &[], r#"{"code":50001}"#)));
    let polite = Polite::new(Box::new(Arc::clone(&wire)));
    let mut last = None;
    for call in 0..600 {
        last = polite.call(page_of(call + 1), Priority::Urgent, read).await.err();
    }
    assert!(matches!(last, Some(DiscordError::TooManyInvalid { count: 500 })), "{last:?}");
    assert_eq!(wire.sent(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_leaves_its_place_to_the_next() {
    let wire = Scripted::new([], Ok(answer(200, &[], "[]")));
    let polite = Polite::new(Box::new(Arc::clone(&wire)));
    let first = polite.call(page_of(1), Priority::Urgent, read);
    tokio::time::timeout(LATENCY / 2, first).await.unwrap_err();
    polite.call(page_of(1), Priority::Urgent, read).await.unwrap();
    assert_eq!(wire.sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn gates_of_channels_long_read_are_forgotten() {
    let wire = Scripted::new([], Ok(answer(200, &[], "[]")));
    let polite = Polite::new(Box::new(Arc::clone(&wire)));
    for channel in 0..3 * SWEEP_AT as u64 {
        polite.call(page_of(channel + 1), Priority::Urgent, read).await.unwrap();
    }
    assert!(polite.state().gates.len() <= SWEEP_AT + 1, "{}", polite.state().gates.len());
}

#[test]
fn a_lane_is_a_route_in_a_channel_or_server() {
    assert_eq!(
        lane_of("GET", "channels/12/messages?before=3&limit=100"),
        "GET channels/12/messages"
    );
    assert_eq!(lane_of("GET", "channels/12/messages/34"), "GET channels/12/messages/:id");
    assert_eq!(lane_of("GET", "guilds/1/members/2"), "GET guilds/1/members/:id");
    assert_eq!(lane_of("POST", "attachments/refresh-urls"), "POST attachments/refresh-urls");
}
