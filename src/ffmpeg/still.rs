//! A picture that stands for the media: bright enough to show something, and cheap to get.
//!
//! Used by a look after its probe. Each attempt is one child; the first that shows something wins.

use std::time::Duration;

use bytes::Bytes;

use super::{
    MediaHint, PictureSize, Still, ThumbnailError,
    child::{self, Input, Program},
    probe::{Found, Motion, Picture},
};

/// What a card of the page is wide, at two device pixels to one.
const WIDTH: u32 = 480;
/// Four times the width. A screenshot of a whole web page would else be a still of megabytes, and
/// WebP ends at 16,383.
const MAX_HEIGHT: u32 = 4 * WIDTH;

/// Mean luma, of 16 (black) to 235 (white), above which a frame shows something: 7 % grey.
/// Black video with a caption or a noisy sensor stays below, night scenes are above.
const DARK: u32 = 32;
/// The filter keeps the frame nearest to the mean of so many: most of a second, so a flash or a
/// blend between two scenes loses. Scaled first, they cost 5 MiB; unscaled 1080p cost 70.
const CANDIDATES: u32 = 24;
/// Longest stretch searched for a bright frame in one attempt; a film's black title passes in it.
const MAX_WINDOW: Duration = Duration::from_secs(10);
/// Short clips are one group of pictures, whose key frame is the first frame of all.
/// Decoding up to the frame wanted costs at most two seconds of video here.
const SHORT: Duration = Duration::from_secs(20);
/// Below this a seek lands beside the frames that there are.
const MOMENT: Duration = Duration::from_secs(1);

