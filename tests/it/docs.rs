//! What the documents say is what the program does: settings, defaults, commands, permissions, commands of `make`.

use std::{collections::BTreeMap, fs, path::Path};

use bowerbird::{app::metric, cli::Cli, config};
use clap::{CommandFactory, Parser};
use twilight_model::guild::Permissions;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Each setting with its default, as the program has it.
fn defaults() -> BTreeMap<String, Option<String>> {
    let variables = config::variables().iter();
    variables
        .map(|variable| (variable.name.to_owned(), variable.default.map(str::to_owned)))
        .collect()
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of the rows of the tables below a heading, without the heads of the tables.
fn rows(readme: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, section) = readme.split_once(&format!("\n## {heading}\n")).expect("the heading exists");
    let section = section.split("\n## ").next().unwrap_or_default();
    let cells = |line: &str| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    section.lines().filter(|line| line.starts_with("| `")).map(cells).collect()
}

#[test]
fn readme_lists_every_setting_with_its_default() {
    let readme = read("README.md");
    let listed: BTreeMap<String, Option<String>> = rows(&readme, "Settings")
        .iter()
        .map(|row| {
            let name = code(&row[0]).next().expect("the first cell names a variable");
            let default = code(&row[1]).next().map(str::to_owned);
            (name.to_owned(), default)
        })
        .collect();
    assert_eq!(listed, defaults());
}

#[test]
fn the_sample_lists_every_setting_with_its_default() {
    let sample = read(".env.sample");
    let listed: BTreeMap<String, Option<String>> = sample
        .lines()
        .filter_map(|line| {
            let (name, default) = line.strip_prefix('#').unwrap_or(line).split_once('=')?;
            let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            let default = Some(default.to_owned()).filter(|default| !default.is_empty());
            is_name.then(|| (name.to_owned(), default))
        })
        .collect();
    assert_eq!(listed, defaults());
}

#[test]
fn every_metric_is_described_and_watchers_name_only_those() {
    let described: Vec<[String; 3]> = rows(&read("docs/operation.md"), "Metrics")
        .into_iter()
        .map(|row| {
            let cell = |cell: &str| code(cell).map(str::to_owned).collect::<Vec<_>>().join(",");
            [cell(&row[0]), cell(&row[2]), row[3].clone()]
        })
        .collect();
    let metrics: Vec<[String; 3]> = metric::ALL
        .iter()
        .map(|metric| [metric.name.to_owned(), metric.labels.join(","), metric.help.to_owned()])
        .collect();
    assert_eq!(described, metrics);
    for file in ["assets/operation/grafana.json", "assets/operation/alerts.yml"] {
        let text = read(file);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let named: Vec<&str> = words.filter(|word| word.starts_with("bowerbird_")).collect();
        assert!(named.len() > 5, "{file}");
        for name in named {
            assert!(metrics.iter().any(|[known, ..]| known == name), "{file} names {name}");
        }
    }
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("assets/operation/grafana.json")).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
}

/// Docker reads a line with anything but a comment, a name or a value as an error, and keeps quotes.
#[test]
fn the_sample_is_read_alike_by_docker_and_dotenv() {
    let sample = read(".env.sample");
    let on: Vec<&str> =
        sample.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(on, ["TOKEN="], "only the token has no default");
    assert!(sample.lines().all(|line| line.starts_with("# ") || !line.contains(['"', '\''])));
    let parsed: Vec<_> =
        dotenvy::from_read_iter(sample.as_bytes()).collect::<Result<_, _>>().unwrap();
    assert_eq!(parsed, [("TOKEN".to_owned(), String::new())]);
}

#[test]
fn help_names_the_variable_of_each_flag() {
    let cli = Cli::command();
    for variable in config::variables() {
        let Some(flag) = variable.flag.map(|flag| flag.trim_start_matches('-')) else { continue };
        let arguments: Vec<_> = cli
            .get_subcommands()
            .flat_map(clap::Command::get_arguments)
            .filter(|argument| argument.get_long() == Some(flag))
            .collect();
        assert!(!arguments.is_empty(), "no command has --{flag}");
        for argument in arguments {
            let help = argument.get_help().expect("every option has help").to_string();
            assert!(help.contains(&format!("[variable: {}", variable.name)), "--{flag}: {help}");
            if let Some(default) = variable.default {
                assert!(help.contains(&format!("default: {default}")), "--{flag}: {help}");
            }
        }
    }
}

