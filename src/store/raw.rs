//! Messages as Discord sent them, compressed, so that a wiser extractor reads the store instead of Discord.
//!
//! JSON of messages is mostly the same keys again and again, and each message is too short to teach them to a
//! compressor. A dictionary of them halves a row: 1,732 bytes of a message with one file become 389 instead of 808
//! (mean of 3,000 generated messages). It is plain text, the likeliest last, and its bytes are on disk for ever:
//! better words are a new dictionary with a new number.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use zstd::{
    bulk::{Compressor, Decompressor},
    dict::{DecoderDictionary, EncoderDictionary},
};

use super::{
    Store, StoreError,
    tables::{PARKED_MESSAGES, ParkedMessage, RAW},
};
use crate::domain::{id::MessageId, time::Timestamp};

/// The dictionary that rows are written with.
const DICTIONARY: u8 = 1;

/// Its bytes.
const WORDS: &[u8] = include_bytes!("raw_1.dict");

/// With the dictionary, level 9 takes a tenth more off a message than zstd's usual 3, for 16 µs instead of 6; the levels
/// above gain nothing.
const LEVEL: i32 = 9;

/// The longest message that is believed: Discord's answers stay far below, so more is a damaged row.
const LONGEST: usize = 64 << 20;

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(WORDS, LEVEL));

static DECODER: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(WORDS));

/// A message as Discord sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RawRow {
    /// The number of the dictionary.
    pub(super) dictionary: u8,
    /// When its words were last changed, so that an older sight does not replace a newer one.
    pub(super) edited: Option<Timestamp>,
    /// How long it was.
    pub(super) length: u32,
    /// zstd over JSON.
    pub(super) compressed: Vec<u8>,
}

impl RawRow {
    /// Compresses a message.
    pub(super) fn new(raw: &str, edited: Option<Timestamp>) -> Self {
        let compressed = Compressor::with_prepared_dictionary(&ENCODER)
            .and_then(|mut compressor| compressor.compress(raw.as_bytes()))
            .expect("memory is the only thing that compressing needs");
        let length = u32::try_from(raw.len()).expect("a message is far shorter than 4 GiB");
        Self { dictionary: DICTIONARY, edited, length, compressed }
    }

    /// The message as it was.
    pub(super) fn text(&self) -> Result<String, StoreError> {
        let corrupt = |reason: String| StoreError::Corrupt { table: "raw messages", reason };
        if self.dictionary != DICTIONARY {
            return Err(corrupt(format!("no dictionary has the number {}", self.dictionary)));
        }
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(corrupt(format!("{length} bytes are too long for a message")));
        }
        let bytes = Decompressor::with_prepared_dictionary(&DECODER)
            .and_then(|mut decompressor| decompressor.decompress(&self.compressed, length))
            .map_err(|error| corrupt(error.to_string()))?;
        String::from_utf8(bytes).map_err(|error| corrupt(error.to_string()))
    }
}

impl ParkedMessage {
    /// The message as Discord sent it.
    pub fn raw(&self) -> Result<String, StoreError> {
        self.raw.text()
    }
}

impl Store {
    /// A message as Discord last sent it; none unless it carried media.
    pub fn raw(&self, message: MessageId) -> Result<Option<String>, StoreError> {
        RAW.get(&self.source(), &message)?.map(|row| row.text()).transpose()
    }

    /// The first messages that could not be recorded.
    pub fn parked_messages(
        &self,
        limit: usize,
    ) -> Result<Vec<(MessageId, ParkedMessage)>, StoreError> {
        PARKED_MESSAGES.after(&self.source(), None, limit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dictionary_halves_a_message() {
        let raw = include_str!("golden/message.json").trim_end();
        let plain = zstd::bulk::compress(raw.as_bytes(), LEVEL).unwrap();
        let row = RawRow::new(raw, None);
        assert_eq!(row.text().unwrap(), raw);
        assert!(
            row.compressed.len() * 2 < plain.len(),
            "{} of {}",
            row.compressed.len(),
            plain.len()
        );
    }

    #[test]
    fn a_damaged_row_is_an_error() {
        let row = RawRow::new("{\"id\":\"1\"}", None);
        let damaged = [
            RawRow { dictionary: 9, ..row.clone() },
            RawRow { length: u32::MAX, ..row.clone() },
            RawRow { length: 2, ..row.clone() },
            RawRow { compressed: vec![1, 2, 3], ..row },
        ];
        for row in damaged {
            assert!(matches!(row.text(), Err(StoreError::Corrupt { .. })), "{row:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives(raw in ".{0,300}") {
            prop_assert_eq!(RawRow::new(&raw, None).text().unwrap(), raw);
        }
    }
}
