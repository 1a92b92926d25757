//! The page in a real browser, over `serve` and over a plain static server under a prefix.

mod archive;
mod browser;
mod media;

use axum::Router;
use bowerbird::gallery::page::PageMode;
use bowerbird::serve;
use fantoccini::key::Key;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

use self::archive::{Archive, HOSTILE, PEOPLE, clip_address, parent, text};
use self::browser::{Browser, Screen, Shade};

/// The ids of the tiles, as they follow one another on the page.
const SHOWN: &str = "[...document.querySelectorAll('.tile')].map((tile) => tile.dataset.id)";

/// The grid has come to its end.
const ENDED: &str = "document.querySelector('#progress').textContent.startsWith('That is all')";

/// Walks to the end of the grid, however often it grows meanwhile.
const SCROLL: &str = "scrollTo(0, document.body.scrollHeight)";

/// The files that were read since the page was opened.
const READ: &str = "performance.getEntriesByType('resource').map((entry) => entry.name.replace(/.*\\/(messages|userData)\\//, '$1/'))";

/// Serves the archive as the `serve` command does; the address ends in a slash.
async fn served(archive: &Archive) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(serve::serve(
        listener,
        serve::router(archive.bucket.clone()),
        std::future::pending(),
    ));
    address
}

/// Serves the archive's folder with a server that knows nothing of it, deep below the root.
async fn plainly_served(archive: &Archive) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/some/where/", listener.local_addr().unwrap());
    let router = Router::new().nest_service("/some/where", ServeDir::new(archive.bucket.root()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn scroll_to_end(browser: &Browser) {
    browser.until(&format!("({SCROLL}, {ENDED})")).await;
}

async fn shown(browser: &Browser) -> Vec<String> {
    serde_json::from_value(browser.value(SHOWN).await).unwrap()
}

/// Waits until the whole grid is exactly this.
async fn until_shown(browser: &Browser, ids: &[String]) {
    browser
        .until(&format!("({SCROLL}, {ENDED} && JSON.stringify({SHOWN}) === '{}')", json!(ids)))
        .await;
}

async fn until_playing(browser: &Browser, id: &str) {
    browser
        .until(&format!(
            "document.querySelector('#player[open]') && location.hash.includes('{id}')"
        ))
        .await;
}

#[tokio::test]
async fn the_grid_is_newest_first_and_grows_while_scrolling() {
    let archive = Archive::new(320).await;
    let ids = archive.ids(|_| true);
    let mut addresses = vec![served(&archive).await, plainly_served(&archive).await];
    for address in addresses.drain(..) {
        let browser = Browser::start(Screen::Desk, Shade::Light).await;
        browser.open(&address).await;
        browser.until(&format!("{SHOWN}.length > 20")).await;
        let first = shown(&browser).await;
        assert!(first.len() < ids.len(), "everything was loaded before anybody scrolled");
        assert_eq!(first, ids[..first.len()]);
        let before: Vec<String> = serde_json::from_value(browser.value(READ).await).unwrap();
        scroll_to_end(&browser).await;
        assert_eq!(shown(&browser).await, ids);
        let after: Vec<String> = serde_json::from_value(browser.value(READ).await).unwrap();
        let shards = |names: &[String]| names.iter().filter(|name| name.contains("/20")).count();
        assert!(shards(&before) < shards(&after), "all shards were read for the first screen");
        let months = browser
            .value("[...document.querySelectorAll('.month-name')].map((name) => name.textContent)")
            .await;
        assert_eq!(
            months,
            json!([
                "March 2026",
                "February 2026",
                "January 2026",
                "December 2025",
                "November 2025",
                "October 2025",
                "September 2025"
            ])
        );
        browser.until("[...document.querySelectorAll('.tile-still')].some((still) => still.naturalWidth > 0)").await;
        assert_eq!(browser.value(TORN).await, json!([]));
        browser.close(&[]).await;
    }
}

/// Tiles that overlap another in their month, or stand out of it.
const TORN: &str = "[...document.querySelectorAll('.tiles')].flatMap((list) => {
    const boxes = [...list.children].map((tile) => [tile.offsetLeft, tile.offsetTop, tile.offsetWidth, tile.offsetHeight]);
    return boxes.filter(([left, top, width, height], at) => {
        const next = boxes[at + 1];
        const apart = !next || next[0] >= left + width || next[1] >= top + height;
        return !apart || left + width > list.offsetWidth + 1 || top + height > list.offsetHeight + 1 || width < 20 || height < 20;
    });
})";

