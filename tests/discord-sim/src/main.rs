//! One simulated Discord by itself, for judges in other languages and for the demo.
//!
//! Prints its addresses as the first line, in JSON, and runs until it is interrupted,
//! or with `--commands` until its standard input ends.

mod commands;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use discord_sim::{GuildId, Options, RateLimits, Sim, Spec, World};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Runs a simulated Discord on loopback addresses.
#[derive(Debug, Parser)]
struct Arguments {
    /// Decides every id, name and byte.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Begin with a server without channels instead of a generated one.
    #[arg(long)]
    empty: bool,
    /// Messages of the generated server.
    #[arg(long, default_value_t = 200)]
    messages: usize,
    /// Files of the generated server.
    #[arg(long, default_value_t = 60)]
    attachments: usize,
    /// Text, announcement, voice and stage channels of the generated server.
    #[arg(long, default_value_t = 4)]
    channels: usize,
    /// Seconds a signed link lives.
    #[arg(long, default_value_t = 86_400)]
    link_lifetime: u64,
    /// Whether rate limits hold.
    #[arg(long, value_enum, default_value_t = Limits::On)]
    rate_limits: Limits,
    /// Port of the API and the gateway; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Take commands in JSON from standard input, a line each, and end with it.
    #[arg(long)]
    commands: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Limits {
    On,
    Off,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let spec = Spec {
        messages: arguments.messages,
        attachments: arguments.attachments,
        channels: arguments.channels,
        ..Spec::default()
    };
    let (world, guild) = if arguments.empty {
        let world = World::new(arguments.seed);
        let guild = world.create_guild("The Bower");
        (world, guild)
    } else {
        World::generate(arguments.seed, &spec)
    };
    let options = Options {
        rate_limits: match arguments.rate_limits {
            Limits::On => RateLimits::default(),
            Limits::Off => RateLimits::off(),
        },
        link_lifetime: Duration::from_secs(arguments.link_lifetime),
        ..Options::default()
    };
    let sim = match Sim::start_on(world.clone(), options, arguments.port).await {
        Ok(sim) => sim,
        Err(error) => {
            eprintln!("discord-sim: listen on port {}: {error}", arguments.port);
            return ExitCode::FAILURE;
        }
    };
    let addresses = json!({
        "api": sim.api_url(),
        "cdn": sim.cdn_url(),
        "gateway": sim.gateway_url(),
        "token": world.token(),
        "guild": guild,
    });
    println!("{addresses}");
    if arguments.commands {
        take_commands(&sim, guild).await;
    } else if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("discord-sim: wait for an interrupt: {error}");
        return ExitCode::FAILURE;
    }
    sim.shutdown().await;
    ExitCode::SUCCESS
}

async fn take_commands(sim: &Sim, guild: GuildId) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        println!("{}", commands::obey(sim, guild, &line));
    }
}
