//! Watching: what is remembered from one piece to the next, frame by frame, on and on, and from close by.

use fantoccini::key::Key;
use serde_json::json;

use super::archive::{Archive, clip_address, text};
use super::browser::{Browser, Screen, Shade};
use super::{served, until_playing};

/// How the piece on the stage is being played.
const MANNER: &str = "(({ playbackRate, muted, loop }) => [playbackRate, muted, loop])(document.querySelector('video'))";

/// How a picture lies on the stage: its scale and where it was moved to.
const LAID: &str = "(({ a, e, f }) => [a, e, f])(new DOMMatrix(getComputedStyle(document.querySelector('.stage-image')).transform))";

#[tokio::test]
async fn how_one_likes_to_watch_is_kept() {
    let archive = Archive::new(40).await;
    let address = served(&archive).await;
    for screen in [Screen::Desk, Screen::Phone] {
        let browser = Browser::start(screen, Shade::Dark).await;
        browser.open(&format!("{address}{}", clip_address(&archive.entries[0]))).await;
        until_playing(&browser, &text(&archive.entries[0], "Id")).await;
        browser.until("document.querySelector('video')?.readyState >= 2").await;
        assert_eq!(browser.value(MANNER).await, json!([1, false, false]));
        browser.keys(">>lm").await;
        browser.until(&format!("JSON.stringify({MANNER}) === '[1.5,true,true]'")).await;
        browser.value("(document.querySelector('video').volume = 0.25)").await;
        let pressed = "document.querySelector('[data-does=loop]').getAttribute('aria-pressed')";
        assert_eq!(browser.value(pressed).await, json!("true"));
        let titled = format!(
            "navigator.mediaSession.metadata.title === '{}.webm'",
            text(&archive.entries[0], "Filename")
        );
        browser.until(&titled).await;
        // So the next one is played, and the first one of the next visit.
        browser.press(Key::Right).await;
        until_playing(&browser, &text(&archive.entries[1], "Id")).await;
        browser.until("document.querySelector('video')?.readyState >= 2").await;
        assert_eq!(browser.value(MANNER).await, json!([1.5, true, true]));
        browser.client.refresh().await.unwrap();
        browser.until("document.querySelector('video')?.readyState >= 2").await;
        assert_eq!(browser.value(MANNER).await, json!([1.5, true, true]));
        assert_eq!(browser.value("document.querySelector('video').volume").await, json!(0.25));
        // Every control is as large as a finger, and none lies over another.
        let cramped = "[...document.querySelectorAll('.controls > *, .player-close, .turner')].filter((one, at, all) => {
            const box = one.getBoundingClientRect();
            const over = all.some((other) => {
                const { left, right, top, bottom } = other.getBoundingClientRect();
                return other !== one && left < box.right - 1 && box.left < right - 1 && top < box.bottom - 1 && box.top < bottom - 1;
            });
            return over || box.width < 44 || box.height < 44 || box.left < 0 || box.right > innerWidth;
        }).map((one) => one.getAttribute('aria-label'))";
        assert_eq!(browser.value(cramped).await, json!([]));
        browser.screenshot(&format!("{screen:?}-dark-controls").to_lowercase()).await;
        browser.close(&[]).await;
    }
}

