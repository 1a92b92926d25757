//! The integration tests, one file a behaviour.

mod bucket_contract;
mod page;
mod serve;
