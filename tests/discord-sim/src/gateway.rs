//! The gateway: sessions that outlive their connections, and connections that speak Discord's protocol.
//!
//! The [`Hub`] hears of every change of the world and gives each session its events, numbered;
//! a connection carries them out and answers the client. A session without a connection keeps its
//! events for whoever resumes it.

mod connection;
mod control;
mod events;
mod hub;
mod session;
mod wire;

pub(crate) use self::{
    connection::{Plug, accept},
    hub::Hub,
};
pub use self::{
    control::{Acknowledge, Gateway},
    events::{EventFault, EventRule},
};
