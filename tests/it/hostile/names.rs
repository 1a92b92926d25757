//! Names and words of strangers: plain text in the archive, on the page, in the log and on the terminal.

use discord_sim::{NewAttachment, NewChannel, NewMessage, NewThread, World};
use fantoccini::key::Key;
use serde_json::{Value, json};

use super::hurried;
use crate::{
    page::browser::{Browser, Screen, Shade},
    rig::Rig,
    trap::Trap,
};

/// What a terminal would obey: clear the screen, set the title, a C1 command, a bell; and a line of its own.
const COMMANDS: &str =
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\r\n2026-01-01T00:00:00Z ERROR the archive is empty";

/// Marks that show what follows backwards.
const MARKS: &str = "exe\u{202e}gpj\u{2066}\u{200f}";

/// As many characters as a message of a paying member holds, twice over.
const LONG: usize = 10_000;

/// Names of files. Each is posted, some of them twice.
fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "../../../etc/passwd.mp4",
        "..\\..\\windows\\system32\\evil.mp4",
        "/etc/passwd",
        "C:\\autoexec.bat",
        "nul\0byte.mp4",
        "two\nlines\r\n.mp4",
        "CON",
        "aux.mp4",
        "LPT1.tar.gz",
        "COM9.",
        " leading and trailing . ",
        ".hidden",
        "-rf.mp4",
        "a'b\"c`d$(reboot).mp4",
        "<img src=x onerror=alert(1)>.mp4",
        "same.mp4",
        "same.mp4",
        "SAME.mp4",
        "\u{1f989}\u{1f468}\u{200d}\u{1f680}.mp4",
        "e\u{301}\u{e9}.mp4",
        "%2e%2e%2fpasswd.mp4",
        "a.b?c#d&e=f.mp4",
        "{n}{name}${x}.mp4",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push(format!("{MARKS}.mp4"));
    names.push(format!("{COMMANDS}.mp4"));
    names.push(format!("{}.mp4", "\u{1f989}".repeat(300)));
    names.push(format!("{}.{}", "long".repeat(100), "extension".repeat(40)));
    names
}

/// Words that are markup elsewhere. The address is where a trap listens.
fn words(trap: &str) -> Vec<String> {
    vec![
        format!("<script>owned=1;fetch('{trap}')</script>"),
        format!("<img src='{trap}' onerror='owned=1'><svg onload=alert(1)><iframe src='{trap}'>"),
        "<a href=\"javascript:alert(1)\">x</a> [x](javascript:alert(1)) javascript:alert(1)"
            .to_owned(),
        format!("![x]({trap}) [y]({trap} \"onclick=alert(1)\") <{trap}>"),
        "data:text/html,<script>owned=1</script> vbscript:owned".to_owned(),
        format!("{trap}\" onmouseover=\"alert(1)"),
        "</p></body></html>{{constructor.constructor('alert(1)')()}}${alert(1)}".to_owned(),
        format!("{COMMANDS}{MARKS}\0"),
        "w".repeat(LONG),
        "<b>".repeat(LONG / 3),
    ]
}

/// A server, its places and its people named after the worst, with what they posted.
fn world(trap: &str) -> (World, Vec<(String, String)>) {
    let world = World::new(35);
    let guild = world.create_guild(&format!("<h1>{COMMANDS}{MARKS}</h1>"));
    let channel = world.create_channel(guild, NewChannel::text(format!("<i>{COMMANDS}")));
    let thread = NewThread::public(format!("<script>owned=1</script>{MARKS}{COMMANDS}"));
    let thread = world.create_thread(channel, thread);
    let hidden = format!("{COMMANDS}<b>hidden</b>");
    let hidden = world.create_channel(guild, NewChannel::text(hidden));
    world.withdraw(hidden, discord_sim::READ_MESSAGE_HISTORY);
    let poster = world.create_user(&format!("<img src={trap} onerror=owned=1>{MARKS}{COMMANDS}"));
    world.join(guild, poster);
    let (names, words) = (names(), words(trap));
    let mut posted = Vec::new();
    for number in 0..names.len().max(words.len()) {
        let name = names[number % names.len()].clone();
        let text = words[number % words.len()].clone();
        let place = if number % 2 == 0 { channel } else { thread };
        let file = NewAttachment::new(&name, number.to_string().into_bytes());
        world.post(place, NewMessage::text(&text).by(poster).attach(file));
        posted.push((name, text));
    }
    (world, posted)
}

/// Panics when a line could steer a terminal, or is one that nobody of us wrote.
#[track_caller]
fn assert_plain(text: &str) {
    let commands = |character: char| {
        character != '\n'
            && (character.is_control() || MARKS.contains(character))
            && !character.is_ascii_alphabetic()
    };
    let bad: Vec<&str> = text.lines().filter(|line| line.contains(commands)).collect();
    assert_eq!(bad, Vec::<&str>::new());
    let forged = |line: &&str| line.starts_with("2026-01-01T00:00:00Z ERROR");
    assert_eq!(text.lines().find(forged), None);
}

