//! The file system calls behind a folder bucket; all of them block.
//!
//! Whoever changes a name holds `.lock`, so "compare and replace" is one step between processes.
//! Bytes are synced before the name, the name before the answer: an answered put survives a power cut.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{NamedTempFile, TempPath};
use time::OffsetDateTime;

use super::fault::{cannot_make, describe};
use super::walk::{Wanted, walk};
use crate::bucket::{
    Body, BucketError, Crc32c, Generation, Listing, ObjectInfo, ObjectKey, ObjectMeta, PageToken,
    Precondition,
};

/// Whoever changes a name locks this file; no key starts with a dot.
const LOCK_FILE: &str = ".lock";

/// Where objects are written before they get their name, on the same file system.
const TEMPORARY: &str = ".tmp";

/// No put takes this long between its last write and its rename, so an older temporary has lost its process.
const ABANDONED_AFTER: Duration = Duration::from_hours(1);

/// The step between generations: coarser than what NTFS keeps (100 ns), finer than any two replacements.
const GENERATION_STEP: Duration = Duration::from_micros(1);

/// Enough for disks to be busy with one call at a time.
const COPY_BUFFER_LEN: usize = 256 * 1024;

/// A page of a folder costs reading its directories, so it may be long; this many fit in a few megabytes.
const MAX_PAGE: usize = 10_000;

/// A folder and what its files may be read by.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    permissions: fs::Permissions,
}

impl Disk {
    /// Opens or makes the folder and proves that it can be written.
    pub(super) fn open(root: &Path) -> Result<Self, BucketError> {
        let name = root.display().to_string();
        let failed = |error| describe(&name, "use it", error);
        fs::create_dir_all(root).map_err(|error| cannot_make(&name, root, error))?;
        let root = root.canonicalize().map_err(failed)?;
        fs::create_dir_all(root.join(TEMPORARY)).map_err(failed)?;
        File::options().create(true).append(true).open(root.join(LOCK_FILE)).map_err(failed)?;

        // A file made the ordinary way shows what the user's umask grants; spool files grant less.
        let probe = root.join(TEMPORARY).join(format!("probe-{}", std::process::id()));
        let permissions = File::create(&probe)
            .and_then(|mut file| {
                file.write_all(b"bowerbird")?;
                file.metadata()
            })
            .map(|metadata| metadata.permissions());
        // What cannot be removed now is swept in an hour.
        drop(fs::remove_file(&probe));

        let disk = Self { root, permissions: permissions.map_err(failed)? };
        disk.sweep()?;
        Ok(disk)
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// See [`crate::bucket::Bucket::put`].
    pub(super) fn put(
        &self,
        key: &ObjectKey,
        body: &Body,
        when: Precondition,
    ) -> Result<ObjectInfo, BucketError> {
        let target = self.path_of(key)?;
        // Spares the writing when the answer is known; the one that counts is below, under the lock.
        if !when.allows(self.generation_at(&target)?) {
            return Err(BucketError::PreconditionFailed { key: key.clone() });
        }
        let info = match body {
            Body::Bytes(bytes) => {
                let mut file = self.temporary()?;
                file.write_all(bytes)
                    .and_then(|()| file.as_file().sync_all())
                    .map_err(|error| self.error("write an object", error))?;
                let (file, path) = file.into_parts();
                let _lock = self.lock()?;
                self.give_name(key, &target, &file, path, when)
            }
            Body::File { path, len, crc32c } => {
                let spool = open_spool(path, *len)?;
                spool.sync_all().map_err(|error| self.error("sync the spool file", error))?;
                let lock = self.lock()?;
                if let Some(link) = self.link(path) {
                    self.give_name(key, &target, &spool, link, when)
                } else {
                    drop(lock);
                    let (file, path) = self.copy(spool, path, *len, *crc32c)?;
                    let _lock = self.lock()?;
                    self.give_name(key, &target, &file, path, when)
                }
            }
        }?;
        Ok(ObjectInfo { crc32c: Some(body.crc32c()), ..info })
    }

    /// Opens an object's file; it stays that object however often its name is given to others.
    pub(super) fn open_object(&self, key: &ObjectKey) -> Result<(File, ObjectInfo), BucketError> {
        let missing = || BucketError::NotFound { key: key.clone() };
        let file = match File::open(self.path_of(key)?) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Err(missing()),
            Err(error) => return Err(self.error("read an object", error)),
        };
        let metadata = file.metadata().map_err(|error| self.error("read an object", error))?;
        if !metadata.is_file() {
            return Err(missing());
        }
        let modified = metadata.modified().map_err(|error| self.error("read an object", error))?;
        let info = ObjectInfo {
            key: key.clone(),
            size: metadata.len(),
            crc32c: None,
            generation: generation_of(modified),
            updated: OffsetDateTime::from(modified),
            meta: ObjectMeta::of(key),
        };
        Ok((file, info))
    }

