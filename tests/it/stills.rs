//! What becomes of real media: copied, looked at by the real ffmpeg, and published with a still.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use discord_sim::{
    ChannelId, Content, NewAttachment, NewChannel, NewMessage, Options, RateLimits, World,
};
use sample_media::{Container, Kind, Library, Sample};
use serde_json::Value;

use crate::rig::{Archive, Rig};

/// Two turns of all shapes, drawn differently.
const SAMPLES: usize = 2 * Library::VARIETY;

/// Mean luma, of 255, that a person calls "not black".
const SEEN: u32 = 24;

/// Containers count in their own units, and sound is padded to whole packets.
const TOLERANCE: f64 = 0.1;

/// The fakes in `stills/fakes` hang over files of this size, which no sample has.
const HANGS: usize = 4_099;

fn library() -> Library {
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("media");
    Library::generate(&cache, SAMPLES, 2).unwrap()
}

/// A server of one channel.
struct Posted {
    world: World,
    channel: ChannelId,
}

impl Posted {
    fn new() -> Self {
        let world = World::new(5);
        let guild = world.create_guild("Stills");
        let channel = world.create_channel(guild, NewChannel::text("clips"));
        Self { world, channel }
    }

    /// Posts a file; the archive knows it by the answer.
    fn post(&self, name: &str, content: Content) -> String {
        let file = NewAttachment::new(name, content);
        self.world.post(self.channel, NewMessage::text(name).attach(file)).to_string()
    }

