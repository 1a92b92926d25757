//! What the page reads, and the page itself.
pub mod page;
