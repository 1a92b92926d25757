//! What a look finds in real media, with the real ffmpeg.
#![allow(clippy::unwrap_used, reason = "a test says that it failed by panicking")]

mod bombs;
mod children;
mod host;
mod links;
mod playlists;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use bowerbird::ffmpeg::{
    Ffmpeg, Look, MediaHint, MediaKind, PictureSize, Source, Still, ThumbnailError, Thumbnailer,
};
use sample_media::{Container, Kind, Library, Sample};

/// Long enough for a machine that runs everything else at once; no test waits for it.
const PATIENCE: Duration = Duration::from_mins(2);
/// Two turns of all shapes, drawn differently.
const SAMPLES: usize = 2 * Library::VARIETY;
/// Containers count in their own units, and sound is padded to whole packets.
const RUNTIME_TOLERANCE: Duration = Duration::from_millis(100);
/// Mean luma, of 255, that a person calls "not black".
const SEEN: u32 = 24;

fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("media")
}

fn library() -> Library {
    Library::generate(&cache(), SAMPLES, 2).unwrap()
}

fn thumbnailer() -> Ffmpeg {
    Ffmpeg::find(PATIENCE)
}

async fn look(path: &Path, hint: MediaHint) -> Result<Look, ThumbnailError> {
    thumbnailer().look(&Source::File(path.to_owned()), hint).await
}

/// Runs ffmpeg as anyone would, for what the library does not have.
#[track_caller]
fn ffmpeg(arguments: &[&str], file: &Path) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(arguments)
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The still's mean luma, of 255; also checks that it is a WebP of the size it claims.
#[track_caller]
fn luma(still: &Still) -> u32 {
    assert!(still.webp.starts_with(b"RIFF") && still.webp[8..].starts_with(b"WEBP"));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &still.webp).unwrap();
    let file = file.path().to_str().unwrap();
    let decode = ["-f", "webp_pipe", "-i", file, "-f", "rawvideo", "-pix_fmt", "gray"];
    let pixels = ffmpeg(&decode, Path::new("-"));
    let PictureSize { width, height } = still.size;
    assert_eq!(pixels.len(), (width * height) as usize, "{:?}", still.size);
    pixels.iter().map(|pixel| u32::from(*pixel)).sum::<u32>() / (width * height)
}

fn hint(kind: Kind) -> (MediaHint, MediaKind) {
    match kind {
        Kind::Video => (MediaHint::Video, MediaKind::Video),
        Kind::Image => (MediaHint::Image, MediaKind::Image),
        Kind::Audio => (MediaHint::Audio, MediaKind::Audio),
    }
}

#[track_caller]
fn check(sample: &Sample, found: &Look) {
    let name = &sample.file_name;
    assert_eq!(found.probe.kind, hint(sample.kind).1, "{name}");
    let size = found.probe.size.map(|size| (size.width, size.height));
    assert_eq!(size, sample.size, "{name}");
    match (found.probe.runtime, sample.duration) {
        (Some(found), Some(made)) => {
            assert!(found.abs_diff(made) <= RUNTIME_TOLERANCE, "{name}: {found:?}, not {made:?}");
        }
        (found, made) => assert_eq!(found, made, "{name}"),
    }
    let Some((width, height)) = sample.size else {
        return assert_eq!(found.still, None, "{name}");
    };
    let still = found.still.as_ref().unwrap_or_else(|| panic!("{name} has no still"));
    assert_eq!(still.size.width, width.min(480), "{name}");
    let proportional = still.size.width * height / width;
    assert!(still.size.height.abs_diff(proportional) <= 1, "{name}: {:?}", still.size);
    assert_eq!(still.size.height % 2, 0, "{name}");
    let luma = luma(still);
    assert!(luma > SEEN, "{name}: its still has a mean luma of {luma}");
}

#[tokio::test]
async fn every_kind_is_known_and_shown() {
    let library = library();
    for black in [Container::Mp4MoovLast, Container::Webm, Container::Mkv, Container::Gif] {
        let has = library.samples.iter().any(|s| s.container == black && s.starts_black());
        assert!(has, "no {black:?} begins black, so nothing is shown about those");
    }
    for sample in &library.samples {
        let found = look(&sample.path, hint(sample.kind).0).await;
        check(sample, &found.unwrap_or_else(|error| panic!("{}: {error}", sample.file_name)));
    }
}

#[tokio::test]
async fn no_promise_is_needed() {
    for sample in library().samples.iter().take(Library::VARIETY) {
        let found = look(&sample.path, MediaHint::Unknown).await;
        check(sample, &found.unwrap_or_else(|error| panic!("{}: {error}", sample.file_name)));
    }
}

#[tokio::test]
async fn a_clip_that_shows_something_only_for_a_moment_shows_that() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    for (bright_from, bright_to) in [(0, 1), (9, 10), (13, 14), (26, 28)] {
        let black = format!(
            "testsrc2=s=640x360:r=25:d=30,drawbox=t=fill:c=black:enable=not(between(t\\,{bright_from}\\,{bright_to}))"
        );
        ffmpeg(&["-f", "lavfi", "-i", &black, "-preset", "ultrafast"], &clip);
        let still = look(&clip, MediaHint::Video).await.unwrap().still.unwrap();
        let luma = luma(&still);
        assert!(luma > SEEN, "bright from {bright_from} s to {bright_to} s: luma {luma}");
    }
}

