//! The objects that the page's data names: their bytes, in the bucket and over the address that shows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::Stdio,
};

use reqwest::{StatusCode, header::RANGE};
use sha2::{Digest, Sha256};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    page::{Entry, Objects, Page, ReadError},
    truth::Truth,
};

/// Mean luma, of 255, that a person calls "not black".
const SEEN: u64 = 24;

/// Enough for every sort of file, and a moment's work over loopback.
const SAMPLE: usize = 24;

/// The folder that stands for a bucket.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Objects for Folder {
    async fn get(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        tokio::fs::read(self.0.join(path)).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ReadError::Missing { path: path.to_owned() },
            _ => failed(path, &error),
        })
    }
}

/// The address at which `bowerbird serve` shows the bucket.
pub(crate) struct Address {
    client: reqwest::Client,
    url: String,
}

impl Address {
    /// The address `http://HOST:PORT`.
    pub(crate) fn new(url: String) -> Self {
        Self { client: reqwest::Client::new(), url }
    }

    /// The page itself; none while nothing answers there.
    pub(crate) async fn page(&self) -> Option<String> {
        let answer = self.client.get(&self.url).send().await.ok()?;
        answer.error_for_status().ok()?.text().await.ok()
    }

    /// Some bytes from the middle, as a player asks for them.
    async fn range(&self, path: &str, from: usize, to: usize) -> Result<Vec<u8>, ReadError> {
        let request = self.client.get(format!("{}/{path}", self.url));
        let request = request.header(RANGE, format!("bytes={from}-{}", to - 1));
        let answer = request.send().await.map_err(|error| failed(path, &error))?;
        if answer.status() != StatusCode::PARTIAL_CONTENT {
            let reason = format!("a range was answered with {}", answer.status());
            return Err(ReadError::Failed { path: path.to_owned(), reason });
        }
        Ok(answer.bytes().await.map_err(|error| failed(path, &error))?.to_vec())
    }
}

impl Objects for Address {
    async fn get(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let answer = self.client.get(format!("{}/{path}", self.url)).send().await;
        let answer = answer.map_err(|error| failed(path, &error))?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Err(ReadError::Missing { path: path.to_owned() });
        }
        let answer = answer.error_for_status().map_err(|error| failed(path, &error))?;
        Ok(answer.bytes().await.map_err(|error| failed(path, &error))?.to_vec())
    }
}

fn failed(path: &str, error: &dyn std::error::Error) -> ReadError {
    ReadError::Failed { path: path.to_owned(), reason: error.to_string() }
}

/// Everything in which objects differ from the truth. `dark` are the checksums of clips that begin black.
pub(crate) async fn faults(
    objects: &impl Objects,
    truth: &Truth,
    page: &Page,
    dark: &BTreeSet<String>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut media: BTreeMap<&str, &str> = BTreeMap::new();
    let mut stills: BTreeMap<&str, bool> = BTreeMap::new();
    for entry in &page.entries {
        let Some(file) = truth.files.get(&entry.id) else { continue };
        media.extend(entry.media.as_deref().map(|path| (path, file.sha256.as_str())));
        let still = entry.thumbnail.as_deref().map(|path| (path, dark.contains(&file.sha256)));
        stills.extend(still);
    }
    for (path, sha256) in media {
        faults.extend(differs(objects, path, sha256).await);
    }
    for (path, began_black) in stills {
        faults.extend(still(objects, path, began_black).await.err());
    }
    for (id, person) in &truth.people {
        let shown = page.users.get(id).and_then(|user| user.avatar.as_deref());
        let (Some(path), Some(picture)) = (shown, &person.avatar) else { continue };
        match picture.sums() {
            Ok(sums) => faults.extend(differs(objects, path, &sums.sha256).await),
            Err(error) => faults.push(format!("the picture of {}: {error}", person.name)),
        }
    }
    faults
}

/// The same for a few entries of each sort over the address, with a range of each.
pub(crate) async fn faults_over(address: &Address, truth: &Truth, page: &Page) -> Vec<String> {
    let mut faults = Vec::new();
    let step = page.entries.len().div_ceil(SAMPLE).max(1);
    for entry in page.entries.iter().step_by(step) {
        let Some(file) = truth.files.get(&entry.id) else { continue };
        let Some(path) = &entry.media else { continue };
        match over(address, path, entry).await {
            Ok(sha256) if sha256 == file.sha256 => {}
            Ok(sha256) => faults.push(format!("{path} arrives with the checksum {sha256}")),
            Err(error) => faults.push(error.to_string()),
        }
    }
    faults
}

