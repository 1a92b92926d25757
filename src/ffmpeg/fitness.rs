//! Whether the programs are there and able, for `doctor`. What is made here is made up, so no stranger's bytes are read.

use std::path::Path;

use tokio::time::timeout;

use super::{Ffmpeg, ThumbnailError, child};

/// One second of moving pictures, drawn by `FFmpeg` itself and packed by encoders that every build has.
const CLIP: [&str; 9] = [
    "-f",
    "lavfi",
    "-i",
    "testsrc=duration=1:size=64x48:rate=5",
    "-c:v",
    "mpeg4",
    "-f",
    "matroska",
    "-y",
];

impl Ffmpeg {
    /// The versions of `ffmpeg` and `ffprobe`, as they tell them.
    pub async fn versions(&self) -> Result<[String; 2], ThumbnailError> {
        let asked = async {
            let ffmpeg = child::ask(&self.stills, ["-version"]).await?;
            let ffprobe = child::ask(&self.probes, ["-version"]).await?;
            Ok([version(&ffmpeg), version(&ffprobe)])
        };
        timeout(self.deadline, asked).await.unwrap_or(Err(ThumbnailError::Timeout(self.deadline)))
    }

    /// Makes a tiny clip, so that there is something to look at.
    pub async fn make_clip(&self, path: &Path) -> Result<(), ThumbnailError> {
        let path = path.to_string_lossy();
        let arguments =
            ["-hide_banner", "-v", "error"].into_iter().chain(CLIP).chain([path.as_ref()]);
        let made = child::ask(&self.stills, arguments);
        let made = timeout(self.deadline, made).await;
        made.unwrap_or(Err(ThumbnailError::Timeout(self.deadline))).map(|_| ())
    }
}

/// `ffmpeg version 7.1.1-1 Copyright…`
fn version(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let version = said.split_whitespace().skip_while(|word| *word != "version").nth(1);
    version.unwrap_or("of an unknown version").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_the_program_says() {
        let said =
            b"ffmpeg version 7.1.1-1+b1 Copyright (c) 2000-2025 the FFmpeg developers\nbuilt";
        assert_eq!(version(said), "7.1.1-1+b1");
        assert_eq!(version(b"hello"), "of an unknown version");
    }
}
