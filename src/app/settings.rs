//! Where settings come from: flags, then the environment, then a file named `.env`.

use std::{
    collections::HashMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// Settings by the name of their variable.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    file: HashMap<String, String>,
    /// The file, when others on this machine may read it.
    exposed: Option<PathBuf>,
    flags: HashMap<String, String>,
}

impl Settings {
    /// Reads `.env` in this folder or one above, when there is one.
    pub fn load() -> anyhow::Result<Self> {
        let lines = match dotenvy::dotenv_iter() {
            Ok(lines) => lines,
            Err(error) if error.not_found() => return Ok(Self::default()),
            Err(error) => return Err(error).context("the file .env can't be read"),
        };
        let exposed = find().filter(|path| is_exposed(path));
        let mut file = HashMap::new();
        let mut before = None;
        for line in lines {
            match line {
                Ok((name, value)) => {
                    before = Some(name.clone());
                    file.insert(name, value);
                }
                Err(dotenvy::Error::LineParse(line, _)) => bail!(
                    "the file .env can't be read: {} should look like NAME=value, with quotes around a value that \
                     holds spaces, and none that are not closed",
                    locate(&line, before.as_deref())
                ),
                Err(error) => return Err(error).context("the file .env can't be read"),
            }
        }
        Ok(Self { file, exposed, flags: HashMap::new() })
    }

    /// The same, with flags that win over all else. An empty flag stands for "not set".
    #[must_use]
    pub fn with_flags<N: Into<String>>(
        mut self,
        flags: impl IntoIterator<Item = (N, String)>,
    ) -> Self {
        self.flags.extend(flags.into_iter().map(|(name, value)| (name.into(), value)));
        self
    }

    /// The text of a setting.
    pub fn get(&self, name: &str) -> Option<String> {
        let flag = self.flags.get(name).cloned();
        flag.or_else(|| std::env::var(name).ok()).or_else(|| self.file.get(name).cloned())
    }

    /// What is wrong with who may read the token.
    pub fn exposure(&self) -> Option<String> {
        let path = self.exposed.as_ref()?.display();
        let holds = |name: &&str| self.file.get(*name).is_some_and(|value| !value.is_empty());
        let secret = ["TOKEN", "ALERT_WEBHOOK_URL"].iter().find(|name| holds(name))?;
        Some(format!("others on this machine may read {secret} in {path}: chmod 600 {path}"))
    }

    /// The names of everything that is set.
    pub fn names(&self) -> Vec<String> {
        let environment = std::env::vars_os()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(name, _)| name.into_string().ok());
        let file = self.file.iter().filter(|(_, value)| !value.is_empty());
        environment.chain(file.map(|(name, _)| name.clone())).collect()
    }
}

/// The file that settings are read from: here or in a folder above, as dotenvy looks for it.
fn find() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(".env")).find(|path| path.is_file())
}

/// Whether others than its owner may read a file.
fn is_exposed(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Where a line is, without a word of its value: it may be the token.
fn locate(line: &str, before: Option<&str>) -> String {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    match (line.split_once('=').map(|(name, _)| name.trim()), before) {
        (Some(name), _) if is_name(name) => format!("the line that sets {name}"),
        (_, Some(before)) => format!("the line below the one that sets {before}"),
        (_, None) => "its first line".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_is_found_and_not_shown() {
        assert_eq!(locate("TOKEN=\"secret", None), "the line that sets TOKEN");
        assert_eq!(locate("secret=", Some("TITLE")), "the line below the one that sets TITLE");
        assert_eq!(locate("secret", Some("TITLE")), "the line below the one that sets TITLE");
        assert_eq!(locate("secret", None), "its first line");
    }
}
