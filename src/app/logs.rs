//! Log lines on standard error: text for people, JSON for machines. Tokens and signed links are in none of them:
//! no type of ours that holds one prints it, and others are heard only when they worry, for what libraries say of
//! their work at finer levels are headers, addresses and frames. An event is one line, whatever the names in it hold.

use std::{
    fmt::{Debug, Result},
    io::IsTerminal,
};

use tracing::{Level, field::Field};
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt,
    filter::filter_fn,
    fmt::{self, FormatFields, format},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{config::LogFormat, domain::printable::Printable};

/// What is logged unless `RUST_LOG` says otherwise: our own words, and others' worries.
const DEFAULT: &str = "warn,bowerbird=info";

/// Begins to log.
pub fn begin(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let quiet = filter_fn(|line| *line.level() <= Level::WARN || is_ours(line.target()));
    let registry = tracing_subscriber::registry().with(filter).with(quiet);
    let lines = fmt::layer().with_writer(super::progress::writer);
    let begun = if json {
        registry.with(lines.json().flatten_event(true)).try_init()
    } else {
        registry.with(lines.with_target(false).with_ansi(terminal).fmt_fields(fields())).try_init()
    };
    // Fails only when logging has begun already.
    begun.ok();
}

fn is_ours(target: &str) -> bool {
    target.split("::").next() == Some(env!("CARGO_PKG_NAME"))
}

/// Fields as text, such as `place=7 name="general"`: a line that a name could end, or a terminal that it could steer,
/// would let strangers write into the log. JSON has its own way of spelling such characters out.
fn fields() -> impl for<'writer> FormatFields<'writer> + 'static {
    format::debug_fn(write_field).delimited(" ")
}

fn write_field(writer: &mut format::Writer<'_>, field: &Field, value: &dyn Debug) -> Result {
    let value = format!("{value:?}");
    match field.name() {
        "message" => write!(writer, "{}", Printable(&value)),
        name => write!(writer, "{name}={}", Printable(&value)),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_name_ends_a_line_or_steers_a_terminal() {
        let paper = Paper::default();
        let lines = fmt::layer().with_writer({
            let paper = paper.clone();
            move || paper.clone()
        });
        let lines = lines.without_time().with_target(false).with_ansi(false).fmt_fields(fields());
        let name = "general\u{1b}[2J\nERROR the archive is empty\u{202e}";
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::info!(place = 7, name, shown = %name, debugged = ?name, "read {name}");
        });
        let written = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        let spelled = r"general\u001b[2J\nERROR the archive is empty\u202e";
        let quoted = format!("{name:?}");
        assert_eq!(
            written,
            format!(
                " INFO read {spelled} place=7 name={quoted} shown={spelled} debugged={quoted}\n"
            )
        );
    }
}
