//! The integration tests, one file a behaviour.

mod bucket_contract;
mod thumbnails;
mod tidy;
mod docs;
mod docker;
mod page;
mod serve;
#[cfg(test)]
mod discord_gateway;
#[cfg(test)]
mod discord_rest;
