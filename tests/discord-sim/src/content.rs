//! The bytes of a file: in memory, grown from a seed, or on disk.
//!
//! A gigabyte grown from a seed takes 64 KiB of memory; its checksums are computed once, when asked for.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use bytes::{Bytes, BytesMut};
use md5::Md5;
use rand::{RngCore, SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

/// A prime, so that reading on at a wrong multiple of any usual buffer size shows in the bytes.
const BLOCK: usize = 65_521;

/// How much is read at a time: what a socket takes in a few writes.
pub(crate) const CHUNK: usize = 256 * 1024;

/// What a file consists of. Clones share the bytes and the checksums.
#[derive(Clone, Debug)]
pub struct Content {
    source: Source,
    size: u64,
    sums: Arc<OnceLock<Sums>>,
    crc32c: Arc<OnceLock<u32>>,
}

#[derive(Clone, Debug)]
enum Source {
    Memory(Bytes),
    Seeded(Arc<Vec<u8>>),
    Disk(Arc<PathBuf>),
}

/// What a whole file adds up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// CRC32C, as `X-Goog-Hash` carries it in base64.
    pub crc32c: u32,
    /// MD5, likewise.
    pub md5: [u8; 16],
}

impl Content {
    /// Bytes held in memory.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::of(bytes.len() as u64, Source::Memory(bytes))
    }

    /// As many bytes as wanted, the same for the same seed.
    pub fn seeded(seed: u64, size: u64) -> Self {
        let mut block = vec![0; usize::try_from(size).unwrap_or(BLOCK).min(BLOCK)];
        StdRng::seed_from_u64(seed).fill_bytes(&mut block);
        Self::of(size, Source::Seeded(Arc::new(block)))
    }

    /// A file on disk, read when it is served; it must not change meanwhile.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let size = path.metadata()?.len();
        Ok(Self::of(size, Source::Disk(Arc::new(path))))
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from `offset` on, at most `wanted` of them.
    pub fn read(&self, offset: u64, wanted: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = wanted.min(left);
        match &self.source {
            Source::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(start..start + length))
            }
            Source::Seeded(block) => {
                let mut chunk = BytesMut::with_capacity(length);
                let block_length = BLOCK as u64;
                let mut from = usize::try_from(offset % block_length).expect("below the block");
                while chunk.len() < length {
                    let upto = BLOCK.min(from + length - chunk.len());
                    chunk.extend_from_slice(&block[from..upto]);
                    from = 0;
                }
                Ok(chunk.freeze())
            }
            Source::Disk(path) => {
                let mut chunk = vec![0; length];
                File::open(path.as_path())?.read_exact_at(&mut chunk, offset)?;
                Ok(chunk.into())
            }
        }
    }

    /// Everything at once: for small files only.
    pub fn to_bytes(&self) -> io::Result<Bytes> {
        self.read(0, usize::MAX)
    }

    /// The checksums of the whole file.
    pub fn sums(&self) -> io::Result<&Sums> {
        if self.sums.get().is_none() {
            let sums = self.add_up()?;
            return Ok(self.sums.get_or_init(|| sums));
        }
        Ok(self.sums.get().expect("it was just looked at"))
    }

    /// The CRC32C alone, which takes a moment where the others take seconds.
    pub fn crc32c(&self) -> io::Result<u32> {
        if let Some(sum) = self.crc32c.get() {
            return Ok(*sum);
        }
        let (mut offset, mut sum) = (0, 0);
        while offset < self.size {
            let chunk = self.read(offset, CHUNK)?;
            sum = crc32c::crc32c_append(sum, &chunk);
            offset += chunk.len() as u64;
        }
        Ok(*self.crc32c.get_or_init(|| sum))
    }

    fn of(size: u64, source: Source) -> Self {
        Self { source, size, sums: Arc::default(), crc32c: Arc::default() }
    }

    fn add_up(&self) -> io::Result<Sums> {
        let (mut sha256, mut md5) = (Sha256::new(), Md5::new());
        let mut offset = 0;
        while offset < self.size {
            let chunk = self.read(offset, CHUNK)?;
            sha256.update(&chunk);
            md5.update(&chunk);
            offset += chunk.len() as u64;
        }
        Ok(Sums {
            sha256: hex::encode(sha256.finalize()),
            crc32c: self.crc32c()?,
            md5: md5.finalize().into(),
        })
    }
}

impl From<&'static [u8]> for Content {
    fn from(bytes: &'static [u8]) -> Self {
        Self::bytes(bytes)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_content_reads_alike_in_any_pieces() {
        let content = Content::seeded(7, 200_001);
        let whole = content.to_bytes().unwrap();
        assert_eq!(whole.len(), 200_001);
        for (offset, wanted) in
            [(0, 10), (65_520, 3), (131_041, 70_000), (200_000, 99), (200_001, 1)]
        {
            let start = usize::try_from(offset).unwrap();
            let end = (start + wanted).min(whole.len());
            assert_eq!(content.read(offset, wanted).unwrap(), whole.slice(start..end));
        }
        assert_eq!(content.sums().unwrap().sha256, hex::encode(Sha256::digest(&whole)));
    }
}
