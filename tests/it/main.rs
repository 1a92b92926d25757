//! The integration tests, one file a behaviour.
#![allow(clippy::unwrap_used, reason = "a test says that it failed by panicking")]

mod bucket_contract;
mod thumbnails;
mod tidy;
mod docs;
mod docker;
mod page;
mod serve;
mod discord_gateway;
mod discord_rest;
mod rig;
mod fetch;
mod kill;
mod downtime;
