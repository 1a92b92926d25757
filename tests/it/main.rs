//! The integration tests, one file a behaviour.

mod discord_gateway;
mod discord_rest;