pub(super) async fn take(
    ffmpeg: &Program,
    input: &Input<'_>,
    hint: MediaHint,
    found: &Found,
    picture: &Picture,
) -> Result<Still, ThumbnailError> {
    let size = fitted(picture.size);
    let mut last_error = ThumbnailError::unreadable("no frame in it can be decoded");
    for attempt in attempts(picture.motion, found.probe.runtime) {
        match one(ffmpeg, input, hint, picture.stream, size, attempt).await {
            Ok(Some(webp)) => return Ok(Still { webp, size }),
            Ok(None) => {}
            // Broken here may be whole elsewhere.
            Err(error) if error.is_permanent() => last_error = error,
            Err(error) => return Err(error),
        }
    }
    Err(last_error)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Attempt {
    from: Option<Start>,
    choice: Choice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Start {
    at: Duration,
    precision: Precision,
    window: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Precision {
    /// The key frame before: nothing is decoded, or fetched, that cannot become the still.
    ///
    /// Measured on 1080p at 18 Mbit/s with a key frame every 8 s: 0.23 s, against 0.52 s for
    /// [`Precision::Frame`]. `-skip_frame nokey` saved 0.04 s more, but has one frame to choose
    /// from in a short clip, often the black one, and reads 24 groups of pictures of a long one.
    KeyFrame,
    /// The frame itself.
    Frame,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// The most typical of the first frames that are not dark.
    Bright,
    /// The most typical of the first frames, dark or not, transparent where they are.
    Any,
}

/// What to try in turn. Only a clip that is dark throughout tries everything, and gets its dark
/// frame in the end.
fn attempts(motion: Motion, runtime: Option<Duration>) -> Vec<Attempt> {
    let anywhere = |choice| Attempt { from: None, choice };
    let at = |at, window: Duration, precision| Attempt {
        from: Some(Start { at, precision, window: window.clamp(MOMENT, MAX_WINDOW) }),
        choice: Choice::Bright,
    };
    match (motion, runtime) {
        (Motion::Single, _) => vec![anywhere(Choice::Any)],
        (Motion::Loop, _) => vec![anywhere(Choice::Bright), anywhere(Choice::Any)],
        (Motion::Moving, Some(runtime)) if runtime >= MOMENT => {
            let precision = if runtime <= SHORT { Precision::Frame } else { Precision::KeyFrame };
            let part = |tenth, precision| at(runtime * tenth / 10, runtime / 5, precision);
            // In the dark nothing comes of the frames before, so the window must lie where it should.
            let later = |tenth| part(tenth, Precision::Frame);
            let dark = Attempt { choice: Choice::Any, ..later(3) };
            let first = Attempt {
                from: Some(Start {
                    at: Duration::ZERO,
                    precision: Precision::Frame,
                    window: MAX_WINDOW,
                }),
                choice: Choice::Bright,
            };
            vec![
                part(1, precision),
                later(3),
                later(5),
                later(8),
                first,
                dark,
                anywhere(Choice::Any),
            ]
        }
        // A clip of a moment, or a recording that was never finished and does not say its length.
        (Motion::Moving, _) => {
            let later = |seconds| at(Duration::from_secs(seconds), MAX_WINDOW, Precision::Frame);
            let mut attempts = match runtime {
                Some(_) => Vec::new(),
                None => vec![later(1), later(10)],
            };
            attempts.extend([anywhere(Choice::Bright), anywhere(Choice::Any)]);
            attempts
        }
    }
}

/// One child; nothing if it ran to its end without a frame, as after a seek past the end.
async fn one(
    ffmpeg: &Program,
    input: &Input<'_>,
    hint: MediaHint,
    stream: u32,
    size: PictureSize,
    attempt: Attempt,
) -> Result<Option<Bytes>, ThumbnailError> {
    let mut before = vec!["-nostdin"];
    let (at, window);
    if let Some(start) = attempt.from {
        at = start.at.as_secs_f64().to_string();
        window = start.window.as_secs_f64().to_string();
        before.extend(["-ss", &at, "-t", &window]);
        match start.precision {
            Precision::KeyFrame => before.push("-noaccurate_seek"),
            Precision::Frame => {}
        }
    }
    let (map, filters) = (format!("0:{stream}"), filters(size, attempt.choice));
    let after = ["-map", &map, "-filter_threads", "1", "-vf", &filters, "-frames:v", "1"];
    let encode = ["-c:v", "libwebp", "-threads", "1", "-f", "image2pipe", "pipe:1"];

    let ended = child::run(ffmpeg, input, hint, before, after.into_iter().chain(encode)).await?;
    // A file that breaks after the frame was found makes FFmpeg end badly with a good picture.
    if is_webp(&ended.stdout) {
        return Ok(Some(ended.stdout));
    }
    ended.success().map(|_| None)
}

fn filters(PictureSize { width, height }: PictureSize, choice: Choice) -> String {
    // Frames before the seek point have negative times, which the encoder would wait out.
    let scaled = format!("setpts=PTS-STARTPTS,scale={width}:{height},setsar=1");
    let pick = format!("thumbnail={CANDIDATES}");
    match choice {
        Choice::Bright => format!(
            "{scaled},format=yuv420p,signalstats,metadata=mode=select\
             :key=lavfi.signalstats.YAVG:value={DARK}:function=greater,{pick}"
        ),
        Choice::Any => format!("{scaled},format=pix_fmts=yuv420p|yuva420p,{pick}"),
    }
}

/// A WebP file says its length in its head, so a cut one is told from a whole one.
fn is_webp(bytes: &[u8]) -> bool {
    let Some((head, rest)) = bytes.split_at_checked(8) else { return false };
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    head.starts_with(b"RIFF") && rest.starts_with(b"WEBP") && rest.len() as u64 == u64::from(length)
}

/// At most [`WIDTH`] by [`MAX_HEIGHT`], never larger than the original, of even height.
fn fitted(PictureSize { width, height }: PictureSize) -> PictureSize {
    let (full_width, full_height) = (u64::from(width), u64::from(height));
    // Of the two bounds, the one that is further exceeded scales both sides.
    let (part, whole) = [(WIDTH, full_width), (MAX_HEIGHT, full_height)]
        .into_iter()
        .map(|(bound, side)| (u64::from(bound), side))
        .filter(|(bound, side)| side > bound)
        .min_by(|(a, x), (b, y)| (a * y).cmp(&(b * x)))
        .unwrap_or((1, 1));
    let scaled =
        |side: u64| u32::try_from((side * part + whole / 2) / whole).expect("no side grows").max(1);
    // Chroma comes in pairs of lines; one line alone stays.
    let height = (scaled(full_height) / 2 * 2).max(1);
    PictureSize { width: scaled(full_width), height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stills_fit_and_never_grow() {
        #[track_caller]
        fn check(original: (u32, u32), expected: (u32, u32)) {
            let size = fitted(PictureSize { width: original.0, height: original.1 });
            assert_eq!((size.width, size.height), expected, "{original:?}");
        }
        check((1920, 1080), (480, 270));
        check((1080, 1920), (480, 852));
        check((480, 360), (480, 360));
        check((320, 241), (320, 240));
        check((1, 1), (1, 1));
        check((1, 2), (1, 2));
        check((100_000, 10), (480, 1));
        check((100, 20_000), (10, 1920));
        check((10, 100_000), (1, 1920));
        check((960, 7680), (240, 1920));
        check((u32::MAX, u32::MAX), (480, 480));
    }

    #[test]
    fn photos_take_one_child_and_clips_end_with_any_frame() {
        assert_eq!(attempts(Motion::Single, None).len(), 1);
        for runtime in [None, Some(0.04), Some(1.0), Some(5.0), Some(3600.0)] {
            let tries = attempts(Motion::Moving, runtime.map(Duration::from_secs_f64));
            assert_eq!(tries.last(), Some(&Attempt { from: None, choice: Choice::Any }));
            for start in tries.iter().filter_map(|attempt| attempt.from) {
                assert!(runtime.is_none_or(|r| start.at < Duration::from_secs_f64(r)), "{start:?}");
                assert!(start.window <= MAX_WINDOW, "{start:?}");
            }
        }
    }

    #[test]
    fn long_videos_start_at_a_key_frame_a_tenth_in() {
        let first = attempts(Motion::Moving, Some(Duration::from_mins(10)))[0];
        let start = first.from.unwrap();
        assert_eq!(first.choice, Choice::Bright);
        assert_eq!((start.at, start.precision), (Duration::from_mins(1), Precision::KeyFrame));
    }

    #[test]
    fn cut_output_is_no_picture() {
        let whole = *b"RIFF\x08\x00\x00\x00WEBPVP8 ";
        assert!(is_webp(&whole));
        assert!(!is_webp(&whole[..15]));
        assert!(!is_webp(b"RIFF"));
        assert!(!is_webp(b""));
    }
}
