//! The bucket: an object can be put, read and removed, nobody's is overwritten, and strangers see what they should.

use std::{sync::Arc, time::Duration};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Finding, State, deadline::within, state};
use crate::{
    app::open,
    bucket::{
        Admission, Bucket, BucketError, FolderBucket, GcsBucket, Inspection, Kept, Lease, Leased,
        ObjectKey, Precondition,
    },
    config::{BucketChoice, LocalConfig},
};

/// The probe is a line of text; whatever is longer is not ours.
const PROBE_LEN: usize = 4_096;

/// What is put to see whether it can be.
const PROBE: &[u8] = b"bowerbird doctor was here; this may be removed\n";

pub(super) async fn check(local: &LocalConfig) -> Vec<Finding> {
    match &local.bucket {
        BucketChoice::Folder { path } => {
            let room = match state::room(path, "ARCHIVE_DIR") {
                Ok(room) => room.in_words("archive", path),
                Err(unusable) => return vec![unusable],
            };
            let mut findings = vec![room];
            // A folder that is not there yet is not made to be looked at.
            if path.exists() {
                match within("archive", FolderBucket::open(path.clone())).await {
                    Ok(Ok(folder)) => findings.extend(look(Arc::new(folder), None).await),
                    Ok(Err(error)) => findings.push(failed("archive", &error)),
                    Err(late) => findings.push(late),
                }
            }
            findings.push(Finding::note(
                "strangers",
                "a folder is seen by whoever may read it; `bowerbird serve` shows it on this machine alone",
            ));
            findings
        }
        BucketChoice::Gcs { name, credentials, emulator } => {
            let opened = open::gcs(name, credentials.as_ref(), emulator.as_ref());
            match within("archive", opened).await {
                Ok(Ok(bucket)) => look(Arc::new(bucket.clone()), Some(&bucket)).await,
                Ok(Err(error)) => vec![Finding::bad("archive", format!("BUCKET_NAME: {error:#}"))],
                Err(late) => vec![late],
            }
        }
    }
}

async fn look(bucket: Arc<dyn Bucket>, google: Option<&GcsBucket>) -> Vec<Finding> {
    let key = ObjectKey::new(format!("doctor/{:032x}.txt", rand::random::<u128>()))
        .expect("hexadecimal digits make a key");
    let mut findings = Vec::new();
    let written = within("archive", write(bucket.as_ref(), &key)).await.unwrap_or_else(|late| late);
    let is_there = written.state == State::Good;
    findings.push(written);
    if let (Some(google), true) = (google, is_there) {
        match within("strangers", google.inspect(&key)).await {
            Ok(inspection) => findings.extend(strangers(google, &inspection)),
            Err(late) => findings.push(late),
        }
    }
    // Also when the put was not answered: it may have arrived.
    match within("archive", bucket.delete(&key, Precondition::Always)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) if is_there => findings.push(
            failed("archive", &error)
                .mend(format!("grant the role Storage Object User, and remove {key} by hand")),
        ),
        Ok(Err(_)) => {}
        Err(late) => findings.push(late),
    }
    if is_there || google.is_none() {
        findings.push(within("lease", lease(bucket.as_ref())).await.unwrap_or_else(|late| late));
    }
    findings
}

/// Puts an object, reads it, and tries to put it again where nothing must be overwritten.
async fn write(bucket: &dyn Bucket, key: &ObjectKey) -> Finding {
    let put = |when| bucket.put(key, PROBE.to_vec().into(), when);
    if let Err(error) = put(Precondition::Absent).await {
        return failed("archive", &error);
    }
    match put(Precondition::Absent).await {
        Err(BucketError::PreconditionFailed { .. }) => {}
        Ok(_) => {
            return Finding::bad("archive", "an object was overwritten though it was not to be")
                .mend("two writers would spoil this archive: use a bucket of Google's or a local folder");
        }
        Err(error) => return failed("archive", &error),
    }
    let read = async { bucket.get(key, None).await?.bytes(PROBE_LEN).await };
    match read.await {
        Ok(bytes) if bytes == PROBE => {}
        Ok(_) => return Finding::bad("archive", "what was read is not what was written"),
        Err(error) => return failed("archive", &error),
    }
    match bucket.list("doctor/", None, std::num::NonZeroUsize::MIN).await {
        Ok(_) => Finding::good(
            "archive",
            "objects can be written, read and listed, and are not overwritten",
        ),
        Err(error) => failed("archive", &error),
    }
}

