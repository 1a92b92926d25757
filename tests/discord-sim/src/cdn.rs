//! Discord's file servers: originals and the resizing proxy behind signed links, avatars and the like without.

use std::{io, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, Method, Response, Uri, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    clock::http_date,
    content::Content,
    core::Core,
    faults::{Fault, Request},
    ids::{AttachmentId, ChannelId, GuildId, UserId},
    model::Attachment,
    picture,
    reply::{Reply, Reset, uncounted},
};

/// What every link that opens nothing gets, whatever the reason.
const UNAVAILABLE: &str = "This content is no longer available.";

/// Above this a file has no MD5: it would take about a second.
const LARGE: u64 = 64 << 20;

/// Which of the file servers is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// `cdn.discordapp.com`: originals.
    Originals,
    /// `media.discordapp.net`: re-encoded pictures.
    Proxy,
}

pub(crate) async fn serve(
    core: &Arc<Core>,
    server: Server,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response<Body>, Reset> {
    let path = uri.path();
    if headers.contains_key(header::AUTHORIZATION) {
        core.violation(format!("an Authorization header was sent to the CDN: {path}"));
    }
    let faults = core.strike(Request::Cdn, path);
    for fault in &faults {
        match fault {
            Fault::Reset => {
                core.ledger().stats.answered("cdn", 0);
                return Err(Reset);
            }
            Fault::Stall(late) => tokio::time::sleep(*late).await,
            Fault::Act(act) => act(&core.world),
            _ => {}
        }
    }
    if method != Method::GET && method != Method::HEAD {
        core.violation(format!("{method} {path} was sent to the CDN"));
        return Ok(Reply::empty(405).send(&[], uncounted()));
    }
    let (reply, file) = look_up(core, server, uri, headers).await;
    // A status alone is the front's doing, in the front's words.
    let rest: Vec<Fault> =
        faults.iter().filter(|fault| !matches!(fault, Fault::Status(_))).cloned().collect();
    let mut reply = match front(&faults) {
        Some(reply) => reply,
        None => reply,
    }
    .spoiled(&rest);
    reply.bodiless = method == Method::HEAD;

    let mut ledger = core.ledger();
    ledger.stats.answered("cdn", reply.status);
    if let Some(file) = file.filter(|_| reply.status < 300 && !reply.bodiless) {
        *ledger.stats.downloads.entry(file).or_default() += 1;
    }
    drop(ledger);
    let counting = Arc::clone(core);
    let sent = move |bytes| {
        let stats = &mut counting.ledger().stats;
        match file {
            Some(file) => *stats.bytes.entry(file).or_default() += bytes,
            None => stats.other_bytes += bytes,
        }
    };
    Ok(reply.send(&faults, Arc::new(sent)))
}

/// What the server in front answers by itself.
fn front(faults: &[Fault]) -> Option<Reply> {
    faults.iter().find_map(|fault| match fault {
        Fault::Status(status) => Some(Reply::text(*status, UNAVAILABLE)),
        Fault::Limited(_, pause) => {
            let retry = pause.as_secs_f64().ceil().to_string();
            Some(Reply::text(429, "").with(vec![("retry-after", retry)]))
        }
        Fault::Cloudflare(status, pause) => {
            let retry = pause.map(|pause| ("retry-after", pause.as_secs_f64().ceil().to_string()));
            Some(Reply::html(*status).with(retry.into_iter().collect()))
        }
        _ => None,
    })
}

async fn look_up(
    core: &Arc<Core>,
    server: Server,
    uri: &Uri,
    headers: &HeaderMap,
) -> (Reply, Option<AttachmentId>) {
    let segments: Vec<&str> = uri.path().split('/').skip(1).collect();
    match segments.as_slice() {
        ["attachments", channel, id, name] => {
            let gone = || (Reply::text(404, UNAVAILABLE), None);
            if core.signer.check(uri.path(), uri.query().unwrap_or_default()).is_err() {
                return gone();
            }
            let (Ok(channel), Ok(id)) = (channel.parse(), id.parse()) else { return gone() };
            let Some(file) = find(core, channel, id, name) else { return gone() };
            let reply = match server {
                Server::Originals => original(file, headers).await,
                Server::Proxy => proxied(&file),
            };
            (reply, (server == Server::Originals).then_some(id))
        }
        rest => (unsigned(core, server, rest).unwrap_or_else(|| Reply::text(404, "")), None),
    }
}

fn find(core: &Core, channel: ChannelId, id: AttachmentId, name: &str) -> Option<Attachment> {
    let state = core.world.lock();
    let file = state.attachments.get(&id)?;
    let there = file.channel == channel && file.removed.is_none();
    // The signature covers the path, so a name that differs only in its escapes is the same name.
    (there && (name.contains('%') || name == file.filename)).then(|| file.clone())
}

async fn original(file: Attachment, headers: &HeaderMap) -> Reply {
    let content = file.content.clone();
    let hashed = tokio::task::spawn_blocking(move || google_hash(&content)).await;
    let Ok(Ok(hash)) = hashed else { return Reply::text(500, "the file on disk is gone") };
    let size = file.content.size();
    let content_type = file.content_type.as_deref().unwrap_or("application/octet-stream");
    let reply = Reply::file(content_type, file.content).with(vec![
        ("accept-ranges", "bytes".to_owned()),
        ("cache-control", "public, max-age=31536000".to_owned()),
        ("content-disposition", format!("attachment; filename=\"{}\"", plain(&file.filename))),
        ("etag", format!("\"{:x}\"", file.id.0)),
        ("last-modified", http_date(file.message.millis())),
        ("x-goog-hash", hash),
        ("x-goog-stored-content-length", size.to_string()),
        ("x-robots-tag", "noindex, nofollow".to_owned()),
    ]);
    let wanted = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    match wanted.map_or(Range::Whole, |text| range(text, size)) {
        Range::Whole => reply,
        Range::Part(start, end) => {
            let told = format!("bytes {start}-{}/{size}", end - 1);
            Reply { status: 206, range: (start, end), ..reply }.with(vec![("content-range", told)])
        }
        Range::Outside => {
            Reply::empty(416).with(vec![("content-range", format!("bytes */{size}"))])
        }
    }
}

/// Both checksums, or the CRC32C alone for what is large: Google's composed objects have no MD5,
/// and nobody waits for headers as long as it takes.
fn google_hash(content: &Content) -> io::Result<String> {
    let crc32c = STANDARD.encode(content.crc32c()?.to_be_bytes());
    if content.size() > LARGE {
        return Ok(format!("crc32c={crc32c}"));
    }
    Ok(format!("crc32c={crc32c},md5={}", STANDARD.encode(content.sums()?.md5)))
}

/// The proxy re-encodes what has dimensions and refuses the rest; its bytes are never the original's.
fn proxied(file: &Attachment) -> Reply {
    match (file.dimensions, file.content_type.as_deref().unwrap_or_default()) {
        (None, _) => Reply::text(415, "unsupported media type"),
        (Some(_), video) if video.starts_with("video/") => {
            Reply::file(video, Content::seeded(file.id.0, file.content.size()))
        }
        (Some(_), _) => Reply::file("image/png", picture::png(file.id.0)),
    }
}

fn unsigned(core: &Core, server: Server, segments: &[&str]) -> Option<Reply> {
    let picture = |seed| Reply::file("image/png", picture::png(seed));
    let stem = |name: &&str| name.rsplit_once('.').map(|(stem, _)| stem.to_owned());
    match segments {
        ["embed", "avatars", name] | ["emojis", name] => Some(picture(stem(name)?.parse().ok()?)),
        ["avatars", user, name] => {
            let (hash, content) = core.world.avatar(UserId(user.parse().ok()?))?;
            (stem(name)? == hash).then(|| Reply::file("image/png", content))
        }
        ["icons", guild, name] => {
            let state = core.world.lock();
            let icon = state.guilds.get(&GuildId(guild.parse().ok()?))?.icon.clone()?;
            (stem(name)? == icon).then(|| picture(icon.len() as u64))
        }
        ["stickers", name] => {
            let (id, extension) = name.rsplit_once('.')?;
            match (extension, server) {
                // Animated GIF stickers are on the proxy's host alone.
                ("png", _) | ("gif", Server::Proxy) => Some(picture(id.parse().ok()?)),
                ("json", _) => Some(Reply::file(
                    "application/json",
                    Content::bytes(r#"{"v":"5.5.2","fr":60,"w":320,"h":320,"layers":[]}"#),
                )),
                _ => None,
            }
        }
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part(u64, u64),
    Outside,
}

/// Reads a `Range` header; several ranges or another unit get the whole file, as the standard allows.
fn range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Range::Whole;
    };
    let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if last >= first => (first, size.min(last.saturating_add(1))),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(tail)) if first.is_empty() => (size.saturating_sub(tail), size),
        _ => return Range::Whole,
    };
    if start < end { Range::Part(start, end) } else { Range::Outside }
}

/// A name without what would break out of a quoted header value.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_graphic() && c != '"' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (text, size, expected) in [
            ("bytes=0-0", 10, Range::Part(0, 1)),
            ("bytes=2-", 10, Range::Part(2, 10)),
            ("bytes=-3", 10, Range::Part(7, 10)),
            ("bytes=-30", 10, Range::Part(0, 10)),
            ("bytes=5-99", 10, Range::Part(5, 10)),
            ("bytes=10-", 10, Range::Outside),
            ("bytes=0-", 0, Range::Outside),
            ("bytes=-0", 10, Range::Outside),
            ("bytes=5-2", 10, Range::Whole),
            ("bytes=0-1,4-5", 10, Range::Whole),
            ("lines=1-2", 10, Range::Whole),
        ] {
            assert_eq!(range(text, size), expected, "{text} of {size}");
        }
    }
}
