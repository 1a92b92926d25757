//! Files that people post: few bytes that begin as the real ones do.

use bowerbird::domain::{
    id::{AttachmentId, ChannelId, MessageId},
    link::Link,
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::cdn::still_of;

/// What sort of file is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A film of which there is no other.
    Film,
    /// A picture that everybody posts.
    Meme,
    /// Words in a file.
    Notes,
    /// A film without a byte.
    Nothing,
}

#[derive(Debug)]
pub(super) struct File {
    pub(super) channel: ChannelId,
    pub(super) message: MessageId,
    pub(super) name: String,
    pub(super) bytes: Bytes,
    pub(super) sort: Sort,
    /// Whether Discord lost it.
    pub(super) gone: bool,
    /// Where it must lie in the bucket.
    pub(super) media: String,
    /// Where its still must lie, if it has one.
    pub(super) still: Option<String>,
}

impl File {
    /// The hash of its bytes, which its name tells.
    pub(super) fn sha256(&self) -> bowerbird::domain::entry::Sha256 {
        let name = self.media.rsplit('/').next().and_then(|name| name.split('.').next());
        name.expect("media has a name").parse().expect("named by a hash")
    }
}

impl Sort {
    pub(super) const ALL: [Self; 4] = [Self::Film, Self::Meme, Self::Notes, Self::Nothing];

    /// What the page calls it.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Film | Self::Nothing => "video",
            Self::Meme => "image",
            Self::Notes => "file",
        }
    }

    /// The extension that the bytes of a file of this sort call for, whatever it is called.
    pub(super) fn told_by_bytes(self) -> &'static str {
        if self == Self::Nothing { "bin" } else { self.extension() }
    }

    /// What a file of this sort is called at its end.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Film | Self::Nothing => "mp4",
            Self::Meme => "png",
            Self::Notes => "txt",
        }
    }
}

impl File {
    pub(super) fn new(
        sort: Sort,
        id: AttachmentId,
        channel: ChannelId,
        message: MessageId,
    ) -> Self {
        let bytes = match sort {
            Sort::Film => {
                let head = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom";
                [&head[..], id.to_string().repeat(8).as_bytes()].concat()
            }
            Sort::Meme => b"\x89PNG\r\n\x1a\n, and the same for all".to_vec(),
            Sort::Notes => format!("notes {id}").into_bytes(),
            Sort::Nothing => Vec::new(),
        };
        let name = format!("{sort:?}-{id}.{}", sort.extension());
        let media =
            format!("media/{}.{}", hex::encode(Sha256::digest(&bytes)), sort.told_by_bytes());
        let still = hex::encode(Sha256::digest(still_of(&bytes)));
        let is_seen = sort.kind() != "file" && !bytes.is_empty();
        let still = is_seen.then(|| format!("thumb/{still}.webp"));
        Self { channel, message, name, bytes: bytes.into(), sort, gone: false, media, still }
    }

    pub(super) fn content_type(&self) -> Option<&'static str> {
        match self.sort {
            Sort::Film => Some("video/mp4"),
            Sort::Meme => Some("image/png"),
            Sort::Notes => Some("text/plain; charset=utf-8"),
            Sort::Nothing => None,
        }
    }

    /// Where Discord keeps it.
    pub(super) fn address(&self, id: AttachmentId) -> String {
        format!("https://cdn.discordapp.com/attachments/{}/{id}/{}", self.channel, self.name)
    }

    /// Which file a link leads to.
    pub(super) fn id_in(link: &Link) -> Option<AttachmentId> {
        let path = link.unsigned().split_once("/attachments/")?.1;
        path.split('/').nth(1)?.parse().ok()
    }
}
