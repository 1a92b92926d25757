//! Files that a browser would run if it were told what they are: it is told otherwise.

use std::collections::BTreeMap;

use discord_sim::{NewAttachment, NewMessage};

use super::{bower, hurried};
use crate::rig::{Bucket, Rig};

/// Types that no browser runs; anything else is to be saved. Plain text is taken for nothing else, with `nosniff` or not.
/// Source: MIME Sniffing Standard, "Rules for text or binary".
const SHOWN: [&str; 5] =
    ["image/gif", "image/jpeg", "image/png", "audio/mpeg", "text/plain; charset=utf-8"];

/// Where the archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Folder,
    Cloud,
}

const SCRIPT: &str = "<script>document.title='owned';fetch('http://127.0.0.1:9/')</script>";

/// What is posted: a name, and bytes that may be something else besides.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let svg =
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\">{SCRIPT}</svg>");
    let xml =
        format!("<?xml version=\"1.0\"?><?xml-stylesheet href=\"x.xsl\" type=\"text/xsl\"?>{svg}");
    let html = format!("<!doctype html><html><body>{SCRIPT}</body></html>");
    let pdf =
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj";
    // A picture whose size reads as the beginning of a comment, and whose rest is a program.
    let gif = [&b"GIF89a/*"[..], &[0; 40], b"*/=1;alert(document.domain)//;"].concat();
    // A picture with a page in its comment.
    let length = u16::try_from(html.len() + 2).unwrap().to_be_bytes();
    let jpg = [&b"\xff\xd8\xff\xfe"[..], &length, html.as_bytes(), b"\xff\xd9"].concat();
    let png =
        [&b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01"[..], html.as_bytes()].concat();
    let mp3 = [&b"ID3\x04\0\0\0\0\0\0"[..], html.as_bytes()].concat();
    let zip = [&b"PK\x03\x04"[..], html.as_bytes()].concat();
    let mut files = Vec::new();
    for extension in
        ["html", "svg", "xml", "xhtml", "js", "mjs", "css", "pdf", "swf", "htc", "mp4", "png", ""]
    {
        let dot = if extension.is_empty() { "" } else { "." };
        for (name, bytes) in [
            ("page", html.as_bytes()),
            ("drawing", svg.as_bytes()),
            ("document", xml.as_bytes()),
            ("paper", &pdf[..]),
            ("gif", &gif),
            ("jpg", &jpg),
            ("png", &png),
            ("mp3", &mp3),
            ("zip", &zip),
        ] {
            // Equal bytes would be one object under one name.
            let bytes = [bytes, name.as_bytes(), extension.as_bytes()].concat();
            let name: &'static str = format!("{name}{dot}{extension}").leak();
            files.push((name, bytes));
        }
    }
    files
}

/// What a browser is told of an object: its type, and what to do with it.
async fn told(rig: &Rig) -> BTreeMap<String, (String, Option<String>)> {
    match &rig.bucket {
        Bucket::Cloud { sim, name } => sim
            .objects(name)
            .into_iter()
            .map(|object| (object.name, (object.content_type, object.content_disposition)))
            .collect(),
        Bucket::Folder(_) => {
            let serve = rig.spawn(&["serve", "--addr", "127.0.0.1:0"]);
            let said = serve.first_line().await;
            let address = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
            let client = reqwest::Client::new();
            let mut told = BTreeMap::new();
            for name in rig.bucket.names() {
                let address = format!("{}/{name}", address.trim_end_matches('/'));
                let answer = client.get(address).send().await.unwrap();
                let header = |name: &str| {
                    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
                };
                assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{name}");
                if name.starts_with("media/") {
                    assert_eq!(header("content-security-policy").as_deref(), Some("sandbox"));
                }
                let kind = header("content-type").unwrap_or_default();
                told.insert(name, (kind, header("content-disposition")));
            }
            assert_eq!(serve.drained().await.code, Some(0));
            told
        }
    }
}

async fn nothing_runs(place: Place) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let (world, channel) = bower(34);
    let files = files();
    for (name, bytes) in &files {
        // What the poster's program claims counts for nothing.
        let file = NewAttachment::new(*name, bytes.clone()).content_type(Some("text/html"));
        world.post(channel, NewMessage::text(*name).attach(file));
    }
    let rig = hurried(&world).set("MEDIA_KINDS", "video,image,audio,file");
    let rig = match place {
        Place::Folder => rig,
        Place::Cloud => rig.in_the_cloud(),
    };
    let rig = rig.start().await;
    rig.succeed(&["fetch"]).await;
    let archive = rig.published().await.unwrap();
    assert_eq!(archive.entries.len(), files.len());
    let told = told(&rig).await;
    for entry in archive.entries.values() {
        let object = entry["Media"].as_str().unwrap();
        let (kind, disposition) = &told[object];
        let saved = disposition.as_deref() == Some("attachment");
        let harmless = kind == "application/octet-stream" && saved;
        assert!(harmless || SHOWN.contains(&kind.as_str()), "{entry}: {kind} {disposition:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_served_from_a_folder_runs() {
    nothing_runs(Place::Folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_the_cloud_runs() {
    nothing_runs(Place::Cloud).await;
}
