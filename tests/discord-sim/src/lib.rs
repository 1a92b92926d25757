//! A Discord made of loopback sockets: REST, gateway and CDN, deterministic from a seed, with the truth to compare an archive with.
//!
//! Tests build a [`World`] or [generate](World::generate) one, [start](Sim::start) a [`Sim`] over it,
//! point a client at [`Sim::api_url`], and compare what the client did with [`World::expected`],
//! [`Sim::stats`] and [`Sim::violations`].

mod cdn;
mod clock;
mod compose;
mod content;
mod core;
mod faults;
mod gateway;
mod ids;
mod model;
mod options;
mod permissions;
mod picture;
mod rate;
mod render;
mod reply;
mod rest;
mod sign;
mod sim;
mod starts;
mod stats;
mod world;

pub use self::{
    clock::{Clock, iso8601},
    compose::{Edit, NewAttachment, NewChannel, NewMessage},
    content::{Content, Sums},
    faults::{Fault, Forged, Rule, Scope, Target, When},
    gateway::{Acknowledge, EventFault, EventRule, Gateway},
    ids::{AttachmentId, ChannelId, DISCORD_EPOCH, GuildId, MessageId, RoleId, UserId, first_at},
    model::{Kind, MessageContent, Overwrite, Subject},
    options::{Enforced, GatewayOptions, HeadersSay, Options, RateLimits, Refresh},
    permissions::{
        ADMINISTRATOR, CONNECT, MANAGE_THREADS, READ_MESSAGE_HISTORY, SEND_MESSAGES, VIEW_CHANNEL,
    },
    rest::{KnownRoute, routes},
    sim::Sim,
    stats::Stats,
    world::{NewThread, Place, Placement, Spec, TruthAttachment, TruthMessage, World},
};
