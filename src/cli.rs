//! The command line: what can be asked, with the help that explains it.
//!
//! Types alone. What a flag shares with a variable is handed to the settings as text, so that one place checks both.

pub mod execute;
pub mod run;
pub mod fetch;
pub mod serve;
pub mod status;
pub mod forget;
pub mod doctor;
pub mod restore;
pub mod verify;
pub mod healthcheck;
mod output;

use std::{net::SocketAddr, str::FromStr};

use clap::{Args, Parser, Subcommand};

use crate::domain::{
    coverage::Span,
    forget::Forgotten,
    id::{ChannelId, GuildId, MessageId, UserId},
    time::Timestamp,
};

/// Archives the media of a Discord server into a bucket with a page to browse it.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "bowerbird",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  bowerbird                         archive what is posted from now on
  bowerbird --fetch-history         and everything that was posted before
  bowerbird fetch --after 2026-03-01 --before 2026-04-01
  bowerbird serve                   look at the archive on http://127.0.0.1:8080

Settings are environment variables, read from a file named .env when there is one; flags win over them.
README.md lists them all; TOKEN is the only one without which nothing works."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

impl Cli {
    /// What was asked for: the service, when nothing else was.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.run))
    }
}

/// What can be asked.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Archives what is posted until it is stopped (this is what happens without a command).
    Run(RunArgs),
    /// Reads history once, shows how far it is, and ends.
    Fetch(FetchArgs),
    /// Shows the page of the archive on an address of this machine.
    Serve(ServeArgs),
    /// Tells what is covered, what is pending and what failed for good.
    Status(StatusArgs),
    /// Erases a person, a message, a channel or a server from the archive, for good.
    Forget(ForgetArgs),
    /// Proves that the archive is whole, and mends it with --repair.
    Verify(VerifyArgs),
    /// Checks the token, permissions, ffmpeg and the bucket, and says how to mend what is wrong.
    Doctor(DoctorArgs),
    /// Restores a lost STATE_DIR from the bucket (a service that finds none does it by itself).
    #[expect(clippy::doc_markdown, reason = "this comment is the help that a terminal shows")]
    Restore(RestoreArgs),
    /// Ends with 0 while the service on this machine is well (for HEALTHCHECK in containers).
    #[command(hide = true)]
    Healthcheck,
}

impl Command {
    /// The variables that flags win over, with what they say.
    pub fn overrides(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Fetch(fetch) => fetch.overrides(),
            Self::Run(_) | Self::Serve(_) | Self::Status(_) | Self::Doctor(_) | Self::Verify(_) => {
                Vec::new()
            }
            Self::Forget(_) | Self::Restore(_) | Self::Healthcheck => Vec::new(),
        }
    }
}

/// How the service runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub struct RunArgs {
    /// Reads everything that was posted before, too.
    ///
    /// What was read once is not read again without --reconcile, so this may stay on. Without it the archive begins when the service is
    /// first started; what is posted while it is down is caught up with either way.
    #[arg(long)]
    pub fetch_history: bool,
}

/// What is read once.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that people give or leave out")]
#[expect(clippy::doc_markdown, reason = "these comments are the help that a terminal shows")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  bowerbird fetch --all-channels                        everything there is
  bowerbird fetch --channel-id 1103370250417328202      one channel with its threads
  bowerbird fetch --after 2026-03-01 --before 2026-04-01 --kinds video,image
  bowerbird fetch --reconcile --after 2026-03-01        what changed on Discord since then
  bowerbird fetch --dry-run --max-size 100MB            what would be read and copied

