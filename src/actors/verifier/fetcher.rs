//! Brings back the bytes of a file: from any message that holds it, with a link that lives, and only if they are the
//! same bytes.

use std::{sync::Arc, time::Duration};

use super::Examiner;
use crate::{
    audit::pass::AuditError,
    bucket::{Body, Crc32c, ObjectKey, Precondition},
    cdn::{Cdn, CdnError},
    discord::{Discord, DiscordError},
    domain::{
        entry::{Content, Entry, EntryKey, Sha256},
        id::ChannelId,
        link::Link,
    },
    spool::{Spool, SpoolError, Spooled},
    store::{Seal, Sealed},
};

/// A download takes a while; a link that dies sooner is made new first.
const MARGIN: Duration = Duration::from_secs(5);

/// Fetches files again.
#[derive(Debug)]
pub struct Fetcher {
    /// Who makes links new.
    pub discord: Arc<dyn Discord>,
    /// Where files come from.
    pub cdn: Arc<dyn Cdn>,
    /// Where they are on their way.
    pub spool: Spool,
}

/// What came of it.
pub(super) enum Fetched {
    /// It is in the bucket again.
    Whole,
    /// Discord has other bytes by now.
    Changed,
    /// No message holds it any more.
    Gone { why: String },
    /// It may be had later.
    NotNow { why: String },
}

/// What came of one message that holds it.
enum Tried {
    Came(Spooled),
    Gone(String),
    NotNow(String),
}

impl Fetcher {
    /// Fetches a file from the first message that still holds it, and puts it where the catalogue says.
    pub(super) async fn fetch(
        &self,
        examiner: &Examiner,
        sha256: Sha256,
    ) -> Result<Fetched, AuditError> {
        let known = examiner.store.read(move |store| {
            let mut users = Vec::new();
            for key in store.users_of(sha256)? {
                users.extend(store.entry(key)?.map(|(entry, channel)| (key, entry, channel)));
            }
            Ok((store.content(sha256)?, users))
        });
        let (content, users) = known.await?;
        let Some(content) = content else { return Ok(Fetched::Whole) };
        let (mut gone, mut not_now, mut changed) = (None, None, false);
        for (key, entry, channel) in users {
            match self.try_one(examiner, key, &entry, channel).await {
                Tried::Came(spooled) if spooled.sha256 == sha256 => {
                    let put = self.put(examiner, &content, &spooled).await;
                    self.make_room(examiner, sha256).await;
                    return put.map(|()| Fetched::Whole);
                }
                Tried::Came(spooled) => {
                    self.make_room(examiner, spooled.sha256).await;
                    changed = true;
                }
                Tried::Gone(why) => gone = Some(why),
                Tried::NotNow(why) => not_now = Some(why),
            }
        }
        Ok(match (not_now, changed, gone) {
            (Some(why), _, _) => Fetched::NotNow { why },
            (None, true, _) => Fetched::Changed,
            (None, false, Some(why)) => Fetched::Gone { why },
            (None, false, None) => Fetched::Gone { why: "no message holds it".to_owned() },
        })
    }

    async fn try_one(
        &self,
        examiner: &Examiner,
        key: EntryKey,
        entry: &Entry,
        channel: Option<ChannelId>,
    ) -> Tried {
        let link = &entry.attachment.link;
        if !link.is_stale(examiner.clock.now(), MARGIN) {
            match self.download(link, entry.attachment.size).await {
                Ok(spooled) => return Tried::Came(spooled),
                // A link that is refused may be an old one.
                Err(SpoolError::Cdn(CdnError::Refused { .. })) => {}
                Err(error) => return Tried::NotNow(error.to_string()),
            }
        }
        let channel = channel.unwrap_or(key.root);
        let message = match self.discord.message(channel, key.message).await {
            Ok(message) => message,
            Err(DiscordError::NotFound { code }) => {
                return Tried::Gone(format!("its message is gone from Discord ({code})"));
            }
            Err(error) => return Tried::NotNow(error.to_string()),
        };
        let Some(found) = message.attachments.into_iter().find(|file| file.id == key.item) else {
            return Tried::Gone("it was taken out of its message".to_owned());
        };
        match self.download(&found.link, found.size).await {
            Ok(spooled) => Tried::Came(spooled),
            Err(SpoolError::Cdn(error @ CdnError::Refused { status: 403 | 404 | 410 })) => {
                Tried::Gone(error.to_string())
            }
            Err(error) => Tried::NotNow(error.to_string()),
        }
    }

    async fn download(&self, link: &Link, size: u64) -> Result<Spooled, SpoolError> {
        let room = self.spool.room_for(size).await?;
        let download = self.cdn.open(link).await?;
        self.spool.receive(download, size, room).await
    }

    /// Replaces what has the name, in one step.
    async fn put(
        &self,
        examiner: &Examiner,
        content: &Content,
        spooled: &Spooled,
    ) -> Result<(), AuditError> {
        let key = ObjectKey::new(content.object.clone()).expect("it was put under this name");
        let (len, crc32c) = (spooled.size, Crc32c(spooled.crc32c));
        let body = Body::File { path: spooled.path.clone(), len, crc32c };
        let there = examiner.bucket.stat(&key).await?.map(|info| info.generation);
        let when = there.map_or(Precondition::Absent, Precondition::Generation);
        let put = examiner.bucket.put(&key, body, when).await?;
        let seal = Seal { size: len, crc32c: spooled.crc32c, stamp: put.generation.0 };
        let sealed = Sealed { objects: vec![(content.object.clone(), seal)] };
        examiner.ledger.record([sealed.into()]).await;
        Ok(())
    }

    /// Removes a file from the spool unless somebody else is to look at it.
    async fn make_room(&self, examiner: &Examiner, sha256: Sha256) {
        let awaited = examiner.store.read(move |store| store.awaits_look(sha256)).await;
        if matches!(awaited, Ok(false)) {
            // What can't be removed is swept at the next start.
            self.spool.remove(sha256).await.ok();
        }
    }
}
