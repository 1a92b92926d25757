//! Compares what a bucket should hold with what it holds, and says what is wrong in words that tell what to do.
//!
//! The verifier brings what the catalogue expects; without a catalogue the archive is proven from its own manifest
//! ([`alone`]). Nothing here writes, so a crash here loses a report and nothing else.

pub mod name;
pub mod compare;
pub mod finding;
pub mod report;
pub mod listing;
pub mod reading;
pub mod published;
pub mod windows;
pub mod pass;
pub mod alone;
