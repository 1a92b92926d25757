//! Real files for an archive to show: stills of many shapes, clips that play and seek, and one that does not.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

/// A file and what is known about it.
#[derive(Clone, Debug)]
pub(crate) struct Media {
    pub(crate) bytes: Vec<u8>,
    pub(crate) extension: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) size: Option<(u32, u32)>,
    pub(crate) seconds: Option<f64>,
}

/// Everything that the archives of the tests are made of.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) stills: Vec<Media>,
    pub(crate) webm: Media,
    pub mp4: Media,
    pub(crate) sound: Media,
    pub(crate) unplayable: Media,
    pub(crate) notes: Media,
}

/// Colours of the gradients, each a small landscape of its own.
const PALETTES: [&str; 10] = [
    "0x0b1d51,0x3f5fb8,0xf6a06b,0xffe3b3",
    "0x12372a,0x436850,0xadbc9f,0xfbfada",
    "0x2b0a3d,0x7b2d8b,0xe05c8a,0xffb86b",
    "0x04293a,0x064663,0x2f9aa0,0xecf6d8",
    "0x3b1f0f,0x8a4b22,0xd99a4e,0xf7e3b5",
    "0x10002b,0x3c096c,0x9d4edd,0xe0aaff",
    "0x001219,0x0a9396,0x94d2bd,0xee9b00",
    "0x590d22,0xc9184a,0xff758f,0xffccd5",
    "0x1b263b,0x415a77,0x778da9,0xe0e1dd",
    "0x22321a,0x5d7a2c,0xb9c94b,0xfff3a0",
];

/// Shapes that people post: wide, photo, upright, of a phone, panorama, square.
const SHAPES: [(u32, u32); 6] =
    [(480, 270), (480, 360), (360, 480), (270, 480), (480, 210), (420, 420)];

/// The files, made once for all tests of a process.
pub(crate) fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(make)
}

impl Media {
    /// The name of its bytes.
    pub(crate) fn sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }
}

fn make() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let film = "mandelbrot=s=320x180:rate=15:start_scale=0.4:end_pts=120,trim=duration=6";
    let tone = "sine=frequency=330:duration=6";
    let clip = |name: &str, codecs: &str| {
        run(
            folder.path(),
            name,
            &format!("-f lavfi -i {film} -f lavfi -i {tone} -shortest -g 15 {codecs}"),
        )
    };
    let media = |bytes, extension, content_type, size, seconds| Media {
        bytes,
        extension,
        content_type,
        size,
        seconds,
    };
    let picture = Some((320, 180));
    Files {
        stills: stills(folder.path()),
        webm: media(
            clip("a.webm", "-c:v libvpx -b:v 300k -c:a libvorbis"),
            "webm",
            "video/webm",
            picture,
            Some(6.0),
        ),
        mp4: media(
            clip("a.mp4", "-c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart"),
            "mp4",
            "video/mp4",
            picture,
            Some(6.0),
        ),
        sound: media(
            run(folder.path(), "a.ogg", &format!("-f lavfi -i {tone} -c:a libvorbis")),
            "ogg",
            "audio/ogg",
            None,
            Some(6.0),
        ),
        unplayable: media(
            b"no film at all".repeat(64),
            "mkv",
            "video/x-matroska",
            picture,
            Some(9.0),
        ),
        notes: media(b"the notes".to_vec(), "zip", "application/zip", None, None),
    }
}

fn stills(folder: &Path) -> Vec<Media> {
    let mut sources: Vec<(String, (u32, u32))> = Vec::new();
    for (at, palette) in (0_u32..).zip(PALETTES) {
        let colours: Vec<String> =
            palette.split(',').enumerate().map(|(n, colour)| format!("c{n}={colour}")).collect();
        let colours = colours.join(":");
        for (turn, kind) in ["linear", "radial", "spiral"].iter().enumerate() {
            let (width, height) = SHAPES[(at as usize + 2 * turn) % SHAPES.len()];
            let (x, y) = (width * (at % 4 + 1) / 5, height / 4);
            let line = format!(":x0={x}:y0=0:x1={}:y1={height}", width - x.min(width / 2));
            let round = format!(":x0={x}:y0={y}:x1={width}:y1={height}");
            let ends = if *kind == "linear" { line } else { round };
            let gradient =
                format!("gradients=s={width}x{height}:{colours}:n=4:type={kind}:seed=7{ends}");
            sources.push((gradient, (width, height)));
        }
    }
    for (at, scale) in ["1.2", "0.02", "0.0016"].iter().enumerate() {
        let (width, height) = SHAPES[at];
        let place = ":start_x=-0.743643887037151:start_y=-0.131825904205330";
        let turn = at * 70;
        sources.push((
            format!("mandelbrot=s={width}x{height}:start_scale={scale}{place},hue=h={turn}"),
            (width, height),
        ));
    }
    sources.push(("testsrc2=s=480x270".into(), (480, 270)));
    sources.push(("life=s=120x90:mold=10:ratio=0.3:death_color=#16324f:life_color=#ffd166:mold_color=#ef476f,scale=480:360:flags=neighbor".into(), (480, 360)));
    sources
        .into_iter()
        .enumerate()
        .map(|(at, (source, size))| Media {
            bytes: run(
                folder,
                &format!("{at}.webp"),
                &format!("-f lavfi -i {source} -ss 1 -frames:v 1 -quality 80"),
            ),
            extension: "webp",
            content_type: "image/webp",
            size: Some(size),
            seconds: None,
        })
        .collect()
}

fn run(folder: &Path, name: &str, arguments: &str) -> Vec<u8> {
    let made = folder.join(name);
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"])
        .args(arguments.split(' '))
        .arg(&made)
        .output()
        .expect("ffmpeg is missing: run `make test`, which installs it");
    assert!(
        output.status.success(),
        "ffmpeg {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read(made).unwrap()
}
