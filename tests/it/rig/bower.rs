//! The server that the large tests archive, and all that goes wrong while they do.

use std::time::Duration;

use discord_sim::{
    ChannelId, Fault, Kind, NewAttachment, NewChannel, NewMessage, NewThread, Options, Overwrite,
    READ_MESSAGE_HISTORY, RateLimits, Refresh, RoleId, Rule, Scope, Spec, Subject, Target,
    VIEW_CHANNEL, World,
};

/// The seed of worlds and dice; a failing run is the same when it is run again, but for the network's order.
const SEED: u64 = 20_240_301;

/// How many times as fast as Discord's the simulated limits run.
const FASTER: f64 = 20.0;

/// How large the server is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    messages: usize,
    attachments: usize,
    threads: usize,
}

impl Size {
    /// As large as a year of a lively server.
    pub(crate) const WHOLE: Self = Self { messages: 20_000, attachments: 2_000, threads: 60 };
    /// What every run of the tests can afford.
    pub(crate) const TENTH: Self = Self { messages: 2_000, attachments: 200, threads: 12 };
}

/// Eight channels, forums, threads of every kind, and places that are nobody's business.
pub(crate) struct Bower {
    /// All of it.
    pub world: World,
    races: Races,
}

/// Places that change while they are listed.
#[derive(Clone, Copy)]
struct Races {
    /// Active until a listing of active threads is asked for.
    archived_before_active: ChannelId,
    /// Active until the last channel's archived threads are listed.
    archived_while_listing: ChannelId,
    /// Archived until the first channel's archived threads are listed.
    opened_while_listing: ChannelId,
    /// Read in several pages, between which the permission goes and comes back.
    withdrawn: ChannelId,
}

impl Bower {
    /// Builds it.
    pub(crate) fn new(size: Size) -> Self {
        let spec = Spec {
            channels: 8,
            messages: size.messages,
            attachments: size.attachments,
            forums: 2,
            posts: size.threads,
            active_threads: size.threads / 3,
            archived_threads: size.threads,
            private_threads: 4,
            unreadable: 1,
            users: 20,
            largest: 256 * 1024,
            ..Spec::default()
        };
        let (world, guild) = World::generate(SEED, &spec);
        let founded = spec.founded;
        let everyone = Subject::Role(RoleId(guild.0));
        let hidden = Overwrite { subject: everyone, allow: 0, deny: VIEW_CHANNEL };
        let for_us =
            Overwrite { subject: Subject::Member(world.bot()), allow: VIEW_CHANNEL, deny: 0 };
        let staff = NewChannel::text("staff").overwrite(hidden).overwrite(for_us).at(founded);
        let staff = world.create_channel(guild, staff);
        let adults = world.create_channel(guild, NewChannel::text("adults").nsfw().at(founded));
        for place in [staff, adults] {
            let file = NewAttachment::new("private.mp4", b"nobody's business".to_vec());
            world.post(place, NewMessage::text("a secret").attach(file).at(founded + 1_000));
        }
        let texts: Vec<ChannelId> = world
            .places()
            .into_iter()
            .filter(|place| place.kind == Kind::Text && place.public && !place.nsfw)
            .map(|place| place.id)
            .collect();
        let (first, last) = (texts[0], texts[texts.len() - 1]);
        let thread = |parent, name: &str| {
            let thread = world.create_thread(parent, NewThread::public(name).at(founded + 2_000));
            let file = NewAttachment::new(format!("{name}.mp4"), name.as_bytes().to_vec());
            world.post(thread, NewMessage::text(name).attach(file).at(founded + 3_000));
            thread
        };
        let races = Races {
            archived_before_active: thread(first, "archived-before-active"),
            archived_while_listing: thread(first, "archived-while-listing"),
            opened_while_listing: thread(last, "opened-while-listing"),
            withdrawn: busiest(&world, &texts),
        };
        world.archive_thread_at(races.opened_while_listing, founded + 4_000);
        Self { world, races }
    }