#[tokio::test]
async fn frames_are_stepped_through_and_the_next_piece_follows() {
    let archive = Archive::new(40).await;
    let address = served(&archive).await;
    let browser = Browser::start(Screen::Desk, Shade::Dark).await;
    browser.open(&format!("{address}{}", clip_address(&archive.entries[0]))).await;
    browser.until("document.querySelector('video')?.readyState >= 2").await;
    let time = "document.querySelector('video').currentTime";
    browser.keys(".").await;
    browser
        .until("document.querySelector('video').paused && !document.querySelector('video').seeking")
        .await;
    let before = browser.value(time).await.as_f64().unwrap();
    for (key, way) in [(".", 1.0), (",", -1.0)] {
        let from = browser.value(time).await.as_f64().unwrap();
        browser.keys(key).await;
        browser
            .until(&format!("{time} !== {from} && !document.querySelector('video').seeking"))
            .await;
        let step = (browser.value(time).await.as_f64().unwrap() - from) * way;
        assert!((0.01..0.11).contains(&step), "{key} moved by {step} s");
    }
    assert!((browser.value(time).await.as_f64().unwrap() - before).abs() < 0.01);
    // In full screen the keys go on turning.
    browser.click("[data-does=fullScreen]").await;
    browser.until("document.fullscreenElement?.classList.contains('theatre')").await;
    browser.press(Key::Right).await;
    until_playing(&browser, &text(&archive.entries[1], "Id")).await;
    browser.until("document.fullscreenElement").await;
    browser.click("[data-does=fullScreen]").await;
    browser.until("!document.fullscreenElement").await;
    browser.click("[data-does=onwards]").await;
    browser.until("document.querySelector('video')?.readyState >= 2").await;
    browser.value("((video) => { video.currentTime = video.duration - 0.3; void video.play(); })(document.querySelector('video'))").await;
    until_playing(&browser, &text(&archive.entries[2], "Id")).await;
    browser.until("document.querySelector('video')?.currentTime > 0.1").await;
    // Asked to repeat, it stays.
    browser.click("[data-does=loop]").await;
    browser.until("document.querySelector('[data-does=onwards]').getAttribute('aria-pressed') === 'false'").await;
    browser.value("((video) => { window.again = 0; video.addEventListener('seeked', () => (window.again += 1)); video.currentTime = video.duration - 0.3; })(document.querySelector('video'))").await;
    browser.until("window.again >= 2").await;
    until_playing(&browser, &text(&archive.entries[2], "Id")).await;
    browser.close(&[]).await;
}

#[tokio::test]
async fn pictures_are_looked_at_from_close_by() {
    let archive = Archive::new(40).await;
    let address = served(&archive).await;
    let id = text(&archive.entries[7], "Id");
    for screen in [Screen::Desk, Screen::Phone] {
        let browser = Browser::start(screen, Shade::Light).await;
        browser.open(&format!("{address}{}", clip_address(&archive.entries[7]))).await;
        until_playing(&browser, &id).await;
        browser.until("document.querySelector('.stage-image')?.complete").await;
        assert_eq!(browser.value(LAID).await, json!([1, 0, 0]));
        browser.keys("+++").await;
        browser.until(&format!("{LAID}[0] === 8")).await;
        // Now the arrows, and a finger, move the picture, and turn no page.
        browser.press(Key::Right).await;
        browser.until(&format!("{LAID}[1] < 0")).await;
        let swipe = "(() => {
            const stage = document.querySelector('.stage');
            const touch = (clientX) => new Touch({ identifier: 1, target: stage, clientX, clientY: 200 });
            stage.dispatchEvent(new TouchEvent('touchstart', { touches: [touch(300)] }));
            stage.dispatchEvent(new TouchEvent('touchend', { changedTouches: [touch(100)] }));
            const at = (clientX) => ({ pointerId: 5, clientX, clientY: 200, bubbles: true });
            const before = [LAID];
            stage.dispatchEvent(new PointerEvent('pointerdown', at(100)));
            stage.dispatchEvent(new PointerEvent('pointermove', at(150)));
            stage.dispatchEvent(new PointerEvent('pointerup', at(150)));
            return [LAID][0][1] - before[0][1];
        })()";
        assert_eq!(browser.value(&swipe.replace("LAID", LAID)).await, json!(50));
        until_playing(&browser, &id).await;
        browser.keys("-").await;
        browser.until(&format!("{LAID}[0] === 4")).await;
        browser.keys("0").await;
        browser.until(&format!("JSON.stringify({LAID}) === '[1,0,0]'")).await;
        // What the wheel points at stays under it.
        let wheel = "(() => {
            const stage = document.querySelector('.stage');
            const { left, top, width, height } = stage.getBoundingClientRect();
            stage.dispatchEvent(new WheelEvent('wheel', { deltaY: -300, clientX: left + width / 2, clientY: top + height / 2, cancelable: true }));
        })()";
        browser.value(wheel).await;
        browser
            .until(&format!("Math.abs({LAID}[0] - Math.E) < 0.01 && Math.abs({LAID}[1]) < 1"))
            .await;
        browser.click("[data-does=zoomOut]").await;
        browser.click("[data-does=zoomOut]").await;
        browser
            .until(&format!(
                "{LAID}[0] === 1 && document.querySelector('[data-does=zoomOut]').disabled"
            ))
            .await;
        browser.press(Key::Right).await;
        until_playing(&browser, &text(&archive.entries[8], "Id")).await;
        browser.close(&[]).await;
    }
}
