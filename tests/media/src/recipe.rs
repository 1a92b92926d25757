//! What to make: pure, from an index and a seed.
//!
//! The shapes come in a fixed order so that every library has its share of each;
//! pictures, sizes and lengths are drawn.

use std::{path::Path, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::{Container, Kind, Sample, picture};

/// What the media goes through besides its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Twist {
    None,
    /// Black for one to three seconds at first.
    BlackLead,
    /// Stored lying on its side, with a note to turn it.
    Turned,
    /// A single frame.
    OneFrame,
    /// Its extension in capitals, as cameras write it.
    Capitals,
}

/// One turn of the wheel: mostly video, which is what an archive holds by default.
pub(crate) const SHAPES: [(Container, Twist); 16] = [
    (Container::Mp4MoovFirst, Twist::None),
    (Container::Webm, Twist::None),
    (Container::Jpg, Twist::None),
    (Container::Mp4MoovLast, Twist::BlackLead),
    (Container::Gif, Twist::None),
    (Container::Mov, Twist::None),
    (Container::Ogg, Twist::None),
    (Container::Mp4MoovFirst, Twist::Turned),
    (Container::Png, Twist::None),
    (Container::Mkv, Twist::BlackLead),
    (Container::Mp4MoovLast, Twist::Capitals),
    (Container::Webm, Twist::BlackLead),
    (Container::Mp4MoovLast, Twist::OneFrame),
    (Container::Gif, Twist::BlackLead),
    (Container::Wav, Twist::None),
    (Container::Mov, Twist::BlackLead),
];

/// Landscape, portrait, square and wide, all even as most encoders want it.
const SIZES: [(u32, u32); 8] = [
    (640, 360),
    (360, 640),
    (854, 480),
    (480, 480),
    (640, 480),
    (960, 410),
    (540, 960),
    (1280, 720),
];
/// GIFs of usual sizes would be the largest samples by far.
const GIF_SIZES: [(u32, u32); 3] = [(320, 180), (240, 320), (256, 256)];
const FRAME_RATES: [u32; 3] = [24, 25, 30];

/// A sample to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Recipe {
    pub(crate) file_name: String,
    pub(crate) container: Container,
    pub(crate) twist: Twist,
    /// A lavfi graph; sound alone has none.
    pub(crate) picture: Option<String>,
    /// A lavfi graph; not every clip is heard.
    pub(crate) sound: Option<String>,
    /// As stored, before any turning.
    pub(crate) size: (u32, u32),
    pub(crate) frame_rate: u32,
    pub(crate) black_lead: Duration,
    /// With the black lead.
    pub(crate) length: Duration,
}

/// The sample at this index, whatever the size of the library.
pub(crate) fn of(index: usize, seed: u64) -> Recipe {
    // Neighbours must not resemble each other, so the index is spread over all bits.
    let spread = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut rng = StdRng::seed_from_u64(seed ^ spread);
    let (container, twist) = SHAPES[index % SHAPES.len()];
    let size = match container {
        Container::Gif => pick(&GIF_SIZES, &mut rng),
        _ => pick(&SIZES, &mut rng),
    };
    let frame_rate = match container {
        Container::Gif => 10,
        _ => pick(&FRAME_RATES, &mut rng),
    };
    let black_lead = match (twist, container) {
        (Twist::BlackLead, Container::Gif) => Duration::from_secs(1),
        (Twist::BlackLead, _) => Duration::from_secs(rng.random_range(1..=3)),
        _ => Duration::ZERO,
    };
    let shown = match (twist, container) {
        (Twist::OneFrame, _) => Duration::from_secs(1) / frame_rate,
        (_, Container::Gif) => Duration::from_secs(rng.random_range(1..=3)),
        _ => Duration::from_secs(rng.random_range(2..=9)),
    };
    let length = black_lead + shown;

    let has_picture = kind(container) != Kind::Audio;
    let has_sound = match (kind(container), twist) {
        (Kind::Audio, _) => true,
        // Turning rewrites the first track's header, so there must be no second one.
        (Kind::Video, Twist::Turned | Twist::OneFrame) | (Kind::Image, _) => false,
        (Kind::Video, _) => rng.random_bool(0.5),
    };
    let (name, picture) = match twist {
        // Drawn as it is to be seen, and laid on its side.
        Twist::Turned => {
            let (name, upright) = picture::of((size.1, size.0), frame_rate, shown, &mut rng);
            (name, format!("{upright},transpose=cclock"))
        }
        _ => picture::of(size, frame_rate, shown, &mut rng),
    };
    let (name, picture) = if has_picture { (name, Some(picture)) } else { ("voice-message", None) };
    let extension = extension(container);
    let extension = match twist {
        Twist::Capitals => extension.to_uppercase(),
        Twist::None | Twist::BlackLead | Twist::Turned | Twist::OneFrame => extension.to_owned(),
    };
    Recipe {
        file_name: format!("{name}-{index:03}.{extension}"),
        container,
        twist,
        picture,
        sound: has_sound.then(|| sound(&mut rng)),
        size,
        frame_rate,
        black_lead,
        length,
    }
}

