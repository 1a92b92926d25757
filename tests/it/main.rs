//! The integration tests, one file a behaviour.

mod discord_rest;
