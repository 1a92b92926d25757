//! Years of an archive: jumping among months, a document that stays small, and finding back to where one was.

use fantoccini::actions::{InputSource as _, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use fantoccini::key::Key;
use serde_json::{Value, json};

use super::archive::{Archive, text};
use super::browser::{Browser, Screen, Shade};
use super::{READ, SHOWN, served, shown};

/// Two years at the pace of the archive of the tests.
const YEARS: usize = 1_400;

/// The grid has come to rest: everything near the screen is there.
const RESTED: &str = "document.querySelector('#grid').getAttribute('aria-busy') === 'false' && document.querySelector('.tile')";

/// The tile at the upper edge of the screen, and where it lies.
const TOPMOST: &str = "(() => {
    const tile = [...document.querySelectorAll('.tile')].find((tile) => tile.getBoundingClientRect().bottom > 61);
    return tile && { id: tile.dataset.id, top: Math.round(tile.getBoundingClientRect().top) };
})()";

/// Months of which a shard was read.
fn months(read: &Value) -> Vec<String> {
    let names = read.as_array().unwrap().iter().filter_map(Value::as_str);
    let mut months: Vec<String> = names
        .filter_map(|name| name.split('/').nth(2)?.get(..7))
        .filter(|month| month.starts_with("20"))
        .map(str::to_owned)
        .collect();
    months.sort();
    months.dedup();
    months
}

/// Two frames later, lest a movement that has just begun pass for rest.
async fn settled(browser: &Browser) {
    browser
        .value("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
        .await;
    browser.until(RESTED).await;
}

#[tokio::test]
async fn a_month_is_jumped_to_without_what_lies_between() {
    let archive = Archive::new(YEARS).await;
    let address = served(&archive).await;
    let oldest = text(&archive.entries[YEARS - 1], "Id");
    let last = text(&archive.entries[YEARS - 1], "Date")[..7].to_owned();
    for screen in [Screen::Desk, Screen::Phone] {
        let browser = Browser::start(screen, Shade::Light).await;
        browser.open(&address).await;
        settled(&browser).await;
        browser.until("!document.querySelector('#scrubber').hidden").await;
        let handle = "document.querySelector('.scrubber-handle')";
        assert_eq!(
            browser.value(&format!("{handle}.getAttribute('aria-valuetext')")).await,
            json!("March 2026")
        );
        browser.value(&format!("{handle}.focus()")).await;
        browser.press(Key::End).await;
        browser.until(&format!("{SHOWN}.includes('{oldest}')")).await;
        settled(&browser).await;
        browser.until(&format!("location.hash.startsWith('#/?month={}')", &last[..4])).await;
        browser
            .until(&format!("{handle}.getAttribute('aria-valuetext').endsWith('{}')", &last[..4]))
            .await;
        let read = months(&browser.value(READ).await);
        assert!(read.contains(&last), "{read:?}");
        for between in ["2024-12", "2025-03", "2025-06"] {
            assert!(!read.contains(&between.to_owned()), "{between} was read for nothing");
        }
        // A year back up, and to the beginning.
        browser.press(Key::PageUp).await;
        browser
            .until(&format!("!{handle}.getAttribute('aria-valuetext').endsWith('{}')", &last[..4]))
            .await;
        browser.press(Key::Home).await;
        browser.until("scrollY === 0 && location.hash === '#/'").await;
        if screen == Screen::Desk {
            drag(&browser).await;
        }
        browser.close(&[]).await;
    }
}

/// Takes the handle half-way down with the mouse.
async fn drag(browser: &Browser) {
    let place: Vec<f64> = serde_json::from_value(
        browser
            .value("(({ left, right, top, bottom }) => [(left + right) / 2, top, bottom].map(Math.round))(document.querySelector('#scrubber').getBoundingClientRect())")
            .await,
    )
    .unwrap();
    let to = |y: f64| PointerAction::MoveTo { duration: None, x: place[0], y };
    let left = MOUSE_BUTTON_LEFT;
    let drag = MouseActions::new("mouse".to_owned())
        .then(to(place[1] + 2.0))
        .then(PointerAction::Down { button: left })
        .then(to(f64::midpoint(place[1], place[2])));
    browser.client.perform_actions(drag).await.unwrap();
    browser
        .until("getComputedStyle(document.querySelector('.scrubber-bubble')).opacity === '1'")
        .await;
    let said = "document.querySelector('.scrubber-bubble').textContent";
    browser.until(&format!("{said}.endsWith('2025')")).await;
    browser.screenshot("desk-light-scrubber").await;
    let release = MouseActions::new("mouse".to_owned()).then(PointerAction::Up { button: left });
    browser.client.perform_actions(release).await.unwrap();
    settled(browser).await;
    browser.until("location.hash.startsWith('#/?month=2025')").await;
}

#[tokio::test]
async fn the_document_stays_small_and_going_back_leads_where_one_was() {
    let archive = Archive::new(YEARS).await;
    let address = served(&archive).await;
    for screen in [Screen::Desk, Screen::Phone] {
        let browser = Browser::start(screen, Shade::Dark).await;
        browser.open(&address).await;
        settled(&browser).await;
        let mut most = 0;
        let mut came_by = 0;
        for _ in 0..25 {
            browser.value("scrollBy(0, innerHeight)").await;
            settled(&browser).await;
            let tiles = shown(&browser).await;
            most = most.max(tiles.len());
            came_by += tiles.len();
        }
        assert!(came_by > 3 * most, "{came_by} {most}");
        assert!(most < 160, "{most} tiles were in the document at once");
        assert!(
            browser.value("document.querySelectorAll('*').length").await.as_u64().unwrap() < 3_000
        );
        // The length of the page is known, though most of it was never read.
        browser.until("location.hash.includes('month=')").await;
        let before = browser.value(TOPMOST).await;
        let month = browser.value("location.hash").await;
        browser.value("document.querySelector('#kinds a[href*=video]').click()").await;
        browser.until("location.hash.includes('kind=video') && scrollY === 0").await;
        settled(&browser).await;
        browser.client.back().await.unwrap();
        let same = format!("JSON.stringify({TOPMOST}) === '{before}' && {RESTED}");
        browser.until(&same).await;
        // Loaded anew, and opened by somebody else, it is the same month.
        browser.client.refresh().await.unwrap();
        browser.until(&same).await;
        browser.open("about:blank").await;
        browser.open(&format!("{address}{}", month.as_str().unwrap())).await;
        browser.until(RESTED).await;
        let key = &month.as_str().unwrap()["#/?month=".len()..];
        let first = format!("({TOPMOST})?.id");
        let expected: Vec<String> = archive.ids(|entry| text(entry, "Date").starts_with(key));
        browser.until(&format!("{first} === '{}'", expected[0])).await;
        browser.close(&[]).await;
    }
}