#[tokio::test]
async fn filters_are_chosen_by_click_by_address_and_by_going_back() {
    let archive = Archive::new(240).await;
    let address = served(&archive).await;
    let browser = Browser::start(Screen::Desk, Shade::Light).await;
    browser.open(&address).await;
    let everything = archive.ids(|_| true);
    let games = archive.ids(|entry| parent(entry) == "100");
    let march = archive.ids(|entry| entry["channelId"] == "101");
    let kea = archive.ids(|entry| parent(entry) == "100" && entry["posterId"] == PEOPLE[1].0);
    let clips = archive.ids(|entry| {
        parent(entry) == "100" && entry["posterId"] == PEOPLE[1].0 && entry["Kind"] == "video"
    });
    assert!(
        !march.is_empty() && clips.len() > 1 && clips.len() < kea.len() && kea.len() < games.len()
    );
    until_shown(&browser, &everything).await;
    assert_eq!(
        browser.value("[...document.querySelectorAll('.filter-category .choice')].map((choice) => choice.innerText.replace('\\n', ' '))").await[0],
        format!("clips {}", games.len())
    );
    browser.click("#filters a[href='#/?channel=100']").await;
    until_shown(&browser, &games).await;
    assert_eq!(
        browser.value("scrollY === 0 || document.title").await,
        json!("#clips · Night Owls")
    );
    browser.click("#filters a[href='#/?channel=100&thread=101']").await;
    until_shown(&browser, &march).await;
    browser.client.back().await.unwrap();
    until_shown(&browser, &games).await;
    // Looked for by name, since there are many people.
    browser.find(".filter-search").await.send_keys("kea").await.unwrap();
    browser.until("document.querySelectorAll('#filters a[href*=person]').length === 1").await;
    browser.click("#filters a[href='#/?channel=100&person=2']").await;
    until_shown(&browser, &kea).await;
    browser.click("#kinds a[href*='kind=video']").await;
    until_shown(&browser, &clips).await;
    assert_eq!(browser.value("location.hash").await, json!("#/?channel=100&person=2&kind=video"));
    for before in [&kea, &games, &everything] {
        browser.client.back().await.unwrap();
        until_shown(&browser, before).await;
    }
    // The same view for whoever is given the link.
    browser.open("about:blank").await;
    browser.open(&format!("{address}#/?channel=100&person=2&kind=video")).await;
    until_shown(&browser, &clips).await;
    browser.open(&format!("{address}#/?channel=100&person=nobody")).await;
    browser
        .until("document.querySelector('#progress').textContent.includes('Nothing matches')")
        .await;
    browser.close(&[]).await;
}

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
    browser.press(Key::Left).await;
    browser.until("document.querySelector('#notice').textContent.includes('newest')").await;
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
    browser.until("!document.querySelector('#player').open && location.hash === '#/'").await;
    // Among those of one channel, the neighbours are of that channel, and the last one is the end.
    let clips: Vec<_> = archive.entries.iter().filter(|entry| parent(entry) == "100").collect();
    let last = clips[clips.len() - 1];
    browser.open(&format!("{address}{}?channel=100", clip_address(last))).await;
    until_playing(&browser, &text(last, "Id")).await;
    browser.until("document.querySelector('.details .who')").await;
    browser.press(Key::Right).await;
    browser.until("document.querySelector('#notice').textContent.includes('oldest')").await;
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
async fn new_entries_arrive_and_replaced_files_are_found_again() {
    let mut archive = Archive::new(200).await;
    let address = served(&archive).await;
    let browser = Browser::start(Screen::Desk, Shade::Light).await;
    browser.open(&address).await;
    browser.until(&format!("{SHOWN}.length > 20")).await;
    let waiting = text(&archive.entries[12], "Id");
    browser.until(&format!("document.querySelector(\".tile.bare[data-id='{waiting}']\")")).await;
    for minutes in [1, 2, 3] {
        archive.post(minutes, json!({ "channelId": "200" }));
    }
    // Meanwhile the clip that had been waiting was copied.
    let (media, still) =
        (archive.entries[0]["Media"].clone(), archive.entries[0]["Thumbnail"].clone());
    (archive.entries[12]["Media"], archive.entries[12]["Thumbnail"]) = (media, still);
    archive.publish().await;
    archive.sweep().await;
    let old = shown(&browser).await;
    browser
        .until("(dispatchEvent(new Event('focus')), !document.querySelector('#news').hidden)")
        .await;
    assert_eq!(browser.value("document.querySelector('#news').textContent").await, json!("3 new"));
    let grown = shown(&browser).await;
    assert_eq!(grown[..old.len()], old, "what the reader looks at has moved");
    browser.until(&format!("document.querySelector(\".tile[data-id='{waiting}'] img\")")).await;
    browser.click("#news").await;
    until_shown(&browser, &archive.ids(|_| true)).await;
    // The names the page goes by are gone before it hears of the new ones, in the middle of the grid.
    browser.open("about:blank").await;
    browser.open(&address).await;
    browser.until(&format!("{SHOWN}.length > 20")).await;
    archive.publish().await;
    archive.sweep().await;
    let ids = archive.ids(|_| true);
    until_shown(&browser, &ids).await;
    browser.close(&["404 (Not Found)"]).await;
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

#[tokio::test]
async fn the_page_waits_for_the_first_publication() {
    let mut archive = Archive::new(20).await;
    archive.unpublish().await;
    let address = served(&archive).await;
    let browser = Browser::start(Screen::Phone, Shade::Light).await;
    browser.open(&address).await;
    browser
        .until("document.querySelector('#progress').textContent.includes('no archive here yet')")
        .await;
    archive.publish().await;
    browser
        .until(
            "(dispatchEvent(new Event('focus')), document.querySelectorAll('.tile').length === 20)",
        )
        .await;
    // On a phone a finger turns the page.
    let ids = archive.ids(|_| true);
    browser.click(&format!(".tile[data-id='{}'] a", ids[0])).await;
    until_playing(&browser, &ids[0]).await;
    for (from, to, id) in [(300, 100, &ids[1]), (100, 300, &ids[0])] {
        let swipe = "((from, to) => {
            const stage = document.querySelector('.stage');
            const touch = (clientX) => new Touch({ identifier: 1, target: stage, clientX, clientY: 200 });
            stage.dispatchEvent(new TouchEvent('touchstart', { touches: [touch(from)] }));
            stage.dispatchEvent(new TouchEvent('touchend', { changedTouches: [touch(to)] }));
        })";
        browser.value(&format!("{swipe}({from}, {to})")).await;
        until_playing(&browser, id).await;
    }
    browser.close(&["404 (Not Found)"]).await;
}

