//! The media that people on the demonstrated server post: real files, under the names that people give them.
//!
//! Made before the curtain rises, and more of it in the background while the demo runs, so that no live clip repeats.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use discord_sim::{Content, NewAttachment};
use indicatif::{ProgressBar, ProgressStyle};
use rand::{Rng, rngs::StdRng};
use sample_media::{Container, GenerateError, Kind, Library, Sample};
use tokio::task::JoinHandle;

use crate::people::pick;

/// How many files the history has: enough for the grid to scroll, and made in half a minute.
const HISTORY: usize = 72;

/// The first samples of every run, so that the folder with them serves the next run too.
const SEED: u64 = 2;

/// One turn of the wheel, for what is posted live: it has a sample of each sort, and takes two processors some seconds.
const BATCH: usize = Library::VARIETY;

/// Discord's attachment flag for a file that is blurred until somebody asks for it.
const SPOILER: u64 = 1 << 3;

/// Files of the history, and those for what is posted live.
pub(crate) struct Clips {
    cache: PathBuf,
    ready: VecDeque<Sample>,
    next_seed: u64,
    kitchen: Option<JoinHandle<Result<Library, GenerateError>>>,
}

impl Clips {
    /// Makes the files of the history, showing how far it is, or finds those of a run before.
    pub(crate) async fn make(cache: &Path) -> Result<(Vec<Sample>, Self), GenerateError> {
        let bar = ProgressBar::new((HISTORY + BATCH) as u64);
        let style = ProgressStyle::with_template("making media {bar:30} {pos}/{len}, {elapsed}");
        bar.set_style(style.expect("the template is well-formed"));
        bar.tick();
        let library = tokio::task::spawn_blocking({
            let (cache, bar) = (cache.to_owned(), bar.clone());
            move || {
                let tell = || bar.inc(1);
                let history = Library::generate_telling(&cache, HISTORY, SEED, &tell)?;
                let live = Library::generate_telling(&cache, BATCH, SEED + 1, &tell)?;
                Ok::<_, GenerateError>((history.samples, live.samples))
            }
        });
        let (history, live) = library.await.expect("making media does not panic")?;
        bar.finish_and_clear();
        let clips = Self {
            cache: cache.to_owned(),
            ready: live.into(),
            next_seed: SEED + 2,
            kitchen: None,
        };
        Ok((history, clips))
    }

    /// A file that was not posted before; none while the next ones are still being made.
    pub(crate) async fn fresh(&mut self) -> Result<Option<Sample>, GenerateError> {
        if let Some(kitchen) = self.kitchen.take_if(|kitchen| kitchen.is_finished()) {
            self.ready.extend(kitchen.await.expect("making media does not panic")?.samples);
        }
        if self.ready.len() < BATCH / 2 && self.kitchen.is_none() {
            let (cache, seed) = (self.cache.clone(), self.next_seed);
            self.next_seed += 1;
            let cook = move || Library::generate(&cache, BATCH, seed);
            self.kitchen = Some(tokio::task::spawn_blocking(cook));
        }
        Ok(self.ready.pop_front())
    }
}

/// Whether the poster wants a file to be blurred at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Veil {
    /// It is a spoiler.
    Spoiler,
    /// It is not.
    Open,
}

/// A sample as somebody's upload, with what Discord would find out about it.
pub(crate) fn upload(
    sample: &Sample,
    veil: Veil,
    random: &mut StdRng,
) -> io::Result<NewAttachment> {
    let (name, title) = name(sample, random);
    let name = if veil == Veil::Spoiler { format!("SPOILER_{name}") } else { name };
    let mut file = NewAttachment::new(name, Content::file(&sample.path)?)
        .content_type(Some(sample.content_type));
    if let Some(title) = title {
        file = file.title(title);
    }
    if let Some((width, height)) = sample.size {
        file = file.dimensions(width, height);
    }
    if let Some(length) = sample.duration.filter(|_| sample.kind != Kind::Image) {
        file = file.duration(length.as_secs_f64());
    }
    if is_voice(sample) {
        file = file.waveform(waveform(sample.duration.unwrap_or_default(), random)?);
    }
    Ok(if veil == Veil::Spoiler { file.flags(SPOILER) } else { file })
}

/// Whether it is what a phone records when somebody speaks into it.
pub(crate) fn is_voice(sample: &Sample) -> bool {
    sample.container == Container::Ogg
}

/// The name in the link and, where Discord changed it, the one it had before, without its extension.
fn name(sample: &Sample, random: &mut StdRng) -> (String, Option<String>) {
    let extension = sample.path.extension().unwrap_or_default().to_string_lossy();
    if is_voice(sample) {
        return ("voice-message.ogg".to_owned(), None);
    }
    let number = random.random_range(1000..9999);
    let day = random.random_range(10..29);
    let (plain, before) = match random.random_range(0..9) {
        0 => (format!("IMG_{number}"), None),
        1 => (format!("replay-{number}"), None),
        2 => {
            (format!("2026-02-{day}_21-14-09"), Some(format!("2026-02-{day} 21-14-09.{extension}")))
        }
        3 => ("unnamed".to_owned(), None),
        4 => ("final_final".to_owned(), None),
        5 => ("Grune_Wiese".to_owned(), Some("Grüne Wiese 🌻".to_owned())),
        6 => ("___".to_owned(), Some("夜の<b>\"散歩\"</b> & more".to_owned())),
        7 => (format!("DSC_{number}"), None),
        // What it shows.
        _ => (stem(&sample.file_name).to_owned(), None),
    };
    (format!("{plain}.{extension}"), before)
}

fn stem(file_name: &str) -> &str {
    file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem)
}

/// The drawing under a voice message: base64 of a height for each tenth of a second.
fn waveform(length: Duration, random: &mut StdRng) -> io::Result<String> {
    let tenths = length.as_millis() / 100;
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').collect();
    // Four letters are three bytes, so whole groups need no padding.
    let letters = usize::try_from(tenths.min(256)).map_err(io::Error::other)? / 3 * 4;
    Ok((0..letters).map(|_| pick(&alphabet, random)).collect())
}

/// Text and paper: nothing that the demo asks Bowerbird to take.
pub(crate) fn notes() -> NewAttachment {
    NewAttachment::new("notes.txt", Content::bytes(b"shopping list: batteries, tape".to_vec()))
}
