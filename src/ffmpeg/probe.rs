//! What `ffprobe` says about the media, as typed values.
//!
//! Used by a look before its still; reads a few hundred KiB wherever they lie in the file.

use std::time::Duration;

use serde::Deserialize;

use super::{
    MediaHint, MediaKind, PictureSize, Probe, ThumbnailError,
    child::{self, Input, Program},
};

/// Nobody posts a year of film. A file may say that it lasts for ages, which no reader needs to hear, and a tenth of which
/// no place to begin at is.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// What a still needs to know besides the probe.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) probe: Probe,
    /// Where the picture is, if there is any.
    pub(super) picture: Option<Picture>,
}

/// A stream that shows something.
#[derive(Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) stream: u32,
    pub(super) size: PictureSize,
    pub(super) motion: Motion,
}

/// Whether there is more than one frame to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Motion {
    /// A photo or cover art.
    Single,
    /// A GIF: frames that can be read from the first on, but not sought.
    Loop,
    /// Moving pictures.
    Moving,
}

pub(super) async fn run(
    ffprobe: &Program,
    input: &Input<'_>,
    hint: MediaHint,
) -> Result<Found, ThumbnailError> {
    // Only what `Report` reads, for a chapter list can be longer than everything else.
    let entries = "format=format_name,duration\
        :stream=index,codec_type,width,height,sample_aspect_ratio,duration\
        :stream_disposition=attached_pic:stream_tags=rotate:stream_side_data=rotation";
    let said =
        child::run(ffprobe, input, hint, ["-of", "json", "-show_entries", entries], []).await?;
    let report: Report = serde_json::from_slice(&said.success()?)
        .map_err(|error| ThumbnailError::unreadable(format!("ffprobe's answer: {error}")))?;
    report.found()
}

#[derive(Debug, Deserialize)]
struct Report {
    #[serde(default)]
    streams: Vec<Stream>,
    format: Format,
}

#[derive(Debug, Deserialize)]
struct Format {
    format_name: String,
    duration: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Stream {
    index: u32,
    codec_type: Option<String>,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    sample_aspect_ratio: Option<String>,
    duration: Option<String>,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Debug, Default, Deserialize)]
struct Disposition {
    #[serde(default)]
    attached_pic: u8,
}

#[derive(Debug, Default, Deserialize)]
struct Tags {
    /// Before `FFmpeg` 5 the rotation was a tag.
    rotate: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

impl Report {
    fn found(self) -> Result<Found, ThumbnailError> {
        let kind = self.kind()?;
        let stream = self.shown();
        let runtime = match kind {
            MediaKind::Image if !self.is_loop() => None,
            MediaKind::Video | MediaKind::Audio | MediaKind::Image => self.runtime(stream),
        };
        let picture = match stream {
            Some(stream) => Some(Picture {
                stream: stream.index,
                size: stream.size()?,
                motion: match kind {
                    MediaKind::Video => Motion::Moving,
                    MediaKind::Image if self.is_loop() => Motion::Loop,
                    MediaKind::Image | MediaKind::Audio => Motion::Single,
                },
            }),
            None => None,
        };
        let size = match kind {
            MediaKind::Video | MediaKind::Image => picture.as_ref().map(|picture| picture.size),
            // Cover art is not the sound's size.
            MediaKind::Audio => None,
        };
        Ok(Found { probe: Probe { kind, size, runtime }, picture })
    }

    fn kind(&self) -> Result<MediaKind, ThumbnailError> {
        let has = |kind: &str| self.streams.iter().any(|s| s.codec_type.as_deref() == Some(kind));
        let moving = self.streams.iter().any(|s| s.is_video() && !s.is_cover());
        // Demuxers of single pictures are named so: png_pipe, jpeg_pipe, ….
        let image = self.format.format_name.ends_with("_pipe") || self.is_loop();
        match (moving, image) {
            (true, true) => Ok(MediaKind::Image),
            (true, false) => Ok(MediaKind::Video),
            (false, _) if has("audio") => Ok(MediaKind::Audio),
            (false, _) => Err(ThumbnailError::unreadable("neither picture nor sound in it")),
        }
    }

    fn is_loop(&self) -> bool {
        matches!(self.format.format_name.as_str(), "gif" | "apng")
    }

    /// The first stream of moving pictures, else cover art.
    fn shown(&self) -> Option<&Stream> {
        let mut video = self.streams.iter().filter(|stream| stream.is_video());
        video.clone().find(|stream| !stream.is_cover()).or_else(|| video.next())
    }

    fn runtime(&self, shown: Option<&Stream>) -> Option<Duration> {
        let stream = || shown.or(self.streams.first())?.duration.as_deref().and_then(seconds);
        self.format.duration.as_deref().and_then(seconds).or_else(stream)
    }
}

impl Stream {
    fn is_video(&self) -> bool {
        self.codec_type.as_deref() == Some("video")
    }

    fn is_cover(&self) -> bool {
        self.disposition.attached_pic != 0
    }

    /// As shown on a screen: pixels made square, then turned upright.
    fn size(&self) -> Result<PictureSize, ThumbnailError> {
        if self.width == 0 || self.height == 0 {
            return Err(ThumbnailError::unreadable("the picture has no size"));
        }
        let (wide, high) = self.sample_aspect_ratio.as_deref().map_or((1, 1), ratio);
        let width = u64::from(self.width) * wide / high;
        let width = u32::try_from(width.max(1))
            .map_err(|_| ThumbnailError::unreadable("the picture is wider than any screen"))?;
        Ok(if self.is_turned_sideways() {
            PictureSize { width: self.height, height: width }
        } else {
            PictureSize { width, height: self.height }
        })
    }

