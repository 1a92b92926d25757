//! Small files that promise to be enormous, and files that are broken: each look ends, in time and within its share.

use std::{fs, io::Write, path::Path};

use bowerbird::ffmpeg::{Look, MediaHint, ThumbnailError};
use flate2::{Compression, write::ZlibEncoder};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sample_media::{Container, Library};

use super::{library, look};

/// What each bomb claims to be wide and high.
const SIDE: u32 = 50_000;

/// The largest that a bomb of a few bytes may be, or it is none.
const SMALL: usize = 16 * 1024;

/// Breaks of one file; each costs a child or two.
const BREAKS: u64 = 2;

/// What the dice of this file show.
const SEED: u64 = 17;

/// A part of a PNG: length, name, content, and a checksum that is right.
fn chunk(name: &[u8], content: &[u8]) -> Vec<u8> {
    let summed = [name, content].concat();
    let mut sum = flate2::Crc::new();
    sum.update(&summed);
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[..], &summed, &sum.sum().to_be_bytes()].concat()
}

/// A picture of zeros: a few kilobytes of it unpack to gigabytes, of which a few suffice here.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut pixels = ZlibEncoder::new(Vec::new(), Compression::best());
    pixels.write_all(&vec![0; 1_000_000]).unwrap();
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    let parts = [chunk(b"IHDR", &head), chunk(b"IDAT", &pixels.finish().unwrap())].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &parts, &chunk(b"IEND", b"")].concat()
}

/// One frame, whose packed pixels end at once.
fn gif(side: u16) -> Vec<u8> {
    let side = side.to_le_bytes();
    let screen = [&b"GIF89a"[..], &side, &side, &[0x80, 0, 0, 0, 0, 0, 255, 255, 255]].concat();
    let frame = [&[0x2c, 0, 0, 0, 0][..], &side, &side, &[0, 2, 2, 0x44, 1, 0, 0x3b]].concat();
    [screen, frame].concat()
}

/// The lossless kind, of the largest side that fits its fourteen bits.
fn webp() -> Vec<u8> {
    let side = (1_u32 << 14) - 1;
    let head = (side | side << 14).to_le_bytes();
    let pixels = [&[0x2f][..], &head, &[0x88, 0x88, 0x08, 0, 0, 0, 0]].concat();
    let body = [&b"WEBPVP8L"[..], &u32::try_from(pixels.len()).unwrap().to_le_bytes(), &pixels];
    let body = body.concat();
    [&b"RIFF"[..], &u32::try_from(body.len()).unwrap().to_le_bytes(), &body].concat()
}

fn bmp(side: u32) -> Vec<u8> {
    let side = side.to_le_bytes();
    let head = [&b"BM\x5a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"[..], &side, &side];
    [&head.concat()[..], &[1, 0, 24, 0], &[0; 60]].concat()
}

/// A frame header, and a scan of nothing.
fn jpg(side: u16) -> Vec<u8> {
    let side = side.to_be_bytes();
    let frame = [&[0xff, 0xd8, 0xff, 0xc0, 0, 11, 8][..], &side, &side, &[1, 1, 0x11, 0]];
    [&frame.concat()[..], &[0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0, 0xff, 0xd9]].concat()
}

/// A box of an MP4.
fn boxed(name: &[u8], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
    [&length[..], name, content].concat()
}

/// A film of so many tracks that lasts so long and shows nothing.
fn mp4(tracks: u32, duration: u64) -> Vec<u8> {
    let lasts = duration.to_be_bytes();
    let head = [&[1, 0, 0, 0][..], &[0; 16], &1_u32.to_be_bytes(), &lasts, &[0; 80]].concat();
    let mut moov = boxed(b"mvhd", &head);
    for track in 1..=tracks {
        let id = track.to_be_bytes();
        let size = [(640_u32 << 16).to_be_bytes(), (480_u32 << 16).to_be_bytes()].concat();
        let tkhd = [&[1, 0, 0, 7][..], &[0; 16], &id, &[0; 4], &lasts, &[0; 52], &size].concat();
        let mdhd = [&[1, 0, 0, 0][..], &[0; 16], &1_u32.to_be_bytes(), &lasts, &[0; 4]].concat();
        let hdlr = [&[0; 8][..], b"vide", &[0; 13]].concat();
        let entry = [&[0; 24][..], &[2, 128, 1, 224], &[0; 50]].concat();
        let stsd = [&[0, 0, 0, 0, 0, 0, 0, 1][..], &boxed(b"avc1", &entry)].concat();
        let stts = [&[0, 0, 0, 0, 0, 0, 0, 1][..], &[0xff; 4], &[0x7f, 0xff, 0xff, 0xff]].concat();
        let empty = [0; 8];
        let stbl = [
            boxed(b"stsd", &stsd),
            boxed(b"stts", &stts),
            boxed(b"stsc", &empty),
            boxed(b"stsz", &[0; 12]),
            boxed(b"stco", &empty),
        ];
        let minf = boxed(b"minf", &boxed(b"stbl", &stbl.concat()));
        let mdia = [boxed(b"mdhd", &mdhd), boxed(b"hdlr", &hdlr), minf].concat();
        moov.extend(boxed(b"trak", &[boxed(b"tkhd", &tkhd), boxed(b"mdia", &mdia)].concat()));
    }
    [boxed(b"ftyp", b"isom\0\0\0\0isom"), boxed(b"moov", &moov)].concat()
}

