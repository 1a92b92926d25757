//! A look through a link: what it costs the host, and what a bad link does.

use std::{
    fs,
    path::{Path, PathBuf},
};

use axum::http::StatusCode;
use bowerbird::ffmpeg::{Look, MediaHint, Source, ThumbnailError, Thumbnailer};
use sample_media::{Container, Library};

use super::{
    SEEN, cache, check, ffmpeg, hint,
    host::{Host, Manners, SIGNATURE},
    library, luma, thumbnailer,
};

const MIB: u64 = 1024 * 1024;
/// What a look may cost of a clip of 100 MB.
const MOST: u64 = 3 * MIB;

async fn look(host: &Host) -> Result<Look, ThumbnailError> {
    look_at(host.link(), MediaHint::Video).await
}

async fn look_at(link: String, hint: MediaHint) -> Result<Look, ThumbnailError> {
    let source = Source::Link(link);
    assert!(!format!("{source:?}").contains(SIGNATURE));
    let found = thumbnailer().look(&source, hint).await;
    if let Err(error) = &found {
        let (shown, debug) = (error.to_string(), format!("{error:?}"));
        for said in [&shown, &debug] {
            assert!(!said.contains(SIGNATURE) && !said.contains("attachments"), "{said}");
        }
    }
    found
}

fn sample(container: Container) -> PathBuf {
    library().samples.into_iter().find(|s| s.container == container).unwrap().path
}

/// About 100 MB at 12 Mbit/s, as a console records; made once by repeating ten seconds.
fn large(name: &str, flags: &[&str]) -> PathBuf {
    let path = cache().join(name);
    fs::create_dir_all(cache()).unwrap();
    // Two tests want the same file at the same time, perhaps in two processes.
    let lock = fs::File::create(path.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if path.exists() {
        return path;
    }
    let folder = tempfile::tempdir_in(cache()).unwrap();
    let (part, whole) = (folder.path().join("part.mp4"), folder.path().join("whole.mp4"));
    let noise = "testsrc2=s=1920x1080:r=30:d=10,noise=alls=20:allf=t";
    let rate = ["-preset", "ultrafast", "-b:v", "12M", "-maxrate", "12M", "-bufsize", "12M"];
    let sound = ["-f", "lavfi", "-i", "sine=d=10", "-pix_fmt", "yuv420p"];
    ffmpeg(&[&["-f", "lavfi", "-i", noise], &sound[..], &rate[..]].concat(), &part);
    let part = part.to_str().unwrap();
    ffmpeg(&[&["-stream_loop", "6", "-i", part, "-c", "copy"], flags].concat(), &whole);
    // Made under another name, so that a test that was stopped leaves no half of it.
    fs::rename(whole, &path).unwrap();
    path
}

async fn costs_little(path: &Path) {
    let size = fs::metadata(path).unwrap().len();
    assert!(size > 90 * MIB, "{size} bytes are not large");
    let host = Host::start(path, Manners::Good).await;
    let found = look(&host).await.unwrap();
    println!("{}: {} bytes in {} requests", path.display(), host.bytes(), host.requests());
    assert!(host.bytes() < MOST, "{} bytes fetched", host.bytes());
    assert!(found.probe.runtime.unwrap().as_secs().abs_diff(70) <= 1);
    assert!(luma(&found.still.unwrap()) > SEEN);
}

#[tokio::test]
async fn a_large_clip_with_its_index_first_costs_little() {
    costs_little(&large("large-moov-first.mp4", &["-movflags", "+faststart"])).await;
}

#[tokio::test]
async fn a_large_clip_with_its_index_last_costs_little() {
    costs_little(&large("large-moov-last.mp4", &[])).await;
}

#[tokio::test]
async fn a_link_shows_what_the_file_shows() {
    for sample in library().samples.iter().take(Library::VARIETY) {
        let host = Host::start(&sample.path, Manners::Good).await;
        let found = look_at(host.link(), hint(sample.kind).0).await;
        check(sample, &found.unwrap_or_else(|error| panic!("{}: {error}", sample.file_name)));
        let size = fs::metadata(&sample.path).unwrap().len();
        assert!(host.bytes() <= size, "{}: some bytes were fetched twice", sample.file_name);
    }
}

#[tokio::test]
async fn a_host_without_ranges_gives_the_file_at_once() {
    let host = Host::start(&sample(Container::Mp4MoovLast), Manners::NoRanges).await;
    assert!(look(&host).await.unwrap().still.is_some());
    assert_eq!(host.requests(), 1);
}

#[tokio::test]
async fn a_refused_link_says_with_which_status() {
    for status in [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::GONE] {
        let manners = Manners::Refuses { from: 0, status };
        let host = Host::start(&sample(Container::Webm), manners).await;
        let error = look(&host).await.unwrap_err();
        let refused =
            matches!(error, ThumbnailError::LinkRefused { status: s } if s == status.as_u16());
        assert!(refused && !error.is_permanent(), "{error:?}");
        assert_eq!(host.requests(), 1);
    }
}

#[tokio::test]
async fn a_link_that_expires_midway_says_so_too() {
    let path = large("large-moov-last.mp4", &[]);
    let good = Host::start(&path, Manners::Good).await;
    look(&good).await.unwrap();
    for from in 1..good.requests() {
        let manners = Manners::Refuses { from, status: StatusCode::FORBIDDEN };
        let host = Host::start(&path, manners).await;
        match look(&host).await {
            Err(ThumbnailError::LinkRefused { status: 403 }) => {}
            // The last chunk may have been read ahead only.
            Ok(found) if from > 2 => assert!(luma(&found.still.unwrap()) > SEEN),
            other => panic!("refused from request {from} on: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_busy_host_is_no_verdict_on_the_file() {
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
        let host =
            Host::start(&sample(Container::Webm), Manners::Refuses { from: 0, status }).await;
        let error = look(&host).await.unwrap_err();
        assert!(matches!(error, ThumbnailError::LinkUnavailable { .. }), "{error:?}");
        assert!(!error.is_permanent());
    }
}

#[tokio::test]
async fn a_host_that_is_away_is_no_verdict_either() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let link = format!("http://127.0.0.1:{port}/attachments/1/2/clip.mp4?{SIGNATURE}");
    let error = look_at(link, MediaHint::Video).await.unwrap_err();
    assert!(matches!(error, ThumbnailError::LinkUnavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Host::start(&sample(Container::Webm), Manners::Good).await;
    let manners = Manners::Redirects { to: elsewhere.link() };
    let host = Host::start(&sample(Container::Webm), manners).await;
    let error = look(&host).await.unwrap_err();
    assert!(matches!(error, ThumbnailError::LinkRefused { status: 302 }), "{error:?}");
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test]
async fn an_empty_file_behind_a_link_is_unreadable_for_good() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    for manners in [Manners::Good, Manners::NoRanges] {
        let host = Host::start(empty.path(), manners).await;
        assert!(look(&host).await.unwrap_err().is_permanent());
    }
}
