//! What an error of the file system means for the archive, and what a person can do about it.
//!
//! Asked by everything that touches the disk.

use std::io;
use std::path::Path;

use crate::bucket::BucketError;

/// Why the folder itself cannot be made.
pub(super) fn cannot_make(folder: &str, path: &Path, error: io::Error) -> BucketError {
    let file = path.ancestors().find(|above| above.is_file());
    match (file, error.kind()) {
        (Some(file), _) if file == path => {
            BucketError::Invalid { what: format!("{folder} is a file where a folder should be") }
        }
        (Some(file), _) => BucketError::Invalid {
            what: format!("{folder}: {} is a file where a folder should be", file.display()),
        },
        (None, io::ErrorKind::NotFound) => BucketError::NoSuchBucket {
            bucket: format!("the folder {folder}"),
            remedy: "it cannot be made there, name another".to_owned(),
        },
        (None, _) => describe(folder, "make it", error),
    }
}

/// Translates what the file system said about `folder`.
pub(super) fn describe(folder: &str, action: &'static str, error: io::Error) -> BucketError {
    let bucket = format!("the folder {folder}");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BucketError::Full { bucket },
        io::ErrorKind::PermissionDenied => BucketError::Denied {
            bucket,
            action,
            remedy: "give this user read and write access to it and all that is in it".to_owned(),
            source: Some(error.into()),
        },
        io::ErrorKind::ReadOnlyFilesystem => BucketError::Denied {
            bucket,
            action,
            remedy: "mount it writable".to_owned(),
            source: Some(error.into()),
        },
        io::ErrorKind::NotFound => BucketError::NoSuchBucket {
            bucket,
            remedy: "it was there at the start: was its disk unmounted?".to_owned(),
        },
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::DirectoryNotEmpty
        | io::ErrorKind::InvalidFilename => BucketError::Broken { action, source: error.into() },
        _ => BucketError::Unavailable { action, retry_after: None, source: error.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_remedy() {
        #[track_caller]
        fn check(kind: io::ErrorKind, expected: &str) {
            let error = describe("/archive", "write an object", kind.into());
            assert_eq!(error.to_string(), expected);
        }
        check(io::ErrorKind::StorageFull, "the folder /archive is full");
        check(
            io::ErrorKind::ReadOnlyFilesystem,
            "the folder /archive does not let us write an object: mount it writable",
        );
        check(
            io::ErrorKind::PermissionDenied,
            "the folder /archive does not let us write an object: \
             give this user read and write access to it and all that is in it",
        );
    }
}
