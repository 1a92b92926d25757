//! The rules themselves: who may know whom, where vendors live, how files are laid out.

use super::source::Source;

/// Longer files are hard to hold in mind; 500 lines are the aim, and this is where the build stops.
const LONGEST_FILE: usize = 600;

/// What lies below the actors, side by side: none of these knows another.
const PORTS: &[&str] = &["discord", "cdn", "bucket", "store", "ffmpeg"];

/// Whom each module may know, from the top down. `cli` is the file with the types, `cli/` the commands.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli", "cli/", "app", "config", "serve", "clock", "domain"]),
    (
        "cli/",
        &[
            "cli", "app", "config", "serve", "audit", "gallery", "discord", "cdn", "bucket",
            "store", "ffmpeg", "clock", "domain",
        ],
    ),
    (
        "app",
        &[
            "cli", "config", "herald", "actors", "serve", "audit", "gallery", "spool", "discord",
            "cdn", "bucket", "store", "ffmpeg", "clock", "domain",
        ],
    ),
    ("cli", &["domain"]),
    ("herald", &[]),
    ("config", &["domain"]),
    (
        "actors",
        &[
            "audit", "gallery", "spool", "discord", "cdn", "bucket", "store", "ffmpeg", "clock",
            "domain",
        ],
    ),
    ("audit", &["gallery", "bucket", "store", "clock", "domain"]),
    ("serve", &["bucket", "clock", "domain"]),
    ("gallery", &["discord", "cdn", "bucket", "store", "ffmpeg", "clock", "domain"]),
    ("spool", &["cdn", "domain"]),
    ("discord", &["clock", "domain"]),
    ("cdn", &["clock", "domain"]),
    ("bucket", &["clock", "domain"]),
    ("store", &["clock", "domain"]),
    ("ffmpeg", &["clock", "domain"]),
    ("clock", &["domain"]),
    ("domain", &[]),
];

/// Crates, or parts of the standard library, that only some files may name: so each can be replaced in one place.
const VENDORS: &[(&str, &[&str])] = &[
    ("twilight_*", &["discord"]),
    ("sled", &["store"]),
    ("google_cloud_*", &["bucket/gcs"]),
    ("ffmpeg_sidecar", &["ffmpeg"]),
    ("process::Command", &["ffmpeg"]),
    ("actix", &["actors", "app", "main"]),
    ("actix_rt", &["actors", "app", "main"]),
    ("clap", &["cli", "main"]),
    ("dotenvy", &["app", "main"]),
];

/// What the domain may not use, so that its rules stay tables of values.
const IMPURE: &[&str] = &[
    "actix",
    "async_trait",
    "axum",
    "futures_util",
    "rand",
    "reqwest",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
    "tracing",
];

/// Names that say nothing about what is inside, so everything ends up there.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "misc", "util", "utils"];

/// Every rule that a file breaks, as a sentence.
pub(super) fn broken(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let mut complain =
            |complaint: String| broken.push(format!("src/{}: {complaint}", source.path));
        layout(source, &mut complain);
        arrows(source, &mut complain);
        vendors(source, &mut complain);
        purity(source, &mut complain);
        supervision(source, &mut complain);
        tables(source, &mut complain);
    }
    broken.extend(orphans(sources));
    broken
}

fn layout(source: &Source, complain: &mut impl FnMut(String)) {
    if !source.text.starts_with("//! ") {
        complain(
            "begins with //!, its purpose, who talks to it, what a crash here can lose".into(),
        );
    }
    let lines = source.text.lines().count();
    if lines > LONGEST_FILE {
        complain(format!("has {lines} lines: split it, {LONGEST_FILE} are the most"));
    }
    if source.path.ends_with("mod.rs") {
        complain("modules are foo.rs beside foo/, not mod.rs".into());
    }
    for name in source.module() {
        if EMPTY_NAMES.contains(&name) {
            complain(format!("the name \"{name}\" says nothing: name it after what is inside"));
        }
    }
    if source.path == "lib.rs" {
        for line in source.code.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let declaration = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ");
            let name = declaration.and_then(|rest| rest.strip_suffix(';'));
            let module = name.is_some_and(|name| !name.contains([' ', ';']));
            if !module && !line.starts_with("#![") {
                complain(format!("lib.rs holds no code, only the map: {line}"));
            }
        }
    }
}

