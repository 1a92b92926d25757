//! What strangers may post, name and claim: through the real binary it is kept as what it is, and does nothing.

mod forged;
mod links;
mod media;
mod names;

use discord_sim::{ChannelId, NewChannel, Options, RateLimits, World};

use crate::rig::{Builder, Rig};

/// A server of one channel.
fn bower(seed: u64) -> (World, ChannelId) {
    let world = World::new(seed);
    let guild = world.create_guild("The Bower");
    let channel = world.create_channel(guild, NewChannel::text("clips"));
    (world, channel)
}

/// A rig that is not held up by limits, which others test.
fn hurried(world: &World) -> Builder {
    let options = Options { rate_limits: RateLimits::off(), ..Options::default() };
    Rig::over(world).options(options)
}
