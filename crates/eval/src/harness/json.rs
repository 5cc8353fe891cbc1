//! JSON as Python's `json` reads and writes it: keys in order, floats to the last bit, spaces where it puts them.

use super::node::Node;
use super::python::{DEEPEST, float};
use std::collections::BTreeMap;

/// One JSON value.
///
/// # Errors
/// What is wrong, and at which byte.
pub(super) fn parse(source: &str) -> Result<Node, String> {
    let mut reader = Reader { source, at: 0 };
    let node = reader.value(0)?;
    reader.space();
    if reader.at < source.len() {
        return Err(reader.wrong("more than one value"));
    }
    Ok(node)
}

/// The values of JSON lines; empty lines are skipped.
///
/// # Errors
/// As [`parse`], with the line.
pub(super) fn parse_lines(source: &str) -> Result<Vec<Node>, String> {
    let mut nodes = Vec::new();
    for (index, line) in source.lines().enumerate() {
        if !line.trim().is_empty() {
            nodes.push(parse(line).map_err(|wrong| format!("line {}: {wrong}", index + 1))?);
        }
    }
    Ok(nodes)
}

struct Reader<'s> {
    source: &'s str,
    at: usize,
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> String {
        format!("no JSON at byte {}: {what}", self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, token: &str) -> bool {
        let there = self.source[self.at..].starts_with(token);
        self.at += if there { token.len() } else { 0 };
        there
    }

    fn value(&mut self, depth: usize) -> Result<Node, String> {
        if depth > DEEPEST {
            return Err(self.wrong("nested too deep"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.text().map(Node::Text),
            _ if self.take("null") => Ok(Node::Null),
            _ if self.take("true") => Ok(Node::Bool(true)),
            _ if self.take("false") => Ok(Node::Bool(false)),
            _ if self.take("NaN") => Ok(Node::Float(f64::NAN)),
            _ if self.take("Infinity") => Ok(Node::Float(f64::INFINITY)),
            _ if self.take("-Infinity") => Ok(Node::Float(f64::NEG_INFINITY)),
            _ => self.number(),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Node, String> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Node::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Ok(Node::List(items));
            }
            if !self.take(",") {
                return Err(self.wrong("a list goes on with a comma"));
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Node, String> {
        self.at += 1;
        let mut entries: Vec<(String, Node)> = Vec::new();
        let mut places = BTreeMap::new();
        self.space();
        if self.take("}") {
            return Ok(Node::Map(entries));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key is a text"));
            }
            let key = self.text()?;
            self.space();
            if !self.take(":") {
                return Err(self.wrong("a key is followed by a colon"));
            }
            let value = self.value(depth + 1)?;
            // A key given twice keeps its first place and its last value.
            match places.get(&key) {
                Some(&place) => {
                    let (_, old): &mut (String, Node) = &mut entries[place];
                    *old = value;
                }
                None => {
                    places.insert(key.clone(), entries.len());
                    entries.push((key, value));
                }
            }
            self.space();
            if self.take("}") {
                return Ok(Node::Map(entries));
            }
            if !self.take(",") {
                return Err(self.wrong("a map goes on with a comma"));
            }
        }
    }

    fn text(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.source[self.at..];
            let end = rest.find(|c: char| c == '"' || c == '\\' || c < ' ');
            let end = end.ok_or_else(|| self.wrong("a text does not end"))?;
            text.push_str(&rest[..end]);
            self.at += end + 1;
            match rest.as_bytes()[end] {
                b'"' => return Ok(text),
                b'\\' => text.push(self.escape()?),
                _ => return Err(self.wrong("a control character in a text")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let escaped = self.peek();
        self.at += 1;
        Ok(match escaped {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(c @ (b'"' | b'\\' | b'/')) => c as char,
            Some(b'u') => {
                let first = self.unit()?;
                let paired = (0xd800..0xdc00).contains(&first) && self.take("\\u");
                let code = if paired {
                    let second = self.unit()?;
                    let low = second.checked_sub(0xdc00).filter(|&low| low < 0x400);
                    low.map(|low| 0x10000 + ((first - 0xd800) << 10) + low)
                } else {
                    Some(first)
                };
                let read = code.and_then(char::from_u32);
                read.ok_or_else(|| self.wrong("half a character"))?
            }
            _ => {
                self.at -= 1;
                return Err(self.wrong("an unknown escape"));
            }
        })
    }

    fn unit(&mut self) -> Result<u32, String> {
        let digits = self.source.get(self.at..self.at + 4);
        let digits = digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let digits = digits.ok_or_else(|| self.wrong("four hexadecimal digits are missing"))?;
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|error| error.to_string())
    }

    fn number(&mut self) -> Result<Node, String> {
        let rest = &self.source[self.at..];
        let numeric = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        let end = rest.find(|c| !numeric(c)).unwrap_or(rest.len());
        let number = &rest[..end];
        let digits = number.strip_prefix('-').unwrap_or(number);
        let sound = digits.starts_with(|c: char| c.is_ascii_digit()) && !number.ends_with('.');
        let node = if !sound {
            None
        } else if number.contains(['.', 'e', 'E']) {
            number.parse().ok().map(Node::Float)
        } else {
            number.parse().ok().map(Node::Int)
        };
        let node = node.ok_or_else(|| self.wrong("a value (an integer has at most 64 bits)"))?;
        self.at += end;
        Ok(node)
    }
}

/// `json.dumps(node, ensure_ascii=False, indent=indent)`.
pub(super) fn write(node: &Node, indent: Option<usize>) -> String {
    let mut out = String::new();
    write_into(node, indent, 0, &mut out);
    out
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn write_into(node: &Node, indent: Option<usize>, level: usize, out: &mut String) {
    let start = |out: &mut String, level: usize| {
        if let Some(width) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', width * level));
        }
    };
    let comma = if indent.is_some() { "," } else { ", " };
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Node::Int(value) => out.push_str(&value.to_string()),
        Node::Float(value) if value.is_nan() => out.push_str("NaN"),
        Node::Float(value) if value.is_infinite() => {
            out.push_str(if *value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            });
        }
        Node::Float(value) => out.push_str(&float(*value)),
        Node::Text(text) => write_text(text, out),
        Node::Function(name) => write_text(&format!("!function {name}"), out),
        Node::List(items) if items.is_empty() => out.push_str("[]"),
        Node::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { comma } else { "" });
                start(out, level + 1);
                write_into(item, indent, level + 1, out);
            }
            start(out, level);
            out.push(']');
        }
        Node::Map(entries) if entries.is_empty() => out.push_str("{}"),
        Node::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { comma } else { "" });
                start(out, level + 1);
                write_text(key, out);
                out.push_str(": ");
                write_into(value, indent, level + 1, out);
            }
            start(out, level);
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order_and_floats_their_bits() {
        let source = "{\"z\": 1, \"a\": [1.0, 0.1, 5e-324, 1.7976931348623157e+308, true, null], \"t\": \"é\\n\\u0001線\"}";
        let node = parse(source).expect("parses");
        assert_eq!(write(&node, None), source);
        assert_eq!(
            write(
                &parse("{\"b\": [], \"a\": [1, {}]}").expect("parses"),
                Some(2)
            ),
            "{\n  \"b\": [],\n  \"a\": [\n    1,\n    {}\n  ]\n}"
        );
        let twice = parse("{\"a\": 1, \"b\": 2, \"a\": 3}").expect("parses");
        assert_eq!(write(&twice, None), "{\"a\": 3, \"b\": 2}");
        assert_eq!(parse("\"\\ud83d\\ude00\""), Ok(Node::Text("😀".into())));
    }

    #[test]
    fn attack_broken_json_is_an_error() {
        let wrong = [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "\"\\ud800\"",
            "\"\\u00é\"",
            "1.",
            "-",
            "1 2",
            "nul",
            "\"a",
            "99999999999999999999",
            "\"\n\"",
            "\"\\",
        ];
        for source in wrong {
            assert!(parse(source).is_err(), "{source}");
        }
        assert!(parse(&"[".repeat(1_000_000)).is_err());
    }
}
