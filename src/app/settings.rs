//! Where settings come from: flags, then the environment, then a file named `.env`.

use std::collections::HashMap;

use anyhow::Context as _;

/// Settings by the name of their variable.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    file: HashMap<String, String>,
    flags: HashMap<String, String>,
}

impl Settings {
    /// Reads `.env` in this folder or one above, when there is one.
    pub fn load() -> anyhow::Result<Self> {
        let lines = match dotenvy::dotenv_iter() {
            Ok(lines) => lines,
            Err(error) if error.not_found() => return Ok(Self::default()),
            Err(error) => return Err(error).context(".env can't be read"),
        };
        let file = lines.collect::<Result<_, _>>().context(
            ".env can't be read: each line should look like NAME=value, with quotes around a value that holds spaces",
        )?;
        Ok(Self { file, flags: HashMap::new() })
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

    /// The names of everything that is set.
    pub fn names(&self) -> Vec<String> {
        let environment = std::env::vars_os()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(name, _)| name.into_string().ok());
        environment.chain(self.file.keys().cloned()).collect()
    }
}
