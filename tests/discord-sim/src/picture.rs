//! Small real pictures, so that whatever decodes an avatar or a sticker has something to decode.

use std::io::Write;

use flate2::{Compression, Crc, write::ZlibEncoder};

use crate::content::Content;

/// What avatars are asked for most, and little to hold.
const SIDE: u32 = 64;

/// A square PNG of two colours that the seed decides.
pub(crate) fn png(seed: u64) -> Content {
    let colours = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    let (light, dark) = (&colours[..3], &colours[3..6]);
    let mut rows = Vec::new();
    for y in 0..SIDE {
        rows.push(0);
        for x in 0..SIDE {
            rows.extend(if (x / 8 + y / 8) % 2 == 0 { light } else { dark });
        }
    }
    let mut deflated = ZlibEncoder::new(Vec::new(), Compression::fast());
    deflated.write_all(&rows).expect("memory takes everything");
    let deflated = deflated.finish().expect("memory takes everything");

    let mut header = Vec::new();
    header.extend(SIDE.to_be_bytes());
    header.extend(SIDE.to_be_bytes());
    // Eight bits a channel, true colour, the only compression, filter and interlacing there are.
    header.extend([8, 2, 0, 0, 0]);

    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [(b"IHDR", header), (b"IDAT", deflated), (b"IEND", Vec::new())] {
        let length = u32::try_from(data.len()).expect("a small picture");
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(&data);
        file.extend(length.to_be_bytes());
        file.extend(name);
        file.extend(data);
        file.extend(crc.sum().to_be_bytes());
    }
    Content::bytes(file)
}
