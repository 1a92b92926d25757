//! Which bucket, where, and as whom.
//!
//! Made by `config` from the environment.

use std::path::PathBuf;

use google_cloud_auth::credentials::{self, Credentials};

use crate::bucket::BucketError;

/// Where Google is.
const GOOGLE: &str = "https://storage.googleapis.com";

/// What names the bucket unless its user says otherwise.
const SETTING: &str = "BUCKET_NAME";

/// Google's shortest and longest names, the latter with the dots of a domain.
const NAME_LEN: std::ops::RangeInclusive<usize> = 3..=222;

/// What a [`super::GcsBucket`] needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcsOptions {
    /// The variable that names the bucket, for the person who has to correct it.
    pub setting: &'static str,
    /// The name of the bucket, without `gs://`.
    pub bucket: String,
    /// Who we are.
    pub credentials: GcsCredentials,
    /// `scheme://host:port`, without a slash at its end.
    pub endpoint: String,
}

/// Who we are for Google.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GcsCredentials {
    /// Whoever the machine or its user is: a metadata server, or `gcloud auth application-default login`.
    Default,
    /// The account of a key file.
    ServiceAccount(PathBuf),
    /// Nobody, as emulators like it.
    Anonymous,
}

impl GcsOptions {
    /// What follows from the settings of a user.
    ///
    /// `emulator` is `STORAGE_EMULATOR_HOST`, `scheme://host:port` or, as some tools write it, `host:port`.
    pub fn new(
        bucket: impl Into<String>,
        key_file: Option<PathBuf>,
        emulator: Option<&str>,
    ) -> Self {
        let bucket = bucket.into();
        let Some(emulator) = emulator else {
            let credentials =
                key_file.map_or(GcsCredentials::Default, GcsCredentials::ServiceAccount);
            let endpoint = GOOGLE.to_owned();
            return Self { setting: SETTING, bucket, credentials, endpoint };
        };
        let emulator = emulator.trim_end_matches('/');
        let endpoint = if emulator.contains("://") {
            emulator.to_owned()
        } else {
            format!("http://{emulator}")
        };
        Self { setting: SETTING, bucket, credentials: GcsCredentials::Anonymous, endpoint }
    }

    /// Refuses what cannot be the name of a bucket before it becomes part of an address.
    pub(super) fn check_name(&self) -> Result<(), BucketError> {
        let Self { setting, bucket, .. } = self;
        let is_allowed =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_name = NAME_LEN.contains(&bucket.len())
            && bucket.chars().all(is_allowed)
            && bucket.starts_with(is_edge)
            && bucket.ends_with(is_edge);
        if is_name {
            return Ok(());
        }
        Err(BucketError::Invalid {
            what: format!(
                "{setting}={bucket:?} is not the name of a bucket: 3 or more small letters, digits, \
                 '-', '_' and '.', without gs:// in front"
            ),
        })
    }
}

impl GcsCredentials {
    pub(super) fn load(&self) -> Result<Credentials, BucketError> {
        let invalid = |what: String| BucketError::Invalid { what };
        match self {
            Self::Anonymous => Ok(credentials::anonymous::Builder::new().build()),
            Self::Default => credentials::Builder::default().build().map_err(|error| {
                invalid(format!(
                    "no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS to the path of a \
                     service account's key file ({error})"
                ))
            }),
            Self::ServiceAccount(path) => {
                // What the file says is a secret: errors name the file and the place, never the text.
                let refused = |why: String| {
                    let path = path.display();
                    invalid(format!("GOOGLE_APPLICATION_CREDENTIALS={path}: {why}"))
                };
                let text = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
                let key: serde_json::Value = serde_json::from_slice(&text)
                    .map_err(|error| refused(format!("not JSON at line {}", error.line())))?;
                if key.get("type").and_then(serde_json::Value::as_str) != Some("service_account") {
                    return Err(refused("not the key file of a service account".to_owned()));
                }
                credentials::service_account::Builder::new(key)
                    .build()
                    .map_err(|error| refused(error.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: Option<&str>, emulator: Option<&str>, who: &GcsCredentials, endpoint: &str) {
        let options = GcsOptions::new("archive", key.map(PathBuf::from), emulator);
        assert_eq!(options.credentials, *who);
        assert_eq!(options.endpoint, endpoint);
    }

    #[test]
    fn settings_say_where_and_as_whom() {
        let account = GcsCredentials::ServiceAccount("key.json".into());
        check(None, None, &GcsCredentials::Default, GOOGLE);
        check(Some("key.json"), None, &account, GOOGLE);
        for emulator in ["http://127.0.0.1:9023", "http://127.0.0.1:9023/", "127.0.0.1:9023"] {
            let endpoint = "http://127.0.0.1:9023";
            check(None, Some(emulator), &GcsCredentials::Anonymous, endpoint);
            check(Some("key.json"), Some(emulator), &GcsCredentials::Anonymous, endpoint);
        }
    }

    #[test]
    fn names_are_checked_before_they_are_part_of_an_address() {
        #[track_caller]
        fn check(name: &str, is_name: bool) {
            let checked = GcsOptions::new(name, None, None).check_name();
            assert_eq!(checked.is_ok(), is_name, "{name}");
            if let Err(error) = checked {
                assert!(error.to_string().starts_with("BUCKET_NAME="), "{error}");
            }
        }
        check("archive", true);
        check("my_archive-2.example.org", true);
        for name in
            ["", "ab", "gs://archive", "archive/", "Archive", "-archive", "a..b/../c", "a b c"]
        {
            check(name, false);
        }
    }

    #[test]
    fn a_bad_key_file_is_named_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        for text in
            ["{\"private_key\": secret", "{\"type\": \"authorized_user\", \"a\": \"secret\"}"]
        {
            std::fs::write(&path, text).unwrap();
            let error =
                GcsCredentials::ServiceAccount(path.clone()).load().unwrap_err().to_string();
            assert!(error.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{error}");
            assert!(error.contains("key.json"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
