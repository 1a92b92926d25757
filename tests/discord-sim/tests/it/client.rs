//! A well-mannered client without any cleverness: what it gets is what the simulator sent.

use discord_sim::{Options, RateLimits, Sim, World};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

/// What a bot calls itself.
pub(crate) const AGENT: &str = "DiscordBot (https://example.com/bowerbird, 0.1.0)";

pub(crate) struct Bot {
    pub(crate) sim: Sim,
    pub(crate) http: Client,
    token: String,
}

impl Bot {
    /// Logs in to a world without rate limits.
    pub(crate) async fn new(world: &World) -> Self {
        let options = Options { rate_limits: RateLimits::off(), ..Options::default() };
        Self::with(world, options).await
    }

    pub(crate) async fn with(world: &World, options: Options) -> Self {
        // Another test may have been first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let sim = Sim::start(world.clone(), options).await.unwrap();
        let http = Client::builder().user_agent(AGENT).no_proxy().build().unwrap();
        Self { sim, http, token: format!("Bot {}", world.token()) }
    }

    pub(crate) async fn send(&self, path: &str) -> reqwest::Result<Response> {
        let url = format!("{}/api/v10{path}", self.sim.api_url());
        self.http.get(url).header("authorization", &self.token).send().await
    }

    /// Status and JSON; null when it is none.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.send(path).await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    pub(crate) async fn ok(&self, path: &str) -> Value {
        let (status, value) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    pub(crate) async fn refresh(&self, links: &[&str]) -> (u16, Value) {
        let url = format!("{}/api/v10/attachments/refresh-urls", self.sim.api_url());
        let body = serde_json::json!({ "attachment_urls": links });
        let request = self.http.post(url).header("authorization", &self.token).json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    pub(crate) async fn fetch(&self, link: &str) -> (StatusCode, Vec<u8>) {
        let response = self.http.get(link).send().await.unwrap();
        (response.status(), response.bytes().await.unwrap().to_vec())
    }

    pub(crate) fn assert_polite(&self) {
        assert_eq!(self.sim.violations(), Vec::<String>::new());
        assert_eq!(self.sim.stats().avoidable, 0);
    }
}
