//! Jobs: made with the reason for them, claimed one by one, and ended or put aside.
//!
//! Persistence applies what is here; workers learn of it through claims. Everything that changes which jobs an entry
//! needs goes through [`schedule`], so that no job outlives its reason. A crash loses nothing: what was not committed
//! is reported or claimed again.

mod need;
mod line;
mod claim;
mod outcome;
mod aside;
mod sweep;

pub use self::{
    aside::ParkedJob,
    claim::{Claim, Claimed, Task},
    outcome::{Failed, Looked, Stored},
    sweep::SweepDone,
};
pub(super) use self::{
    aside::retry_parked,
    line::{drop_job, end_job, set_job},
    need::{Sight, rank_of, schedule},
    outcome::{count_still, lose},
    sweep::sweep,
};

#[cfg(test)]
mod tests;
