//! Reads the text of single settings, and says what is wrong with it.

use std::{
    collections::BTreeSet, net::SocketAddr, num::NonZeroUsize, path::PathBuf, str::FromStr,
    time::Duration,
};

use url::Url;

use super::{LogFormat, Origin, Webhook, problem::Complaint};
use crate::domain::{
    removal::{OnDelete, Percent},
    selection::{MediaKind, MediaMode},
};

/// More would be felt by the CDN, or by the machine, rather than by the archive.
const MOST_WORKERS: usize = 64;

/// Longer than a day is a slip of the finger.
const LONGEST: Duration = Duration::from_hours(24);

/// A name in the head of a page, not a text.
const LONGEST_TITLE: usize = 100;

/// Beyond this nobody means a period.
const LONGEST_PERIOD: Duration = Duration::from_hours(24 * 3_660);

/// How often something is done; none when never.
pub(super) struct Period(pub(super) Option<Duration>);

/// An address to listen on, or none.
pub(super) struct Listen(pub(super) Option<SocketAddr>);

/// Ids between commas.
pub(super) fn ids<T: FromStr + Ord>(text: &str) -> Result<BTreeSet<T>, Complaint> {
    list(text, id)
}

/// Sorts of files between commas.
pub(super) fn kinds(text: &str) -> Result<BTreeSet<MediaKind>, Complaint> {
    list(text, |name| name.parse().map_err(|_| format!("names {name:?}").into()))
}

/// Hosts between commas.
pub(super) fn hosts(text: &str) -> Result<BTreeSet<Origin>, Complaint> {
    list(text, Origin::parse_host)
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, Complaint> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("is neither".into()),
    }
}

/// `copy` or `link`.
pub(super) fn media_mode(text: &str) -> Result<MediaMode, Complaint> {
    match text {
        "copy" => Ok(MediaMode::Copy),
        "link" => Ok(MediaMode::Link),
        _ => Err("is neither".into()),
    }
}

/// How log lines look.
pub(super) fn log_format(text: &str) -> Result<LogFormat, Complaint> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("is none of them".into()),
    }
}

/// What becomes of a message that was deleted: it is hidden, and nothing else can be chosen yet.
pub(super) fn on_delete(text: &str) -> Result<OnDelete, Complaint> {
    match text {
        "hide" => Ok(OnDelete::Hide),
        "erase" => Ok(OnDelete::Erase),
        "keep" => Ok(OnDelete::Keep),
        _ => Err("is not known".into()),
    }
}

/// A share of a hundred.
pub(super) fn percent(text: &str) -> Result<Percent, Complaint> {
    let (number, unit) = measured(text)?;
    match (u8::try_from(number), unit) {
        (Ok(number @ 0..=100), "%") => Ok(Percent(number)),
        (_, "%") => Err("is more than everything".into()),
        (_, unit) => Err(wrong_unit(unit)),
    }
}

/// How often something is done, or never.
pub(super) fn period(text: &str) -> Result<Period, Complaint> {
    if text == "never" {
        return Ok(Period(None));
    }
    let (number, unit) = measured(text)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong_unit(unit)),
    };
    match number.checked_mul(seconds).map(Duration::from_secs) {
        Some(Duration::ZERO) => Err("is nothing".into()),
        Some(period) if period <= LONGEST_PERIOD => Ok(Period(Some(period))),
        _ => Err("is too long".into()),
    }
}

/// An address that messages are posted to. Whoever knows it may post, so what is wrong with it is told without it.
pub(super) fn webhook(text: &str) -> Result<Webhook, Complaint> {
    let address = Url::parse(text).map_err(|_| "is no address")?;
    let local = matches!(address.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match address.scheme() {
        "https" => Ok(Webhook::new(text)),
        // For tests and for relays on the same machine.
        "http" if local => Ok(Webhook::new(text)),
        "http" => Err("would be sent in the clear".into()),
        _ => Err("is no address of the web".into()),
    }
}

/// Bytes with a unit.
pub(super) fn size(text: &str) -> Result<u64, Complaint> {
    let (number, unit) = measured(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(wrong_unit(unit)),
    };
    match number.checked_mul(factor) {
        Some(0) => Err("is nothing".into()),
        Some(bytes) => Ok(bytes),
        None => Err("is too large".into()),
    }
}

/// A length of time with a unit.
pub(super) fn duration(text: &str) -> Result<Duration, Complaint> {
    let (number, unit) = measured(text)?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong_unit(unit)),
    };
    match number.checked_mul(millis).map(Duration::from_millis) {
        Some(Duration::ZERO) => Err("is nothing".into()),
        Some(duration) if duration <= LONGEST => Ok(duration),
        _ => Err("is too long".into()),
    }
}

