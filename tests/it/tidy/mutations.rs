//! The patches of `tests/mutations/`, each of which breaks a guarantee: `make mutants` shows the tests that notice. Here
//! is only checked that it still can: that each patch says what it has to, applies, and names tests that there are.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

/// With fewer, too much of what the README promises is broken by nobody.
const FEWEST: usize = 20;

struct Mutation {
    file: PathBuf,
    head: Vec<String>,
    /// The files that it changes.
    changes: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn mutations() -> Vec<Mutation> {
    let folder = fs::read_dir(root().join("tests/mutations")).unwrap();
    let mut files: Vec<PathBuf> = folder.map(|file| file.unwrap().path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let head = text.lines().take_while(|line| !line.starts_with("--- ")).map(str::to_owned);
        let changes = text.lines().filter_map(|line| line.strip_prefix("+++ b/"));
        let changes = changes.map(str::to_owned).collect();
        Mutation { head: head.collect(), changes, file }
    };
    files.into_iter().map(read).collect()
}

/// Whether there is a test of that name, where `cargo test` is told to look for it.
fn exists(fails: &str) -> bool {
    let (folder, name) = match (fails.strip_prefix("--lib "), fails.strip_prefix("--test it ")) {
        (Some(name), _) => ("src", name),
        (_, Some(name)) => ("tests/it", name),
        (None, None) => return false,
    };
    let Some((module, test)) = name.rsplit_once("::") else { return false };
    // Tests stand in a file of their own, or at the end of what they test.
    let files = [module, module.strip_suffix("::tests").unwrap_or(module)];
    files.into_iter().any(|module| {
        let file = root().join(folder).join(module.replace("::", "/")).with_extension("rs");
        fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {test}(")))
    })
}

#[test]
fn each_mutation_says_what_it_breaks_and_which_test_notices() {
    let mutations = mutations();
    assert!(mutations.len() >= FEWEST, "only {} mutations", mutations.len());
    for Mutation { file, head, changes } in mutations {
        let file = file.display();
        let [breaks, fails, empty] = &head[..] else { panic!("{file}: {head:?}") };
        let breaks = breaks.strip_prefix("Breaks: ").unwrap_or_default();
        assert!(breaks.len() > 20 && breaks.ends_with('.'), "{file}: which guarantee? {breaks:?}");
        let fails = fails.strip_prefix("Fails: ").unwrap_or_default();
        assert!(exists(fails), "{file}: there is no test {fails:?}");
        assert!(empty.is_empty(), "{file}: {empty:?}");
        let ours = !changes.is_empty() && changes.iter().all(|path| path.starts_with("src/"));
        assert!(ours, "{file}: what is to break is the program, not {changes:?}");
    }
}

#[test]
fn each_mutation_still_applies() {
    for Mutation { file, .. } in mutations() {
        let checked = Command::new("git")
            .args(["apply", "--check"])
            .arg(&file)
            .current_dir(root())
            // Where this is no clone but lies in one of something else, git would leave our files alone.
            .env("GIT_CEILING_DIRECTORIES", root().parent().unwrap())
            .output();
        let checked = match checked {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("git is not installed, so nobody knows whether mutations still apply");
                return;
            }
            checked => checked.unwrap(),
        };
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{}: {said}", file.display());
    }
}

#[test]
fn tests_that_are_not_there_are_noticed() {
    assert!(exists("--test it tidy::mutations::tests_that_are_not_there_are_noticed"));
    assert!(exists("--lib domain::link::tests::a_signature_is_never_printed"));
    assert!(exists("--lib store::record::tests::an_older_sight_changes_nothing"));
    assert!(!exists("--lib domain::link::tests::a_signature_is_printed"));
    assert!(!exists("--lib domain::link::tests"));
    assert!(!exists("domain::link::tests::a_signature_is_never_printed"));
}
