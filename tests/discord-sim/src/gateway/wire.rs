//! How payloads travel: as text, or through one compressor for the whole connection.

use std::io::{self, Write};

use axum::extract::ws::Message;
use flate2::{Compression, write::ZlibEncoder};

/// The transport compression a client asked for in its address.
pub(crate) enum Wire {
    Plain,
    /// One zlib context; each payload ends in a sync flush, `00 00 FF FF`.
    Zlib(ZlibEncoder<Vec<u8>>),
    /// One zstd frame that never ends; each payload is flushed.
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Wire {
    /// The wire for the value of `compress`; none if Discord does not know it.
    pub(crate) fn named(compress: Option<&str>) -> Option<Self> {
        match compress {
            None => Some(Self::Plain),
            Some("zlib-stream") => {
                Some(Self::Zlib(ZlibEncoder::new(Vec::new(), Compression::fast())))
            }
            Some("zstd-stream") => {
                let encoder = zstd::stream::write::Encoder::new(Vec::new(), 1);
                Some(Self::Zstd(encoder.expect("level 1 exists")))
            }
            Some(_) => None,
        }
    }

    /// The frame that carries a payload.
    pub(crate) fn frame(&mut self, payload: &str) -> io::Result<Message> {
        match self {
            Self::Plain => Ok(Message::text(payload)),
            Self::Zlib(encoder) => {
                encoder.write_all(payload.as_bytes())?;
                encoder.flush()?;
                Ok(Message::binary(std::mem::take(encoder.get_mut())))
            }
            Self::Zstd(encoder) => {
                encoder.write_all(payload.as_bytes())?;
                encoder.flush()?;
                Ok(Message::binary(std::mem::take(encoder.get_mut())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};

    use super::*;

    fn bytes(message: Message) -> Vec<u8> {
        let Message::Binary(bytes) = message else { panic!("{message:?} is not binary") };
        bytes.to_vec()
    }

    #[test]
    fn zlib_payloads_share_one_context_and_end_in_a_sync_flush() {
        let mut wire = Wire::named(Some("zlib-stream")).unwrap();
        let mut reader = Decompress::new(true);
        for payload in ["{\"op\":10}", "{\"op\":11}", "{\"op\":11}"] {
            let frame = bytes(wire.frame(payload).unwrap());
            assert!(frame.ends_with(&[0, 0, 0xFF, 0xFF]));
            let mut text = Vec::with_capacity(100);
            reader.decompress_vec(&frame, &mut text, FlushDecompress::Sync).unwrap();
            assert_eq!(text, payload.as_bytes());
        }
    }

    #[test]
    fn zstd_payloads_can_be_read_as_they_come() {
        use std::io::Read;
        let mut wire = Wire::named(Some("zstd-stream")).unwrap();
        let mut all = Vec::new();
        for payload in ["{\"op\":10}", "{\"op\":11}"] {
            all.extend(bytes(wire.frame(payload).unwrap()));
            let mut reader = zstd::stream::read::Decoder::new(all.as_slice()).unwrap();
            let mut text = [0; 18];
            let length = if payload.ends_with("10}") { 9 } else { 18 };
            reader.read_exact(&mut text[..length]).unwrap();
            assert!(text[..length].ends_with(payload.as_bytes()));
        }
    }
}