/// How many work at once.
pub(super) fn workers(text: &str) -> Result<NonZeroUsize, Complaint> {
    let count: usize = text.parse().map_err(|_| "is not a whole number")?;
    if count > MOST_WORKERS {
        return Err("is too many".into());
    }
    NonZeroUsize::new(count).ok_or_else(|| "would leave nobody to do the work".into())
}

/// An address to listen on.
pub(super) fn address(text: &str) -> Result<Listen, Complaint> {
    if text == "off" {
        return Ok(Listen(None));
    }
    match text.parse() {
        Ok(address) => Ok(Listen(Some(address))),
        Err(_) if text.starts_with(':') => Err("lacks the address before the port".into()),
        Err(_) => Err("is no such address".into()),
    }
}

/// A path.
pub(super) fn path(text: &str) -> Result<PathBuf, Complaint> {
    if text.starts_with('~') {
        return Err("begins with ~, which only shells replace (write the path in full)".into());
    }
    Ok(PathBuf::from(text))
}

/// The path of a file that holds a key.
pub(super) fn key_file(text: &str) -> Result<PathBuf, Complaint> {
    if text.starts_with('{') || text.contains("PRIVATE KEY") {
        return Err("holds the key itself".into());
    }
    path(text)
}

/// The name of a bucket. Source: Google's documentation, "Bucket names".
pub(super) fn bucket_name(text: &str) -> Result<String, Complaint> {
    if text.contains("://") || text.contains('/') {
        return Err("is an address or a path".into());
    }
    if !(3..=222).contains(&text.len()) {
        return Err("is too short or too long".into());
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if let Some(odd) = text.chars().find(|c| !plain(*c) && !matches!(c, '-' | '_' | '.')) {
        return Err(format!("holds {odd:?}").into());
    }
    if !text.starts_with(plain) || !text.ends_with(plain) {
        return Err("does not begin and end with a letter or a digit".into());
    }
    Ok(text.to_owned())
}

/// What the page is called.
pub(super) fn title(text: &str) -> Result<String, Complaint> {
    if text.chars().count() > LONGEST_TITLE {
        return Err("is too long".into());
    }
    if text.contains(char::is_control) {
        return Err("holds a control character".into());
    }
    Ok(text.to_owned())
}

fn list<T: Ord>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, Complaint>,
) -> Result<BTreeSet<T>, Complaint> {
    // A comma at the end is how a list looks that somebody means to go on with.
    let items = text.strip_suffix(',').unwrap_or(text);
    items
        .split(',')
        .map(str::trim)
        .map(|item| if item.is_empty() { Err("has an empty place".into()) } else { parse(item) })
        .collect()
}

fn id<T: FromStr>(text: &str) -> Result<T, Complaint> {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if digits(text) && (17..=20).contains(&text.len()) {
        return text.parse().map_err(|_| format!("names {text}, which is too large").into());
    }
    Err(if digits(text) {
        format!("names {text}, which has {} digits", text.len()).into()
    } else if text.starts_with("http") {
        "holds a link (its last number is the channel's id, the one before it the server's)".into()
    } else if text.contains(char::is_whitespace) || text.contains(';') {
        "is not separated by commas".into()
    } else if text.starts_with(['<', '#', '@']) || text.contains(char::is_alphabetic) {
        "holds a name where an id is wanted".into()
    } else {
        "holds what is not an id".into()
    })
}

fn measured(text: &str) -> Result<(u64, &str), Complaint> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return Err("does not begin with a whole number".into());
    }
    let number = number.parse().map_err(|_| "is too large")?;
    Ok((number, unit.trim_start()))
}

fn wrong_unit(unit: &str) -> Complaint {
    if unit.is_empty() {
        "lacks its unit".into()
    } else {
        format!("has {unit:?} for a unit").into()
    }
}
