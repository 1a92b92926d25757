//! Archives the media of a Discord server into a bucket with a page to browse it.

pub mod bucket;
pub mod gallery;
pub mod serve;