    fn is_turned_sideways(&self) -> bool {
        let tag = || self.tags.rotate.as_deref()?.parse().ok();
        let degrees = self.side_data_list.iter().find_map(|data| data.rotation).or_else(tag);
        // FFmpeg turns by the nearest quarter; other angles are drawn inside the same frame.
        degrees.is_some_and(|degrees| (degrees.rem_euclid(180.0) - 90.0).abs() < 1.0)
    }
}

/// `N/A` and nonsense count as unknown.
fn seconds(said: &str) -> Option<Duration> {
    let length = Duration::try_from_secs_f64(said.parse().ok()?).ok()?;
    (!length.is_zero() && length <= LONGEST).then_some(length)
}

/// `0:1` and nonsense mean that nobody said: square.
fn ratio(said: &str) -> (u64, u64) {
    let number = |said: &str| said.parse::<u32>().ok().filter(|number| *number > 0);
    let said = said.split_once(':').and_then(|(w, h)| Some((number(w)?, number(h)?)));
    said.map_or((1, 1), |(wide, high)| (wide.into(), high.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(streams: &str, format: &str, expected: (MediaKind, Option<(u32, u32)>, Option<u64>)) {
        let json = format!(r#"{{"streams":[{streams}],"format":{{{format}}}}}"#);
        let Probe { kind, size, runtime } =
            serde_json::from_str::<Report>(&json).unwrap().found().unwrap().probe;
        let size = size.map(|size| (size.width, size.height));
        let runtime = runtime.map(|runtime| runtime.as_secs());
        assert_eq!((kind, size, runtime), expected, "{json}");
    }

    const MP4: &str = r#""format_name":"mov,mp4,m4a,3gp,3g2,mj2","duration":"12.5""#;

    #[test]
    fn videos_have_the_size_of_what_is_shown() {
        let video = |more: &str| {
            format!(r#"{{"index":0,"codec_type":"video","width":1440,"height":1080{more}}}"#)
        };
        let twelve = Some(12);
        check(&video(""), MP4, (MediaKind::Video, Some((1440, 1080)), twelve));
        for square in ["1:1", "0:1", "N/A", "1:0"] {
            let said = format!(r#","sample_aspect_ratio":"{square}""#);
            check(&video(&said), MP4, (MediaKind::Video, Some((1440, 1080)), twelve));
        }
        let wide = r#","sample_aspect_ratio":"4:3""#;
        check(&video(wide), MP4, (MediaKind::Video, Some((1920, 1080)), twelve));
        for turned in ["-90", "90", "270", "-270"] {
            let said = format!(r#","side_data_list":[{{"rotation":{turned}}}]"#);
            check(&video(&said), MP4, (MediaKind::Video, Some((1080, 1440)), twelve));
            let said = format!(r#","tags":{{"rotate":"{turned}"}}"#);
            check(&video(&said), MP4, (MediaKind::Video, Some((1080, 1440)), twelve));
        }
        let upside_down = r#","side_data_list":[{},{"rotation":180}]"#;
        check(&video(upside_down), MP4, (MediaKind::Video, Some((1440, 1080)), twelve));
    }

    #[test]
    fn kinds_are_told_by_the_bytes() {
        let picture = r#"{"index":0,"codec_type":"video","width":8,"height":6,"duration":"3"}"#;
        let cover = r#"{"index":1,"codec_type":"video","width":8,"height":6,"disposition":{"attached_pic":1}}"#;
        let sound = r#"{"index":2,"codec_type":"audio","duration":"7.9"}"#;
        let size = Some((8, 6));
        check(picture, r#""format_name":"png_pipe""#, (MediaKind::Image, size, None));
        check(picture, r#""format_name":"gif""#, (MediaKind::Image, size, Some(3)));
        check(sound, r#""format_name":"ogg""#, (MediaKind::Audio, None, Some(7)));
        check(&format!("{cover},{sound}"), MP4, (MediaKind::Audio, None, Some(12)));
        check(&format!("{cover},{sound},{picture}"), MP4, (MediaKind::Video, size, Some(12)));
        let unfinished = r#""format_name":"matroska,webm","duration":"N/A""#;
        let live = r#"{"index":0,"codec_type":"video","width":8,"height":6}"#;
        check(live, unfinished, (MediaKind::Video, size, None));
        for lie in ["9223372036854775807", "1e19", "1e400", "-5", "0", "nan"] {
            let said = format!(r#""format_name":"mov,mp4","duration":"{lie}""#);
            check(live, &said, (MediaKind::Video, size, None));
        }
    }

    #[test]
    fn what_shows_and_sounds_nothing_is_unreadable() {
        for streams in [
            "",
            r#"{"index":0,"codec_type":"data"}"#,
            r#"{"index":0}"#,
            r#"{"index":0,"codec_type":"video"}"#,
        ] {
            let json = format!(r#"{{"streams":[{streams}],"format":{{{MP4}}}}}"#);
            let error = serde_json::from_str::<Report>(&json).unwrap().found().unwrap_err();
            assert!(error.is_permanent(), "{error}");
        }
    }
}