What was read once is not read again, so an interrupted fetch goes on where it stopped.
Ends with 0 only when everything asked for is covered and stored.")]
pub struct FetchArgs {
    /// Reads this server; may be given more than once [variable: SERVER_IDS, default: the one server the bot is in].
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub server_id: Vec<String>,
    /// Reads this channel with its threads; may be given more than once [variable: CHANNEL_IDS, default: all].
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub channel_id: Vec<String>,
    /// Reads every channel that the bot may read, though CHANNEL_IDS names some.
    #[arg(long, conflicts_with = "channel_id")]
    pub all_channels: bool,
    /// Reads what was posted at or after this time, or after this message [default: the beginning].
    ///
    /// A day (2026-03-01, in UTC), a moment (2026-03-01T18:30:00Z) or the id of a message.
    #[arg(long, value_name = "WHEN")]
    pub after: Option<Moment>,
    /// Reads what was posted before this time, or before this message [default: now].
    #[arg(long, value_name = "WHEN")]
    pub before: Option<Moment>,
    /// Copies these sorts of files: video, image, audio, file [variable: MEDIA_KINDS, default: video].
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// Copies files up to this size, such as 100MB [variable: MAX_FILE_SIZE, default: any].
    #[arg(long, value_name = "SIZE")]
    pub max_size: Option<String>,
    /// Also reads again what was read before, for edits and deletions that happened while nobody listened.
    ///
    /// The service does the same by and by, within RECONCILE_EVERY. This takes a request for each hundred messages.
    #[arg(long)]
    pub reconcile: bool,
    /// Goes on with the last fetch that did not end, with the channels and times it was given.
    #[arg(
        long,
        conflicts_with_all = ["server_id", "channel_id", "all_channels", "after", "before", "kinds", "max_size", "reconcile"]
    )]
    pub resume: bool,
    /// Says what would be read and copied, and changes nothing.
    #[arg(long)]
    pub dry_run: bool,
}

impl FetchArgs {
    /// The messages asked for.
    pub fn span(&self) -> Result<Span, BackwardSpan> {
        let first = self.after.map_or(MessageId::FIRST, Moment::first_after);
        let last = self.before.map_or(MessageId::LAST, Moment::last_before);
        Span::new(first, last).ok_or(BackwardSpan)
    }

    fn overrides(&self) -> Vec<(&'static str, String)> {
        let mut overrides = Vec::new();
        let mut list = |variable, items: &[String]| {
            if !items.is_empty() {
                overrides.push((variable, items.join(",")));
            }
        };
        list("SERVER_IDS", &self.server_id);
        list("CHANNEL_IDS", &self.channel_id);
        list("MEDIA_KINDS", &self.kinds);
        list("MAX_FILE_SIZE", self.max_size.as_slice());
        if self.all_channels {
            // An empty setting counts as none.
            overrides.push(("CHANNEL_IDS", String::new()));
        }
        overrides
    }
}

/// `--after` lies behind `--before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing lies between --after and --before: swap them, or widen the time between them")]
pub struct BackwardSpan;

/// A point in a channel's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A time.
    Time(Timestamp),
    /// A message.
    Message(MessageId),
}

impl Moment {
    /// Ids of messages have 17 digits and more, dates have eight.
    const SHORTEST_ID: usize = 17;

    /// The first message that is at or after a time, or after a message.
    fn first_after(self) -> MessageId {
        match self {
            Self::Time(time) => MessageId::at(time),
            Self::Message(message) => message.next(),
        }
    }

    /// The last message before it.
    fn last_before(self) -> MessageId {
        match self {
            Self::Time(time) => MessageId::at(time).previous(),
            Self::Message(message) => message.previous(),
        }
    }
}

impl FromStr for Moment {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() >= Self::SHORTEST_ID && text.chars().all(|c| c.is_ascii_digit()) {
            return text.parse().map(Self::Message).map_err(|_| NotAMoment);
        }
        let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
        Timestamp::parse(text).or_else(day).map(Self::Time).ok_or(NotAMoment)
    }
}

/// A text that names no point in history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a day (2026-03-01), a moment (2026-03-01T18:30:00Z) or the id of a message")]
pub struct NotAMoment;

/// Where the page is shown.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  bowerbird serve                                   the archive that the settings name
  bowerbird serve --addr 127.0.0.1:9000
  ARCHIVE_DIR=./old-archive bowerbird serve

Which archive is shown: BUCKET_NAME, or ARCHIVE_DIR (./archive) without one. No token is needed.")]
pub struct ServeArgs {
    /// Listens on this address; everybody who reaches it sees the archive.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub addr: SocketAddr,
}

/// How the state is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  bowerbird status
  bowerbird status --all                            every channel and thread
  bowerbird status --json | jq .waiting.downloads
  bowerbird status --retry-parked                   after what made files fail was mended
  bowerbird status --keep-deleted                   after somebody deleted half the server

