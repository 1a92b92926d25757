//! The integration tests, one file a behaviour.

mod bucket_contract;
mod thumbnails;
mod tidy;
mod docs;
mod docker;
mod page;
mod serve;
mod discord_gateway;
mod discord_rest;
mod world;
