//! A file of Rust reduced to what the house rules look at: its paths, without comments, texts and tests.

/// A file below `src/`.
pub(super) struct Source {
    /// Relative to `src/`.
    pub(super) path: String,
    /// As it is.
    pub(super) text: String,
    /// Without comments, texts and test modules.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let bare = without_words(text);
        let tests = path.ends_with("/tests.rs") || path.contains("/tests/");
        let code = if tests { String::new() } else { without_tests(&bare) };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// The modules that lead to the file: `bucket/gcs.rs` is `["bucket", "gcs"]`.
    pub(super) fn module(&self) -> Vec<&str> {
        let path = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        if matches!(path, "main" | "lib") { Vec::new() } else { path.split('/').collect() }
    }

    /// Every path that the code names, groups unfolded, with `crate`, `self` and `super` resolved: what lies in this
    /// crate begins with `crate`.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        let tokens = tokens(&self.code);
        let mut paths = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let imported = at > 0 && tokens[at - 1] == "use";
            let starts = is_word(tokens[at]) && (imported || tokens.get(at + 1) == Some(&"::"));
            at = if starts { path(&tokens, at, &[], &mut paths) } else { at + 1 };
        }
        paths.into_iter().map(|path| self.resolved(path)).collect()
    }

    fn resolved(&self, path: Vec<String>) -> Vec<String> {
        if !matches!(path[0].as_str(), "self" | "super") {
            return path;
        }
        let mut here: Vec<String> = self.module().into_iter().map(str::to_owned).collect();
        let mut rest = path.into_iter().peekable();
        while let Some(step) = rest.next_if(|step| matches!(step.as_str(), "self" | "super")) {
            if step == "super" {
                here.pop();
            }
        }
        std::iter::once("crate".to_owned()).chain(here).chain(rest).collect()
    }
}

/// Reads one path, or one tree of a `use`, and returns where it ends.
fn path(tokens: &[&str], start: usize, prefix: &[String], out: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    let mut at = start;
    loop {
        match tokens.get(at) {
            Some(&"{") => {
                at += 1;
                while at < tokens.len() && tokens[at] != "}" {
                    at =
                        if tokens[at] == "," { at + 1 } else { self::path(tokens, at, &path, out) };
                }
                return at + 1;
            }
            Some(word) if is_word(word) || *word == "*" => path.push((*word).to_owned()),
            _ => {
                out.push(path);
                return at.max(start + 1);
            }
        }
        at += 1;
        if tokens.get(at) != Some(&"::") {
            out.push(path);
            // What a name is changed into is no path of its own.
            return if tokens.get(at) == Some(&"as") { at + 2 } else { at };
        }
        at += 1;
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_word(rest) {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

/// Leaves out modules that are compiled for tests alone.
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(start) = rest.find("#[cfg(test)]") {
        let item = rest[start + "#[cfg(test)]".len()..].trim_start();
        out.push_str(&rest[..start]);
        rest = if item.starts_with("mod ") { behind_item(item) } else { item };
    }
    out + rest
}

/// What follows a module, written here (`mod x { … }`) or elsewhere (`mod x;`).
fn behind_item(item: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return &item[at + 1..],
            _ => continue,
        }
        if depth == 0 {
            return &item[at + 1..];
        }
    }
    ""
}

/// Leaves out comments, and the inside of strings and characters.
fn without_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if !out.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && raw_hashes(rest).is_some()
        {
            raw_string(rest)
        } else if c == '"' {
            string(rest)
        } else if c == '\'' {
            character(rest)
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.push(' ');
        rest = &rest[word..];
    }
    out
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The hashes before a raw string's quote.
fn raw_hashes(text: &str) -> Option<usize> {
    let text = text.strip_prefix('b').unwrap_or(text).strip_prefix('r')?;
    let hashes = text.len() - text.trim_start_matches('#').len();
    text[hashes..].starts_with('"').then_some(hashes)
}

fn raw_string(text: &str) -> usize {
    let end = format!("\"{}", "#".repeat(raw_hashes(text).unwrap_or_default()));
    let start = text.find('"').map_or(text.len(), |quote| quote + 1);
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character ends with a quote soon; a lifetime is the quote alone.
fn character(text: &str) -> usize {
    let inside = &text[1..];
    if let Some(escape) = inside.strip_prefix('\\') {
        let code = escape.chars().next().map_or(0, char::len_utf8);
        return escape[code..].find('\'').map_or(1, |end| 2 + code + end + 1);
    }
    let c = inside.chars().next().map_or(0, char::len_utf8);
    if inside[c..].starts_with('\'') { 1 + c + 1 } else { 1 }
}
