//! Discord's gateway over the truth: sessions that can be resumed, or not, and connections that are lost.

use std::{num::NonZeroU32, time::Duration};

use async_trait::async_trait;
use bowerbird::{
    discord::{
        DiscordError,
        gateway::{Connection, Event, Gateway, Heard, Plan, Session, ShardNumber, StartLimit},
    },
    domain::id::MessageId,
};

use super::{
    dice::Dice,
    fate::{Fate, Step},
    truth::{self, GUILD, State, Told, Truth},
    weather::Weather,
};

#[derive(Clone, Debug)]
pub(super) struct FakeGateway {
    pub(super) truth: Truth,
    pub(super) fate: Fate,
    pub(super) dice: Dice,
    pub(super) weather: Weather,
}

#[derive(Debug)]
struct FakeConnection {
    port: FakeGateway,
    stage: Stage,
    /// Which session, and how many of its events were sent.
    at: Option<(usize, u64)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Unconnected,
    Connected,
}

#[async_trait]
impl Gateway for FakeGateway {
    async fn plan(&self) -> Result<Plan, DiscordError> {
        let starts = StartLimit {
            total: 1_000,
            remaining: 1_000,
            reset_after: Duration::from_hours(24),
            max_concurrency: 1,
        };
        Ok(Plan { url: "wss://gateway".to_owned(), shards: NonZeroU32::MIN, starts })
    }

    fn open(&self, _: &Plan, _: ShardNumber, resume: Option<Session>) -> Box<dyn Connection> {
        let at = resume.map(|session| (number_of(&session), session.sequence()));
        Box::new(FakeConnection { port: self.clone(), stage: Stage::Unconnected, at })
    }
}

#[async_trait]
impl Connection for FakeConnection {
    async fn next(&mut self) -> Heard {
        let mut told = self.port.truth.told();
        loop {
            if self.stage == Stage::Unconnected {
                tokio::time::sleep(Duration::from_millis(300)).await;
                return self.connect();
            }
            let dice = &self.port.dice;
            if let Some(next) = self.waiting() {
                let (thrown, times) = dice.nth(("drop", next));
                if times == 0 && thrown < self.port.weather.now().gateway_drops {
                    self.stage = Stage::Unconnected;
                    self.port.weather.meets("gateway: disconnected");
                    return Heard::Disconnected { reason: "weather".to_owned() };
                }
                let about = self.port.truth.state().sessions[next.0].at(next.1).name();
                self.port.fate.reach(Step::Heard, about).await;
                return self.hear();
            }
            told.changed().await.expect("the truth outlives us");
        }
    }

    fn session(&self) -> Option<Session> {
        self.at.map(|(session, sequence)| session_at(session, sequence))
    }

    async fn close_for_resume(&mut self) {
        self.stage = Stage::Unconnected;
    }
}

impl FakeConnection {
    fn connect(&mut self) -> Heard {
        self.stage = Stage::Connected;
        let mut state = self.port.truth.state();
        if let Some((session, sequence)) = self.at {
            let ends = self.port.dice.throw(("session", session, sequence));
            let is_last = session + 1 == state.sessions.len();
            if is_last && ends >= self.port.weather.now().session_ends {
                return Heard::Resumed { sequence };
            }
            self.port.weather.meets("gateway: session ended");
        }
        // What was sent so far and not written down is never sent again.
        for (number, session) in state.sessions.iter_mut().enumerate() {
            let kept = self.at.filter(|(at, _)| *at == number).map_or(0, |(_, sequence)| sequence);
            session.lost_from = session.lost_from.min(kept + 1);
        }
        let session = truth::Session { events: vec![Told::Here, Told::Here], lost_from: u64::MAX };
        state.sessions.push(session);
        // Its first event is the greeting itself.
        let at = (state.sessions.len() - 1, 1);
        self.at = Some(at);
        Heard::Ready { session: session_at(at.0, at.1), guilds: vec![GUILD] }
    }

    /// What would be sent next, if there is something.
    fn waiting(&self) -> Option<(usize, u64)> {
        let at = self.at?;
        let state = self.port.truth.state();
        (at.1 < state.sessions[at.0].events.len() as u64).then_some(at)
    }

    fn hear(&mut self) -> Heard {
        let (session, sent) = self.at.expect("something waits in it");
        let mut state = self.port.truth.state();
        let told = state.sessions[session].at(sent).clone();
        let sequence = sent + 1;
        self.at = Some((session, sequence));
        Heard::Event { sequence, event: render(&mut state, &told) }
    }
}

fn render(state: &mut State, told: &Told) -> Event {
    match told {
        Told::Here => here(state),
        Told::Posted(channel, id) => Event::Posted(Box::new(state.message(*channel, *id, Some(0)))),
        Told::Edited(channel, id, version) => {
            Event::Edited(Box::new(state.message(*channel, *id, Some(*version))))
        }
        Told::Deleted(channel, id) => {
            Event::Deleted { guild: Some(GUILD), channel: *channel, messages: vec![*id] }
        }
        Told::Thread(thread) => Event::ThreadsSeen(vec![state.thread_facts(*thread)]),
        Told::PlacesChanged => Event::PlacesChanged(GUILD),
        Told::ChannelGone(channel) => Event::ChannelGone { guild: Some(GUILD), channel: *channel },
        Told::GuildLost => Event::GuildLost(GUILD),
    }
}

fn here(state: &State) -> Event {
    let places = || state.there().map(|channel| &channel.place);
    let active = places().filter(|place| place.kind.is_thread() && place.archived_at.is_none());
    Event::GuildAvailable {
        guild: GUILD,
        newest: places()
            .filter(|place| !place.kind.is_thread())
            .map(|place| (place.id, place.last_message))
            .collect::<Vec<(_, Option<MessageId>)>>(),
        threads: active.map(|place| state.thread_facts(place.id)).collect(),
    }
}

/// Sessions are made by the real gateway alone; in the store they are JSON.
fn session_at(number: usize, sequence: u64) -> Session {
    let json = serde_json::json!({
        "id": number.to_string(), "resume_url": "wss://gateway", "sequence": sequence,
    });
    serde_json::from_value(json).expect("the form in which sessions are stored")
}

fn number_of(session: &Session) -> usize {
    let json = serde_json::to_value(session).expect("a session is plain data");
    json["id"].as_str().expect("an id").parse().expect("we made it of a number")
}
