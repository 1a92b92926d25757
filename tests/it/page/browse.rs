//! Looking through the archive: the order of the grid, and what narrows it.

use serde_json::json;

use super::archive::{Archive, PEOPLE, parent};
use super::browser::{Browser, Screen, Shade};
use super::{READ, SHOWN, plainly_served, scroll_to_end, served, shown, until_shown};

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