fn arrows(source: &Source, complain: &mut impl FnMut(String)) {
    let Some(from) = unit(source) else { return };
    let Some((_, known)) = ARROWS.iter().find(|(unit, _)| *unit == from) else {
        complain(format!(
            "{from} has no place in the arrows: say in tests/it/tidy whom it may know"
        ));
        return;
    };
    for path in source.paths() {
        let Some(to) = target(&path) else { continue };
        let sideways = PORTS.contains(&from) && PORTS.contains(&to);
        if to != from && (sideways || !known.contains(&to)) {
            complain(format!("{from} may not know {to} ({})", path.join("::")));
        }
    }
}

fn vendors(source: &Source, complain: &mut impl FnMut(String)) {
    for path in source.paths() {
        // The ids are types without behaviour, and free for all.
        if path.starts_with(&["twilight_model".to_owned(), "id".to_owned()]) {
            continue;
        }
        for (vendor, homes) in VENDORS {
            let Some(named) = names(&path, vendor) else { continue };
            if !homes.iter().any(|home| lies_in(source, home)) {
                complain(format!("{named} belongs into {}", homes.join(", ")));
            }
        }
    }
}

fn purity(source: &Source, complain: &mut impl FnMut(String)) {
    if !lies_in(source, "domain") {
        return;
    }
    for path in source.paths() {
        let whole = path.join("::");
        let impure = IMPURE.iter().find(|impure| {
            whole
                .strip_prefix(*impure)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        if let Some(impure) = impure {
            complain(format!("the domain may not use {impure}"));
        }
        if let Some(clock) =
            path.iter().find(|name| matches!(name.as_str(), "now_utc" | "now_local"))
        {
            complain(format!("the domain may not use {clock}: time is an argument"));
        }
    }
}

/// Supervisors watch, workers work, and no worker looks up.
fn supervision(source: &Source, complain: &mut impl FnMut(String)) {
    if !source.path.starts_with("actors/") || lies_in(source, "actors/supervisor") {
        return;
    }
    for path in source.paths() {
        if path.starts_with(&["crate".to_owned(), "actors".to_owned(), "supervisor".to_owned()]) {
            complain("an actor may not know its supervisor".into());
        }
    }
}

/// Tables are declared in one list, over which goes what must hold of each.
fn tables(source: &Source, complain: &mut impl FnMut(String)) {
    if source.path != "store/table.rs" && source.code.contains("Table::new(") {
        complain("a table is declared in the list in store/tables.rs".into());
    }
}

/// Files in a folder that no module beside it declares.
fn orphans(sources: &[Source]) -> Vec<String> {
    if sources.len() < 2 {
        return Vec::new();
    }
    let mut missing = std::collections::BTreeSet::new();
    for source in sources {
        let mut folder = source.path.as_str();
        while let Some((parent, _)) = folder.rsplit_once('/') {
            let module = format!("{parent}.rs");
            if !sources.iter().any(|source| source.path == module) {
                missing.insert(format!("src/{module} is missing beside src/{parent}/"));
            }
            folder = parent;
        }
    }
    missing.into_iter().collect()
}

/// The place of a file in the arrows; none for the map of the crate.
fn unit(source: &Source) -> Option<&str> {
    match source.path.as_str() {
        "lib.rs" => None,
        "main.rs" => Some("main"),
        path if path.starts_with("cli/") => Some("cli/"),
        _ => source.module().first().copied(),
    }
}

/// The place in the arrows that a path leads to; none when it leads out of the crate.
fn target(path: &[String]) -> Option<&str> {
    let [root, module, rest @ ..] = path else { return None };
    if !matches!(root.as_str(), "crate" | "bowerbird") {
        return None;
    }
    // Types begin with a capital, commands do not.
    let command = rest.first().is_some_and(|name| name.starts_with(char::is_lowercase));
    Some(if module == "cli" && command { "cli/" } else { module })
}

/// The part of a path that names a vendor.
fn names(path: &[String], vendor: &str) -> Option<String> {
    let found = match vendor.split_once("::") {
        Some((parent, name)) => path.windows(2).any(|pair| pair[0] == parent && pair[1] == name),
        None => match vendor.strip_suffix('*') {
            Some(family) => return path[0].starts_with(family).then(|| path[0].clone()),
            None => path[0] == vendor,
        },
    };
    found.then(|| vendor.to_owned())
}

fn lies_in(source: &Source, home: &str) -> bool {
    let module = source.path.strip_suffix(".rs").unwrap_or(&source.path);
    module.strip_prefix(home).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
