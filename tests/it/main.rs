//! The integration tests, one file a behaviour.
#![allow(
    clippy::unwrap_used,
    reason = "what can't be had here fails the test, which is what unwrap does"
)]

mod tidy;
mod docs;
mod docker;
mod bucket_contract;
mod thumbnails;
mod discord_rest;
mod discord_gateway;
mod serve;
mod page;
mod rig;
mod trap;
mod fetch;
mod doctor;
mod bad_input;
mod status;
mod operation;
mod world;
mod link_mode;
mod memory;
mod stills;
mod kill;
mod downtime;
mod restore;
mod verify;
mod fire;
mod removal;
mod forget;
mod hostile;
