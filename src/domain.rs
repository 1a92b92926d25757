//! Values and decisions, free of clocks, I/O and vendors.
//!
//! Time is always an argument, so every rule here can be tested as a table.

pub mod id;
pub mod time;
pub mod text;
pub mod printable;
pub mod link;
pub mod message;
pub mod place;
pub mod selection;
pub mod removal;
pub mod forget;
pub mod coverage;
pub mod crawl;
pub mod reconcile;
pub mod entry;
pub mod job;
pub mod retry;
pub mod restart;
