//! Somebody's words on a line of ours: what would leave the line, or steer a terminal, is spelled out.
//!
//! Names come from strangers, and whoever reads a log or `status` trusts what stands there.

use std::fmt;

/// A text that prints on one line, in the order in which it was written, and does nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` keeps what the caller says about width, and needs the text whole.
        if self.0.contains(steers) { f.pad(&spelled_out(self.0, steers)) } else { f.pad(self.0) }
    }
}

/// Lines of text of ours that quotes others: the same, but for the ends of lines. JSON stays what it says, since
/// characters are spelled out as JSON does it.
pub fn lines(text: &str) -> String {
    spelled_out(text, |character| character != '\n' && steers(character))
}

fn spelled_out(text: &str, is_to_be: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            _ if !is_to_be(character) => out.push(character),
            '\n' => out.push_str(r"\n"),
            '\r' => out.push_str(r"\r"),
            '\t' => out.push_str(r"\t"),
            other => {
                out.push_str(r"\u");
                out.extend([12, 8, 4, 0].map(|shift| hexadecimal(u32::from(other) >> shift)));
            }
        }
    }
    out
}

/// The lowest four bits as a digit; none of the characters spelled out has more than sixteen.
fn hexadecimal(bits: u32) -> char {
    char::from_digit(bits & 0xf, 16).expect("four bits make a digit")
}

/// Whether a character is a command and not a letter: control characters, with which escape sequences begin, the two
/// line ends of Unicode, and the marks that turn the direction of what follows.
/// Source: Unicode's "Bidirectional Character Types", UAX #9, table 4.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Printable(text).to_string(), expected);
    }

    #[test]
    fn letters_stay_and_commands_are_spelled_out() {
        for text in
            ["", "general", "\u{1f989} öwls — \u{5d0}\u{5d1}", "👩\u{200d}🚀", "a\\b 'c' \"d\""]
        {
            check(text, text);
        }
        check("a\nb\r\tc\0", r"a\nb\r\tc\u0000");
        check("\u{1b}[2J\u{9b}1m\u{7f}", r"\u001b[2J\u009b1m\u007f");
        check("exe.\u{202e}gpj\u{2066}\u{200f}\u{2028}", r"exe.\u202egpj\u2066\u200f\u2028");
        assert_eq!(lines("one\ntwo\u{1b}\r"), "one\ntwo\\u001b\\r");
        assert_eq!(format!("[{:<6}][{:>4}]", Printable("ab"), Printable("\n")), r"[ab    ][  \n]");
    }

    proptest! {
        #[test]
        fn whatever_is_printed_stays_on_its_line(text in any::<String>()) {
            prop_assert!(!Printable(&text).to_string().contains(steers));
        }
    }
}
