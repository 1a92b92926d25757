//! Some of the newest messages, to see what settings alone don't tell: whether messages come with what people wrote,
//! and whether files can be fetched.

use super::{Finding, bot::refused, deadline::within};
use crate::{
    app::open,
    cdn::Cdn,
    config::Config,
    discord::{Contents, Cursor, Discord, LiveDiscord, contents},
    domain::{id::UserId, link::Link, place::Place},
};

/// Places that are asked, those with the newest messages first: enough that not all of them hold only what bots say.
const PLACES: usize = 6;

/// Messages of each. A request costs the same for one and for a hundred.
const MESSAGES: u16 = 50;

pub(super) async fn check(
    config: &Config,
    discord: &LiveDiscord,
    me: UserId,
    mut places: Vec<Place>,
) -> Vec<Finding> {
    places.retain(|place| place.last_message.is_some());
    places.sort_by_key(|place| std::cmp::Reverse(place.last_message));
    let mut findings = Vec::new();
    let (mut shown, mut withheld) = (0, 0);
    let mut link: Option<Link> = None;
    for place in places.iter().take(PLACES) {
        let page =
            match within("messages", discord.messages(place.id, Cursor::Newest, MESSAGES)).await {
                Ok(Ok(page)) => page,
                Ok(Err(error)) => {
                    let finding = refused("messages", &error);
                    let words = format!("#{}: {}", place.name, finding.words);
                    findings.push(Finding { words, ..finding });
                    continue;
                }
                Err(late) => {
                    findings.push(late);
                    break;
                }
            };
        for message in &page.messages {
            match contents(message, me) {
                Contents::Shown => shown += 1,
                Contents::Withheld => withheld += 1,
                Contents::Unclear => {}
            }
            link = link.or_else(|| message.attachments.first().map(|file| file.link.clone()));
        }
    }
    findings.push(match (shown, withheld) {
        (0, 0) => Finding::note("messages", "none was found that would tell whether they come whole"),
        (0, _) => Finding::bad("messages", format!("{withheld} messages were looked at, and all came empty"))
            .mend(
                "switch on Message Content Intent in the developer portal (your application, Bot, Privileged Gateway Intents)",
            ),
        (shown, _) => Finding::good("messages", format!("{shown} messages were looked at, and come with what was written")),
    });
    findings.push(match link {
        Some(link) => within("files", fetch(config, &link)).await.unwrap_or_else(|late| late),
        None => Finding::note("files", "no file was found that could be fetched to try"),
    });
    findings
}

async fn fetch(config: &Config, link: &Link) -> Finding {
    let opened = match open::cdn(config) {
        Ok(cdn) => cdn.open(link).await,
        Err(error) => return Finding::bad("files", format!("{error:#}")),
    };
    match opened {
        Ok(_) => Finding::good("files", "the newest one can be fetched"),
        // It may have been deleted a moment ago.
        Err(error) if error.may_be_expired() => Finding::note("files", format!("{link}: {error}")),
        Err(error) => Finding::bad("files", format!("{link}: {error}"))
            .mend("let this machine make connections to Discord's CDN, and look at CDN_HOSTS"),
    }
}
