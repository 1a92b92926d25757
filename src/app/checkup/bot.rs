//! The bot: its token, what it may read, and how far Discord is.

use std::time::Duration;

use tokio::net::TcpStream;
use url::Url;

use super::{Finding, deadline::within, places, probe};
use crate::{
    app::{choice, open},
    clock::Clock,
    config::Config,
    discord::{
        Discord, DiscordError, LiveDiscord,
        gateway::{Gateway, Plan},
    },
    domain::{id::GuildId, place::Place, selection::PlaceSelection, time::Timestamp},
};

/// Answers are dated to the second and take a while to arrive; less than this is no finding.
const CLOCK_OFF: Duration = Duration::from_secs(5);

/// A lease lasts a few minutes and links are renewed by the clock: beyond this both go wrong.
const CLOCK_WRONG: Duration = Duration::from_mins(1);

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let discord = match open::discord(config) {
        Ok(discord) => discord,
        Err(error) => return vec![Finding::bad("token", format!("{error:#}"))],
    };
    let identity = match within("token", discord.identity()).await {
        Ok(Ok(identity)) => identity,
        Ok(Err(error)) => return vec![refused("token", &error)],
        Err(late) => return vec![late],
    };
    let mut findings = vec![Finding::good("token", format!("the bot is {}", identity.name))];
    findings.push(if identity.message_content {
        Finding::good("intent", "Message Content Intent is switched on")
    } else {
        Finding::bad("intent", "Message Content Intent is switched off: messages come without their files")
            .mend("https://discord.com/developers/applications, your application, Bot, Privileged Gateway Intents")
    });
    findings.push(within("gateway", gateway(config, &discord)).await.unwrap_or_else(|late| late));
    let selection = match within("servers", choice::resolve(&discord, config.places.clone())).await
    {
        Ok(Ok(selection)) => selection,
        Ok(Err(choice::ChoiceError::Unfit(problems))) => {
            findings.extend(problems.into_iter().map(|problem| Finding::bad("servers", problem)));
            return findings;
        }
        Ok(Err(choice::ChoiceError::Discord(error))) => {
            findings.push(refused("servers", &error));
            return findings;
        }
        Err(late) => {
            findings.push(late);
            return findings;
        }
    };
    let mut readable = Vec::new();
    for guild in &selection.guilds {
        match within("servers", walk(&discord, *guild, &selection)).await {
            Ok(Ok(walked)) => {
                findings.extend(walked.findings);
                readable.extend(walked.readable);
            }
            Ok(Err(error)) => findings.push(refused("servers", &error)),
            Err(late) => findings.push(late),
        }
    }
    findings.extend(probe::check(config, &discord, identity.id, readable).await);
    findings
}

pub(super) fn refused(about: &'static str, error: &DiscordError) -> Finding {
    let finding = Finding::bad(about, error.to_string());
    match error {
        DiscordError::Unavailable { .. } | DiscordError::Malformed { .. } => finding.mend(
            "look whether this machine reaches Discord (https://discordstatus.com tells how Discord is), \
             and what DISCORD_API_URL says",
        ),
        _ => finding,
    }
}

struct Walked {
    findings: Vec<Finding>,
    readable: Vec<Place>,
}

async fn walk(
    discord: &LiveDiscord,
    guild: GuildId,
    selection: &PlaceSelection,
) -> Result<Walked, DiscordError> {
    let survey = discord.survey(guild).await?;
    let now = Clock::System.now();
    let threads = discord.active_threads(guild, &survey.channels).await?;
    let mut findings = places::check(&survey, &threads, selection);
    findings.push(clock(survey.answered_at, now));
    let readable = places::readable(&survey, &threads, selection);
    Ok(Walked { findings, readable })
}

/// Every answer is dated by Discord.
fn clock(discord: Timestamp, ours: Timestamp) -> Finding {
    let (off, direction) =
        if discord > ours { (discord.since(ours), "slow") } else { (ours.since(discord), "fast") };
    let words = format!("{} seconds {direction} of Discord's", off.as_secs());
    if off > CLOCK_WRONG {
        Finding::bad("clock", words).mend("set this machine's clock, and let NTP keep it right")
    } else if off > CLOCK_OFF {
        Finding::note("clock", words)
    } else {
        Finding::good("clock", "agrees with Discord's")
    }
}

async fn gateway(config: &Config, discord: &LiveDiscord) -> Finding {
    let plan = match open::gateway(config, discord.clone()).plan().await {
        Ok(plan) => plan,
        Err(error) => return refused("gateway", &error),
    };
    let host = Url::parse(&plan.url).ok();
    let host = host.as_ref().and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    let Some((host, port)) = host else {
        return Finding::bad("gateway", "Discord names an address for it that makes no sense");
    };
    match TcpStream::connect((host.trim_matches(['[', ']']), port)).await {
        Ok(_) => starts(&plan),
        Err(error) => Finding::bad("gateway", format!("{host}:{port} can't be reached: {error}"))
            .mend("let this machine make connections to it: what is posted is heard of there"),
    }
}

fn starts(plan: &Plan) -> Finding {
    let Plan { shards, starts, .. } = plan;
    let connections = if shards.get() == 1 { "connection" } else { "connections" };
    let words = format!(
        "can be reached: {shards} {connections}, {} of {} session starts left today",
        starts.remaining, starts.total
    );
    // A start-up takes one for each connection, and a crash loop takes them all.
    if starts.remaining < shards.get() {
        let hours = starts.reset_after.as_secs().div_ceil(3_600);
        Finding::bad("gateway", words).mend(format!(
            "something starts again and again; in {hours} hours they are all there again"
        ))
    } else if starts.remaining < starts.total / 10 {
        Finding::note("gateway", format!("{words}: something starts again and again"))
    } else {
        Finding::good("gateway", words)
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn clocks_that_differ_are_told() {
        #[track_caller]
        fn check(discord: i64, ours: i64, state: State, words: &str) {
            let found = clock(Timestamp::from_secs(discord), Timestamp::from_secs(ours));
            assert_eq!((found.state, found.words.as_str()), (state, words));
        }
        check(100, 103, State::Good, "agrees with Discord's");
        check(100, 110, State::Note, "10 seconds fast of Discord's");
        check(110, 100, State::Note, "10 seconds slow of Discord's");
        check(1_000, 100, State::Bad, "900 seconds slow of Discord's");
    }
}
