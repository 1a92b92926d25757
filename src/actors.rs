//! Who sends what to whom.
//!
//! ```text
//!  Discord gateway ─▶ Gateway ──┐ Record(Observed, Deleted, PlaceSeen, SessionMoved)
//!                       │ Touched
//!                       ▼       ├──────────────────▶ Persistence ─▶ store
//!  Discord REST ◀──▶ Backfill ──┘ Record(PageRead, …)    ▲  │ Wake
//!                                                        │  ▼
//!                     Record(Stored · Looked · Moved · LinksRefreshed · Published · Failed), Claim
//!                        ┌────────────┬─────────────┬────┴──────┬──────────────┐
//!                     Download     Thumbnail       Mover      Refresh       Publisher
//!                   CDN→spool→bucket  ffmpeg→bucket  bucket↔bucket  signed links   shards→manifest→bucket
//!
//!  store ─▶ Mirror ─▶ private bucket (what was committed, and from time to time the whole)
//!  Verifier: bucket beside store, when the app asks and by itself; Record(Sealed · Mended · Verified)
//! ```
//!
//! Reconcile stands beside Backfill, and reads again what was read once Backfill has nothing to read. Census asks Discord
//! once a day about everybody in the archive, where a role says who is not to be archived.
//!
//! Everybody awaits Persistence; Persistence awaits nobody and wakes with `try_send`; Gateway's own loop awaits
//! nothing but the gateway. So waiting requests form no cycle.
//!
//! A [`Wake`] says "look, there is work" and may be lost: everybody rereads the store on a timer too.

pub mod alarm;
pub mod supervisor;
pub mod persistence;
pub mod members;
pub mod census;
pub mod gateway;
pub mod backfill;
pub mod reconcile;
pub mod worker;
pub mod hands;
pub mod download;
pub mod thumbnail;
pub mod mover;
pub mod refresh;
pub mod publisher;
pub mod mirror;
pub mod verifier;

use actix::prelude::*;

/// There may be something to do. Losing this is harmless.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Wake;

/// Take no new work; answer when what was begun has ended.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Drain;
