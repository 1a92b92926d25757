//! One object, what may be said about it, and the preconditions that a request can name.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::content::{Content, Hashes};
use crate::refusal::Refusal;

/// The query of a request; names may come more than once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn of(uri: &axum::http::Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        let number = self.get(name).map(str::parse).transpose();
        number.map_err(|_| Refusal::invalid(format!("Invalid value for {name}.")))
    }
}

/// An object of a bucket.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) name: String,
    pub(crate) generation: i64,
    pub(crate) metageneration: i64,
    pub(crate) content: Content,
    pub(crate) hashes: Hashes,
    pub(crate) created: OffsetDateTime,
    pub(crate) updated: OffsetDateTime,
    pub(crate) headers: Headers,
}

/// What a writer says about an object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    pub(crate) content_type: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The checksums that a writer promises.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promised {
    pub(crate) crc32c: Option<String>,
    pub(crate) md5: Option<String>,
}

/// What a request demands of the object that is there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Conditions {
    generation_is: Option<i64>,
    generation_is_not: Option<i64>,
    metageneration_is: Option<i64>,
    metageneration_is_not: Option<i64>,
}

impl Resource {
    pub(crate) fn json(&self, endpoint: &str, bucket: &str) -> Value {
        let encoded: String = form_urlencoded::byte_serialize(self.name.as_bytes())
            .collect::<String>()
            .replace('+', "%20");
        let id = format!("{bucket}/{}/{}", self.name, self.generation);
        let link = format!("{endpoint}/storage/v1/b/{bucket}/o/{encoded}");
        let download = format!("{endpoint}/download/storage/v1/b/{bucket}/o/{encoded}");
        let mut object = json!({
            "kind": "storage#object",
            "id": id,
            "selfLink": link,
            "mediaLink": format!("{download}?generation={}&alt=media", self.generation),
            "name": self.name,
            "bucket": bucket,
            "generation": self.generation.to_string(),
            "metageneration": self.metageneration.to_string(),
            "storageClass": "STANDARD",
            "size": self.content.len().to_string(),
            "md5Hash": self.hashes.md5_text(),
            "crc32c": self.hashes.crc32c_text(),
            "etag": self.etag(),
            "timeCreated": rfc3339(self.created),
            "timeFinalized": rfc3339(self.created),
            "timeStorageClassUpdated": rfc3339(self.created),
            "updated": rfc3339(self.updated),
        });
        let Headers { metadata, .. } = &self.headers;
        for (name, value) in self.headers.named() {
            if let Some(value) = value {
                object[name] = json!(value);
            }
        }
        if !metadata.is_empty() {
            object["metadata"] = json!(metadata);
        }
        object
    }

    pub(crate) fn etag(&self) -> String {
        BASE64_STANDARD.encode(format!("{}/{}", self.generation, self.metageneration))
    }
}

impl Headers {
    /// Takes over what a JSON resource says; `null` takes a field away, as PATCH wants it.
    pub(crate) fn apply(&mut self, resource: &Map<String, Value>) -> Result<(), Refusal> {
        for (name, field) in [
            ("contentType", &mut self.content_type),
            ("cacheControl", &mut self.cache_control),
            ("contentDisposition", &mut self.content_disposition),
            ("contentEncoding", &mut self.content_encoding),
            ("contentLanguage", &mut self.content_language),
        ] {
            match resource.get(name) {
                None => {}
                Some(Value::Null) => *field = None,
                Some(Value::String(text)) => *field = Some(text.clone()),
                Some(_) => return Err(Refusal::invalid(format!("Invalid value for {name}."))),
            }
        }
        match resource.get("metadata") {
            None => {}
            Some(Value::Null) => self.metadata.clear(),
            Some(Value::Object(metadata)) => {
                for (name, value) in metadata {
                    match value {
                        Value::Null => drop(self.metadata.remove(name)),
                        Value::String(text) => {
                            self.metadata.insert(name.clone(), text.clone());
                        }
                        _ => return Err(Refusal::invalid("Invalid value for metadata.")),
                    }
                }
            }
            Some(_) => return Err(Refusal::invalid("Invalid value for metadata.")),
        }
        Ok(())
    }

    fn named(&self) -> [(&'static str, &Option<String>); 5] {
        [
            ("contentType", &self.content_type),
            ("cacheControl", &self.cache_control),
            ("contentDisposition", &self.content_disposition),
            ("contentEncoding", &self.content_encoding),
            ("contentLanguage", &self.content_language),
        ]
    }
}

impl Promised {
    /// What a JSON resource promises.
    pub(crate) fn of(resource: &Map<String, Value>) -> Self {
        let text = |name| resource.get(name).and_then(Value::as_str).map(str::to_owned);
        Self { crc32c: text("crc32c"), md5: text("md5Hash") }
    }

    /// What `x-goog-hash` promises in addition, `crc32c=…,md5=…`.
    pub(crate) fn apply_header(&mut self, header: &str) {
        for part in header.split(',').map(str::trim) {
            if let Some(crc32c) = part.strip_prefix("crc32c=") {
                self.crc32c = Some(crc32c.to_owned());
            } else if let Some(md5) = part.strip_prefix("md5=") {
                self.md5 = Some(md5.to_owned());
            }
        }
    }

    pub(crate) fn check(&self, hashes: &Hashes) -> Result<(), Refusal> {
        for (name, promised, found) in [
            ("CRC32C", &self.crc32c, hashes.crc32c_text()),
            ("MD5 hash", &self.md5, hashes.md5_text()),
        ] {
            if let Some(promised) = promised
                && *promised != found
            {
                return Err(Refusal::invalid(format!(
                    "Provided {name} \"{promised}\" doesn't match calculated {name} \"{found}\"."
                )));
            }
        }
        Ok(())
    }
}

impl Conditions {
    pub(crate) fn of(params: &Params) -> Result<Self, Refusal> {
        Ok(Self {
            generation_is: params.number("ifGenerationMatch")?,
            generation_is_not: params.number("ifGenerationNotMatch")?,
            metageneration_is: params.number("ifMetagenerationMatch")?,
            metageneration_is_not: params.number("ifMetagenerationNotMatch")?,
        })
    }

    /// Generation 0 stands for "there is none".
    pub(crate) fn check(&self, there: Option<&Resource>) -> Result<(), Refusal> {
        let generation = there.map_or(0, |resource| resource.generation);
        let metageneration = there.map(|resource| resource.metageneration);
        let holds = self.generation_is.is_none_or(|wanted| wanted == generation)
            && self.generation_is_not.is_none_or(|unwanted| unwanted != generation)
            && self.metageneration_is.is_none_or(|wanted| Some(wanted) == metageneration)
            && self.metageneration_is_not.is_none_or(|unwanted| Some(unwanted) != metageneration);
        if holds { Ok(()) } else { Err(Refusal::precondition()) }
    }

    /// For a read "is not" that does not hold means: the reader has it already.
    pub(crate) fn check_read(&self, there: &Resource) -> Result<(), Refusal> {
        let known = self.generation_is_not == Some(there.generation)
            || self.metageneration_is_not == Some(there.metageneration);
        if known {
            return Err(Refusal::new(StatusCode::NOT_MODIFIED, "notModified", ""));
        }
        self.check(Some(there))
    }
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).expect("a time of this century can be written")
}