    /// Discord's limits, in a world whose requests run faster; sessions begin at its own pace.
    pub(crate) fn calm() -> Options {
        Options { rate_limits: RateLimits::faster(FASTER), ..Options::default() }
    }

    /// The same, and everything that was ever seen to go wrong, early enough to leave time for mending.
    pub(crate) fn trouble(&self) -> Options {
        let mut faults = self.races();
        faults.extend(rest_faults());
        faults.extend(cdn_faults());
        Options { faults, refresh: Refresh::Gaps, ..Self::calm() }
    }

    /// What changes while it is looked at: permissions between two pages, threads between two listings.
    fn races(&self) -> Vec<Rule> {
        let Races {
            archived_before_active,
            archived_while_listing,
            opened_while_listing,
            withdrawn,
        } = self.races;
        let active = Target::Route("get_active_guild_threads");
        let archived = Target::Route("list_public_archived_threads");
        let pages = Target::Route("list_messages");
        vec![
            Rule::act_at(active, 1, move |world| world.archive_thread(archived_before_active)),
            Rule::act_at(archived, 1, move |world| world.unarchive_thread(opened_while_listing)),
            Rule::act_at(archived, 5, move |world| world.archive_thread(archived_while_listing)),
            // With this permission gone a page comes empty, with 200.
            Rule::act_at(pages, 2, move |world| world.withdraw(withdrawn, READ_MESSAGE_HISTORY))
                .only(withdrawn.0),
            // The list of channels is asked for twice at first, since one answer fails: this is the next look.
            Rule::act_at(Target::Route("list_guild_channels"), 3, move |world| {
                world.restore(withdrawn);
            }),
        ]
    }
}

/// The channel with the most messages, which takes more than one page.
fn busiest(world: &World, channels: &[ChannelId]) -> ChannelId {
    let count = |id: &&ChannelId| world.messages(**id).len();
    *channels.iter().max_by_key(count).unwrap()
}

fn rest_faults() -> Vec<Rule> {
    let pages = Target::Route("list_messages");
    let brief = Duration::from_millis(300);
    vec![
        Rule::nth(Target::Route("list_my_guilds"), 1, Fault::Status(500)),
        Rule::nth(Target::Route("list_guild_channels"), 1, Fault::HtmlStatus(502)),
        Rule::nth(Target::Route("list_public_archived_threads"), 2, Fault::Reset),
        Rule::nth(pages, 4, Fault::Status(500)),
        Rule::nth(pages, 7, Fault::Reset),
        Rule::nth(pages, 11, Fault::Truncate(200)),
        Rule::nth(pages, 15, Fault::Limited(Scope::User, brief)),
        Rule::nth(pages, 19, Fault::Limited(Scope::Shared, brief)),
        Rule::nth(pages, 23, Fault::EmptyStatus(503)),
        Rule::nth(pages, 27, Fault::WrongLength(7)),
        Rule::nth(pages, 31, Fault::HtmlOk),
        Rule::nth(pages, 35, Fault::Stall(brief)),
        Rule::nth(Target::Route("refresh_urls"), 1, Fault::Status(502)),
    ]
}

fn cdn_faults() -> Vec<Rule> {
    let faults = [
        Fault::Status(503),
        Fault::Reset,
        Fault::Truncate(10),
        Fault::WrongLength(5),
        Fault::HtmlOk,
        Fault::WrongBytes,
        Fault::HtmlStatus(502),
        Fault::EmptyStatus(500),
        Fault::Stall(Duration::from_millis(200)),
        Fault::Drip(7_000, Duration::from_millis(1)),
        Fault::Limited(Scope::User, Duration::from_secs(1)),
        Fault::Cloudflare(403, None),
    ];
    let turns = (3..).step_by(6);
    let mut rules: Vec<_> =
        turns.zip(faults).map(|(n, fault)| Rule::nth(Target::Cdn, n, fault)).collect();
    // A day passes, and every link that was given before is dead.
    let day = Duration::from_hours(25);
    rules.push(Rule::act_at(Target::Cdn, 90, move |world| world.clock().advance(day)));
    rules
}