async fn look_at(folder: &Path, name: &str, bytes: &[u8]) -> Result<Look, ThumbnailError> {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    look(&path, MediaHint::Unknown).await
}

#[tokio::test]
async fn a_picture_that_claims_to_be_enormous_is_not_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let side = u16::try_from(SIDE).unwrap();
    for (name, bomb) in [
        ("bomb.png", png(SIDE, SIDE)),
        ("line.png", png(u32::MAX >> 1, 1)),
        ("bomb.gif", gif(side)),
        ("bomb.webp", webp()),
        ("bomb.bmp", bmp(SIDE)),
        ("bomb.jpg", jpg(side)),
    ] {
        assert!(bomb.len() < SMALL, "{name} has {} bytes", bomb.len());
        let error = look_at(folder.path(), name, &bomb).await.expect_err(name);
        assert!(matches!(error, ThumbnailError::Unreadable { .. }), "{name}: {error:?}");
    }
    // The same of a bearable size is a picture, so it is the size that they were refused for.
    let picture = look_at(folder.path(), "fine.png", &png(500, 400)).await.unwrap();
    assert!(picture.still.is_some());
}

#[tokio::test]
async fn a_film_of_ten_thousand_tracks_or_without_end_is_looked_at_briefly() {
    let folder = tempfile::tempdir().unwrap();
    for (name, tracks, duration) in
        [("tracks.mp4", 10_000, 5), ("endless.mp4", 1, u64::MAX >> 1), ("ages.mp4", 1, u64::MAX)]
    {
        let error = look_at(folder.path(), name, &mp4(tracks, duration)).await.expect_err(name);
        assert!(matches!(error, ThumbnailError::Unreadable { .. }), "{name}: {error:?}");
    }
    // A film that has a picture, and lies about its length, has a still all the same.
    let library = library();
    let film = library.samples.iter().find(|s| s.container == Container::Mp4MoovFirst).unwrap();
    let mut bytes = fs::read(&film.path).unwrap();
    let mvhd = bytes.windows(4).position(|window| window == b"mvhd").unwrap();
    assert_eq!(bytes[mvhd + 4], 0, "the short form, whose length stands 16 bytes on");
    bytes[mvhd + 20..mvhd + 24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
    let found = look_at(folder.path(), "liar.mp4", &bytes).await.unwrap();
    assert!(found.still.is_some());
}

#[tokio::test]
async fn whatever_breaks_in_a_file_the_look_ends() {
    println!("seed {SEED}");
    let folder = tempfile::tempdir().unwrap();
    let mut dice = StdRng::seed_from_u64(SEED);
    for sample in library().samples.iter().take(Library::VARIETY) {
        let whole = fs::read(&sample.path).unwrap();
        for turn in 0..BREAKS {
            let mut bytes = whole.clone();
            if turn % 2 == 0 {
                for _ in 0..=bytes.len() / 500 {
                    let place = dice.random_range(0..bytes.len());
                    bytes[place] = dice.random();
                }
            } else {
                bytes.truncate(dice.random_range(0..bytes.len()));
            }
            // Neither a hang, which is a time-out, nor a child that takes more than its share.
            match look_at(folder.path(), &sample.file_name, &bytes).await {
                Ok(_) | Err(ThumbnailError::Unreadable { .. }) => {}
                Err(error) => panic!("{} broken the {turn}. time: {error:?}", sample.file_name),
            }
        }
    }
}
