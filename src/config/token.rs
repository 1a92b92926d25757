//! The bot's token, which never prints itself.

use std::fmt;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::problem::Complaint;

/// The last part is a signature of at least 20 bytes, which is 27 characters.
/// Source: tokens in Discord's documentation, old (27) and new (38).
const SHORTEST_SIGNATURE: usize = 27;

/// Discord writes base64 without padding; older tokens are said to have had it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A token that has the form of a bot's.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The token itself. Only for talking to Discord.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Takes what has the form of a bot's token, and recognises what is often pasted instead.
    ///
    /// A user's token can have the same form; Discord itself refuses it when it comes as a bot's.
    pub(super) fn parse(text: &str) -> Result<Self, Complaint> {
        if text.starts_with("Bot ") {
            return Err("begins with the word Bot (leave it out)".into());
        }
        if text.starts_with("Bearer ") {
            return Err("is an OAuth2 token, not a bot's".into());
        }
        if text.starts_with("mfa.") {
            return Err(
                "is the token of a person's account, which Discord forbids to automate".into()
            );
        }
        if let Some(mistaken) = mistaken(text) {
            return Err(mistaken.into());
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [id, time, signature] = parts[..] else {
            let count = parts.len();
            let parts = if count == 1 { "part" } else { "parts" };
            return Err(
                format!("has {count} {parts} between dots where a bot token has three").into()
            );
        };
        if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '=')) {
            return Err("holds a character that no token holds".into());
        }
        if !names_an_account(id) {
            return Err("does not begin with the id of a bot".into());
        }
        if time.is_empty() || signature.len() < SHORTEST_SIGNATURE {
            return Err("is cut short".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The developer portal shows four things that can be copied, and one of them is the token.
fn mistaken(text: &str) -> Option<&'static str> {
    let only = |wanted: fn(char) -> bool| text.chars().all(wanted);
    match text.len() {
        17..=20 if only(|c| c.is_ascii_digit()) => Some("is the application's id"),
        64 if only(|c| c.is_ascii_hexdigit()) => Some("is the application's public key"),
        32 if only(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) => {
            Some("is the application's client secret")
        }
        _ => None,
    }
}

fn names_an_account(part: &str) -> bool {
    BASE64.decode(part).is_ok_and(|id| {
        !id.is_empty()
            && id.iter().all(u8::is_ascii_digit)
            && String::from_utf8_lossy(&id).parse::<u64>().is_ok()
    })
}
