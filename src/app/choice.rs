//! From what was configured to what Discord has: which servers and channels are meant.

use std::collections::BTreeSet;

use crate::{
    discord::{Cursor, Discord, DiscordError},
    domain::{
        id::{ChannelId, GuildId},
        place::{Guild, Place, PlaceKind},
        selection::PlaceSelection,
    },
};

/// Why the servers and channels that are meant can't be told.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    /// Discord did not answer.
    #[error(transparent)]
    Discord(#[from] DiscordError),
    /// What was configured does not fit.
    #[error("{}", .0.join("\n"))]
    Unfit(Vec<String>),
}

/// Names the servers that are meant, and makes sure that everything that was named exists.
pub async fn resolve(
    discord: &dyn Discord,
    mut selection: PlaceSelection,
) -> Result<PlaceSelection, ChoiceError> {
    let guilds = discord.guilds().await?;
    selection.guilds = choose_guilds(&guilds, &selection.guilds, &selection.channels)?;
    if selection.channels.is_empty() {
        return Ok(selection);
    }
    let mut channels = Vec::new();
    let mut threads = Vec::new();
    for guild in &selection.guilds {
        let survey = discord.survey(*guild).await?;
        threads.extend(discord.active_threads(*guild, &survey.channels).await?);
        channels.extend(survey.channels);
    }
    let mut problems = Vec::new();
    for id in &selection.channels {
        match channels.iter().chain(&threads).find(|place| place.id == *id) {
            Some(place) if place.kind == PlaceKind::Category => {
                problems.push(about_category(place, &channels));
            }
            Some(_) => {}
            None if answers(discord, *id).await? => {}
            None => problems.push(format!(
                "CHANNEL_IDS: {id} is no channel or thread that the bot can see. \
                 Copy the id anew (Developer Mode, right click on the channel, Copy Channel ID), \
                 and give the bot View Channel there."
            )),
        }
    }
    if problems.is_empty() {
        // With several servers, only those that hold a named channel are meant.
        let holds = |guild: &GuildId| {
            channels
                .iter()
                .chain(&threads)
                .any(|place| place.guild == *guild && selection.channels.contains(&place.id))
        };
        let holding: BTreeSet<_> = selection.guilds.iter().copied().filter(holds).collect();
        if !holding.is_empty() {
            selection.guilds = holding;
        }
        return Ok(selection);
    }
    Err(ChoiceError::Unfit(problems))
}

/// An archived thread is in no list that is short enough to ask for, but it answers.
async fn answers(discord: &dyn Discord, id: ChannelId) -> Result<bool, DiscordError> {
    match discord.messages(id, Cursor::Newest, 1).await {
        Ok(_) => Ok(true),
        Err(
            DiscordError::Forbidden { .. }
            | DiscordError::NotFound { .. }
            | DiscordError::Rejected { .. },
        ) => Ok(false),
        Err(error) => Err(error),
    }
}

fn choose_guilds(
    there: &[Guild],
    named: &BTreeSet<GuildId>,
    channels: &BTreeSet<ChannelId>,
) -> Result<BTreeSet<GuildId>, ChoiceError> {
    let list = || {
        let lines: Vec<_> =
            there.iter().map(|guild| format!("  {}  {}", guild.id, guild.name)).collect();
        lines.join("\n")
    };
    let unknown: Vec<_> =
        named.iter().filter(|id| !there.iter().any(|guild| guild.id == **id)).collect();
    if !unknown.is_empty() {
        let problem = |id: &&GuildId| {
            format!(
                "SERVER_IDS: the bot is in no server with the id {id}. Invite it there, or name one of these:\n{}",
                list()
            )
        };
        return Err(ChoiceError::Unfit(unknown.iter().map(problem).collect()));
    }
    match there {
        [] => Err(ChoiceError::Unfit(vec![
            "The bot is in no server yet. Invite it: README.md, \"Invite the bot\", shows the link.".to_owned(),
        ])),
        _ if !named.is_empty() => Ok(named.clone()),
        [only] => Ok(BTreeSet::from([only.id])),
        // The channels that were named tell which servers are meant.
        _ if !channels.is_empty() => Ok(there.iter().map(|guild| guild.id).collect()),
        _ => Err(ChoiceError::Unfit(vec![format!(
            "SERVER_IDS: the bot is in several servers. Name the ones to archive:\n{}",
            list()
        )])),
    }
}

fn about_category(category: &Place, channels: &[Place]) -> String {
    let inside: Vec<_> = channels
        .iter()
        .filter(|place| place.parent == Some(category.id))
        .map(|place| format!("  {}  {}", place.id, place.name))
        .collect();
    format!(
        "CHANNEL_IDS: {} is the category {:?}, which holds no messages. Name its channels instead:\n{}",
        category.id,
        category.name,
        inside.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guild(id: u64) -> Guild {
        Guild { id: GuildId(id), name: format!("server {id}"), icon: None }
    }

    #[track_caller]
    fn check(there: &[u64], named: &[u64], channels: &[u64], expected: Result<&[u64], &str>) {
        let there: Vec<_> = there.iter().copied().map(guild).collect();
        let named = named.iter().copied().map(GuildId).collect();
        let channels = channels.iter().copied().map(ChannelId).collect();
        match (choose_guilds(&there, &named, &channels), expected) {
            (Ok(chosen), Ok(expected)) => {
                assert_eq!(chosen, expected.iter().copied().map(GuildId).collect());
            }
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
            (chosen, expected) => panic!("{chosen:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn servers_are_chosen_or_asked_for() {
        check(&[1], &[], &[], Ok(&[1]));
        check(&[1, 2], &[2], &[], Ok(&[2]));
        check(&[1, 2], &[], &[7], Ok(&[1, 2]));
        check(&[1, 2], &[], &[], Err("several servers"));
        check(&[1, 2], &[3], &[], Err("no server with the id 3"));
        check(&[], &[], &[], Err("in no server yet"));
    }
}
