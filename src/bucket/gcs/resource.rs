//! Google's description of an object, as the JSON API and as its client give it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use google_cloud_storage::model;
use serde::Deserialize;
use time::OffsetDateTime;

use crate::bucket::{Crc32c, Generation, Listing, ObjectInfo, ObjectKey, ObjectMeta, PageToken};

/// What we want to know; the rest would triple the size of a listing.
pub(super) const FIELDS: [&str; 8] = [
    "name",
    "size",
    "crc32c",
    "generation",
    "updated",
    "contentType",
    "cacheControl",
    "contentDisposition",
];

/// One object.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Resource {
    name: String,
    size: String,
    crc32c: String,
    generation: String,
    #[serde(with = "time::serde::rfc3339::option")]
    updated: Option<OffsetDateTime>,
    content_type: String,
    cache_control: String,
    content_disposition: String,
}

/// A page of a listing.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Page {
    items: Vec<Resource>,
    next_page_token: Option<String>,
}

impl Resource {
    pub(super) fn into_info(self, key: ObjectKey) -> ObjectInfo {
        let disposition = Some(self.content_disposition).filter(|text| !text.is_empty());
        ObjectInfo {
            key,
            size: self.size.parse().unwrap_or_default(),
            crc32c: Crc32c::try_from(self.crc32c).ok(),
            generation: Generation(self.generation.parse().unwrap_or_default()),
            updated: self.updated.unwrap_or(OffsetDateTime::UNIX_EPOCH),
            meta: ObjectMeta {
                content_type: self.content_type.into(),
                cache_control: self.cache_control.into(),
                content_disposition: disposition.map(Into::into),
            },
        }
    }
}

impl From<model::Object> for Resource {
    fn from(object: model::Object) -> Self {
        let crc32c = object.checksums.and_then(|checksums| checksums.crc32c);
        let updated = object.update_time.and_then(|time| {
            let seconds = i128::from(time.seconds()) * 1_000_000_000;
            OffsetDateTime::from_unix_timestamp_nanos(seconds + i128::from(time.nanos())).ok()
        });
        Self {
            name: object.name,
            size: object.size.to_string(),
            crc32c: crc32c
                .map(|crc32c| BASE64_STANDARD.encode(crc32c.to_be_bytes()))
                .unwrap_or_default(),
            generation: object.generation.to_string(),
            updated,
            content_type: object.content_type,
            cache_control: object.cache_control,
            content_disposition: object.content_disposition,
        }
    }
}

impl Page {
    pub(super) fn into_listing(self) -> Listing {
        let objects = self.items.into_iter().filter_map(|item| {
            let key = ObjectKey::new(item.name.as_str()).ok()?;
            Some(item.into_info(key))
        });
        Listing { objects: objects.collect(), next: self.next_page_token.map(PageToken) }
    }
}