Asks the service that runs on STATE_DIR (./state), or reads the store there when none runs.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct StatusArgs {
    /// Lists every channel and thread, not only those that need attention.
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// Has tried again what was put aside because it failed for good, or again and again, and asks again for messages
    /// that could not be read.
    #[arg(long)]
    pub retry_parked: bool,
    /// Lets what was deleted on Discord all at once be erased like any other deletion: it was meant.
    #[arg(long, conflicts_with = "keep_deleted")]
    pub allow_erasing: bool,
    /// Shows again what was deleted on Discord all at once, marked as deleted: it was an attack, or a mistake.
    #[arg(long)]
    pub keep_deleted: bool,
    /// Writes JSON, for programs.
    #[arg(long)]
    pub json: bool,
}

/// What is forgotten.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  bowerbird forget --user 80351110224678912 --dry-run        what would be erased
  bowerbird forget --user 80351110224678912                  erase it, after asking
  bowerbird forget --message 1103370250417328202 --yes       for scripts
  bowerbird forget --list                                    what is not archived
  bowerbird forget --allow 80351110224678912                 archive them again from now on

Erases entries, raw messages, files that nobody else posted, stills, names and pictures of people, and the page's
files that told of them; then the page is published without them. What is forgotten is not archived again.
Works through the service that runs on STATE_DIR (./state), or does it itself when none runs.
Ends with 0 only when all of it is gone from the archive's bucket.")]
pub struct ForgetArgs {
    /// Forgets everything that this person (or bot, or webhook) posted; may be given more than once.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub user: Vec<UserId>,
    /// Forgets this message; may be given more than once.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub message: Vec<MessageId>,
    /// Forgets this channel with its threads, this thread, or this category; may be given more than once.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub channel: Vec<ChannelId>,
    /// Forgets this server; may be given more than once.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub server: Vec<GuildId>,
    /// Takes this id off the list; what was erased does not come back by itself.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub allow: Vec<u64>,
    /// Shows what is on the list.
    #[arg(long, conflicts_with_all = ["user", "message", "channel", "server", "allow", "dry_run"])]
    pub list: bool,
    /// Says what would be erased, and changes nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Does not ask.
    #[arg(long)]
    pub yes: bool,
    /// Writes JSON, for programs.
    #[arg(long)]
    pub json: bool,
}

impl ForgetArgs {
    /// What is to be forgotten.
    pub fn what(&self) -> Vec<Forgotten> {
        let users = self.user.iter().copied().map(Forgotten::User);
        let messages = self.message.iter().copied().map(Forgotten::Message);
        let channels = self.channel.iter().copied().map(Forgotten::Channel);
        let servers = self.server.iter().copied().map(Forgotten::Guild);
        users.chain(messages).chain(channels).chain(servers).collect()
    }
}

/// How closely the archive is looked at, and what becomes of what is found.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  bowerbird verify                                  by names, lengths and checksums
  bowerbird verify --deep                           by every byte
  bowerbird verify --repair                         and mend what is wrong
  bowerbird verify --json | jq .findings
  BUCKET_NAME=archive bowerbird verify --bucket-only

Asks the service that runs on STATE_DIR (./state), or does it itself when none runs. Where there is no STATE_DIR, the
archive is compared with its own manifest, as with --bucket-only.
Ends with 0 when all is well, with 1 when something is wrong, with 2 when that could not be found out.")]
pub struct VerifyArgs {
    /// Reads every byte, instead of comparing what listings tell.
    ///
    /// A listing of Google Cloud Storage tells checksums. A folder tells lengths and times: there, files are read
    /// whose time is not that at which they were put.
    #[arg(long)]
    pub deep: bool,
    /// Mends what is wrong: fetches again what Discord still has and marks the rest lost, makes stills again,
    /// publishes again, and removes what nothing has named for a day.
    #[arg(long, conflicts_with = "bucket_only")]
    pub repair: bool,
    /// Compares the bucket with its own manifest, without a catalogue.
    #[arg(long)]
    pub bucket_only: bool,
    /// Writes JSON, for programs.
    #[arg(long)]
    pub json: bool,
}

/// How the findings are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
#[command(after_help = "\
Example:
  bowerbird doctor

Reads the same settings as the service: run it where the service runs. Ends with 0 when nothing is wrong.")]
pub struct DoctorArgs {
    /// Writes JSON, for programs.
    #[arg(long)]
    pub json: bool,
}

