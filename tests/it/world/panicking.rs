//! A decorator around ports that panics.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use bowerbird::{
    bucket::{
        Body, Bucket, BucketError, ByteRange, Listing, Object, ObjectInfo, ObjectKey, PageToken,
        Precondition,
    },
    cdn::{Cdn, CdnError, Download},
    discord::{
        Cursor, Discord, DiscordError, Identity, MessagePage, RefreshedLink, ThreadPage,
        gateway::{Connection, Gateway, Heard, Plan, Session, ShardNumber},
    },
    domain::{
        id::{ChannelId, GuildId, MessageId, RoleId, UserId},
        link::Link,
        message::Message,
        place::{Archived, Guild, Place, Survey},
        time::Timestamp,
    },
    ffmpeg::{Look, MediaHint, Source, ThumbnailError, Thumbnailer},
    store::{Kv, KvError, Rows, Work, Writes},
};

use super::fate::Fuse;

/// A port whose calls panic as a fuse says.
#[derive(Debug)]
pub(super) struct Panicking<P: ?Sized> {
    inner: Arc<P>,
    fuse: Fuse,
}

impl<P: ?Sized> Panicking<P> {
    pub(super) fn new(inner: Arc<P>, fuse: Fuse) -> Self {
        Self { inner, fuse }
    }
}

#[async_trait]
impl Discord for Panicking<dyn Discord> {
    async fn identity(&self) -> Result<Identity, DiscordError> {
        self.inner.identity().await
    }

    async fn guilds(&self) -> Result<Vec<Guild>, DiscordError> {
        self.inner.guilds().await
    }

    async fn survey(&self, guild: GuildId) -> Result<Survey, DiscordError> {
        self.fuse.burn("discord survey");
        self.inner.survey(guild).await
    }

    async fn active_threads(
        &self,
        guild: GuildId,
        channels: &[Place],
    ) -> Result<Vec<Place>, DiscordError> {
        self.inner.active_threads(guild, channels).await
    }

    async fn archived_threads(
        &self,
        channel: &Place,
        which: Archived,
        before: Option<Timestamp>,
    ) -> Result<ThreadPage, DiscordError> {
        self.inner.archived_threads(channel, which, before).await
    }

    async fn messages(
        &self,
        channel: ChannelId,
        cursor: Cursor,
        limit: u16,
    ) -> Result<MessagePage, DiscordError> {
        self.fuse.burn("discord messages");
        self.inner.messages(channel, cursor, limit).await
    }

    async fn message(
        &self,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<Message, DiscordError> {
        self.inner.message(channel, message).await
    }

    async fn member_roles(
        &self,
        guild: GuildId,
        user: UserId,
    ) -> Result<Option<BTreeSet<RoleId>>, DiscordError> {
        self.inner.member_roles(guild, user).await
    }

    async fn refresh_links(&self, links: &[Link]) -> Result<Vec<RefreshedLink>, DiscordError> {
        self.fuse.burn("discord refresh_links");
        self.inner.refresh_links(links).await
    }
}

#[async_trait]
impl Gateway for Panicking<dyn Gateway> {
    async fn plan(&self) -> Result<Plan, DiscordError> {
        self.fuse.burn("gateway plan");
        self.inner.plan().await
    }

    fn open(&self, plan: &Plan, shard: ShardNumber, from: Option<Session>) -> Box<dyn Connection> {
        let connection = self.inner.open(plan, shard, from);
        Box::new(PanickingConnection { connection, fuse: self.fuse.clone() })
    }
}

#[derive(Debug)]
struct PanickingConnection {
    connection: Box<dyn Connection>,
    fuse: Fuse,
}

#[async_trait]
impl Connection for PanickingConnection {
    async fn next(&mut self) -> Heard {
        let heard = self.connection.next().await;
        self.fuse.burn("gateway next");
        heard
    }

    fn session(&self) -> Option<Session> {
        self.connection.session()
    }

    async fn close_for_resume(&mut self) {
        self.connection.close_for_resume().await;
    }
}

#[async_trait]
impl Cdn for Panicking<dyn Cdn> {
    fn allows(&self, link: &Link) -> Result<(), CdnError> {
        self.inner.allows(link)
    }

    async fn open(&self, link: &Link) -> Result<Download, CdnError> {
        self.fuse.burn(&format!("cdn open {}", link.unsigned()));
        self.inner.open(link).await
    }
}

#[async_trait]
impl Thumbnailer for Panicking<dyn Thumbnailer> {
    async fn look(&self, source: &Source, hint: MediaHint) -> Result<Look, ThumbnailError> {
        self.fuse.burn("ffmpeg look");
        self.inner.look(source, hint).await
    }
}

#[async_trait]
impl Bucket for Panicking<dyn Bucket> {
    async fn put(
        &self,
        key: &ObjectKey,
        body: Body,
        when: Precondition,
    ) -> Result<ObjectInfo, BucketError> {
        self.fuse.burn(&format!("bucket put {key}"));
        self.inner.put(key, body, when).await
    }

    async fn get(&self, key: &ObjectKey, range: Option<ByteRange>) -> Result<Object, BucketError> {
        self.inner.get(key, range).await
    }

    async fn stat(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        self.inner.stat(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        page: Option<PageToken>,
        limit: std::num::NonZeroUsize,
    ) -> Result<Listing, BucketError> {
        self.inner.list(prefix, page, limit).await
    }

    async fn delete(&self, key: &ObjectKey, when: Precondition) -> Result<(), BucketError> {
        self.inner.delete(key, when).await
    }
}

impl Kv for Panicking<dyn Kv> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.inner.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Rows, KvError> {
        self.inner.scan(from, to, limit)
    }

    fn commit(&self, writes: &Writes) -> Result<(), KvError> {
        self.fuse.burn("store commit");
        self.inner.commit(writes)
    }

    fn flush(&self) -> Result<(), KvError> {
        self.inner.flush()
    }

    fn size_on_disk(&self) -> Result<u64, KvError> {
        self.inner.size_on_disk()
    }

    fn aside(&self, work: Work) {
        self.inner.aside(work);
    }
}
