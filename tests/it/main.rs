//! The integration tests, one file a behaviour.

#[cfg(test)]
mod discord_gateway;
#[cfg(test)]
mod discord_rest;
