//! The page in a real browser, over `serve` and over a plain static server under a prefix.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what went wrong")]

mod archive;
mod browse;
pub(crate) mod browser;
mod languages;
mod live;
mod media;
mod playback;
mod real;
mod timeline;
mod views;
mod watch;

use axum::Router;
use bowerbird::serve;
use serde_json::json;
use tokio::net::TcpListener;
use tower_http::services::ServeDir;

use self::archive::Archive;
use self::browser::Browser;

/// The ids of the tiles, as they follow one another on the page.
const SHOWN: &str = "[...document.querySelectorAll('.tile')].map((tile) => tile.dataset.id)";

/// Goes down the whole grid and says what it came by: only what is near the screen is in the document.
const WALKED: &str = "(async () => {
    const grid = document.querySelector('#grid');
    const frame = () => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(go))));
    const rest = async () => { do await frame(); while (grid.getAttribute('aria-busy') !== 'false'); };
    document.activeElement?.blur();
    scrollTo(0, 0);
    const seen = new Set();
    for (let before = -1; before !== scrollY; ) {
        await rest();
        for (const tile of document.querySelectorAll('.tile')) seen.add(tile.dataset.id);
        before = scrollY;
        scrollBy(0, innerHeight * 0.8);
        await rest();
    }
    scrollTo(0, 0);
    await rest();
    return [...seen];
})()";

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

/// Everything the grid holds, from its beginning to its end.
async fn walked(browser: &Browser) -> Vec<String> {
    serde_json::from_value(browser.value(WALKED).await).unwrap()
}

/// What of it is in the document.
async fn shown(browser: &Browser) -> Vec<String> {
    serde_json::from_value(browser.value(SHOWN).await).unwrap()
}

/// Waits until the whole grid is exactly this.
async fn until_shown(browser: &Browser, ids: &[String]) {
    browser
        .until(&format!("{WALKED}.then((ids) => JSON.stringify(ids) === '{}')", json!(ids)))
        .await;
}

async fn until_playing(browser: &Browser, id: &str) {
    browser
        .until(&format!(
            "document.querySelector('#player[open]') && location.hash.includes('{id}')"
        ))
        .await;
}