async fn archived(trap: &str) -> (Rig, Vec<(String, String)>) {
    let (world, posted) = world(trap);
    let rig = hurried(&world).start().await;
    let ended = rig.run(&["fetch"]).await;
    // The channel whose history is withheld is named by its name.
    assert!(ended.stderr.contains("<b>hidden</b>"), "{}", ended.stderr);
    assert!(ended.stderr.contains(r"<h1>\u{1b}[2J"), "the server's name: {}", ended.stderr);
    assert_plain(&ended.stderr);
    (rig, posted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_stay_what_they_are_and_steer_nothing() {
    let trap = Trap::set();
    let (rig, posted) = archived(&trap.address("trap")).await;
    let archive = rig.published().await.unwrap();
    archive.assert_consistent();
    let mut shown: Vec<(String, String)> = archive
        .entries
        .values()
        .map(|entry| {
            let text = |key: &str| entry[key].as_str().unwrap().to_owned();
            let name = match text("Extension") {
                extension if extension.is_empty() => text("Filename"),
                extension => format!("{}.{extension}", text("Filename")),
            };
            assert!(entry["Media"].is_string(), "{entry}");
            (name.to_lowercase(), text("Description"))
        })
        .collect();
    let mut expected: Vec<(String, String)> =
        posted.into_iter().map(|(name, text)| (name.to_lowercase(), text)).collect();
    shown.sort();
    expected.sort();
    assert_eq!(shown, expected);
    // No name of an object says more than what its bytes are.
    for name in rig.bucket.names() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
        assert!(name.chars().all(plain) && name.len() < 120, "{name}");
    }
    for arguments in
        [&["status", "--all"][..], &["status", "--json"], &["fetch", "--dry-run"], &["doctor"]]
    {
        let ended = rig.run(arguments).await;
        assert_plain(&ended.stdout);
        assert_plain(&ended.stderr);
        let spelled = [r"\u001b[2J", r"\u{1b}[2J"].iter().any(|said| ended.stdout.contains(said));
        assert!(
            spelled || arguments == ["doctor"],
            "{arguments:?} names the channels: {}",
            ended.stdout
        );
    }
    let status = rig.status().await;
    let named = |place: &Value| place["name"].as_str().unwrap().contains(COMMANDS);
    assert!(status["places"].as_array().unwrap().iter().all(named), "programs read what it is");
    assert!(!trap.is_sprung());
}

/// What the page is made of, beside its own.
const FOREIGN: &str = "[...document.querySelectorAll('script:not([src^=\"gallery/\"]), iframe, object, embed, base, form, b, i, h1 i, [onerror], [onload], [onmouseover], [style*=url]')]
    .map((element) => element.outerHTML)";

/// Where links lead, but for those that people wrote as addresses.
const LEADS: &str = "[...document.querySelectorAll('a[href]')].map((link) => link.protocol).filter((name) => !['http:', 'https:'].includes(name))";

/// Everything that was asked of anybody, but for the archive itself.
const ABROAD: &str = "performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => !name.startsWith(location.origin))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_words_and_obeys_none() {
    let trap = Trap::set();
    let (rig, posted) = archived(&trap.address("trap")).await;
    let archive = rig.published().await.unwrap();
    let serve = rig.spawn(&["serve", "--addr", "127.0.0.1:0"]);
    let said = serve.first_line().await;
    let address = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let browser = Browser::start(Screen::Desk, Shade::Light).await;
    browser.open(address).await;
    assert_eq!(archive.entries.len(), posted.len());
    for (id, entry) in &archive.entries {
        // Only what is seen, or nearly, is in the document: the page is leafed through, round and round.
        let tile = format!("document.querySelector(`.tile[data-id='{id}'] a`)");
        let on = "(scrollY + innerHeight + 2 >= document.body.scrollHeight ? scrollTo(0, 0) : scrollBy(0, innerHeight / 2))";
        let look = format!("((tile) => tile ? (tile.click(), true) : ({on}, false))({tile})");
        browser.until(&look).await;
        browser
            .until(&format!(
                "document.querySelector('#player[open]') && location.hash.includes('{id}')"
            ))
            .await;
        let words = browser.value("document.querySelector('#player .words').textContent").await;
        assert_eq!(words, entry["Description"], "shown as it was typed");
        let saved =
            browser.value("document.querySelector('#player [data-link=file]').download").await;
        assert_safe(saved.as_str().unwrap());
        let name = browser.value("document.querySelector('#player .fact-name').textContent").await;
        assert!(name.as_str().unwrap().starts_with(entry["Filename"].as_str().unwrap()), "{name}");
        for none in [FOREIGN, LEADS, ABROAD] {
            assert_eq!(browser.value(none).await, json!([]), "{entry}");
        }
        browser.press(Key::Escape).await;
        browser.until("!document.querySelector('#player').open").await;
    }
    assert_eq!(browser.value("typeof owned").await, json!("undefined"));
    let wide = "document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.value(wide).await, json!(true), "long words tear the page");
    browser.close(&[]).await;
    assert!(!trap.is_sprung());
    assert_eq!(serve.drained().await.code, Some(0));
}

/// A name that any system takes, in the folder where its reader wants it, and that looks like what it is.
#[track_caller]
fn assert_safe(name: &str) {
    assert!(!name.is_empty() && name.len() <= 200, "{} bytes: {name}", name.len());
    assert!(!name.contains(|c: char| c.is_control() || "/\\:*?\"<>|".contains(c)), "{name:?}");
    assert!(!name.contains(['\u{202e}', '\u{2066}', '\u{200f}']), "{name:?}");
    assert!(!name.starts_with(['.', ' ']) && !name.ends_with(['.', ' ']), "{name:?}");
    let stem = name.split('.').next().unwrap().to_lowercase();
    assert!(!["con", "aux", "nul", "lpt1", "com9"].contains(&stem.as_str()), "{name:?}");
}
