//! Results on standard output: for people, or as JSON.

use serde::Serialize;
use std::io::{IsTerminal, Write};

/// How to print.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// JSON instead of text.
    pub(crate) json: bool,
    colour: bool,
}

impl Output {
    /// Colour only on a terminal and where `NO_COLOR` is unset (no-color.org).
    pub(crate) fn new(json: bool) -> Self {
        let colour = std::io::stderr().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        Self { json, colour }
    }

    /// Prints the result: `value` as one JSON document, or what `text` writes.
    pub(crate) fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) {
        let printed = if self.json {
            let json = serde_json::to_string_pretty(value).expect("results are plain data");
            writeln!(std::io::stdout(), "{json}")
        } else {
            write!(std::io::stdout(), "{}", shown(&text()))
        };
        // A reader that went away (`| head`) is no failure of the command.
        drop(printed);
    }

    /// A part of the result that is known before the rest; JSON comes whole, at the end.
    pub(crate) fn part(&self, text: &str) {
        if !self.json {
            // A reader that went away is no failure of the command.
            drop(write!(std::io::stdout(), "{}", shown(text)));
        }
    }

    /// A line for the person who waits; never part of the result.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            eprintln!("{}", shown(text));
        }
    }

    /// `text` in an ANSI style where colours are wanted.
    pub(crate) fn style(&self, text: &str, style: &str) -> String {
        if self.colour {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Text as it may reach a terminal: names and values are other people's, and what is no letter could move the cursor, colour
/// what follows or turn the direction of reading.
pub(crate) fn shown(text: &str) -> String {
    let harmless = |c: char| c == '\n' || c == '\t' || !(c.is_control() || is_format(c));
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if harmless(c) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

/// Somebody else's text within a line of ours: its line breaks would begin lines that look like ours.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(
        [
            '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
        ],
        "⏎",
    )
}

/// Characters that only steer how others are shown (Unicode's `Cf`, as far as they turn directions or hide).
fn is_format(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{e0001}'..='\u{e007f}')
}

/// `1,234,567` for reading.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in MB or GB (powers of ten, as disks are sold).
pub(crate) fn bytes(number: u64) -> String {
    match number {
        0..1_000_000 => format!("{:.1} kB", number as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", number as f64 / 1e6),
        _ => format!("{:.2} GB", number as f64 / 1e9),
    }
}

/// Seconds as people say them.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 90.0 => format!("{s:.1} s"),
        s if s < 5400.0 => format!("{:.1} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_names_that_steer_a_terminal() {
        let hostile = "a\u{1b}]0;T\u{7}b\u{202e}c\r\u{feff}\n日本語 é\t.";
        let told = shown(hostile);
        assert_eq!(
            told,
            "a\\u{1b}]0;T\\u{7}b\\u{202e}c\\u{d}\\u{feff}\n日本語 é\t."
        );
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1234), "1,234");
        assert_eq!(grouped(1_638_400), "1,638,400");
        assert_eq!(bytes(38_000_000), "38.0 MB");
        assert_eq!(duration(0.0421), "42.1 ms");
        assert_eq!(duration(75.0), "75.0 s");
        assert_eq!(duration(600.0), "10.0 min");
    }
}
