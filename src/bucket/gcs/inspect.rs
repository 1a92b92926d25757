//! What strangers see of a bucket, and what it keeps of objects that were removed: for `doctor`.
//!
//! Reads alone; the object that is looked at is the caller's.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::GcsBucket;
use crate::bucket::{BucketError, ObjectKey};

/// What is asked of the bucket's description.
const KEPT_FIELDS: &str = "softDeletePolicy,versioning";

/// What was found.
#[derive(Debug)]
pub struct Inspection {
    /// Whether somebody without an account can open an object whose name is known.
    pub opened_by_strangers: Admission,
    /// Whether somebody without an account is told the names of all objects.
    pub listed_by_strangers: Admission,
    /// What stays of objects that were removed.
    pub kept: Result<Kept, BucketError>,
}

/// What somebody without an account is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// What was asked for.
    Granted,
    /// A refusal.
    Refused,
    /// Neither of both.
    Unclear(String),
}

/// What stays of objects that were removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// How long they can be brought back.
    pub soft_deleted_for: Duration,
    /// Whether every older version stays.
    pub versions: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Description {
    soft_delete_policy: SoftDelete,
    versioning: Versioning,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SoftDelete {
    retention_duration_seconds: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Versioning {
    enabled: bool,
}

impl GcsBucket {
    /// The address at which a browser opens an object, if strangers may.
    pub fn address_of(&self, key: &str) -> String {
        format!("{}/{}/{key}", self.endpoint, self.name)
    }

    /// Looks at the bucket as a stranger would, and at what it keeps. `probe` is an object that is there.
    pub async fn inspect(&self, probe: &ObjectKey) -> Inspection {
        Inspection {
            opened_by_strangers: self.knock(&self.address_of(probe.as_str())).await,
            listed_by_strangers: self.knock(&self.address_of("?max-keys=1")).await,
            kept: self.kept().await,
        }
    }

    async fn knock(&self, address: &str) -> Admission {
        match self.http.get(address).send().await.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Admission::Granted,
            Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
                Admission::Refused
            }
            Ok(status) => Admission::Unclear(status.to_string()),
            Err(error) => Admission::Unclear(error.without_url().to_string()),
        }
    }

    /// What stays of objects that are removed.
    pub async fn kept(&self) -> Result<Kept, BucketError> {
        let asking = self.asking(None, "describe it");
        let request = self.authorized(Method::GET, "", asking).await?;
        let answer = asking.send(request.query(&[("fields", KEPT_FIELDS)])).await?;
        let Description { soft_delete_policy, versioning } = asking.json(answer).await?;
        let seconds = soft_delete_policy.retention_duration_seconds.parse().unwrap_or_default();
        Ok(Kept { soft_deleted_for: Duration::from_secs(seconds), versions: versioning.enabled })
    }
}
