//! Small real pictures, so that whatever decodes an avatar or a sticker has something to decode.

use std::io::Write;

use flate2::{Compression, Crc, write::ZlibEncoder};

use crate::content::Content;

/// What avatars are asked for most, and little to hold.
const SIDE: u32 = 64;

/// Fields in a row: few enough that the pattern is recognised when it is small.
const FIELDS: u32 = 5;

/// A square PNG of a pattern in two colours that the seed decides, mirrored, since faces are.
pub(crate) fn png(seed: u64) -> Content {
    let mixed = (seed ^ (seed >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let colours = mixed.to_be_bytes();
    let ground = [colours[0], colours[1], colours[2]].map(|channel| 192 + channel / 4);
    let figure = [colours[2], colours[0], colours[1]].map(|channel| channel / 2 + 24);
    let mut rows = Vec::new();
    for y in 0..SIDE {
        rows.push(0);
        for x in 0..SIDE {
            // A margin of a third of a field on each side.
            let field = |at: u32| (at * (3 * FIELDS + 2) / SIDE).checked_sub(1).map(|at| at / 3);
            let set = match (field(x), field(y)) {
                (Some(x), Some(y)) if x < FIELDS && y < FIELDS => {
                    let column = x.min(FIELDS - 1 - x);
                    (mixed >> (column * FIELDS + y)) & 1 == 1
                }
                _ => false,
            };
            rows.extend(if set { figure } else { ground });
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