/// The checksum of what arrives, once the range in its middle was found to be a part of it.
async fn over(address: &Address, path: &str, entry: &Entry) -> Result<String, ReadError> {
    let whole = address.get(path).await?;
    let (from, to) = (whole.len() / 3, whole.len() * 2 / 3);
    if from < to && address.range(path, from, to).await? != whole[from..to] {
        let reason = "a range of it is something else".to_owned();
        return Err(ReadError::Failed { path: path.to_owned(), reason });
    }
    if let Some(still) = &entry.thumbnail {
        address.get(still).await?;
    }
    Ok(checksum(&whole))
}

/// The checksum as names carry it.
pub(crate) fn checksum(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

async fn differs(objects: &impl Objects, path: &str, sha256: &str) -> Option<String> {
    match objects.get(path).await {
        Ok(bytes) if checksum(&bytes) == sha256 => None,
        Ok(bytes) => Some(format!("{path} has the checksum {}", checksum(&bytes))),
        Err(error) => Some(error.to_string()),
    }
}

async fn still(objects: &impl Objects, path: &str, began_black: bool) -> Result<(), String> {
    let bytes = objects.get(path).await.map_err(|error| error.to_string())?;
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WEBP") {
        return Err(format!("{path} is no WebP"));
    }
    if !began_black {
        return Ok(());
    }
    let luma = luma(&bytes).await.map_err(|error| format!("look at {path}: {error}"))?;
    if luma > SEEN { Ok(()) } else { Err(format!("{path} is black: its mean luma is {luma}")) }
}

/// The mean luma of a picture, of 255.
async fn luma(picture: &[u8]) -> std::io::Result<u64> {
    let decoder = ["-f", "image2pipe", "-c:v", "webp", "-i", "pipe:0"];
    let mut child = Command::new("ffmpeg")
        .args(["-hide_banner", "-v", "error"])
        .args(decoder)
        .args(["-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut input = child.stdin.take().expect("it was just piped");
    // A still is smaller than what a decoder reads before it writes.
    input.write_all(picture).await?;
    drop(input);
    let pixels = child.wait_with_output().await?.stdout;
    if pixels.is_empty() {
        return Err(std::io::Error::other("ffmpeg saw no picture"));
    }
    Ok(pixels.iter().map(|pixel| u64::from(*pixel)).sum::<u64>() / pixels.len() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{page::tests::Shelf, truth::TrueFile};

    /// A picture of one colour as stills are made.
    async fn webp(colour: &str) -> Vec<u8> {
        let source = format!("color=c={colour}:s=48x27");
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", &source, "-frames:v", "1"])
            .args(["-c:v", "libwebp", "-f", "webp", "pipe:1"])
            .output()
            .await
            .unwrap();
        made.stdout
    }

    fn truth(bytes: &[u8]) -> Truth {
        let file = TrueFile {
            channel: "100".to_owned(),
            author: "7".to_owned(),
            author_name: "Wren".to_owned(),
            text: None,
            edited: false,
            kind: "video".to_owned(),
            size: bytes.len() as u64,
            sha256: checksum(bytes),
            spoiler: false,
        };
        Truth { files: [("1-2".to_owned(), file)].into(), ..Truth::default() }
    }

    #[track_caller]
    fn check(faults: &[String], expected: &str) {
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains(expected), "{faults:?}");
    }

    #[tokio::test]
    async fn every_object_is_held_against_the_truth() {
        let truth = truth(b"a clip");
        let mut entry = crate::page::tests::entry("1-2");
        entry["Media"] = json!("media/a.mp4");
        entry["Thumbnail"] = json!("thumb/a.webp");
        let mut shelf = Shelf::small(&json!([entry]), 1);
        let page = Page::read(&shelf).await.unwrap();
        let dark = BTreeSet::from([truth.files["1-2"].sha256.clone()]);

        shelf.0.insert("media/a.mp4".to_owned(), b"a clip".to_vec());
        shelf.0.insert("thumb/a.webp".to_owned(), webp("teal").await);
        assert_eq!(faults(&shelf, &truth, &page, &dark).await, Vec::<String>::new());

        shelf.0.insert("media/a.mp4".to_owned(), b"a clap".to_vec());
        check(&faults(&shelf, &truth, &page, &dark).await, "has the checksum");
        shelf.0.insert("media/a.mp4".to_owned(), b"a clip".to_vec());

        shelf.0.insert("thumb/a.webp".to_owned(), webp("black").await);
        check(&faults(&shelf, &truth, &page, &dark).await, "is black");
        // A clip that is black throughout may have a black still.
        assert_eq!(faults(&shelf, &truth, &page, &BTreeSet::new()).await, Vec::<String>::new());

        shelf.0.insert("thumb/a.webp".to_owned(), b"<html>".to_vec());
        check(&faults(&shelf, &truth, &page, &dark).await, "is no WebP");
        shelf.0.remove("thumb/a.webp");
        check(&faults(&shelf, &truth, &page, &dark).await, "is not there");
    }
}
