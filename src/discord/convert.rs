//! Discord's JSON in the words of the domain.
//!
//! Discord adds fields, numbers and kinds of things without notice, and a model that insists would lose a page over
//! one of them. So these readers insist on nothing but an id: what is missing, null or of an unknown sort becomes
//! "none". The raw text stays beside what was read from it, for a wiser reader.
//!
//! Talks to nobody and keeps nothing.

mod lenient;
mod member;
mod message;
mod permissions;
mod place;

pub use self::member::roles_of_author;
pub(super) use self::{
    lenient::{each, lenient},
    member::member_roles,
    message::{Setting, message, messages},
    permissions::Standing,
    place::{channels, guild, guilds, thread_facts, thread_page, threads},
};
