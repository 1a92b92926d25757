//! What `serve` answers to browsers, and to those who try for what they should not get.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what went wrong")]

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use bowerbird::bucket::{Bucket, FolderBucket, MemoryBucket, ObjectKey, Precondition};
use bowerbird::serve;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// What lies in the bucket.
const OBJECTS: [(&str, &str); 9] = [
    ("index.html", "<!doctype html>"),
    ("gallery/main.js", "// the page"),
    ("gallery/styles/base.css", "/* the page */"),
    ("messages/manifest.json", "{}"),
    ("messages/1/2026-03-ab.json.gz", "packed"),
    ("media/ab.mp4", "0123456789"),
    ("media/cd.html", "<script>alert(1)</script>"),
    ("media/ef.svg", "<svg onload=\"alert(1)\"/>"),
    ("media/empty.mp4", ""),
];

struct Site {
    address: String,
    bucket: Arc<dyn Bucket>,
    folder: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Beside the bucket, where a path that climbs would find it.
        std::fs::write(folder.path().join("secret.txt"), "secret").unwrap();
        let bucket = FolderBucket::open(folder.path().join("archive")).await.unwrap();
        Self::over(Arc::new(bucket), folder).await
    }

    async fn over(bucket: Arc<dyn Bucket>, folder: tempfile::TempDir) -> Self {
        for (name, content) in OBJECTS {
            put(bucket.as_ref(), name, content).await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(serve::serve(listener, serve::router(bucket.clone()), std::future::pending()));
        Self { address, bucket, folder }
    }

    /// Sends a request as it stands, since clients tidy the paths that a test wants to send.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in headers {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        parse(&String::from_utf8(bytes).unwrap())
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await
    }
}

impl Answer {
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
            .to_str()
            .unwrap()
    }
}

fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect::<HeaderMap>();
    Answer { status, headers, body: body.to_owned() }
}

async fn put(bucket: &dyn Bucket, name: &str, content: &str) {
    let key = ObjectKey::new(name).unwrap();
    let body = content.as_bytes().to_vec().into();
    bucket.put(&key, body, Precondition::Always).await.unwrap();
}

#[tokio::test]
async fn each_object_is_served_at_its_key() {
    let site = Site::new().await;
    for (name, content) in OBJECTS {
        let answer = site.get(&format!("/{name}")).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, content), "{name}");
        assert_eq!(answer.header("content-length"), content.len().to_string(), "{name}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{name}");
        assert_eq!(answer.header("accept-ranges"), "bytes", "{name}");
        // What is unpacked by the page must not be unpacked on the way.
        assert!(!answer.headers.contains_key("content-encoding"), "{name}");
    }
    let root = site.get("/?from=elsewhere").await;
    assert_eq!((root.status, root.body.as_str()), (StatusCode::OK, OBJECTS[0].1));
}

#[tokio::test]
async fn types_and_caching_follow_from_the_key() {
    #[track_caller]
    fn check(answer: &Answer, content_type: &str, caching: &str) {
        assert_eq!(answer.header("content-type"), content_type);
        assert!(
            answer.header("cache-control").contains(caching),
            "{}",
            answer.header("cache-control")
        );
    }
    let site = Site::new().await;
    check(&site.get("/").await, "text/html; charset=utf-8", "no-cache");
    check(&site.get("/gallery/main.js").await, "text/javascript; charset=utf-8", "no-cache");
    check(&site.get("/gallery/styles/base.css").await, "text/css; charset=utf-8", "no-cache");
    check(&site.get("/messages/manifest.json").await, "application/json", "no-");
    check(&site.get("/media/ab.mp4").await, "video/mp4", "immutable");
}

#[tokio::test]
async fn what_strangers_posted_never_runs() {
    let site = Site::new().await;
    for name in ["media/cd.html", "media/ef.svg"] {
        let answer = site.get(&format!("/{name}")).await;
        assert_eq!(answer.header("content-type"), "application/octet-stream", "{name}");
        assert_eq!(answer.header("content-disposition"), "attachment", "{name}");
        assert_eq!(answer.header("content-security-policy"), "sandbox", "{name}");
    }
    assert_eq!(site.get("/media/ab.mp4").await.header("content-security-policy"), "sandbox");
    assert_eq!(site.get("/").await.header("content-security-policy"), "frame-ancestors 'none'");
}

#[tokio::test]
async fn every_answer_keeps_other_sites_away() {
    let site = Site::new().await;
    for (method, path) in [
        ("GET", "/"),
        ("HEAD", "/media/ab.mp4"),
        ("GET", "/media/cd.html"),
        ("GET", "/nothing"),
        ("POST", "/"),
        ("GET", "/../secret.txt"),
    ] {
        let answer = site.ask(method, path, &[]).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{name} of {method} {path}");
        }
        assert!(answer.header("permissions-policy").contains("camera=()"), "{method} {path}");
    }
}

#[tokio::test]
async fn a_link_out_of_the_folder_leads_nowhere() {
    let site = Site::new().await;
    let folder = site.folder.path();
    std::fs::create_dir(folder.join("private")).unwrap();
    std::fs::write(folder.join("private/secret.mp4"), "secret").unwrap();
    std::os::unix::fs::symlink(folder.join("private"), folder.join("archive/linked")).unwrap();
    std::os::unix::fs::symlink("../../secret.txt", folder.join("archive/media/ef.txt")).unwrap();
    for path in ["/linked/secret.mp4", "/media/ef.txt"] {
        for headers in [&[][..], &[("Range", "bytes=0-2")]] {
            let answer = site.ask("GET", path, headers).await;
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
            assert_eq!(answer.body, "", "{path}");
        }
    }
}

