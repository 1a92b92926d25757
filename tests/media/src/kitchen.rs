//! Runs ffmpeg on recipes, two at once.
//!
//! Called by the library with a folder that nobody else knows; a crash leaves that folder behind.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    Container, GenerateError,
    recipe::{Recipe, Twist},
};

/// Each is told to use one thread; more of them would fight with the tests that wait for them.
const AT_ONCE: usize = 2;

/// Small enough for hundreds of them, good enough for a gallery.
const H264: &str = "-c:v libx264 -preset ultrafast -crf 27 -maxrate 1500k -bufsize 1500k \
    -pix_fmt yuv420p -flags:v +bitexact -c:a aac -b:a 48k -flags:a +bitexact";
/// VP9 looks better and takes ten times as long. A positive speed would adapt itself to how busy the
/// machine is, and no two runs would be equal.
const VP8: &str = "-c:v libvpx -deadline realtime -cpu-used -8 -b:v 900k -pix_fmt yuv420p \
    -flags:v +bitexact -c:a libopus -b:a 32k -flags:a +bitexact";

/// Makes every recipe, or says why the first that failed did.
pub(crate) fn cook(
    recipes: &[Recipe],
    dir: &Path,
    made: &(dyn Fn() + Sync),
) -> Result<(), GenerateError> {
    let next = AtomicUsize::new(0);
    let result = Mutex::new(Ok(()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(recipe) = recipes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match make(recipe, dir) {
                        Ok(()) => made(),
                        Err(error) => {
                            next.store(recipes.len(), Ordering::Relaxed);
                            *result.lock().expect("no cook panics with the result in hand") =
                                Err(error);
                        }
                    }
                }
            });
        }
    });
    result.into_inner().expect("no cook panics with the result in hand")
}

fn make(recipe: &Recipe, dir: &Path) -> Result<(), GenerateError> {
    let path = dir.join(&recipe.file_name);
    let refused = |reason| GenerateError::Refused { file_name: recipe.file_name.clone(), reason };
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-v", "error", "-filter_threads", "1"])
        .args(arguments(recipe))
        .args(["-threads", "1", "-map_metadata", "-1", "-fflags", "+bitexact", "-y"])
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => GenerateError::Missing,
            _ => GenerateError::Io(error),
        })?;
    if !output.status.success() {
        return Err(refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    if recipe.twist == Twist::Turned {
        let mut file = fs::read(&path)?;
        turn(&mut file, recipe.size.1)
            .ok_or_else(|| refused("it has no track header".to_owned()))?;
        fs::write(&path, file)?;
    }
    Ok(())
}

fn arguments(recipe: &Recipe) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut add = |more: &str| arguments.extend(more.split(' ').map(str::to_owned));
    for graph in [&recipe.picture, &recipe.sound].into_iter().flatten() {
        add("-f lavfi -i");
        add(graph);
    }
    if recipe.picture.is_some() {
        let lead = recipe.black_lead.as_secs();
        let black = format!("tpad=start_duration={lead}:color=black,setsar=1");
        let palette = ",split[a][b];[a]palettegen=max_colors=64[p];[b][p]paletteuse=dither=none";
        add("-vf");
        add(&if recipe.container == Container::Gif { black + palette } else { black });
    }
    match recipe.container {
        Container::Png | Container::Jpg => add("-frames:v 1 -update 1"),
        _ if recipe.twist == Twist::OneFrame => add("-frames:v 1"),
        _ => add(&format!("-t {}", recipe.length.as_secs_f64())),
    }
    match recipe.container {
        Container::Mp4MoovFirst => add(&format!("{H264} -movflags +faststart")),
        Container::Mp4MoovLast | Container::Mov | Container::Mkv => add(H264),
        Container::Webm => add(VP8),
        Container::Png => add("-pix_fmt rgb24"),
        Container::Jpg => add("-pix_fmt yuvj420p -q:v 4"),
        Container::Gif => {}
        Container::Ogg => add("-ac 1 -c:a libopus -b:a 32k -flags:a +bitexact"),
        Container::Wav => add("-ac 1 -ar 16000 -c:a pcm_s16le -flags:a +bitexact"),
    }
    arguments
}

/// Notes in the first track's header that the picture is to be shown turned by a quarter.
///
/// The option for it changed its name from release to release of `FFmpeg`; the header did not.
fn turn(mp4: &mut [u8], height: u32) -> Option<()> {
    let name = mp4.windows(4).position(|window| window == b"tkhd")?;
    // ISO/IEC 14496-12, 8.3.2: the matrix of a version 0 header begins 40 bytes after its flags.
    let matrix = mp4.get_mut(name + 4 + 40..name + 4 + 40 + 36)?;
    let (one, minus_one) = (0x0001_0000, 0xffff_0000);
    let turned = [0, one, 0, minus_one, 0, 0, height << 16, 0, 0x4000_0000];
    for (place, value) in matrix.chunks_exact_mut(4).zip(turned) {
        place.copy_from_slice(&value.to_be_bytes());
    }
    Some(())
}
