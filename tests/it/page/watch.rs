//! Looking at one piece: the player, links that open it, and what it says when there is nothing to play.

use bowerbird::gallery::page::PageMode;
use fantoccini::key::Key;
use serde_json::{Value, json};

use super::archive::{Archive, clip_address, parent, text};
use super::browser::{Browser, Screen, Shade};
use super::{READ, plainly_served, served, shown, until_playing};

#[tokio::test]
async fn the_player_plays_seeks_and_turns() {
    let archive = Archive::new(130).await;
    let address = served(&archive).await;
    let browser = Browser::start(Screen::Desk, Shade::Dark).await;
    browser.open(&address).await;
    let ids = archive.ids(|_| true);
    for (at, format) in [(0, "webm"), (3, "mp4")] {
        assert_eq!(archive.entries[at]["Extension"], format);
        browser.click(&format!(".tile[data-id='{}'] a", ids[at])).await;
        until_playing(&browser, &ids[at]).await;
        browser.until("document.querySelector('video')?.videoWidth === 320").await;
        browser.until("document.querySelector('video').duration > 5.5").await;
        browser.until("document.querySelector('video').currentTime > 0.2").await;
        browser.value("(document.querySelector('video').currentTime = 4.5)").await;
        browser.until("(({ seeking, currentTime, readyState }) => !seeking && currentTime >= 4.5 && readyState >= 2)(document.querySelector('video'))").await;
        browser.press(Key::Escape).await;
        browser
            .until("!document.querySelector('#player').open && !location.hash.includes('clip')")
            .await;
        // The focus is back where it came from, and nothing plays unseen.
        assert_eq!(
            browser.value("document.activeElement.closest('.tile').dataset.id").await,
            json!(ids[at])
        );
        assert_eq!(browser.value("document.querySelectorAll('video').length").await, json!(0));
    }
    let first = &archive.entries[0];
    browser.press(Key::Left).await;
    browser.press(Key::Left).await;
    browser.press(Key::Left).await;
    browser.press(Key::Enter).await;
    until_playing(&browser, &ids[0]).await;
    let links = "Object.fromEntries([...document.querySelectorAll('.links a')].map((link) => [link.dataset.link, link.getAttribute('href')]))";
    assert_eq!(
        browser.value(links).await,
        json!({ "message": first["Link_to_message"], "clip": clip_address(first), "file": first["Media"] })
    );
    assert_eq!(
        browser.value("document.querySelector('[data-link=file]').download").await,
        json!(format!("{}.webm", text(first, "Filename")))
    );
    browser.click("[data-link=clip]").await;
    browser.until("/link/i.test(document.querySelector('#notice').textContent)").await;
    until_playing(&browser, &ids[0]).await;
    browser.press(Key::Left).await;
    browser.until("document.querySelector('#notice').textContent.includes('first one')").await;
    for id in &ids[1..4] {
        browser.press(Key::Right).await;
        until_playing(&browser, id).await;
    }
    browser.click(".turner.previous").await;
    until_playing(&browser, &ids[2]).await;
    // The browser's own focus ring never leaves the dialog.
    for _ in 0..12 {
        browser.press(Key::Tab).await;
        assert_eq!(browser.value("document.activeElement === document.body || Boolean(document.activeElement.closest('#player'))").await, json!(true));
    }
    browser.client.back().await.unwrap();
    browser.until("!document.querySelector('#player').open").await;
    assert_eq!(
        browser.value("document.activeElement.closest('.tile').dataset.id").await,
        json!(ids[2])
    );
    browser.close(&[]).await;
}

#[tokio::test]
async fn a_link_to_a_clip_opens_it_with_few_readings() {
    let archive = Archive::new(320).await;
    let address = plainly_served(&archive).await;
    let ids = archive.ids(|_| true);
    let browser = Browser::start(Screen::Desk, Shade::Light).await;
    let at = 290;
    browser.open(&format!("{address}{}", clip_address(&archive.entries[at]))).await;
    until_playing(&browser, &ids[at]).await;
    browser.until("document.querySelector('.details .who')").await;
    let read: Vec<String> = serde_json::from_value(browser.value(READ).await).unwrap();
    let shards = read.iter().filter(|name| name.contains("/20")).count();
    assert!(shards < 20, "{shards} shards were read for one clip and the first screen");
    // Its neighbours are those of the whole grid, although that has not come so far.
    browser.press(Key::Right).await;
    until_playing(&browser, &ids[at + 1]).await;
    browser.press(Key::Left).await;
    until_playing(&browser, &ids[at]).await;
    browser.press(Key::Left).await;
    until_playing(&browser, &ids[at - 1]).await;
    assert!(shown(&browser).await.len() < at, "the grid was read down to the clip");
    browser.press(Key::Escape).await;
    // The grid is where the clip lies, and the address says so.
    let tile = format!("document.activeElement.closest('.tile')?.dataset.id === '{}'", ids[at - 1]);
    browser.until(&format!("!document.querySelector('#player').open && {tile}")).await;
    let month = &text(&archive.entries[at - 1], "Date")[..7];
    browser.until(&format!("location.hash === '#/?month={month}'")).await;
    // Among those of one channel, the neighbours are of that channel, and the last one is the end.
    let clips: Vec<_> = archive.entries.iter().filter(|entry| parent(entry) == "100").collect();
    let last = clips[clips.len() - 1];
    browser.open(&format!("{address}{}?channel=100", clip_address(last))).await;
    until_playing(&browser, &text(last, "Id")).await;
    browser.until("document.querySelector('.details .who')").await;
    browser.press(Key::Right).await;
    browser.until("document.querySelector('#notice').textContent.includes('last one')").await;
    browser.press(Key::Left).await;
    until_playing(&browser, &text(clips[clips.len() - 2], "Id")).await;
    browser.open(&format!("{address}#/clip/100/2026-03/1-1")).await;
    browser
        .until("document.querySelector('.stage').textContent.includes('not in the archive')")
        .await;
    browser.close(&[]).await;
}