#[tokio::test]
async fn hostile_names_stay_text() {
    let archive = Archive::new(60).await;
    let address = served(&archive).await;
    let browser = Browser::start(Screen::Desk, Shade::Light).await;
    browser.open(&address).await;
    scroll_to_end(&browser).await;
    let hostile = &archive.entries[9];
    browser.until("[...document.querySelectorAll('#filters bdi')].filter((name) => name.textContent.includes('onerror')).length >= 3").await;
    browser.click(&format!(".tile[data-id='{}'] a", text(hostile, "Id"))).await;
    until_playing(&browser, &text(hostile, "Id")).await;
    browser.until("document.querySelector('.details .words')").await;
    for place in [".words", ".who-name bdi", ".fact-name"] {
        let said =
            browser.value(&format!("document.querySelector('.details {place}').textContent")).await;
        assert!(said.as_str().unwrap().starts_with(HOSTILE), "{place} says {said}");
    }
    // A link that would run is no link.
    assert_eq!(
        browser.value("document.querySelector('[data-link=message]').getAttribute('href')").await,
        Value::Null
    );
    browser.press(Key::Escape).await;
    browser.click("#filters a[href='#/?channel=600']").await;
    until_shown(&browser, &archive.ids(|entry| parent(entry) == "600")).await;
    browser.click("#open-about").await;
    browser.until("document.querySelector('#about[open] .covered-name')").await;
    assert_eq!(
        browser.value("document.querySelectorAll('img[src=x], body script').length").await,
        json!(0)
    );
    assert_eq!(browser.value("window.hacked ?? null").await, Value::Null);
    let elsewhere = format!(
        "performance.getEntriesByType('resource').filter((entry) => !entry.name.startsWith('{address}')).length"
    );
    assert_eq!(browser.value(&elsewhere).await, json!(0));
    browser.close(&[]).await;
}

