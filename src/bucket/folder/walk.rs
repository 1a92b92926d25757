//! Names the objects below a folder in the order of their keys, without holding more than one page.
//!
//! Called by listing alone; reads directories and changes nothing.

use std::io;
use std::num::NonZeroUsize;
use std::path::Path;

use crate::bucket::ObjectKey;

/// One page of keys.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// At most as many as were asked for.
    pub(super) keys: Vec<ObjectKey>,
    /// Whether there are keys after the last one.
    pub(super) more: bool,
}

/// What is wanted of a walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// What every key starts with.
    pub(super) prefix: &'a str,
    /// The last key of the page before.
    pub(super) after: Option<&'a str>,
    /// How many keys a page holds.
    pub(super) limit: NonZeroUsize,
}

/// Walks the folder `root`.
///
/// Symbolic links, hidden files and names that are no key are passed over.
pub(super) fn walk(root: &Path, wanted: Wanted<'_>) -> io::Result<Page> {
    let mut page = Page::default();
    descend(root, "", wanted, &mut page)?;
    Ok(page)
}

fn descend(folder: &Path, base: &str, wanted: Wanted<'_>, page: &mut Page) -> io::Result<()> {
    for path in sorted(folder, base)? {
        if !wanted.concerns(&path) {
            continue;
        }
        if let Some(subfolder) = path.strip_suffix('/') {
            let name = subfolder.rsplit('/').next().unwrap_or(subfolder);
            descend(&folder.join(name), &path, wanted, page)?;
            if page.more {
                return Ok(());
            }
        } else if page.keys.len() == wanted.limit.get() {
            page.more = true;
            return Ok(());
        } else if let Ok(key) = ObjectKey::new(path) {
            page.keys.push(key);
        }
    }
    Ok(())
}

/// What is in a folder, subfolders with a slash at their end:
/// so they sort among the files as the keys below them do (`a-b` before `a/b`).
fn sorted(folder: &Path, base: &str) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        // Removed by somebody else while we were on our way.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !base.is_empty() => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{base}{name}");
        if ObjectKey::new(path.as_str()).is_err() {
            continue;
        }
        if kind.is_dir() {
            paths.push(format!("{path}/"));
        } else if kind.is_file() {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

impl Wanted<'_> {
    /// Whether a path, or anything below it, may belong to the page.
    fn concerns(&self, path: &str) -> bool {
        let is_folder = path.ends_with('/');
        let in_prefix =
            path.starts_with(self.prefix) || (is_folder && self.prefix.starts_with(path));
        let is_later =
            self.after.is_none_or(|after| path > after || (is_folder && after.starts_with(path)));
        in_prefix && is_later
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prefix: &str, after: Option<&str>, limit: usize, expected: &[&str], more: bool) {
        let root = tempfile::tempdir().unwrap();
        for file in ["a-b", "a/b", "a/c/d", "a/c.e", "a0", "b/.hidden", "b/x y", ".tmp/z", "c/d"] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        let limit = NonZeroUsize::new(limit).unwrap();
        let page = walk(root.path(), Wanted { prefix, after, limit }).unwrap();
        let keys: Vec<_> = page.keys.iter().map(ObjectKey::as_str).collect();
        assert_eq!(keys, expected);
        assert_eq!(page.more, more);
    }

    #[test]
    fn pages_follow_the_order_of_keys() {
        check("", None, 10, &["a-b", "a/b", "a/c.e", "a/c/d", "a0", "c/d"], false);
        check("", None, 2, &["a-b", "a/b"], true);
        check("", Some("a/b"), 3, &["a/c.e", "a/c/d", "a0"], true);
        check("", Some("a0"), 3, &["c/d"], false);
        check("", Some("a/c.e"), 1, &["a/c/d"], true);
        check("a/c", None, 10, &["a/c.e", "a/c/d"], false);
        check("a/c/", None, 10, &["a/c/d"], false);
        check("a", None, 10, &["a-b", "a/b", "a/c.e", "a/c/d", "a0"], false);
        check("x", None, 10, &[], false);
        check("", Some("c/d"), 10, &[], false);
    }
}