#[test]
fn every_option_and_command_explains_itself() {
    let cli = Cli::command();
    for command in cli.get_subcommands().chain([&cli]) {
        let name = command.get_name();
        assert!(command.get_about().is_some(), "{name} lacks help");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{name}: {} lacks help", argument.get_id());
        }
        let explained = command.get_arguments().any(|argument| argument.get_long().is_some());
        if explained && !command.is_hide_set() && name != "run" {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains(&format!("  bowerbird {name}")) || name == "bowerbird");
            assert!(examples.starts_with("Example"), "{name} lacks examples");
        }
    }
}

#[test]
fn examples_in_the_help_are_understood() {
    let cli = Cli::command();
    let helps = cli.get_subcommands().chain([&cli]).filter_map(clap::Command::get_after_help);
    let mut examples = 0;
    for help in helps.map(ToString::to_string) {
        for line in help.lines().filter_map(|line| line.strip_prefix("  ")) {
            let line = line.split(" | ").next().unwrap_or_default();
            let line = line.split("   ").next().unwrap_or_default();
            let words = line.split(' ').skip_while(|word| word.contains('=')).map(str::trim);
            let parsed = Cli::try_parse_from(words);
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            examples += 1;
        }
    }
    assert!(examples >= 10, "only {examples} examples were found");
}

#[test]
fn readme_lists_every_command() {
    let readme = read("README.md");
    let listed: Vec<String> = rows(&readme, "Commands")
        .iter()
        .map(|row| code(&row[0]).last().unwrap_or_default().replace("bowerbird ", ""))
        .collect();
    let cli = Cli::command();
    let commands: Vec<String> = cli
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| command.get_name().to_owned())
        .collect();
    assert_eq!(listed, commands);
}

#[test]
fn the_invitation_asks_for_exactly_the_permissions_needed() {
    let readme = read("README.md");
    let text = Permissions::VIEW_CHANNEL | Permissions::READ_MESSAGE_HISTORY;
    let voice = text | Permissions::CONNECT;
    let private_threads = voice | Permissions::MANAGE_THREADS;
    let link = format!("&scope=bot&permissions={}\n", text.bits());
    assert!(readme.contains(&link), "the link should end in {link}");
    for (permissions, name) in [
        (text, "View Channels, Read Message History"),
        (voice, "+ Connect"),
        (private_threads, "+ Manage Threads"),
    ] {
        let cells = format!("| {name} | `{}` |", permissions.bits());
        assert!(readme.contains(&cells), "{cells}");
    }
}

#[test]
fn what_documents_ask_make_for_exists() {
    let makefile = read("Makefile");
    let targets: Vec<&str> =
        makefile.lines().filter_map(|line| line.split_once(": ")?.0.split(' ').next()).collect();
    let mut asked = 0;
    for document in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ".ci/run"] {
        let text = read(document);
        let lines = text.lines().filter(|line| line.starts_with("make "));
        for command in lines.chain(code(&text).filter(|code| code.starts_with("make "))) {
            for target in command.split(' ').skip(1).filter(|word| !word.contains('=')) {
                assert!(targets.contains(&target), "{document}: make {target}");
                asked += 1;
            }
        }
    }
    assert!(asked >= 5, "only {asked} were found");
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = read(document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.starts_with("https://") {
                assert!(
                    Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(),
                    "{document}: {link}"
                );
            }
        }
    }
}

/// Changes to a paragraph then show in a diff as the sentences that changed.
#[test]
fn documents_have_one_sentence_per_line() {
    for document in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/format.md"] {
        let mut fenced = false;
        for line in read(document).lines() {
            fenced ^= line.starts_with("```");
            // A cell of a table can't be broken; the number of a list's item is no sentence.
            let prose = !fenced && !line.starts_with(['|', '#']);
            let said = line.trim_start_matches(|c: char| c.is_numeric()).trim_start_matches(". ");
            let joined = said
                .match_indices(". ")
                .any(|(at, end)| said[at + end.len()..].starts_with(char::is_uppercase));
            assert!(!(prose && joined), "{document}: {line}");
        }
    }
}
