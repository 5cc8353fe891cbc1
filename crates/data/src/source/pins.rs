//! Pinned files: lines of `<sha256>  <path>`, as `sha256sum` writes and checks them.

use std::path::{Component, Path};

use super::lock::is_sha256;
use crate::error::{Error, Result};

/// One pinned file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub(crate) sha256: String,
    /// Its path relative to the documentation's root, with `/`.
    pub(crate) path: String,
}

/// The pins, sorted by path. Blank lines and lines that start with `#` say nothing.
///
/// # Errors
/// A line of another shape, a path that leaves the root, a path twice, or no pin at all.
pub(crate) fn parse_pins(text: &str, file: &Path) -> Result<Vec<Pin>> {
    let wrong = |line, reason: String| Error::Pins {
        path: file.into(),
        line,
        reason,
    };
    let mut pins = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((sha256, path)) = line.split_once("  ").filter(|(sum, _)| is_sha256(sum)) else {
            return Err(wrong(at + 1, "expected `<sha256>  <path>`".into()));
        };
        if !is_plain(path) {
            return Err(wrong(at + 1, format!("`{path}` is no plain relative path")));
        }
        pins.push(Pin {
            sha256: sha256.into(),
            path: path.into(),
        });
    }
    pins.sort_by(|a, b| a.path.cmp(&b.path));
    if let Some(pair) = pins.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(wrong(0, format!("`{}` is pinned twice", pair[0].path)));
    }
    if pins.is_empty() {
        return Err(wrong(0, "it pins no file".into()));
    }
    Ok(pins)
}

/// A relative path that stays below where it starts.
pub(crate) fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['\\', '\0'])
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Pin>> {
        parse_pins(text, Path::new("docs.sha256"))
    }

    #[test]
    fn reads_what_sha256sum_writes() {
        let sum = "ab".repeat(32);
        let pins = parse(&format!("# two\n{sum}  b/x.html\n\n{sum}  a.html\n")).expect("valid");
        assert_eq!(
            pins.iter().map(|pin| pin.path.as_str()).collect::<Vec<_>>(),
            ["a.html", "b/x.html"]
        );
    }

    #[test]
    fn attack_paths_that_leave_the_root() {
        let sum = "ab".repeat(32);
        for path in ["/etc/passwd", "../x", "a/../../x", "a\\..\\x", ""] {
            assert!(parse(&format!("{sum}  {path}\n")).is_err(), "{path}");
        }
    }

    #[test]
    fn errors_name_the_line() {
        let sum = "ab".repeat(32);
        let error = parse(&format!("{sum}  a.html\n{sum} b.html\n")).expect_err("one space");
        assert!(error.to_string().contains("line 2"), "{error}");
        assert!(parse(&format!("{sum}  a\n{sum}  a\n")).is_err());
        assert!(parse("\n").is_err());
    }
}
