//! A file that names other files or addresses makes nobody open them.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use bowerbird::ffmpeg::{MediaHint, Source, ThumbnailError, Thumbnailer};
use sample_media::Container;

use super::{
    host::{Host, Manners},
    library, thumbnailer,
};
use crate::trap::Trap;

fn hls(target: &str) -> String {
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{target}\n#EXT-X-ENDLIST\n")
}

fn traps(target: &str) -> [(&'static str, String); 5] {
    [
        ("hls", hls(target)),
        ("concat", format!("ffconcat version 1.0\nfile '{target}'\n")),
        (
            "dash",
            format!(
                "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
                 mediaPresentationDuration=\"PT5S\" profiles=\"urn:mpeg:dash:profile:isoff-main:2011\">\
                 <Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"1\" bandwidth=\"1\">\
                 <BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>"
            ),
        ),
        ("sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n".to_owned()),
        ("svg", format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><image href=\"{target}\" width=\"9\" height=\"9\"/></svg>")),
    ]
}

async fn looks_refuse(name: &str, file: &Path) {
    let host = Host::start(file, Manners::Good).await;
    for source in [Source::File(file.to_owned()), Source::Link(host.link())] {
        // Both lists of parsers; an unknown kind has both at once.
        for hint in [MediaHint::Video, MediaHint::Audio] {
            let error = thumbnailer().look(&source, hint).await.expect_err(name);
            assert!(matches!(error, ThumbnailError::Unreadable { .. }), "{name}: {error:?}");
        }
    }
}

#[tokio::test]
async fn no_address_in_a_file_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let trap = Trap::set();
    for (name, playlist) in traps(&trap.address("segment.ts")) {
        for extension in ["mp4", "m3u8"] {
            let file = folder.path().join(format!("{name}.{extension}"));
            fs::write(&file, &playlist).unwrap();
            looks_refuse(name, &file).await;
            assert!(!trap.is_sprung(), "{name}.{extension} had its address opened");
        }
    }
}

#[tokio::test]
async fn no_file_named_in_a_file_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let library = library();
    let secret = library.samples.iter().find(|s| s.container == Container::Mp4MoovFirst).unwrap();
    fs::copy(&secret.path, folder.path().join("secret.mp4")).unwrap();
    for target in ["secret.mp4", secret.path.to_str().unwrap()] {
        for (name, playlist) in traps(target) {
            // Beside the secret, so that a relative name would lead there.
            let file = folder.path().join(format!("{name}.mp4"));
            fs::write(&file, &playlist).unwrap();
            // A picture in which the named one is missing gives nothing away; no picture, less.
            looks_refuse(name, &file).await;
        }
    }
}

#[test]
fn an_unguarded_ffmpeg_walks_into_the_trap() {
    let folder = tempfile::tempdir().unwrap();
    let (trap, file) = (Trap::set(), folder.path().join("clip.mp4"));
    fs::write(&file, hls(&trap.address("segment.ts"))).unwrap();
    let mut child = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "quiet", "-protocol_whitelist", "file,http,tcp", "-f", "hls"])
        .args(["-rw_timeout", "60000000", "-i"])
        .arg(&file)
        .args(["-f", "null", "-"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    while !trap.is_sprung() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended without opening the address");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