/// Every view on a desk and on a phone; `BOWERBIRD_SCREENSHOTS` names a folder that keeps what they look like.
#[tokio::test]
async fn every_view_fits_desk_and_phone() {
    let archive = Archive::new(260).await;
    let address = served(&archive).await;
    for (screen, shade) in [
        (Screen::Desk, Shade::Light),
        (Screen::Desk, Shade::Dark),
        (Screen::Phone, Shade::Light),
        (Screen::Phone, Shade::Dark),
    ] {
        let name = format!("{screen:?}-{shade:?}").to_lowercase();
        let browser = Browser::start(screen, shade).await;
        browser.open(&address).await;
        browser.until(&format!("{SHOWN}.length > 30")).await;
        browser.until("document.querySelectorAll('.tile-still.shown').length > 8").await;
        let width = if screen == Screen::Phone { 390 } else { 1400 };
        assert_eq!(browser.value("innerWidth").await, json!(width));
        assert_eq!(
            browser.value("document.documentElement.scrollWidth <= innerWidth").await,
            json!(true),
            "{name} scrolls sideways"
        );
        assert_eq!(
            browser.value("matchMedia('(prefers-color-scheme: dark)').matches").await,
            json!(shade == Shade::Dark)
        );
        // Whose it is stands on the tile that has the focus.
        browser.value("document.querySelector('.tile a').focus({ focusVisible: true })").await;
        browser
            .until("getComputedStyle(document.querySelector('.tile .caption')).opacity === '1'")
            .await;
        browser.screenshot(&format!("{name}-grid")).await;
        if screen == Screen::Phone {
            browser.click("#open-filters").await;
            browser.until("document.querySelector('#filters:popover-open')").await;
        }
        browser.click("#filters a[href='#/?channel=400']").await;
        // The panel lies over the grid on a phone, and goes once something is chosen.
        browser.until("!document.querySelector('#filters:popover-open')").await;
        browser.until("document.querySelector('#filters .threads') && document.querySelectorAll('.tile-still.shown').length > 8").await;
        browser.screenshot(&format!("{name}-forum")).await;
        if screen == Screen::Phone {
            browser.click("#open-filters").await;
            browser.until("document.querySelector('#filters:popover-open')").await;
            browser.screenshot(&format!("{name}-filters")).await;
            browser.press(Key::Escape).await;
            browser.until("!document.querySelector('#filters:popover-open')").await;
        }
        browser.click("#open-about").await;
        browser.until("document.querySelector('#about[open]')").await;
        browser.screenshot(&format!("{name}-about")).await;
        browser.press(Key::Escape).await;
        browser.until("!document.querySelector('#about[open]')").await;
        for (kind, wanted) in
            [("video", 2), ("image", 7), ("audio", 11), ("unplayable", 6), ("spoiler", 4)]
        {
            let entry = &archive.entries[wanted];
            browser.open(&format!("{address}{}", clip_address(entry))).await;
            until_playing(&browser, &text(entry, "Id")).await;
            browser.until("(document.querySelector('video')?.readyState ?? 2) >= 2 && document.querySelector('.stage').children.length").await;
            if kind == "unplayable" {
                browser.until("document.querySelector('.stage-why')").await;
            }
            assert_eq!(
                browser.value("document.documentElement.scrollWidth <= innerWidth").await,
                json!(true),
                "{name} {kind} scrolls sideways"
            );
            browser.screenshot(&format!("{name}-{kind}")).await;
        }
        browser.close(&[]).await;
    }
}