    async fn rig(&self) -> Rig {
        let options = Options { rate_limits: RateLimits::faster(20.0), ..Options::default() };
        Rig::over(&self.world).options(options).start().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_clip_and_picture_has_a_still_that_shows_something() {
    let posted = Posted::new();
    let library = library();
    let samples: BTreeMap<String, Sample> = library
        .samples
        .into_iter()
        .map(|sample| {
            let content = Content::file(&sample.path).unwrap();
            (posted.post(&sample.file_name, content), sample)
        })
        .collect();
    let rig = posted.rig().await;
    let began = Instant::now();
    rig.succeed(&["fetch"]).await;
    rig.report("real media", began);
    rig.assert_archived().await;
    let archive = rig.published().await.unwrap();
    let mut began_black = 0;
    for (message, sample) in &samples {
        check(&rig, entry(&archive, message), sample).await;
        began_black += usize::from(sample.starts_black());
    }
    assert!(began_black >= 4, "{began_black} of them began black");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_and_broken_files_are_kept_and_hold_nothing_up() {
    let posted = Posted::new();
    let library = library();
    let sample = |container| {
        let of = |sample: &&Sample| sample.container == container && !sample.starts_black();
        library.samples.iter().find(of).unwrap().clone()
    };
    // Told apart by what follows the picture, so that each is looked at for itself.
    let jpg = sample(Container::Jpg);
    let picture = fs::read(&jpg.path).unwrap();
    let names = ["PHOTO.JPEG", "..jpg", "-i.jpg", "a%03d.jpg", "é ü.jpg", "x.jpg.jpg", "CON.jpg"];
    let odd: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let bytes = [&picture[..], format!("{number}").as_bytes()].concat();
            posted.post(name, bytes.into())
        })
        .collect();
    let bare = posted.post("noextension", [&picture[..], b"bare"].concat().into());
    let clip = fs::read(&sample(Container::Mp4MoovLast).path).unwrap();
    let noise: Vec<u8> =
        (0..50_000u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    let broken = [
        posted.post("empty.mp4", Vec::new().into()),
        // Its index would have come last.
        posted.post("cut.mp4", clip[..clip.len() / 2].to_vec().into()),
        posted.post("noise.webm", noise.into()),
        posted.post("text.png", b"not a picture".to_vec().into()),
    ];
    let rig = posted.rig().await;
    let ended = rig.succeed(&["fetch"]).await;
    rig.assert_archived().await;
    let archive = rig.published().await.unwrap();
    for message in &odd {
        check(&rig, entry(&archive, message), &jpg).await;
    }
    assert_eq!(entry(&archive, &bare)["Kind"], "file");
    for message in &broken {
        let entry = entry(&archive, message);
        assert_eq!(entry["Thumbnail"], Value::Null, "{entry}");
        assert!(entry["Media"].is_string(), "{entry}");
        let told = ended.stderr.lines().any(|line| {
            line.contains("without a still") && line.contains(entry["Sha256"].as_str().unwrap())
        });
        assert!(told, "nothing in the log tells why there is no still of {entry}");
    }
    let status = rig.status().await;
    assert_eq!(status["waiting"]["thumbnails"], 0, "{status}");
    assert_eq!(status["waiting"]["thumbnails_parked"], 0, "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_hangs_holds_up_nobody_else() {
    let posted = Posted::new();
    let samples: Vec<Sample> = library().samples.into_iter().take(Library::VARIETY).collect();
    // The newest is looked at first.
    let others: Vec<String> = samples
        .iter()
        .map(|sample| posted.post(&sample.file_name, Content::file(&sample.path).unwrap()))
        .collect();
    let hanging = posted.post("hangs.mp4", vec![7; HANGS].into());
    let fakes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/stills/fakes");
    let path = format!("{}:{}", fakes.display(), std::env::var("PATH").unwrap());
    let mut rig = posted.rig().await;
    rig.set("PATH", path);
    rig.set("THUMBNAILS", "2");
    rig.set("SHUTDOWN_AFTER", "2s");
    let service = rig.spawn(&["--fetch-history"]);
    let archive = rig
        .until_published("all others have stills", |archive| {
            archive.entries.len() == samples.len() + 1
                && others.iter().zip(&samples).all(|(message, sample)| {
                    sample.kind == Kind::Audio || entry(archive, message)["Thumbnail"].is_string()
                })
        })
        .await;
    for (message, sample) in others.iter().zip(&samples) {
        check(&rig, entry(&archive, message), sample).await;
    }
    // It is stored, and its look is still waited for.
    let hangs = entry(&archive, &hanging);
    assert!(hangs["Media"].is_string() && hangs["Thumbnail"].is_null(), "{hangs}");
    assert_eq!(rig.status().await["waiting"]["thumbnails"], 1);
    // Nor does it hold up the end.
    let began = Instant::now();
    let ended = service.drained().await;
    println!("ended with {:?} after {:?}", ended.code, began.elapsed());
    assert!(began.elapsed() < Duration::from_mins(1), "the child was waited for");
    // With ffmpeg as it should be, the next start does the rest.
    rig.set("PATH", std::env::var("PATH").unwrap());
    rig.succeed(&["fetch"]).await;
    assert_eq!(rig.status().await["waiting"]["thumbnails"], 0);
}

#[track_caller]
fn entry<'a>(archive: &'a Archive, message: &str) -> &'a Value {
    let entries = archive.of_message(&message);
    assert_eq!(entries.len(), 1, "entries of {message}");
    entries[0]
}

async fn check(rig: &Rig, entry: &Value, sample: &Sample) {
    let (width, height) = (entry["Width"].as_u64(), entry["Height"].as_u64());
    assert_eq!(width, sample.size.map(|(width, _)| width.into()), "{entry}");
    assert_eq!(height, sample.size.map(|(_, height)| height.into()), "{entry}");
    match (entry["Runtime"].as_f64(), sample.duration.map(|duration| duration.as_secs_f64())) {
        (Some(found), Some(made)) => assert!((found - made).abs() <= TOLERANCE, "{entry}: {made}"),
        (found, made) => assert_eq!(found, made, "{entry}"),
    }
    if sample.size.is_none() {
        return assert_eq!(entry["Thumbnail"], Value::Null, "{entry}");
    }
    let path = entry["Thumbnail"].as_str().unwrap_or_else(|| panic!("no still: {entry}"));
    let webp = rig.bucket.read(path).await.unwrap();
    assert!(webp.starts_with(b"RIFF") && webp[8..].starts_with(b"WEBP"), "{entry}");
    let still = rig.folder().join("still.webp");
    fs::write(&still, webp).unwrap();
    let width = sample.size.unwrap().0.min(480);
    let luma = luma(&still, width);
    assert!(luma > SEEN, "the still has a mean luma of {luma}: {entry}");
}

/// The mean luma of a picture, of 255, as another program than ours decodes it.
#[track_caller]
fn luma(still: &Path, width: u32) -> u32 {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "webp_pipe", "-i"])
        .arg(still)
        .args(["-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let pixels = u32::try_from(output.stdout.len()).unwrap();
    assert!(pixels > 0 && pixels.is_multiple_of(width), "{pixels} pixels, {width} wide");
    output.stdout.iter().map(|pixel| u32::from(*pixel)).sum::<u32>() / pixels
}
