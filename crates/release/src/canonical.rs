//! Canonical JSON (RFC 8785) and strict parsing.
//!
//! What is hashed is written in exactly one way: object keys sorted by their UTF-16 code units, no white space, the
//! shortest escapes, whole numbers of at most 2⁵³−1. Larger integers travel as decimal strings and hashed floats as the
//! hexadecimal digits of their bits ([`crate::hexfloat`]), so the number printer of RFC 8785 is never needed.

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};

/// The largest JSON document that is read: 16 MiB.
pub const MAX_DOCUMENT: usize = 16 << 20;

/// The largest whole number that canonical JSON carries: 2⁵³ − 1, as in RFC 7493.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// The canonical bytes of a value.
///
/// Fails on floats, on integers beyond ±(2⁵³−1), and on what JSON cannot carry.
pub fn to_canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    let value = serde_json::to_value(value).map_err(|e| Error::NotJson {
        problem: e.to_string(),
    })?;
    let mut out = Vec::new();
    write_value(&value, &mut out)?;
    Ok(out)
}

fn write_value(value: &Value, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(whole(number)?.to_string().as_bytes()),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_value(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(key, out);
                out.push(b':');
                write_value(item, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn whole(number: &Number) -> Result<i64> {
    number
        .as_i64()
        .filter(|n| n.unsigned_abs() <= MAX_INTEGER)
        .ok_or_else(|| Error::NotCanonicalNumber {
            found: number.to_string(),
        })
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0d => out.extend_from_slice(b"\\r"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Parses JSON into a type, refusing what two readers might understand differently.
///
/// Refused: more than 16 MiB, duplicate keys at any depth, nesting deeper than 128, anything after the value, text that
/// is not UTF-8. Unknown fields are refused by the types (`deny_unknown_fields`). `what` names the document in errors.
pub fn parse_strict<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    let value = parse_value(bytes, what)?;
    serde_json::from_value(value).map_err(|e| Error::Json {
        what: what.into(),
        problem: e.to_string(),
    })
}

/// Parses JSON like [`parse_strict`], and demands that the bytes are the canonical form of the value.
pub fn parse_canonical<T: DeserializeOwned + Serialize>(bytes: &[u8], what: &str) -> Result<T> {
    let value = parse_value(bytes, what)?;
    expect_canonical(&value, bytes, what)?;
    serde_json::from_value(value).map_err(|e| Error::Json {
        what: what.into(),
        problem: e.to_string(),
    })
}

/// Fails unless `bytes` are the canonical form of `value`.
pub(crate) fn expect_canonical(value: &Value, bytes: &[u8], what: &str) -> Result<()> {
    let mut canonical = Vec::with_capacity(bytes.len());
    write_value(value, &mut canonical).map_err(|e| Error::Json {
        what: what.into(),
        problem: e.to_string(),
    })?;
    if canonical == bytes {
        return Ok(());
    }
    let offset = canonical
        .iter()
        .zip(bytes)
        .take_while(|(a, b)| a == b)
        .count();
    Err(Error::NotCanonical {
        what: what.into(),
        offset,
    })
}

/// The `format` number of a JSON document, before anything else about it is believed.
///
/// Fails with [`Error::FutureFormat`] unless it is `supported`; a missing number is a [`Error::Json`].
pub fn expect_format(value: &Value, supported: u64, what: &str) -> Result<()> {
    match value.get("format").and_then(Value::as_u64) {
        Some(found) if found == supported => Ok(()),
        Some(found) => Err(Error::FutureFormat {
            what: what.into(),
            found,
            supported,
        }),
        None => Err(Error::Json {
            what: what.into(),
            problem: "has no whole number `format`".into(),
        }),
    }
}

/// Parses strictly, checks the format number first, then canonical form, then the type.
pub(crate) fn parse_document<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    let value = parse_value(bytes, what)?;
    expect_format(&value, crate::FORMAT, what)?;
    expect_canonical(&value, bytes, what)?;
    serde_json::from_value(value).map_err(|e| Error::Json {
        what: what.into(),
        problem: e.to_string(),
    })
}

/// Parses JSON into a tree with the strictness of [`parse_strict`].
pub fn parse_value(bytes: &[u8], what: &str) -> Result<Value> {
    let fail = |problem: String| Error::Json {
        what: what.into(),
        problem,
    };
    if bytes.len() > MAX_DOCUMENT {
        return Err(fail(format!(
            "has {} bytes; at most {MAX_DOCUMENT} are read",
            bytes.len()
        )));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict
        .deserialize(&mut deserializer)
        .map_err(|e| fail(e.to_string()))?;
    deserializer.end().map_err(|e| fail(e.to_string()))?;
    Ok(value)
}

/// Builds a `Value`, refusing duplicate keys (serde_json alone keeps the last one).
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(serde::de::Error::custom(format_args!(
                    "duplicate key {key:?}"
                )));
            }
            let value = entries.next_value_seed(Strict)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn canonical(value: &Value) -> String {
        String::from_utf8(to_canonical(value).unwrap()).unwrap()
    }

    #[test]
    fn keys_sort_by_utf16() {
        // U+1F600 is D83D DE00 in UTF-16 and so sorts before U+FB33, unlike in UTF-8. (Keys from RFC 8785, 3.2.3.)
        let value = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        assert_eq!(
            canonical(&value),
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
    }

    #[test]
    fn strings_use_the_shortest_escapes() {
        assert_eq!(
            canonical(&json!("\u{0}\u{8}\t\n\u{c}\r\u{1f}\"\\/\u{7f}é")),
            "\"\\u0000\\b\\t\\n\\f\\r\\u001f\\\"\\\\/\u{7f}é\""
        );
    }

    #[test]
    fn numbers_are_whole_and_small() {
        assert_eq!(
            canonical(&json!([0, -1, MAX_INTEGER])),
            "[0,-1,9007199254740991]"
        );
        for bad in [
            json!(0.5),
            json!(1.0),
            json!(MAX_INTEGER + 1),
            json!(-(1i64 << 53)),
            json!(u64::MAX),
        ] {
            assert!(
                matches!(to_canonical(&bad), Err(Error::NotCanonicalNumber { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn attack_duplicate_keys_at_any_depth() {
        for text in [
            "{\"a\":1,\"a\":1}",
            "[{\"b\":{\"a\":1,\"a\":2}}]",
            "{\"a\":1,\"\\u0061\":2}",
        ] {
            let error = parse_strict::<Value>(text.as_bytes(), "x").unwrap_err();
            assert!(error.to_string().contains("duplicate key"), "{error}");
        }
    }

    #[test]
    fn attack_trailing_bytes_and_depth() {
        assert!(parse_strict::<Value>(b"{} {}", "x").is_err());
        assert!(parse_strict::<Value>(b"{}\0", "x").is_err());
        assert!(parse_strict::<Value>("[".repeat(100_000).as_bytes(), "x").is_err());
        assert!(parse_strict::<Value>(b"\"\xff\"", "x").is_err());
        assert!(parse_strict::<Value>(&vec![b' '; MAX_DOCUMENT + 1], "x").is_err());
    }

    #[test]
    fn only_the_canonical_form_is_canonical() {
        assert!(parse_canonical::<Value>(b"{\"a\":1,\"b\":2}", "x").is_ok());
        for text in [
            "{\"b\":2,\"a\":1}",
            "{\"a\":1, \"b\":2}",
            "{\"a\":1}\n",
            "\"\\u0061\"",
            "1.0",
            "-0",
            "1e2",
        ] {
            assert!(
                parse_canonical::<Value>(text.as_bytes(), "x").is_err(),
                "{text}"
            );
        }
    }
}
