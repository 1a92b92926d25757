//! The programs on this machine: ffmpeg and ffprobe are there, and a still is really made.

use super::{Finding, deadline::within};
use crate::{
    app::open,
    ffmpeg::{Ffmpeg, MediaHint, Source, ThumbnailError, Thumbnailer},
};

/// Without stills the archive is complete, and its page shows no pictures.
const WITHOUT: &str = "files are archived all the same, but the page shows no stills";

pub(super) async fn check() -> Vec<Finding> {
    let ffmpeg = open::ffmpeg();
    let versions = match within("ffmpeg", ffmpeg.versions()).await {
        Ok(Ok([ffmpeg, ffprobe])) => {
            Finding::good("ffmpeg", format!("ffmpeg {ffmpeg}, ffprobe {ffprobe}"))
        }
        Ok(Err(error)) => return vec![Finding::bad("ffmpeg", error.to_string()).mend(WITHOUT)],
        Err(late) => return vec![late],
    };
    let still = within("still", still(&ffmpeg)).await.unwrap_or_else(|late| late);
    vec![versions, still]
}

async fn still(ffmpeg: &Ffmpeg) -> Finding {
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return Finding::bad("still", format!("no temporary folder: {error}")),
    };
    let clip = folder.path().join("clip.mkv");
    if let Err(error) = ffmpeg.make_clip(&clip).await {
        return Finding::note("still", format!("not tried: no clip could be made ({error})"));
    }
    match ffmpeg.look(&Source::File(clip), MediaHint::Video).await {
        Ok(look) => match look.still {
            Some(still) => {
                let (width, height) = (still.size.width, still.size.height);
                Finding::good("still", format!("made one of {width}x{height} from a clip"))
            }
            None => Finding::bad("still", "a clip gave none").mend("install another ffmpeg"),
        },
        Err(error @ ThumbnailError::Lacking { .. }) => {
            Finding::bad("still", error.to_string()).mend(WITHOUT)
        }
        Err(error) => Finding::bad("still", error.to_string())
            .mend("install ffmpeg from Debian, Homebrew or ffmpeg.org"),
    }
}