fn failed(about: &'static str, error: &BucketError) -> Finding {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words = format!("{words} ({cause})");
        source = cause.source();
    }
    Finding::bad(about, words)
}

async fn lease(bucket: &dyn Bucket) -> Finding {
    match Lease::look(bucket).await {
        Ok(None) => Finding::good("lease", "nobody writes to this archive at the moment"),
        Ok(Some(Leased { holder, expires })) => {
            let who = format!("process {} on {}", holder.process, holder.host);
            if expires <= OffsetDateTime::now_utc() {
                return Finding::good("lease", format!("free: {who} left it behind"));
            }
            let until = expires.format(&Rfc3339).unwrap_or_default();
            Finding::note("lease", format!("{who} writes to this archive, until {until} or longer"))
        }
        Err(error) => Finding::bad("lease", error.to_string()),
    }
}

fn strangers(bucket: &GcsBucket, inspection: &Inspection) -> Vec<Finding> {
    let Inspection { opened_by_strangers, listed_by_strangers, kept } = inspection;
    let opened = match opened_by_strangers {
        Admission::Granted => Finding::note(
            "strangers",
            format!("everybody may open the page: {}", bucket.address_of("index.html")),
        ),
        Admission::Refused => Finding::note(
            "strangers",
            "nobody without an account may open the page: `bowerbird serve` shows it, and README.md says how to make it public",
        ),
        Admission::Unclear(why) => Finding::note(
            "strangers",
            format!("whether they may open the page can't be told: {why}"),
        ),
    };
    let listed = match listed_by_strangers {
        Admission::Granted => Finding::bad("strangers", "everybody may list all objects, hidden ones included")
            .mend("take the role Storage Object Viewer from allUsers, and give Storage Legacy Object Reader instead"),
        Admission::Refused => Finding::good("strangers", "nobody without an account may list the objects"),
        Admission::Unclear(why) => {
            Finding::note("strangers", format!("whether they may list the objects can't be told: {why}"))
        }
    };
    vec![opened, listed, stays(bucket.name(), kept)]
}

fn stays(name: &str, kept: &Result<Kept, BucketError>) -> Finding {
    const DAY: Duration = Duration::from_hours(24);
    match kept {
        Ok(Kept { soft_deleted_for, versions: false }) if soft_deleted_for.is_zero() => {
            Finding::good("erasure", "what is removed is gone: no soft delete, no versions")
        }
        Ok(Kept { soft_deleted_for, versions }) => {
            let mut stays = Vec::new();
            let mut remedies = Vec::new();
            if !soft_deleted_for.is_zero() {
                let days = soft_deleted_for.as_secs() / DAY.as_secs();
                stays.push(format!("for {days} days (soft delete)"));
                remedies.push("--clear-soft-delete");
            }
            if *versions {
                stays.push("as an older version, for ever (versioning)".to_owned());
                remedies.push("--no-versioning");
            }
            Finding::note("erasure", format!("what is removed stays {}", stays.join(" and ")))
                .mend(format!("gcloud storage buckets update gs://{name} {}", remedies.join(" ")))
        }
        Err(BucketError::Denied { .. }) => {
            Finding::note("erasure", "whether the bucket keeps what is removed can't be told")
                .mend("grant this account Storage Legacy Bucket Reader on the bucket")
        }
        Err(error) => Finding::note("erasure", format!("can't be told: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_after_removal_is_told_with_its_remedy() {
        let kept = |days: u64, versions| Kept {
            soft_deleted_for: Duration::from_hours(24 * days),
            versions,
        };
        assert_eq!(stays("b", &Ok(kept(0, false))).state, State::Good);
        let week = stays("b", &Ok(kept(7, false)));
        assert_eq!(week.words, "what is removed stays for 7 days (soft delete)");
        assert_eq!(
            week.remedy.unwrap(),
            "gcloud storage buckets update gs://b --clear-soft-delete"
        );
        let both = stays("b", &Ok(kept(7, true)));
        assert!(both.words.contains("versioning"), "{}", both.words);
        assert!(both.remedy.unwrap().ends_with("--clear-soft-delete --no-versioning"));
    }
}
