//! The integration tests, one file a behaviour.

mod tidy;
mod docs;
mod docker;
