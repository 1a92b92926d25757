//! Tells people elsewhere that they are needed: posts words to an address.
//!
//! The app decides what is worth telling. Whoever knows the address may post there, so it stands in no error, and
//! what is posted goes nowhere else. A crash here loses the words on their way; the log has them.

use std::time::Duration;

use reqwest::{Client, redirect};
use serde_json::json;

/// Nobody waits for an alert longer than this; it is sent again later.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a message on Discord may hold. Source: Discord's documentation, resources/webhook, "Execute Webhook".
const LONGEST: usize = 2_000;

/// Posts to one address.
#[derive(Clone)]
pub struct Herald {
    client: Client,
    address: String,
}

/// Why words did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeraldError {
    /// Nobody took them now.
    #[error("the address of ALERT_WEBHOOK_URL can't be reached: {0}")]
    Away(String),
    /// They were refused.
    #[error("the address of ALERT_WEBHOOK_URL answered {0}: check that the webhook still exists")]
    Refused(u16),
}

impl Herald {
    /// Posts to this address.
    pub fn new(address: &str) -> Self {
        let client = Client::builder()
            .timeout(PATIENCE)
            // What is told is meant for one address.
            .redirect(redirect::Policy::none())
            .build()
            .expect("a client without options of the machine's is always built");
        Self { client, address: address.to_owned() }
    }

    /// Posts words. Discord reads them under one name, most others under another; nobody is pinged by them.
    pub async fn tell(&self, words: &str) -> Result<(), HeraldError> {
        let words: String = words.chars().take(LONGEST).collect();
        let body = json!({ "content": words, "text": words, "allowed_mentions": { "parse": [] } });
        let sent = self.client.post(&self.address).json(&body).send().await;
        let answer = sent.map_err(|error| HeraldError::Away(in_words(&error.without_url())))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(HeraldError::Refused(answer.status().as_u16()))
        }
    }
}

/// What went wrong, with what it came from, and without the address.
fn in_words(error: &reqwest::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