#[tokio::test]
async fn a_black_clip_has_a_black_still() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    for length in ["0.04", "0.5", "7", "40"] {
        let black = format!("color=black:s=320x240:r=25:d={length}");
        ffmpeg(&["-f", "lavfi", "-i", &black, "-preset", "ultrafast"], &clip);
        let still = look(&clip, MediaHint::Video).await.unwrap().still.unwrap();
        assert_eq!(still.size, PictureSize { width: 320, height: 240 });
        assert!(luma(&still) < SEEN, "{length} s");
    }
}

#[tokio::test]
async fn a_recording_without_a_length_has_a_still() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.webm");
    // As browsers record: what is not sought has no length and no index.
    let live = ["-f", "lavfi", "-i", "testsrc2=s=320x240:d=3", "-c:v", "libvpx", "-live", "1"];
    let webm = ffmpeg(&[&live[..], &["-f", "webm"]].concat(), Path::new("-"));
    fs::write(&clip, webm).unwrap();
    let found = look(&clip, MediaHint::Video).await.unwrap();
    assert_eq!(found.probe.runtime, None);
    assert!(luma(&found.still.unwrap()) > SEEN);
}

#[tokio::test]
async fn sound_with_cover_art_shows_the_cover() {
    let folder = tempfile::tempdir().unwrap();
    let (cover, song) = (folder.path().join("cover.png"), folder.path().join("song.mp3"));
    ffmpeg(&["-f", "lavfi", "-i", "testsrc2=s=600x600", "-frames:v", "1"], &cover);
    let cover = cover.to_str().unwrap();
    let sound = ["-f", "lavfi", "-i", "sine=d=2", "-i", cover, "-map", "0", "-map", "1"];
    let tags = ["-c:v", "copy", "-disposition:v", "attached_pic", "-id3v2_version", "3"];
    ffmpeg(&[&sound[..], &tags[..]].concat(), &song);

    let found = look(&song, MediaHint::Audio).await.unwrap();
    assert_eq!((found.probe.kind, found.probe.size), (MediaKind::Audio, None));
    let still = found.still.unwrap();
    assert_eq!(still.size, PictureSize { width: 480, height: 480 });
    assert!(luma(&still) > SEEN);
}

#[tokio::test]
async fn transparency_stays() {
    let folder = tempfile::tempdir().unwrap();
    let sticker = folder.path().join("sticker.png");
    let clear = ["-f", "lavfi", "-i", "color=red@0.0:s=64x64,format=rgba", "-frames:v", "1"];
    ffmpeg(&clear, &sticker);
    let still = look(&sticker, MediaHint::Image).await.unwrap().still.unwrap();
    // The extended header, whose flags have a bit for transparency.
    assert_eq!(&still.webp[12..16], b"VP8X");
    assert_eq!(still.webp[20] & 0x10, 0x10);
}

#[tokio::test]
async fn what_is_no_media_is_unreadable_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let sample = |container| {
        let of = |sample: &Sample| sample.container == container && sample.size.is_some();
        fs::read(&library().samples.into_iter().find(of).unwrap().path).unwrap()
    };
    let mp4 = sample(Container::Mp4MoovLast);
    let noise: Vec<u8> =
        (0..100_000u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    let zeroed = [&mp4[..32], &vec![0; mp4.len()]].concat();
    for (name, bytes) in [
        ("empty.mp4", &b""[..]),
        ("text.mp4", b"This is not the film you are looking for.\n".repeat(100).as_slice()),
        ("noise.mp4", &noise),
        ("zeroed.mp4", &zeroed),
        // Its index would have come last.
        ("cut.mp4", &mp4[..mp4.len() / 2]),
        ("one-byte.png", b"\x89"),
        ("head-only.png", &sample(Container::Png)[..40]),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        for hint in [MediaHint::Video, MediaHint::Unknown] {
            let error = look(&path, hint).await.expect_err(name);
            assert!(matches!(error, ThumbnailError::Unreadable { .. }), "{name}: {error:?}");
            assert!(error.is_permanent());
            assert!(!error.to_string().contains(name), "{error}");
        }
    }
}

#[tokio::test]
async fn what_is_there_of_a_cut_file_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let library = library();
    let whole = |s: &&Sample| s.container == Container::Mp4MoovFirst && !s.starts_black();
    let sample = library.samples.iter().find(whole).unwrap();
    let bytes = fs::read(&sample.path).unwrap();
    let path = folder.path().join("cut.mp4");
    fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
    check(sample, &look(&path, MediaHint::Video).await.unwrap());
}

#[tokio::test]
async fn names_mean_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let library = library();
    let jpg = library.samples.iter().find(|s| s.container == Container::Jpg).unwrap();
    for name in
        ["-i.jpg", "a%03d.jpg", "*.jpg", "concat:a|b.jpg", "x.m3u8", "no extension", "é\n.mp4"]
    {
        let path = folder.path().join(name);
        fs::copy(&jpg.path, &path).unwrap();
        check(jpg, &look(&path, MediaHint::Unknown).await.expect(name));
    }
}

#[tokio::test]
async fn a_file_that_is_gone_says_so() {
    let error = look(Path::new("/nonexistent/clip.mp4"), MediaHint::Video).await.unwrap_err();
    assert!(matches!(&error, ThumbnailError::File(e) if e.kind() == std::io::ErrorKind::NotFound));
    assert!(!error.is_permanent());
}
