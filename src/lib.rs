//! Archives the media of a Discord server into a bucket with a page to browse it.

pub mod clock;
pub mod discord;
pub mod cdn;
pub mod store;
pub mod domain;
