//! The bytes of objects: small ones in memory, large ones in files that go with their last reader.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tempfile::TempPath;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio_util::io::ReaderStream;

/// Up to here an object is held in memory; a gallery of many small ones needs no disk.
pub(crate) const MEMORY_LIMIT: u64 = 1024 * 1024;

/// The size of the pieces in which files are read.
const PIECE: usize = 256 * 1024;

/// The bytes of one object; clones share them.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Memory(Bytes),
    Disk { path: Arc<TempPath>, len: u64 },
}

/// What Google computes of every object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hashes {
    pub(crate) crc32c: u32,
    pub(crate) md5: [u8; 16],
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk { len, .. } => *len,
        }
    }

    /// All of it, for those that are small or for a test that wants to see.
    pub(crate) async fn read(&self) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => Ok(bytes.clone()),
            Self::Disk { path, .. } => Ok(tokio::fs::read(path.as_ref()).await?.into()),
        }
    }

    /// A part of it, in pieces.
    pub(crate) async fn stream(
        &self,
        range: Range<u64>,
    ) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + use<>> {
        match self {
            Self::Memory(bytes) => {
                let index = |offset| usize::try_from(offset).map_err(io::Error::other);
                let part = bytes.slice(index(range.start)?..index(range.end)?);
                Ok(stream::iter([Ok(part)]).left_stream())
            }
            Self::Disk { path, .. } => {
                let mut file = tokio::fs::File::open(path.as_ref()).await?;
                file.seek(SeekFrom::Start(range.start)).await?;
                let part = file.take(range.end - range.start);
                let keep = Arc::clone(path);
                let pieces = ReaderStream::with_capacity(part, PIECE).map(move |piece| {
                    // The file must not go while somebody reads it.
                    let _ = &keep;
                    piece
                });
                Ok(pieces.right_stream())
            }
        }
    }

    pub(crate) async fn hashes(&self) -> io::Result<Hashes> {
        let content = self.clone();
        let hashes = tokio::task::spawn_blocking(move || match content {
            Self::Memory(bytes) => Hashes::of(&mut bytes.as_ref()),
            Self::Disk { path, .. } => Hashes::of(&mut File::open(path.as_ref())?),
        });
        hashes.await.map_err(io::Error::other)?
    }
}

impl Hashes {
    fn of(reader: &mut dyn Read) -> io::Result<Self> {
        let mut buffer = vec![0; PIECE];
        let mut crc32c = 0;
        let mut md5 = md5::Context::new();
        loop {
            let read = reader.read(&mut buffer)?;
            if read == 0 {
                return Ok(Self { crc32c, md5: md5.finalize().0 });
            }
            crc32c = crc32c::crc32c_append(crc32c, &buffer[..read]);
            md5.consume(&buffer[..read]);
        }
    }

    pub(crate) fn crc32c_text(&self) -> String {
        BASE64_STANDARD.encode(self.crc32c.to_be_bytes())
    }

    pub(crate) fn md5_text(&self) -> String {
        BASE64_STANDARD.encode(self.md5)
    }
}