    /// See [`crate::bucket::Bucket::stat`].
    pub(super) fn stat(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        match self.open_object(key) {
            Ok((_, info)) => Ok(Some(info)),
            Err(BucketError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// See [`crate::bucket::Bucket::list`].
    pub(super) fn list(
        &self,
        prefix: &str,
        page: Option<PageToken>,
        limit: NonZeroUsize,
    ) -> Result<Listing, BucketError> {
        let after = page.map(|PageToken(key)| key);
        let max = NonZeroUsize::new(MAX_PAGE).expect("a page holds something");
        let wanted = Wanted { prefix, after: after.as_deref(), limit: limit.min(max) };
        let page = walk(&self.root, wanted).map_err(|error| self.error("list objects", error))?;
        let next = match page.keys.last() {
            Some(last) if page.more => Some(PageToken(last.as_str().to_owned())),
            Some(_) | None => None,
        };
        let mut objects = Vec::with_capacity(page.keys.len());
        for key in page.keys {
            // Deleted since its name was read: not part of the listing.
            objects.extend(self.stat(&key)?);
        }
        Ok(Listing { objects, next })
    }

    /// See [`crate::bucket::Bucket::delete`].
    pub(super) fn delete(&self, key: &ObjectKey, when: Precondition) -> Result<(), BucketError> {
        let target = self.path_of(key)?;
        let failed = |error| self.error("delete an object", error);
        let _lock = self.lock()?;
        let Some(there) = self.generation_at(&target)? else { return Ok(()) };
        if !when.allows(Some(there)) {
            return Err(BucketError::PreconditionFailed { key: key.clone() });
        }
        fs::remove_file(&target).map_err(failed)?;
        let mut folder = parent(&target);
        sync_folder(folder).map_err(failed)?;
        // Emptied folders go too; the lock keeps a put from having just made one.
        while folder != self.root && fs::remove_dir(folder).is_ok() {
            folder = parent(folder);
        }
        Ok(())
    }

    /// What an error of the file system means here.
    pub(super) fn error(&self, action: &'static str, error: io::Error) -> BucketError {
        describe(&self.root.display().to_string(), action, error)
    }

    /// Replaces what has the name with a synced temporary; the caller holds the lock.
    fn give_name(
        &self,
        key: &ObjectKey,
        target: &Path,
        file: &File,
        temporary: TempPath,
        when: Precondition,
    ) -> Result<ObjectInfo, BucketError> {
        let failed = |error| self.error("write an object", error);
        let there = self.generation_at(target)?;
        if !when.allows(there) {
            return Err(BucketError::PreconditionFailed { key: key.clone() });
        }
        self.make_folders(parent(target)).map_err(failed)?;
        file.set_modified(next_generation(there, SystemTime::now())).map_err(failed)?;
        let leftover = temporary.to_path_buf();
        temporary.persist(target).map_err(|refused| failed(refused.error))?;
        // Renaming a link over another link to the same file leaves both, says POSIX.
        drop(fs::remove_file(leftover));
        sync_folder(parent(target)).map_err(failed)?;
        // Still under the lock, so this is the object that was put and no later one.
        self.open_object(key).map(|(_, info)| info)
    }

    /// Makes the folders down to this one, each of them synced into the one above it.
    fn make_folders(&self, folder: &Path) -> io::Result<()> {
        if folder == self.root || folder.is_dir() {
            return Ok(());
        }
        self.make_folders(parent(folder))?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => sync_folder(parent(folder)),
        }
    }

    /// A second name for the spool file's blocks, `None` where the file system cannot.
    ///
    /// Made under the lock, for its age is that of the spool file and a sweep would take it for abandoned.
    fn link(&self, spool: &Path) -> Option<TempPath> {
        let link = tempfile::Builder::new()
            .make_in(self.root.join(TEMPORARY), |path| fs::hard_link(spool, path))
            .ok()?
            .into_temp_path();
        fs::set_permissions(&link, self.permissions.clone()).ok()?;
        Some(link)
    }

    fn copy(
        &self,
        mut spool: File,
        path: &Path,
        len: u64,
        expected: Crc32c,
    ) -> Result<(File, TempPath), BucketError> {
        let failed = |error| self.error("copy the spool file", error);
        let mut copy = self.temporary()?;
        let mut buffer = vec![0; COPY_BUFFER_LEN];
        let mut found = 0;
        let mut crc32c = Crc32c::of(b"");
        loop {
            let read = spool.read(&mut buffer).map_err(failed)?;
            if read == 0 {
                break;
            }
            copy.write_all(&buffer[..read]).map_err(failed)?;
            crc32c = crc32c.append(&buffer[..read]);
            found += read as u64;
        }
        if found != len || crc32c != expected {
            return Err(BucketError::SpoolChanged { path: path.to_owned() });
        }
        copy.as_file().sync_all().map_err(failed)?;
        Ok(copy.into_parts())
    }

    fn temporary(&self) -> Result<NamedTempFile, BucketError> {
        tempfile::Builder::new()
            .permissions(self.permissions.clone())
            .tempfile_in(self.root.join(TEMPORARY))
            .map_err(|error| self.error("write an object", error))
    }

    /// The path of an object, refused when a symbolic link would lead it elsewhere.
    fn path_of(&self, key: &ObjectKey) -> Result<PathBuf, BucketError> {
        let mut path = self.root.clone();
        for segment in key.segments() {
            path.push(segment);
            let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
            if is_link {
                return Err(BucketError::Denied {
                    bucket: self.root.display().to_string(),
                    action: "follow a symbolic link",
                    remedy: format!("replace {} with what it points to", path.display()),
                    source: None,
                });
            }
        }
        Ok(path)
    }

    fn generation_at(&self, target: &Path) -> Result<Option<Generation>, BucketError> {
        match fs::symlink_metadata(target).and_then(|metadata| metadata.modified()) {
            Ok(modified) => Ok(Some(generation_of(modified))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.error("look at an object", error)),
        }
    }

    /// Waits for the lock; closing the file gives it back, however the holder ends.
    fn lock(&self) -> Result<File, BucketError> {
        File::options()
            .create(true)
            .append(true)
            .open(self.root.join(LOCK_FILE))
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|error| self.error("lock the folder", error))
    }

    /// Removes temporaries whose process must be dead.
    fn sweep(&self) -> Result<(), BucketError> {
        let failed = |error| self.error("sweep old temporary files", error);
        let _lock = self.lock()?;
        let now = SystemTime::now();
        for entry in fs::read_dir(self.root.join(TEMPORARY)).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            // Another process may finish its put between these lines: gone is what we want.
            let Ok(modified) = path.symlink_metadata().and_then(|data| data.modified()) else {
                continue;
            };
            let age = now.duration_since(modified).unwrap_or_default();
            if age > ABANDONED_AFTER
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!(path = %path.display(), %error, "temporary file stays");
            }
        }
        Ok(())
    }
}

