//! The image, as far as it can be judged without an engine to build it.

use std::{collections::BTreeMap, fs, num::NonZeroUsize, path::Path, process::Command};

use bowerbird::{
    cli::{self, Cli},
    config::{self, Config},
};
use clap::Parser;

/// The form of a token, so that the rest of the settings is looked at.
const TOKEN: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdefghijklmnopqrstuvwxyz0123456789-_";

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The instructions, with continued lines joined: `("FROM", "debian:bookworm-slim")`.
fn instructions() -> Vec<(String, String)> {
    let text = read("Dockerfile");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, rest)| {
            let words: Vec<&str> = rest.split_whitespace().collect();
            (name.to_owned(), words.join(" "))
        })
        .collect()
}

fn all(name: &str) -> Vec<String> {
    let found = instructions().into_iter().filter(|(instruction, _)| instruction == name);
    found.map(|(_, rest)| rest).collect()
}

#[track_caller]
fn one(name: &str) -> String {
    let mut found = all(name);
    assert_eq!(found.len(), 1, "{name} should stand there once: {found:?}");
    found.remove(0)
}

/// The words of `["bowerbird", "healthcheck"]`.
fn exec_form(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text} is no exec form: {error}"))
}

fn variables() -> BTreeMap<String, String> {
    let env = one("ENV");
    env.split(' ')
        .map(|pair| pair.split_once('=').expect("NAME=value"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn what_it_copies_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = all("RUN").join(" ");
    for copy in all("COPY") {
        let words: Vec<&str> = copy.split(' ').collect();
        match words[..] {
            ["--from=build", path, _] => {
                let (folder, file) = path.rsplit_once('/').expect("an absolute path");
                let made = format!("cp target/release/{file} {folder}/");
                assert!(built.contains(&made), "nothing makes {path}");
                assert!(built.contains(&format!("--bin {file}")), "nothing builds {file}");
                assert!(
                    env!("CARGO_BIN_EXE_bowerbird").ends_with(file),
                    "{file} is no binary of ours"
                );
            }
            [ref sources @ .., _] => {
                for source in sources {
                    assert!(root.join(source).exists(), "{source} does not exist");
                }
            }
            [] => panic!("COPY copies nothing"),
        }
    }
}

#[test]
fn nothing_that_the_build_reads_is_kept_from_it() {
    let ignored = read(".dockerignore");
    let ignored: Vec<&str> =
        ignored.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let manifest = read("Cargo.toml");
    let members = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next());
    let members = members.expect("the workspace names its members").split('"').skip(1).step_by(2);
    let listed = ["Cargo.toml", "Cargo.lock", "src", "assets", "tests", "benches", "build.rs"];
    for needed in listed.into_iter().chain(members) {
        let top = needed.split('/').next().unwrap_or_default();
        assert!(!ignored.iter().any(|line| line.trim_start_matches('/') == top), "{needed}");
    }
    for secret in [".env", "/archive", "/state", "/target"] {
        assert!(ignored.contains(&secret), "{secret} would go into the build");
    }
}

#[test]
fn the_compiler_is_new_enough() {
    let from = &all("FROM")[0];
    let version =
        |text: &str| -> Vec<u32> { text.split('.').filter_map(|part| part.parse().ok()).collect() };
    let image = from.strip_prefix("rust:").and_then(|rest| rest.split('-').next());
    let image = version(image.expect("the first stage is Rust's own image"));
    let manifest = read("Cargo.toml");
    let wanted = manifest.split("rust-version = \"").nth(1).and_then(|rest| rest.split('"').next());
    assert!(image >= version(wanted.expect("the manifest names a version")), "{from}");
    // The binary runs with the C library of the release that it was linked on, or a later one.
    assert!(from.contains("bookworm") && all("FROM")[1] == "debian:bookworm-slim");
}

#[test]
fn its_commands_are_understood() {
    let entry = exec_form(&one("ENTRYPOINT"));
    assert!(Cli::try_parse_from(&entry).is_ok());
    let health = one("HEALTHCHECK");
    let (_, command) = health.split_once("CMD ").expect("a health check has a command");
    let command = Cli::try_parse_from(exec_form(command)).expect("the health check is a command");
    assert!(matches!(command.into_command(), cli::Command::Healthcheck));
}

/// `docker run … bowerbird --fetch-history` in the documents: what stands behind the image's name is for our binary.
#[test]
fn documented_runs_are_understood() {
    let mut runs = 0;
    for document in ["README.md", "Dockerfile"] {
        let text = read(document).replace("\\\n", " ");
        let lines = text.lines().map(|line| line.trim_start_matches("# "));
        for line in lines.filter(|line| line.starts_with("docker run ")) {
            assert!(line.contains("--env-file .env"), "{line}");
            let words: Vec<&str> = line.split_whitespace().collect();
            let image =
                words.iter().position(|word| *word == "bowerbird").expect("the image is named");
            assert!(Cli::try_parse_from(&words[image..]).is_ok(), "{line}");
            assert!(stop_timeout(&words) > shutdown_after(), "killed before it is done: {line}");
            runs += 1;
        }
    }
    assert_eq!(runs, 2);
}

fn stop_timeout(words: &[&str]) -> u64 {
    let at = words.iter().position(|word| *word == "--stop-timeout").expect("Docker waits 10 s");
    words[at + 1].parse().expect("seconds")
}

fn shutdown_after() -> u64 {
    let mut variables = config::variables().iter();
    let variable = variables.find(|variable| variable.name == "SHUTDOWN_AFTER");
    let default = variable.and_then(|variable| variable.default).expect("it has a default");
    default.strip_suffix('s').and_then(|seconds| seconds.parse().ok()).expect("seconds")
}

#[test]
fn its_settings_are_ours_and_fit_together() {
    let set = variables();
    let lookup =
        |name: &str| if name == "TOKEN" { Some(TOKEN.to_owned()) } else { set.get(name).cloned() };
    for name in set.keys() {
        assert!(config::variables().iter().any(|variable| variable.name == name), "{name}");
    }
    let config = Config::check(&lookup, NonZeroUsize::MIN).expect("the image's settings are good");
    let address = config.status_addr.expect("the health check has something to ask");
    assert!(
        address.ip().is_unspecified(),
        "a published port reaches other addresses than loopback"
    );
    assert_eq!(one("EXPOSE"), address.port().to_string());
    let volumes = exec_form(&one("VOLUME"));
    assert_eq!(volumes, [set["STATE_DIR"].clone(), set["ARCHIVE_DIR"].clone()]);
    // A volume takes over the owner of the folder that it covers.
    let prepared =
        format!("install --directory --owner=bowerbird --group=bowerbird {}", volumes.join(" "));
    assert!(all("RUN").iter().any(|run| run.contains(&prepared)), "{prepared}");
}

#[test]
fn it_does_not_run_as_root_and_ends_when_told() {
    let user = one("USER");
    let made = all("RUN").iter().any(|run| {
        run.contains(&format!("--uid 10001 --no-create-home --shell /usr/sbin/nologin {user}"))
    });
    assert!(made, "{user} is not made");
    let names: Vec<String> = instructions().into_iter().map(|(name, _)| name).collect();
    let at = |wanted: &str| names.iter().rposition(|name| name == wanted);
    assert!(at("USER") > at("RUN") && at("USER") < at("ENTRYPOINT"));
    assert_eq!(one("STOPSIGNAL"), "SIGTERM");
}

/// Debian's own lists are asked where there are any; a machine without them can't tell.
#[test]
fn packages_it_installs_exist() {
    let runs = all("RUN").join(" && ");
    let install = runs.split(" && ").find(|command| command.contains("apt-get install"));
    let packages: Vec<&str> = install
        .expect("the image installs packages")
        .split(' ')
        .skip_while(|word| *word != "install")
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    // ffmpeg makes stills; without certificates the gateway's connection panics.
    for needed in ["ca-certificates", "ffmpeg"] {
        assert!(packages.contains(&needed), "{needed} is not installed");
    }
    let show = |package: &str| {
        let shown = Command::new("apt-cache").args(["show", "--no-all-versions", package]).output();
        shown.is_ok_and(|shown| shown.status.success())
    };
    if !show("libc6") {
        eprintln!("skipped: apt-cache has no lists here, so no package is looked up");
        return;
    }
    for package in packages {
        assert!(show(package), "apt knows no package {package}");
    }
}