#[tokio::test]
async fn a_part_is_served_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for site in [Site::new().await, Site::over(Arc::new(MemoryBucket::new()), folder).await] {
        for (range, part, said) in [
            ("bytes=2-5", "2345", "bytes 2-5/10"),
            ("bytes=0-0", "0", "bytes 0-0/10"),
            ("bytes=7-", "789", "bytes 7-9/10"),
            ("bytes=7-99", "789", "bytes 7-9/10"),
            ("bytes=-3", "789", "bytes 7-9/10"),
            ("bytes=-99", "0123456789", "bytes 0-9/10"),
        ] {
            let answer = site.ask("GET", "/media/ab.mp4", &[("Range", range)]).await;
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (StatusCode::PARTIAL_CONTENT, part),
                "{range}"
            );
            assert_eq!(answer.header("content-range"), said, "{range}");
            assert_eq!(answer.header("content-length"), part.len().to_string(), "{range}");
            assert_eq!(answer.header("content-type"), "video/mp4", "{range}");
        }
        for range in ["bytes=10-", "bytes=12-14", "bytes=5-2", "bytes=-0", "bytes=a-b", "bytes="] {
            let answer = site.ask("GET", "/media/ab.mp4", &[("Range", range)]).await;
            assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
            assert_eq!(answer.header("content-range"), "bytes */10", "{range}");
        }
        // Other units, and several parts at once, are answered with the whole.
        for range in ["lines=1-2", "bytes=0-1,4-5"] {
            let answer = site.ask("GET", "/media/ab.mp4", &[("Range", range)]).await;
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (StatusCode::OK, "0123456789"),
                "{range}"
            );
        }
        let nothing = site.ask("GET", "/media/empty.mp4", &[("Range", "bytes=0-")]).await;
        assert_eq!(nothing.status, StatusCode::RANGE_NOT_SATISFIABLE);
    }
}

#[tokio::test]
async fn a_range_is_of_the_version_that_was_read_before() {
    let site = Site::new().await;
    let tag = site.get("/media/ab.mp4").await.header("etag").to_owned();
    let range = ("Range", "bytes=2-5");
    let same = site.ask("GET", "/media/ab.mp4", &[range, ("If-Range", &tag)]).await;
    assert_eq!((same.status, same.body.as_str()), (StatusCode::PARTIAL_CONTENT, "2345"));
    put(site.bucket.as_ref(), "media/ab.mp4", "abcdefghij").await;
    let other = site.ask("GET", "/media/ab.mp4", &[range, ("If-Range", &tag)]).await;
    assert_eq!((other.status, other.body.as_str()), (StatusCode::OK, "abcdefghij"));
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let site = Site::new().await;
    let tag = site.get("/messages/manifest.json").await.header("etag").to_owned();
    let known = [("If-None-Match", tag.as_str())];
    let same = site.ask("GET", "/messages/manifest.json", &known).await;
    assert_eq!((same.status, same.body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(same.header("etag"), tag);
    put(site.bucket.as_ref(), "messages/manifest.json", "{\"version\":1}").await;
    let other = site.ask("GET", "/messages/manifest.json", &known).await;
    assert_eq!((other.status, other.body.as_str()), (StatusCode::OK, "{\"version\":1}"));
    assert_ne!(other.header("etag"), tag);
}

#[tokio::test]
async fn head_tells_what_get_would_send() {
    let site = Site::new().await;
    let get = site.get("/media/ab.mp4").await;
    let head = site.ask("HEAD", "/media/ab.mp4", &[]).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
    for name in [
        "content-length",
        "content-type",
        "etag",
        "accept-ranges",
        "cache-control",
        "x-content-type-options",
    ] {
        assert_eq!(head.header(name), get.header(name));
    }
    assert_eq!(site.ask("HEAD", "/media/nothing.mp4", &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nothing_outside_the_bucket_is_served() {
    let site = Site::new().await;
    for path in [
        "/media/nothing.mp4",
        "/media",
        "/media/",
        "//index.html",
        "/../secret.txt",
        "/media/../../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/media/%2e%2e/%2e%2e/secret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "/./index.html",
        "/.tmp/a",
        "/index.html%00",
        "/index.html%2500",
        "/%252e%252e/secret.txt",
        "/..%c0%afsecret.txt",
        "/..;/secret.txt",
        "/....//secret.txt",
        "/.lock",
        "/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc/passwd",
        "/media/con",
        "/etc/passwd",
        "//etc/passwd",
        "/C:/secret.txt",
    ] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NOT_FOUND, ""), "{path}");
    }
}

#[tokio::test]
async fn nothing_is_written_through_it() {
    let site = Site::new().await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = site.ask(method, "/media/ab.mp4", &[]).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.header("allow"), "GET, HEAD", "{method}");
    }
    assert_eq!(site.get("/media/ab.mp4").await.body, "0123456789");
}

#[tokio::test]
async fn it_ends_when_asked_though_a_connection_stays_open() {
    let (stop, stopped) = oneshot::channel::<()>();
    let bucket = MemoryBucket::new();
    // More than the buffers between the two hold, so that the answer cannot be done.
    put(&bucket, "media/ab.mp4", &"0".repeat(64 << 20)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = serve::router(Arc::new(bucket));
    let serving = tokio::spawn(serve::serve(listener, router, async move {
        stopped.await.unwrap();
    }));
    let mut paused = TcpStream::connect(address).await.unwrap();
    paused.write_all(b"GET /media/ab.mp4 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    paused.read_u8().await.unwrap();
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}
