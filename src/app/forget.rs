//! Forgetting on request: what a command asks for, and what it is told, with or without a service.
//!
//! What is asked for is written down first, so whoever dies after that, it is done at the next start.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    actors::mirror,
    domain::{
        forget::{Erased, Forgotten},
        id::MessageId,
        time::Timestamp,
    },
    store::{Allow, Change, Forget, ForgottenRow, Store, StoreError, Word},
};

/// How long nothing may move before it is said that the bucket does not take it now. Its own retries take half of that.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// How long copies of the catalogue may hold what was erased, while a service runs.
pub const COPIED_ANEW_WITHIN: Duration = mirror::ERASURES_EVERY;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// To be erased, and not archived from now on.
    pub forget: Vec<Forgotten>,
    /// To be archived again.
    pub allow: Vec<Forgotten>,
}

impl Request {
    /// What is to be written down.
    pub fn changes(self) -> Vec<Change> {
        let Self { forget, allow } = self;
        vec![Allow { what: allow }.into(), Forget { what: forget, word: Word::Keeper }.into()]
    }
}

/// The do-not-archive list, and how far it is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// What is on it.
    pub list: Vec<Listed>,
    /// What is still to be done.
    pub left: Left,
    /// Whether copies of the catalogue in a private bucket, should there be any, still hold what was erased.
    pub in_copies: bool,
}

/// What is still to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// Nothing: it is gone from the catalogue and from the bucket.
    Nothing,
    /// It is gone from the catalogue, and may be in the bucket.
    Bucket,
    /// It is being erased from the catalogue.
    Catalogue,
}

/// Something on the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// What.
    pub what: Forgotten,
    /// Since when.
    pub since: Timestamp,
    /// On whose word.
    pub word: Word,
    /// From when on messages are archived again; none while none are.
    pub until: Option<Timestamp>,
    /// What was erased for it.
    pub erased: Erased,
}

impl Listing {
    /// Reads the list.
    pub fn read(store: &Store) -> Result<Self, StoreError> {
        let left = if store.is_erasing()? {
            Left::Catalogue
        } else if store.purge()?.is_some() {
            Left::Bucket
        } else {
            Left::Nothing
        };
        let listed = |(what, row): (Forgotten, ForgottenRow)| {
            let ForgottenRow { since, word, until, erased } = row;
            Listed { what, since, word, until: until.map(MessageId::created_at), erased }
        };
        let in_copies = store.erased()?.is_some();
        Ok(Self { list: store.forgotten()?.into_iter().map(listed).collect(), left, in_copies })
    }

    /// What was erased for something.
    pub fn erased(&self, what: Forgotten) -> Erased {
        let listed = self.list.iter().find(|listed| listed.what == what);
        listed.map_or_else(Erased::default, |listed| listed.erased)
    }
}

/// What would be erased for each of some.
pub fn foretell(store: &Store, what: &[Forgotten]) -> Result<Vec<Erased>, StoreError> {
    what.iter().map(|what| store.foretell(*what)).collect()
}
