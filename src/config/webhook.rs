//! The address that alerts go to, which never prints itself: whoever knows it may post there.

use std::fmt;

/// An address that messages are posted to.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook(String);

impl Webhook {
    pub(super) fn new(address: &str) -> Self {
        Self(address.to_owned())
    }

    /// The address itself. Only for posting to it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
