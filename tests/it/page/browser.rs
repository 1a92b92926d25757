//! A real Chromium, driven through chromedriver, that reports whatever it complains about.

use std::process::Stdio;
use std::time::{Duration, Instant};

use axum::http::Method;
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long a state may take to come about on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every picture that can be seen has been loaded; lazy ones further down need not.
const ON_SCREEN_LOADED: &str = "[...document.images].every((image) => {
    const { top, bottom, width } = image.getBoundingClientRect();
    return image.complete || width === 0 || bottom < 0 || top > innerHeight || !image.checkVisibility();
})";

/// How often a state is looked at.
const GLANCE: Duration = Duration::from_millis(40);

/// What the window is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Screen {
    Desk,
    Phone,
}

/// What the system prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shade {
    Light,
    Dark,
}

/// One browser with one tab.
pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) async fn start(screen: Screen, shade: Shade) -> Self {
        Self::speaking("en-GB", screen, shade).await
    }

    /// A browser of somebody who reads these languages, the preferred one first.
    pub(crate) async fn speaking(languages: &str, screen: Screen, shade: Shade) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("TZ", "UTC")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is missing: run `make test`, which installs it");
        let port = port_of(&mut driver).await;
        let profile = tempfile::tempdir().unwrap();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(profile.path().to_str().unwrap(), languages, screen, shade))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self { client, driver, _profile: profile }
    }

    /// Closes the browser, and fails when it complained about anything that no test asked for.
    pub(crate) async fn close(mut self, expected: &[&str]) {
        let log = self.client.issue_cmd(BrowserLog).await.unwrap();
        let unexpected: Vec<_> = log
            .as_array()
            .unwrap()
            .iter()
            .filter(|line| line["level"] != "INFO" && line["level"] != "DEBUG")
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .filter(|message| !expected.iter().any(|part| message.contains(part)))
            .collect();
        self.client.close().await.unwrap();
        self.driver.kill().await.unwrap();
        assert_eq!(unexpected, Vec::<String>::new(), "the browser complained");
    }

    pub(crate) async fn open(&self, address: &str) {
        self.client.goto(address).await.unwrap();
    }

    /// The value of an expression in the page.
    pub(crate) async fn value(&self, expression: &str) -> Value {
        self.client.execute(&format!("return {expression}"), Vec::new()).await.unwrap()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn until<'a>(&'a self, expression: &'a str) -> impl Future<Output = ()> + 'a {
        let place = std::panic::Location::caller();
        async move {
            let begun = Instant::now();
            loop {
                let value =
                    self.value(&format!("Promise.resolve({expression}).then(Boolean)")).await;
                if value == true {
                    return;
                }
                if begun.elapsed() > PATIENCE {
                    let seen = self.value("document.body.innerText.slice(0, 800)").await;
                    let log = self.client.issue_cmd(BrowserLog).await.unwrap();
                    panic!(
                        "{place}: `{expression}` did not come true; the page says {seen}; the browser says {log}"
                    );
                }
                tokio::time::sleep(GLANCE).await;
            }
        }
    }

    pub(crate) async fn find(&self, selector: &str) -> Element {
        self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await.unwrap()
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap();
    }

    /// Presses a key wherever the focus is.
    pub(crate) async fn press(&self, key: Key) {
        self.keys(&char::from(key).to_string()).await;
    }

    /// Presses the keys of a text wherever the focus is.
    pub(crate) async fn keys(&self, text: &str) {
        self.client.active_element().await.unwrap().send_keys(text).await.unwrap();
    }

    pub(crate) async fn screenshot(&self, name: &str) {
        let Some(folder) = std::env::var_os("BOWERBIRD_SCREENSHOTS") else { return };
        self.until(ON_SCREEN_LOADED).await;
        self.until(
            "document.getAnimations().every((animation) => animation.playState !== 'running')",
        )
        .await;
        let picture = self.client.screenshot().await.unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), picture).unwrap();
    }
}

async fn port_of(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            // What it prints later must find somebody who reads, or it stalls.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return port.trim_end_matches('.').parse().unwrap();
        }
    }
    panic!("chromedriver ended without naming its port");
}

fn capabilities(
    profile: &str,
    languages: &str,
    screen: Screen,
    shade: Shade,
) -> serde_json::Map<String, Value> {
    // Blink's own numbers: dark is 0, light is 1.
    let scheme = u8::from(shade == Shade::Light);
    let mut options = json!({ "args": [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", "--mute-audio", "--lang=en-GB", "--window-size=1400,1043", "--force-prefers-reduced-motion",
        format!("--user-data-dir={profile}"), format!("--blink-settings=preferredColorScheme={scheme}"),
    ], "prefs": { "intl.accept_languages": languages } });
    if screen == Screen::Phone {
        options["mobileEmulation"] = json!({ "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2.0, "touch": true } });
    }
    let wanted =
        json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
    wanted.as_object().unwrap().clone()
}

/// What the browser wrote to its console since it was asked last, policy violations and failed requests among it.
#[derive(Debug)]
struct BrowserLog;

impl WebDriverCompatibleCommand for BrowserLog {
    fn endpoint(
        &self,
        base: &Url,
        session: Option<&str>,
    ) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/se/log", session.unwrap()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}