impl Recipe {
    pub(crate) fn sample(self, dir: &Path) -> Sample {
        let kind = kind(self.container);
        let (width, height) = self.size;
        let still = matches!(self.container, Container::Png | Container::Jpg);
        Sample {
            path: dir.join(&self.file_name),
            file_name: self.file_name,
            content_type: content_type(self.container),
            kind,
            container: self.container,
            duration: (!still).then_some(self.length),
            size: (kind != Kind::Audio).then_some(match self.twist {
                Twist::Turned => (height, width),
                Twist::None | Twist::BlackLead | Twist::OneFrame | Twist::Capitals => self.size,
            }),
            black_lead: self.black_lead,
        }
    }
}

pub(crate) fn kind(container: Container) -> Kind {
    match container {
        Container::Mp4MoovFirst
        | Container::Mp4MoovLast
        | Container::Webm
        | Container::Mov
        | Container::Mkv => Kind::Video,
        Container::Png | Container::Jpg | Container::Gif => Kind::Image,
        Container::Ogg | Container::Wav => Kind::Audio,
    }
}

fn extension(container: Container) -> &'static str {
    match container {
        Container::Mp4MoovFirst | Container::Mp4MoovLast => "mp4",
        Container::Webm => "webm",
        Container::Mov => "mov",
        Container::Mkv => "mkv",
        Container::Png => "png",
        Container::Jpg => "jpg",
        Container::Gif => "gif",
        Container::Ogg => "ogg",
        Container::Wav => "wav",
    }
}

/// As Discord's own type detection names them.
fn content_type(container: Container) -> &'static str {
    match container {
        Container::Mp4MoovFirst | Container::Mp4MoovLast => "video/mp4",
        Container::Webm => "video/webm",
        Container::Mov => "video/quicktime",
        Container::Mkv => "video/x-matroska",
        Container::Png => "image/png",
        Container::Jpg => "image/jpeg",
        Container::Gif => "image/gif",
        Container::Ogg => "audio/ogg",
        Container::Wav => "audio/x-wav",
    }
}

fn sound(rng: &mut StdRng) -> String {
    let pitch = rng.random_range(180..440);
    let pulse = rng.random_range(2..7);
    format!("sine=frequency={pitch}:beep_factor=3:sample_rate=48000,tremolo=f={pulse}:d=0.8")
}

pub(crate) fn pick<T: Copy>(from: &[T], rng: &mut StdRng) -> T {
    *from.choose(rng).expect("the lists here are not empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_samples() {
        for index in 0..64 {
            assert_eq!(of(index, 7), of(index, 7));
        }
        let differing = (0..64).filter(|index| of(*index, 7) != of(*index, 8)).count();
        assert!(differing > 60, "only {differing} of 64 differ between two seeds");
    }
}
