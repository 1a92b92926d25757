//! One simulated Discord by itself, for judges in other languages and for the demo.
//!
//! Prints its addresses as the first line, in JSON, and runs until it is interrupted,
//! or with `--commands` until its standard input ends.

use std::{process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use discord_sim::{
    ChannelId, Content, Edit, GuildId, MessageId, NewAttachment, NewChannel, NewMessage, NewThread,
    Options, Placement, RateLimits, Sim, Spec, World,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

/// Runs a simulated Discord on loopback addresses.
#[derive(Debug, Parser)]
struct Arguments {
    /// Decides every id, name and byte.
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
    let (world, guild) = World::generate(arguments.seed, &spec);
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
        let answer = match serde_json::from_str(&line) {
            Ok(command) => obey(sim, guild, &command),
            Err(error) => Err(format!("not JSON: {error}")),
        };
        println!("{}", answer.unwrap_or_else(|error| json!({ "error": error })));
    }
}

/// Does what one line of JSON says, so that a judge in another language can move the world.
fn obey(sim: &Sim, guild: GuildId, command: &Value) -> Result<Value, String> {
    let world = sim.world();
    let text =
        |key: &str| command[key].as_str().ok_or_else(|| format!("{key} is missing or no string"));
    let id = |key: &str| text(key)?.parse::<u64>().map_err(|error| format!("{key}: {error}"));
    let channel = || id("channel").map(ChannelId);
    let message = || id("message").map(MessageId);
    match text("do")? {
        "create_channel" => {
            let made = world.create_channel(guild, NewChannel::text(text("name")?));
            Ok(json!({ "channel": made }))
        }
        "create_thread" => {
            let made = world.create_thread(channel()?, NewThread::public(text("name")?));
            Ok(json!({ "channel": made }))
        }
        "archive_thread" => {
            world.archive_thread(channel()?);
            Ok(json!({}))
        }
        "post" => {
            let mut new = NewMessage::text(command["content"].as_str().unwrap_or_default());
            if let Some(path) = command["file"].as_str() {
                let name = path.rsplit('/').next().unwrap_or(path);
                let content = Content::file(path).map_err(|error| format!("{path}: {error}"))?;
                new = new.attach(NewAttachment::new(name, content));
            }
            Ok(json!({ "message": world.post(channel()?, new) }))
        }
        "edit" => {
            world.edit(channel()?, message()?, Edit::text(text("content")?));
            Ok(json!({}))
        }
        "delete" => {
            world.delete(channel()?, message()?);
            Ok(json!({}))
        }
        "cut" => {
            sim.gateway().cut();
            Ok(json!({}))
        }
        "reconnect" => {
            sim.gateway().reconnect();
            Ok(json!({}))
        }
        "invalidate" => {
            sim.gateway().invalidate();
            Ok(json!({}))
        }
        "stats" => {
            let stats = sim.stats();
            Ok(json!({
                "requests": stats.requests,
                "identifies": stats.identifies,
                "resumes": stats.resumes,
                "limited": stats.limited,
                "avoidable": stats.avoidable,
            }))
        }
        "violations" => Ok(json!(sim.violations())),
        "places" => Ok(world
            .places()
            .iter()
            .map(|place| {
                json!({
                    "id": place.id,
                    "kind": place.kind as u8,
                    "name": place.name,
                    "parent": place.parent,
                    "archived": place.archived,
                    "readable": place.readable,
                })
            })
            .collect()),
        "messages" => Ok(world
            .messages(channel()?)
            .iter()
            .filter(|message| message.deleted.is_none())
            .map(|message| {
                let files = message.attachments.iter().filter(|file| file.removed.is_none());
                let files: Vec<Value> = files
                    .filter(|file| file.placement == Placement::Listed)
                    .map(|file| {
                        let sums = file.content.sums().map_err(|error| error.to_string())?;
                        Ok(json!({ "id": file.id, "name": file.filename, "sha256": sums.sha256 }))
                    })
                    .collect::<Result<_, String>>()?;
                Ok(json!({ "id": message.id, "content": message.content, "files": files }))
            })
            .collect::<Result<_, String>>()?),
        unknown => Err(format!("do not know how to {unknown}")),
    }
}