fn open_spool(path: &Path, expected: u64) -> Result<File, BucketError> {
    let broken = |error: io::Error| BucketError::Broken {
        action: "open the spool file",
        source: error.into(),
    };
    let spool = File::open(path).map_err(broken)?;
    if spool.metadata().map_err(broken)?.len() != expected {
        return Err(BucketError::SpoolChanged { path: path.to_owned() });
    }
    Ok(spool)
}

/// The generation is the time of the last replacement; nobody but a put sets it.
fn generation_of(modified: SystemTime) -> Generation {
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Generation(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Later than what is there even when the clock was set back or stood still.
fn next_generation(there: Option<Generation>, now: SystemTime) -> SystemTime {
    let earliest = there.map_or(SystemTime::UNIX_EPOCH, |Generation(micros)| {
        let micros = Duration::from_micros(u64::try_from(micros).unwrap_or_default());
        SystemTime::UNIX_EPOCH + micros + GENERATION_STEP
    });
    now.max(earliest)
}

/// A path below a file is as absent as one below a missing folder.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    path.parent().expect("an object's path lies below the root")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (tempfile::TempDir, Disk) {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::open(root.path()).unwrap();
        (root, disk)
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(name).unwrap()
    }

    fn spool(folder: &Path, bytes: &[u8]) -> Body {
        let path = folder.join("spool");
        fs::write(&path, bytes).unwrap();
        Body::File { path, len: bytes.len() as u64, crc32c: Crc32c::of(bytes) }
    }

    fn temporaries(disk: &Disk) -> usize {
        fs::read_dir(disk.root().join(TEMPORARY)).unwrap().count()
    }

    #[test]
    fn a_spool_file_on_the_same_disk_is_not_copied() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};

        let (_root, disk) = disk();
        let elsewhere = tempfile::tempdir_in(disk.root().parent().unwrap()).unwrap();
        let body = spool(elsewhere.path(), b"bytes");
        let path = elsewhere.path().join("spool");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        // The second put renames a link over a link to the same file.
        disk.put(&key("media/a"), &body, Precondition::Always).unwrap();
        disk.put(&key("media/a"), &body, Precondition::Always).unwrap();

        let object = fs::metadata(disk.root().join("media/a")).unwrap();
        assert_eq!(object.ino(), fs::metadata(path).unwrap().ino());
        assert_eq!(object.mode() & 0o777, disk.permissions.mode() & 0o777);
        assert_eq!(temporaries(&disk), 0);
    }

    #[test]
    fn a_copy_is_compared_with_what_was_promised() {
        let (root, disk) = disk();
        let Body::File { path, .. } = spool(root.path(), b"bytes") else { unreachable!() };
        let copy = |len, crc32c| disk.copy(File::open(&path).unwrap(), &path, len, crc32c);

        for refused in [copy(5, Crc32c::of(b"other")), copy(6, Crc32c::of(b"bytes"))] {
            assert!(matches!(refused, Err(BucketError::SpoolChanged { .. })));
        }
        let (_, kept) = copy(5, Crc32c::of(b"bytes")).unwrap();
        assert_eq!(fs::read(&kept).unwrap(), b"bytes");
        drop(kept);
        assert_eq!(temporaries(&disk), 0, "a refused copy leaves nothing");
    }

    #[test]
    fn opening_sweeps_what_a_crash_left() {
        let (root, disk) = disk();
        let old = disk.root().join(TEMPORARY).join("old");
        let fresh = disk.root().join(TEMPORARY).join("fresh");
        File::create(&fresh).unwrap();
        let abandoned = SystemTime::now() - ABANDONED_AFTER - Duration::from_secs(1);
        File::create(&old).unwrap().set_modified(abandoned).unwrap();

        Disk::open(root.path()).unwrap();
        assert!(!old.exists());
        assert!(fresh.exists());
    }

    #[test]
    fn a_symbolic_link_leads_nowhere() {
        let (_root, disk) = disk();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), b"secret").unwrap();
        std::os::unix::fs::symlink(outside.path(), disk.root().join("media")).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), disk.root().join("file"))
            .unwrap();

        for name in ["media/secret", "file"] {
            assert!(matches!(disk.stat(&key(name)), Err(BucketError::Denied { .. })));
            let put = disk.put(&key(name), &Body::from(vec![1]), Precondition::Always);
            assert!(matches!(put, Err(BucketError::Denied { .. })));
            let deleted = disk.delete(&key(name), Precondition::Always);
            assert!(matches!(deleted, Err(BucketError::Denied { .. })));
        }
        assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
        assert_eq!(disk.list("", None, NonZeroUsize::MAX).unwrap().objects, []);
    }

    #[test]
    fn what_is_no_folder_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        for root in [file.clone(), file.join("below")] {
            let error = Disk::open(&root).unwrap_err().to_string();
            assert!(error.starts_with(&root.display().to_string()), "{error}");
            assert!(error.ends_with("is a file where a folder should be"), "{error}");
        }
        let error = Disk::open(Path::new("/proc/archive")).unwrap_err().to_string();
        assert!(error.starts_with("the folder /proc/archive"), "{error}");
    }

    #[test]
    fn generations_grow_though_the_clock_stands_still() {
        let now = SystemTime::now();
        let first = generation_of(next_generation(None, now));
        let second = generation_of(next_generation(Some(first), now));
        let third = generation_of(next_generation(Some(second), now - Duration::from_mins(1)));
        assert!(first < second && second < third);
    }

    #[test]
    fn emptied_folders_go() {
        let (_root, disk) = disk();
        disk.put(&key("a/b/c"), &Body::from(vec![1]), Precondition::Always).unwrap();
        disk.put(&key("a/d"), &Body::from(vec![1]), Precondition::Always).unwrap();
        disk.delete(&key("a/b/c"), Precondition::Always).unwrap();
        assert!(!disk.root().join("a/b").exists());
        assert!(disk.root().join("a").exists());
    }
}
