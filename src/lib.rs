//! Archives the media of a Discord server into a bucket with a page to browse it.

pub mod app;
pub mod actors;
pub mod cli;
pub mod config;
pub mod clock;
pub mod discord;
pub mod cdn;
pub mod spool;
pub mod bucket;
pub mod store;
pub mod domain;
pub mod ffmpeg;
pub mod gallery;
pub mod audit;
pub mod serve;
pub mod herald;
