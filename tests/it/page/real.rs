//! The page over an archive that the real binary made, served by the real binary.

use discord_sim::{Content, NewAttachment, NewChannel, NewMessage, Options, RateLimits, World};
use fantoccini::key::Key;
use sample_media::{Container, Library};
use serde_json::json;

use super::browser::{Browser, Screen, Shade};
use super::{until_playing, until_shown};
use crate::rig::Rig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_made_by_the_service_is_browsed_and_played() {
    let world = World::new(11);
    let guild = world.create_guild("Night Owls");
    let channel = world.create_channel(guild, NewChannel::text("clips"));
    let cache = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("media");
    let library = Library::generate(&cache, Library::VARIETY, 2).unwrap();
    for sample in &library.samples {
        let file = NewAttachment::new(&sample.file_name, Content::file(&sample.path).unwrap());
        world.post(channel, NewMessage::text(&sample.file_name).attach(file));
    }
    let options = Options { rate_limits: RateLimits::faster(20.0), ..Options::default() };
    let rig = Rig::over(&world).options(options).start().await;
    rig.succeed(&["fetch"]).await;
    let archive = rig.published().await.unwrap();
    let serve = rig.spawn(&["serve", "--addr", "127.0.0.1:0"]);
    let said = serve.first_line().await;
    let address = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap();

    let browser = Browser::start(Screen::Desk, Shade::Light).await;
    browser.open(address).await;
    // All posts are of this month; the newest comes first.
    let mut ids: Vec<(u64, String)> = archive
        .entries
        .values()
        .map(|entry| {
            let message = entry["Discord_id"].as_str().unwrap().parse().unwrap();
            (message, entry["Id"].as_str().unwrap().to_owned())
        })
        .collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    let ids: Vec<String> = ids.into_iter().map(|(_, id)| id).collect();
    until_shown(&browser, &ids).await;
    assert_eq!(ids.len(), library.samples.len());
    browser.value("scrollTo(0, 0)").await;
    browser
        .until("[...document.querySelectorAll('.tile img')].filter((image) => image.complete && image.naturalWidth > 0).length >= 5")
        .await;
    let entry_of = |container| {
        let sample = library
            .samples
            .iter()
            .filter(|sample| sample.container == container)
            .max_by_key(|sample| sample.duration)
            .unwrap();
        let is_it = |entry: &&serde_json::Value| entry["Description"] == json!(sample.file_name);
        let id = archive.entries.values().find(is_it).unwrap()["Id"].as_str().unwrap();
        (id, sample.duration.unwrap().as_secs_f64())
    };
    for container in [Container::Webm, Container::Mp4MoovLast] {
        let (id, length) = entry_of(container);
        browser.click(&format!(".tile[data-id='{id}'] a")).await;
        until_playing(&browser, id).await;
        browser.until("document.querySelector('video')?.readyState >= 2").await;
        let close = "Math.abs(document.querySelector('video').duration - LENGTH) < 0.2";
        browser.until(&close.replace("LENGTH", &length.to_string())).await;
        let middle = length / 2.0;
        browser.value(&format!("(document.querySelector('video').currentTime = {middle})")).await;
        browser
            .until(&format!(
                "(({{ seeking, currentTime, readyState }}) => !seeking && currentTime >= {middle} && readyState >= 2)(document.querySelector('video'))"
            ))
            .await;
        browser.press(Key::Escape).await;
        browser.until("!document.querySelector('#player').open").await;
    }
    browser.close(&[]).await;
    assert_eq!(serve.drained().await.code, Some(0));
}
