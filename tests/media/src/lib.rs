//! Real media, generated with `FFmpeg` from a seed: what tests, benches and the demo post.
//!
//! ```text
//! Library::generate ─▶ recipe (pure: what to make) ─▶ kitchen (runs ffmpeg) ─▶ Vec<Sample>
//! ```
//!
//! A finished library is a folder named by a hash of its recipes, so it is made once and never
//! stale; a crash leaves a temporary folder beside it.

mod kitchen;
mod picture;
mod recipe;

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// A folder of samples.
#[derive(Clone, Debug)]
pub struct Library {
    /// Where the samples are.
    pub dir: PathBuf,
    /// What there is, in an order that puts one of every kind among the first [`Self::VARIETY`].
    pub samples: Vec<Sample>,
}

/// One file, and what a look at it should find.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Where it is.
    pub path: PathBuf,
    /// The name to post it under.
    pub file_name: String,
    /// What Discord would call its type.
    pub content_type: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it is kept in.
    pub container: Container,
    /// How long it plays; a photo does not.
    pub duration: Option<Duration>,
    /// Width and height as shown; sound has none.
    pub size: Option<(u32, u32)>,
    /// How long it is black at first.
    pub black_lead: Duration,
}

impl Sample {
    /// Whether its first frame shows nothing.
    pub fn starts_black(&self) -> bool {
        !self.black_lead.is_zero()
    }
}

/// What a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Moving pictures.
    Video,
    /// A picture, animated or not.
    Image,
    /// Sound.
    Audio,
}

/// What a sample is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Container {
    /// MP4 whose index comes before the media, as for streaming.
    Mp4MoovFirst,
    /// MP4 whose index comes last, as recorders write it.
    Mp4MoovLast,
    /// `WebM` with VP8 and, sometimes, Opus.
    Webm,
    /// `QuickTime`.
    Mov,
    /// Matroska.
    Mkv,
    /// PNG.
    Png,
    /// JPEG.
    Jpg,
    /// Animated GIF.
    Gif,
    /// A voice message: Opus in Ogg.
    Ogg,
    /// Uncompressed sound.
    Wav,
}

/// Why there is no library.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// There is no `ffmpeg` on the `PATH`.
    #[error("ffmpeg is not installed: `apt-get install ffmpeg` or `brew install ffmpeg` brings it")]
    Missing,
    /// It refused a recipe.
    #[error("ffmpeg made no {file_name}: {reason}")]
    Refused {
        /// What it should have made.
        file_name: String,
        /// What it said.
        reason: String,
    },
    /// A file could not be written.
    #[error("write the samples")]
    Io(#[from] io::Error),
}

impl Library {
    /// So many samples have every container, a black lead, a turned clip, a clip of one frame and
    /// an extension in capitals among them.
    pub const VARIETY: usize = recipe::SHAPES.len();

    /// Makes `count` samples below `cache`, or finds those that the same call made before.
    ///
    /// The same seed makes the same samples; a larger count adds to them. Blocks: some seconds
    /// for 48 on two processors, nothing the second time.
    pub fn generate(cache: &Path, count: usize, seed: u64) -> Result<Self, GenerateError> {
        Self::generate_telling(cache, count, seed, &|| {})
    }

    /// The same, telling of each sample once it is there.
    pub fn generate_telling(
        cache: &Path,
        count: usize,
        seed: u64,
        made: &(dyn Fn() + Sync),
    ) -> Result<Self, GenerateError> {
        let recipes: Vec<_> = (0..count).map(|index| recipe::of(index, seed)).collect();
        let mut hasher = DefaultHasher::new();
        recipes.hash(&mut hasher);
        let dir = cache.join(format!("samples-{count}-{:016x}", hasher.finish()));
        fs::create_dir_all(cache)?;
        // Tests in many processes ask at once; one cooks, the others find it done.
        let kitchen = fs::File::create(cache.join("kitchen.lock"))?;
        kitchen.lock()?;
        if !dir.is_dir() {
            let unfinished = tempfile::Builder::new().prefix("samples-").tempdir_in(cache)?;
            kitchen::cook(&recipes, unfinished.path(), made)?;
            fs::rename(unfinished.path(), &dir)?;
        }
        drop(kitchen);
        let samples = recipes.into_iter().map(|recipe| recipe.sample(&dir)).collect();
        Ok(Self { dir, samples })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_library_is_varied_small_and_made_once() {
        let cache = tempfile::tempdir().unwrap();
        let library = Library::generate(cache.path(), Library::VARIETY, 1).unwrap();
        let made = |library: &Library| {
            let files =
                library.samples.iter().map(|s| (s.file_name.clone(), fs::read(&s.path).unwrap()));
            files.collect::<Vec<_>>()
        };
        let files = made(&library);
        let distinct: HashSet<_> = files.iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(distinct.len(), Library::VARIETY, "no two are equal");
        assert!(files.iter().all(|(_, bytes)| (500..3_000_000).contains(&bytes.len())));
        let containers: HashSet<_> = library.samples.iter().map(|s| s.container).collect();
        assert_eq!(containers.len(), 10);
        assert!(library.samples.iter().any(|s| s.path.extension().unwrap() == "MP4"));
        assert!(library.samples.iter().any(|s| s.size.is_some_and(|(w, h)| h > w)));

        let first = &library.samples[0].path;
        let written = fs::metadata(first).unwrap().modified().unwrap();
        let again = Library::generate(cache.path(), Library::VARIETY, 1).unwrap();
        assert_eq!(again.samples, library.samples);
        assert_eq!(fs::metadata(first).unwrap().modified().unwrap(), written);

        let elsewhere = tempfile::tempdir().unwrap();
        let other = Library::generate(elsewhere.path(), Library::VARIETY, 1).unwrap();
        for ((name, first), (_, second)) in files.iter().zip(made(&other)) {
            assert!(*first == second, "{name} differs between two runs");
        }
        let leftovers = fs::read_dir(cache.path()).unwrap().count();
        assert_eq!(leftovers, 2, "the library and its lock");
    }
}
