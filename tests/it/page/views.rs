//! Every view on a desk and on a phone, light and dark, and with names that would like to be more than text.

use fantoccini::key::Key;
use serde_json::{Value, json};

use super::archive::{Archive, HOSTILE, clip_address, parent, text};
use super::browser::{Browser, Screen, Shade};
use super::{SHOWN, served, until_playing, until_shown};

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
        browser.until(&format!("{SHOWN}.length > 12")).await;
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

#[tokio::test]
async fn hostile_names_stay_text() {
    let archive = Archive::new(60).await;
    let address = served(&archive).await;
    let browser = Browser::start(Screen::Desk, Shade::Light).await;
    browser.open(&address).await;
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
