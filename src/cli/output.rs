//! Standard output, whose reader may leave whenever it has seen enough: `bowerbird status | head -1`.

use std::{
    fmt::Display,
    io::{self, Write},
};

use anyhow::Context as _;

use crate::domain::printable::lines;

/// Writes to standard output at once, nothing of which steers a terminal: much of it quotes strangers.
/// A reader that has left is no error: it has what it wanted.
pub(super) fn say(text: impl Display) -> anyhow::Result<()> {
    let text = lines(&text.to_string());
    let mut output = io::stdout().lock();
    match write!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write to standard output"),
    }
}
