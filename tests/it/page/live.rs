//! A page that stays open while the archive changes under it.

use serde_json::json;

use super::archive::{Archive, text};
use super::browser::{Browser, Screen, Shade};
use super::{SHOWN, served, shown, until_playing, until_shown};

#[tokio::test]
async fn new_entries_arrive_and_replaced_files_are_found_again() {
    let mut archive = Archive::new(200).await;
    let address = served(&archive).await;
    let browser = Browser::start(Screen::Desk, Shade::Light).await;
    browser.open(&address).await;
    browser.until(&format!("{SHOWN}.length > 12")).await;
    let waiting = text(&archive.entries[12], "Id");
    browser.until(&format!("document.querySelector(\".tile.bare[data-id='{waiting}']\")")).await;
    for minutes in [1, 2, 3] {
        archive.post(minutes, &json!({ "channelId": "200" }));
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
    // Published anew before, lest the browser still have all of it from above.
    archive.publish().await;
    browser.open("about:blank").await;
    browser.open(&address).await;
    browser.until(&format!("{SHOWN}.length > 12")).await;
    archive.publish().await;
    archive.sweep().await;
    let ids = archive.ids(|_| true);
    until_shown(&browser, &ids).await;
    browser.close(&["404 (Not Found)"]).await;
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
