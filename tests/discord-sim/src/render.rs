//! The truth as Discord writes it: the JSON that REST and gateway share.

mod guild;
mod message;

pub(crate) use self::{
    guild::{
        application, channel, guild, guild_create, member, my_guild, own_account, role, thread,
        thread_member,
    },
    message::{Sight, deletion, gateway_message, message},
};