#[tokio::test]
async fn what_can_not_be_shown_is_explained() {
    let archive = Archive::new(40).await;
    let address = served(&archive).await;
    let browser = Browser::start(Screen::Desk, Shade::Light).await;
    let explained = async |at: usize, words: &str| {
        browser.open(&format!("{address}{}", clip_address(&archive.entries[at]))).await;
        until_playing(&browser, &text(&archive.entries[at], "Id")).await;
        browser
            .until(&format!(
                "document.querySelector('.stage').textContent.includes({})",
                json!(words)
            ))
            .await;
    };
    explained(6, "video/x-matroska is not one it knows").await;
    assert_eq!(
        browser.value("document.querySelector('[data-link=file]').getAttribute('href')").await,
        archive.entries[6]["Media"]
    );
    explained(12, "not copied into the archive yet").await;
    assert_eq!(browser.value("document.querySelector('[data-link=file]')").await, Value::Null);
    explained(13, "can't be had any more: deleted on Discord").await;
    explained(17, "no preview for this kind").await;
    // What was deleted on Discord and is kept here says so, beside the piece and on its tile.
    browser.open(&format!("{address}{}", clip_address(&archive.entries[15]))).await;
    browser
        .until(
            "document.querySelector('.deleted-at')?.textContent.startsWith('Deleted on Discord')",
        )
        .await;
    browser.open(&address).await;
    let id = text(&archive.entries[15], "Id");
    browser.until(&format!("document.querySelector('[data-id=\"{id}\"] .badge.deleted')")).await;
    assert_eq!(browser.value("document.querySelectorAll('.badge.deleted').length").await, json!(1));
    // The sound has a player of its own.
    browser.open(&format!("{address}{}", clip_address(&archive.entries[11]))).await;
    browser.until("document.querySelector('audio')?.duration > 5.5").await;
    // A spoiler is lifted on purpose: in the player by its button, in the grid by the first click.
    let spoiler = text(&archive.entries[4], "Id");
    browser.open(&format!("{address}{}", clip_address(&archive.entries[4]))).await;
    browser.until("document.querySelector('.stage-veil')").await;
    assert_eq!(
        browser
            .value("document.querySelectorAll('#player video, #player .stage-image').length")
            .await,
        json!(0)
    );
    browser.click(".stage-veil").await;
    browser.until("document.querySelector('#player .stage-image')").await;
    // The button is gone, the keys still turn the page.
    browser.press(Key::Right).await;
    until_playing(&browser, &text(&archive.entries[5], "Id")).await;
    browser.open("about:blank").await;
    browser.open(&address).await;
    let tile = format!(".tile[data-id='{spoiler}']");
    browser.until(&format!("document.querySelector(\"{tile}.hidden\")")).await;
    assert!(
        browser
            .value(&format!("getComputedStyle(document.querySelector(\"{tile} img\")).filter"))
            .await
            .as_str()
            .unwrap()
            .contains("blur")
    );
    browser.click(&format!("{tile} a")).await;
    browser.until(&format!("!document.querySelector(\"{tile}.hidden\")")).await;
    assert_eq!(browser.value("document.querySelector('#player').open").await, json!(false));
    browser.click(&format!("{tile} a")).await;
    until_playing(&browser, &spoiler).await;
    browser.until("document.querySelector('#player .stage-image, #player video')").await;
    browser.close(&[]).await;
}

#[tokio::test]
async fn links_are_played_from_where_the_policy_allows() {
    let mut archive = Archive::new(30).await;
    let (address, elsewhere) = (served(&archive).await, plainly_served(&archive).await);
    archive.mode = "link";
    for (at, entry) in archive.entries.iter_mut().enumerate() {
        let media = entry["Media"].take();
        entry["Attachment_URL"] =
            json!(format!("{elsewhere}{}?ex=1", media.as_str().unwrap_or("media/none")));
        entry["Expire_Timestamp"] = json!(if at == 2 { 1_600_000_000_i64 } else { 4_000_000_000 });
    }
    archive.publish().await;
    let origin = elsewhere.strip_suffix("/some/where/").unwrap();
    archive.put_page(&PageMode::Link(vec![origin.parse().unwrap()])).await;
    let browser = Browser::start(Screen::Desk, Shade::Light).await;
    let open = async |at: usize| {
        browser.open(&format!("{address}{}", clip_address(&archive.entries[at]))).await;
        until_playing(&browser, &text(&archive.entries[at], "Id")).await;
    };
    open(0).await;
    browser.until("document.querySelector('video')?.videoWidth === 320").await;
    assert_eq!(
        browser.value("document.querySelector('[data-link=file]').getAttribute('href')").await,
        archive.entries[0]["Attachment_URL"]
    );
    open(7).await;
    browser.until("document.querySelector('.stage-image')?.naturalWidth > 0").await;
    open(2).await;
    browser.until("document.querySelector('.stage').textContent.match(/expired on .*2020/)").await;
    // The same page without that host in its policy lets nothing in from there.
    archive.put_page(&PageMode::Link(Vec::new())).await;
    browser.open("about:blank").await;
    open(0).await;
    browser
        .until(
            "document.querySelector('.stage').textContent.includes('did not give out this file')",
        )
        .await;
    browser.close(&["Content Security Policy"]).await;
}