/// What a lost state is restored from.
#[expect(clippy::doc_markdown, reason = "these comments are the help that a terminal shows")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  bowerbird restore
  bowerbird restore --replace                       set the store aside that is there, and restore another
  bowerbird restore --from-page-only --json

Reads the copy of the state in STATE_BUCKET_NAME or STATE_BUCKET_DIR, and what the published archive knows beyond it.
Without a copy the state is rebuilt from the published archive alone; what does not come back then is listed.
No token is needed, no file is fetched again, and what was read of Discord's history is not read again.")]
pub struct RestoreArgs {
    /// Sets aside the store that is in STATE_DIR; it is never deleted.
    #[arg(long)]
    pub replace: bool,
    /// Leaves the copy of the state alone, and rebuilds from the published archive.
    #[arg(long)]
    pub from_page_only: bool,
    /// Writes JSON, for programs.
    #[arg(long)]
    pub json: bool,
}

/// Returns when somebody presses Ctrl-C. A terminal that can't tell is never pressed.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Command {
        Cli::try_parse_from(line.split(' ')).unwrap().into_command()
    }

    fn fetch(line: &str) -> FetchArgs {
        match parse(line) {
            Command::Fetch(fetch) => fetch,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_service_runs_unless_something_else_is_asked() {
        for (line, fetch_history) in [
            ("bowerbird", false),
            ("bowerbird run", false),
            ("bowerbird --fetch-history", true),
            ("bowerbird run --fetch-history", true),
        ] {
            let Command::Run(run) = parse(line) else { panic!("{line}") };
            assert_eq!(run, RunArgs { fetch_history }, "{line}");
        }
        assert!(Cli::try_parse_from(["bowerbird", "--fetch-history", "status"]).is_err());
    }

    #[test]
    fn flags_of_fetch_win_over_variables() {
        let line = "bowerbird fetch --server-id 1 --channel-id 2,3 --channel-id 4 --kinds video,image --max-size 1GB";
        assert_eq!(
            parse(line).overrides(),
            [
                ("SERVER_IDS", "1".to_owned()),
                ("CHANNEL_IDS", "2,3,4".to_owned()),
                ("MEDIA_KINDS", "video,image".to_owned()),
                ("MAX_FILE_SIZE", "1GB".to_owned()),
            ]
        );
        assert_eq!(
            parse("bowerbird fetch --all-channels").overrides(),
            [("CHANNEL_IDS", String::new())]
        );
        assert_eq!(parse("bowerbird fetch").overrides(), []);
    }

    #[test]
    fn asking_for_all_and_for_some_is_refused() {
        for line in [
            "bowerbird fetch --all-channels --channel-id 2",
            "bowerbird fetch --resume --after 2026-03-01",
            "bowerbird fetch --resume --channel-id 2",
            "bowerbird fetch --resume --reconcile",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[track_caller]
    fn check_span(line: &str, first: MessageId, last: MessageId) {
        assert_eq!(fetch(line).span(), Ok(Span { first, last }), "{line}");
    }

    #[test]
    fn spans_reach_from_after_to_before() {
        let at = |text| MessageId::at(Timestamp::parse(text).unwrap());
        check_span("bowerbird fetch", MessageId::FIRST, MessageId::LAST);
        check_span(
            "bowerbird fetch --after 2026-03-01 --before 2026-04-01",
            at("2026-03-01T00:00:00Z"),
            at("2026-04-01T00:00:00Z").previous(),
        );
        check_span(
            "bowerbird fetch --after 2026-03-01T18:30:00+01:00",
            at("2026-03-01T17:30:00Z"),
            MessageId::LAST,
        );
        check_span(
            "bowerbird fetch --after 1103370250417328202 --before 1103370250417328209",
            MessageId(1_103_370_250_417_328_203),
            MessageId(1_103_370_250_417_328_208),
        );
        let backward = fetch("bowerbird fetch --after 2026-04-01 --before 2026-03-01");
        assert_eq!(backward.span(), Err(BackwardSpan));
        // Ids of the same day leave nothing between them either.
        let empty = fetch("bowerbird fetch --after 2026-03-01 --before 2026-03-01");
        assert_eq!(empty.span(), Err(BackwardSpan));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in
            ["yesterday", "2026-13-01", "2026-02-30", "20260301", "", "99999999999999999999"]
        {
            assert_eq!(text.parse::<Moment>(), Err(NotAMoment), "{text}");
        }
    }
}
