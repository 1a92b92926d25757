//! Children that hang, flood, crash or are not there.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use bowerbird::ffmpeg::{Ffmpeg, Look, MediaHint, Source, ThumbnailError, Thumbnailer};
use sample_media::Container;
use tempfile::TempDir;

use super::{PATIENCE, library};

const POLL: Duration = Duration::from_millis(5);

/// Scripts in the place of ffmpeg are part of the tests and not written by them: a file that
/// another thread's child still holds open for writing cannot be executed.
fn fake(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/thumbnails/fakes").join(name)
}

fn faked(name: &str) -> Ffmpeg {
    Ffmpeg::at(fake(name), fake(name), PATIENCE)
}

/// A file that tells a fake where to leave what it found.
fn instructions(folder: &TempDir) -> Source {
    let path = folder.path().join("clip.mp4");
    fs::write(&path, format!("{}\n", folder.path().display())).unwrap();
    Source::File(path)
}

fn real_clip() -> Source {
    let library = library();
    let clip = library.samples.iter().find(|s| s.container == Container::Mp4MoovFirst).unwrap();
    Source::File(clip.path.clone())
}

/// The ids of the fake and its child, once both run.
async fn running(folder: &TempDir) -> Vec<u32> {
    loop {
        if let Ok(said) = fs::read_to_string(folder.path().join("pids")) {
            let pids: Vec<u32> = said.split_whitespace().map(|id| id.parse().unwrap()).collect();
            assert_eq!(pids.len(), 2);
            return pids;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A process that nobody waited for yet is dead too.
fn is_alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap();
    !matches!(state, 'Z' | 'X')
}

async fn gone(pids: &[u32]) {
    let dead = async {
        while pids.iter().any(|pid| is_alive(*pid)) {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(PATIENCE, dead).await.expect("the children are still there");
}

fn look(ffmpeg: Ffmpeg, source: Source) -> tokio::task::JoinHandle<Result<Look, ThumbnailError>> {
    tokio::spawn(async move { ffmpeg.look(&source, MediaHint::Unknown).await })
}

#[tokio::test]
async fn who_hangs_is_killed_at_the_deadline_with_its_child() {
    let folder = tempfile::tempdir().unwrap();
    let looking = look(faked("hang"), instructions(&folder));
    let pids = running(&folder).await;
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    assert!(!looking.is_finished());

    // Only now, with the children running, does time fly.
    tokio::time::pause();
    tokio::time::advance(PATIENCE + POLL).await;
    tokio::time::resume();
    let error = looking.await.unwrap().unwrap_err();
    assert!(matches!(error, ThumbnailError::Timeout(PATIENCE)), "{error:?}");
    gone(&pids).await;
}

#[tokio::test]
async fn a_look_that_nobody_waits_for_leaves_nobody_behind() {
    let folder = tempfile::tempdir().unwrap();
    let looking = look(faked("hang"), instructions(&folder));
    let pids = running(&folder).await;
    looking.abort();
    assert!(looking.await.unwrap_err().is_cancelled());
    gone(&pids).await;
}

#[tokio::test]
async fn who_floods_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let error = look(faked("flood"), instructions(&folder)).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("wrote more than"), "{error}");
    assert!(error.is_permanent());
    gone(&running(&folder).await).await;
}

#[tokio::test]
async fn who_leaves_somebody_behind_takes_them_along() {
    let folder = tempfile::tempdir().unwrap();
    let error = look(faked("orphan"), instructions(&folder)).await.unwrap().unwrap_err();
    assert!(matches!(error, ThumbnailError::Unreadable { .. }), "{error:?}");
    gone(&running(&folder).await).await;
}

/// Other systems have no way to limit another process.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn nobody_gets_more_than_a_share_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let error = look(faked("limits"), instructions(&folder)).await.unwrap().unwrap_err();
    assert!(matches!(error, ThumbnailError::Unreadable { .. }), "{error:?}");
    let said = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    // Kilobytes, as `ulimit` counts, and seconds.
    assert_eq!(said("limits").trim(), format!("{} 300", 1024 * 1024));
    assert!(said("memory").contains("memory exhausted"), "{}", said("memory"));
    let flood = fs::metadata(folder.path().join("flood")).unwrap().len();
    assert!(flood <= 64 * 1024, "{flood} bytes were written");
}

#[tokio::test]
async fn who_babbles_is_heard_to_the_end_and_quoted_briefly() {
    let error = look(faked("babble"), real_clip()).await.unwrap().unwrap_err();
    let ThumbnailError::Unreadable { reason } = error else { panic!("{error:?}") };
    assert!(reason.len() <= 300, "{} bytes", reason.len());
    assert!(!reason.contains('\u{1b}'), "{reason:?}");
}

#[tokio::test]
async fn who_dies_of_a_signal_is_no_verdict_on_the_file() {
    let error = look(faked("crash"), real_clip()).await.unwrap().unwrap_err();
    let crashed = matches!(error, ThumbnailError::Crashed { program: "ffprobe", signal: 11 });
    assert!(crashed && !error.is_permanent(), "{error:?}");
}

#[tokio::test]
async fn who_is_not_installed_is_named_with_the_remedy() {
    let nowhere = || PathBuf::from("/nonexistent/ffmpeg");
    let probe = || ffmpeg_sidecar::ffprobe::ffprobe_path();
    for ffmpeg in
        [Ffmpeg::at(nowhere(), nowhere(), PATIENCE), Ffmpeg::at(nowhere(), probe(), PATIENCE)]
    {
        let error = look(ffmpeg, real_clip()).await.unwrap().unwrap_err();
        assert!(matches!(error, ThumbnailError::Missing { .. }), "{error:?}");
        assert!(!error.is_permanent());
        let said = error.to_string();
        assert!(said.contains("/nonexistent/ffmpeg") && said.contains("apt-get install ffmpeg"));
    }
}

#[tokio::test]
async fn who_lacks_webp_is_no_verdict_on_the_file() {
    let probe = ffmpeg_sidecar::ffprobe::ffprobe_path();
    let ffmpeg = Ffmpeg::at(fake("without-webp"), probe, PATIENCE);
    let error = look(ffmpeg, real_clip()).await.unwrap().unwrap_err();
    assert!(matches!(error, ThumbnailError::Lacking { .. }), "{error:?}");
    assert!(!error.is_permanent());
}

#[tokio::test]
async fn our_environment_stays_ours() {
    let folder = tempfile::tempdir().unwrap();
    look(faked("environment"), instructions(&folder)).await.unwrap().unwrap_err();
    let told = fs::read_to_string(folder.path().join("environment")).unwrap();
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some(), "there is something to keep");
    assert!(told.contains("PATH=") && !told.contains("CARGO"), "{told}");
}
