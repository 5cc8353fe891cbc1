//! JSON that other programs wrote, Python's among them.

use std::borrow::Cow;

use glasswork_release::canonical;
use serde_json::Value;

use crate::error::{Error, Result};

/// Longest document that is read.
pub(crate) const MOST: u64 = canonical::MAX_DOCUMENT as u64;

/// Most values of a document; each takes up to two hundred bytes of memory. Sixteen mebibytes of a trainer's log have two
/// thirds as many.
pub(crate) const MOST_VALUES: usize = 1 << 20;

/// Refuses a document of more than [`MOST_VALUES`] values, or names, before anything is made of them.
pub(crate) fn check_values(bytes: &[u8], path: &str) -> Result<()> {
    let (mut count, mut in_text, mut at) = (0_usize, false, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => in_text = !in_text,
            b'\\' if in_text => at += 1,
            b',' | b'[' | b'{' if !in_text => count += 1,
            _ => {}
        }
        at += 1;
    }
    if count > MOST_VALUES {
        return Err(Error::Content {
            path: path.into(),
            problem: format!("holds more than {MOST_VALUES} values; that many are read"),
        });
    }
    Ok(())
}

/// Parses a document strictly: no duplicate keys, no depth beyond 128, at most [`MOST_VALUES`] values. Python's `NaN` and
/// `Infinity` become texts.
pub(crate) fn parse(bytes: &[u8], path: &str) -> Result<Value> {
    check_values(bytes, path)?;
    canonical::parse_value(&quoted(bytes), path).map_err(|error| Error::Content {
        path: path.into(),
        problem: error.to_string(),
    })
}

/// A number, also where it was none in JSON and so became a text.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// Puts the words for what is no number, which JSON does not have, between quotes.
fn quoted(bytes: &[u8]) -> Cow<'_, [u8]> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    let mut out: Option<Vec<u8>> = None;
    let (mut at, mut in_text) = (0, false);
    while at < bytes.len() {
        let word = match bytes[at] {
            b'N' | b'I' | b'-' if !in_text => {
                WORDS.iter().find(|word| bytes[at..].starts_with(word))
            }
            _ => None,
        };
        let mut step = 1;
        if let Some(word) = word {
            let out = out.get_or_insert_with(|| bytes[..at].to_vec());
            out.push(b'"');
            out.extend_from_slice(word);
            out.push(b'"');
            at += word.len();
            continue;
        }
        match bytes[at] {
            b'"' => in_text = !in_text,
            b'\\' if in_text => step = 2,
            _ => {}
        }
        let end = bytes.len().min(at + step);
        if let Some(out) = &mut out {
            out.extend_from_slice(&bytes[at..end]);
        }
        at = end;
    }
    out.map_or(Cow::Borrowed(bytes), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_writes_is_read() {
        let text = br#"{"a": NaN, "b": [-Infinity, Infinity, -1], "NaN": "a \"NaN\" in text, Infinity\\"}"#;
        let value = parse(text, "x").unwrap();
        assert!(number(&value["a"]).unwrap().is_nan());
        assert_eq!(number(&value["b"][0]), Some(f64::NEG_INFINITY));
        assert_eq!(number(&value["b"][2]), Some(-1.0));
        assert_eq!(value["NaN"], "a \"NaN\" in text, Infinity\\");
    }

    #[test]
    fn attack_documents() {
        for text in [
            &b"{\"a\": 1, \"a\": 2}"[..],
            b"{\"a\": NaNNaN}",
            b"\"",
            b"\"\\",
            b"1e99999",
            b"{} {}",
        ] {
            assert!(parse(text, "x").is_err(), "{text:?}");
        }
        assert!(parse("[".repeat(100_000).as_bytes(), "x").is_err());
    }

    #[test]
    fn attack_more_values_than_a_document_has() {
        let list = |count: usize| format!("[0{}]", ",0".repeat(count - 1));
        assert!(parse(list(MOST_VALUES - 1).as_bytes(), "x").is_ok());
        for text in [
            list(MOST_VALUES + 1),
            "[]".repeat(MOST_VALUES + 1),
            "{".repeat(MOST_VALUES + 1),
        ] {
            let told = parse(text.as_bytes(), "x").unwrap_err().to_string();
            assert!(told.contains("more than 1048576 values"), "{told}");
        }
        // Within a text they are text.
        let text = format!("\"\\\"{}\"", ",[{".repeat(MOST_VALUES));
        assert!(parse(text.as_bytes(), "x").is_ok());
    }
}
