//! Looking through the archive: the order of the grid, and what narrows it.

use fantoccini::key::Key;
use serde_json::json;

use super::archive::{Archive, PEOPLE, parent, text};
use super::browser::{Browser, Screen, Shade};
use super::{READ, SHOWN, plainly_served, served, shown, until_playing, until_shown, walked};

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
        browser.until(&format!("{SHOWN}.length > 12")).await;
        let first = shown(&browser).await;
        assert!(first.len() < ids.len(), "everything was loaded before anybody scrolled");
        assert_eq!(first, ids[..first.len()]);
        let before: Vec<String> = serde_json::from_value(browser.value(READ).await).unwrap();
        assert_eq!(walked(&browser).await, ids);
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
    assert_eq!(browser.value("document.title").await, json!("#clips · Night Owls"));
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
    browser.until("location.hash === '#/?channel=100&person=2&kind=video'").await;
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
async fn orders_and_conditions_combine_and_stand_in_the_address() {
    let archive = Archive::new(240).await;
    let address = served(&archive).await;
    for screen in [Screen::Desk, Screen::Phone] {
        let browser = Browser::start(screen, Shade::Light).await;
        browser.open(&address).await;
        browser.until(&format!("{SHOWN}.length > 12")).await;
        let choose = async |selector: &str, value: &str| {
            // As the list does it, which opens in a window of its own.
            let chosen = format!(
                "((list) => (list.value = '{value}', list.dispatchEvent(new Event('change'))))(document.querySelector(\"{selector}\"))"
            );
            browser.value(&chosen).await;
        };
        choose("#sort", "oldest").await;
        let mut oldest = archive.ids(|_| true);
        oldest.reverse();
        until_shown(&browser, &oldest).await;
        browser.until("location.hash === '#/?sort=oldest'").await;
        for (sort, key) in [("longest", "Runtime"), ("largest", "Size")] {
            choose("#sort", sort).await;
            browser.until(&format!("location.hash === '#/?sort={sort}'")).await;
            let mut ranked: Vec<_> = archive
                .entries
                .iter()
                .filter_map(|entry| Some((entry[key].as_f64()?, text(entry, "Id"))))
                .collect();
            // Of equals the newer comes first, as in the archive.
            ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            let ids: Vec<String> = ranked.into_iter().map(|(_, id)| id).collect();
            until_shown(&browser, &ids).await;
            assert_eq!(
                browser.value("document.querySelectorAll('.month-name').length").await,
                json!(0)
            );
        }
        // Opened from such a list, the next piece is the next of the list.
        let first: Vec<String> = shown(&browser).await;
        browser
            .value(&format!("document.querySelector(\".tile[data-id='{}'] a\").click()", first[0]))
            .await;
        until_playing(&browser, &first[0]).await;
        browser.press(Key::Right).await;
        until_playing(&browser, &first[1]).await;
        browser.client.back().await.unwrap();
        browser.until("!document.querySelector('#player').open").await;
        choose("#sort", "newest").await;
        browser.until("location.hash === '#/'").await;

        let runtime = |entry: &serde_json::Value| entry["Runtime"].as_f64();
        choose("#filters .conditions > label select", "30-120").await;
        let medium =
            archive.ids(|entry| runtime(entry).is_some_and(|s| (30.0..120.0).contains(&s)));
        until_shown(&browser, &medium).await;
        browser.value("((field) => (field.value = '2026-01-10', field.dispatchEvent(new Event('change'))))(document.querySelector('#filters [name=from]'))").await;
        browser.until("location.hash === '#/?from=2026-01-10&min=30&max=120'").await;
        browser.value("((field) => (field.value = '2026-02-10', field.dispatchEvent(new Event('change'))))(document.querySelector('#filters [name=to]'))").await;
        let within = |entry: &serde_json::Value| {
            let date = text(entry, "Date");
            ("2026-01-10".."2026-02-11").contains(&date.as_str())
        };
        let some = archive.ids(|entry| {
            within(entry) && runtime(entry).is_some_and(|s| (30.0..120.0).contains(&s))
        });
        assert!(!some.is_empty() && some.len() < medium.len());
        until_shown(&browser, &some).await;
        browser
            .until("document.querySelector('.heading-name').textContent.includes('30 sec')")
            .await;
        browser.open("about:blank").await;
        browser.open(&format!("{address}#/?from=2026-01-10&to=2026-02-10&kind=image")).await;
        let images = archive.ids(|entry| within(entry) && entry["Kind"] == "image");
        assert!(images.len() > 1);
        until_shown(&browser, &images).await;
        for (spoiler, wanted) in [("only", true), ("no", false)] {
            browser.open(&format!("{address}#/?spoiler={spoiler}")).await;
            until_shown(&browser, &archive.ids(|entry| entry["Spoiler"] == wanted)).await;
        }
        // A surprise is of what is looked at, and can be left again.
        browser.open(&format!("{address}#/?kind=audio")).await;
        let sounds = archive.ids(|entry| entry["Kind"] == "audio");
        until_shown(&browser, &sounds).await;
        browser.click("#surprise").await;
        until_playing(&browser, "/clip/").await;
        browser.until("document.querySelector('audio')").await;
        let opened = browser.value("location.hash.split('/').at(-1).split('?')[0]").await;
        assert!(sounds.iter().any(|id| opened == json!(id)), "{opened} is no sound");
        browser.press(Key::Escape).await;
        browser.until("location.hash === '#/?kind=audio'").await;
        browser.close(&[]).await;
    }
}
