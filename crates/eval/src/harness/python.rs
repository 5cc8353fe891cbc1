//! How Python prints values and reads literals: prompts, targets and hashes are made of it.

use super::node::Node;

/// Deepest nesting that is read.
pub(super) const DEEPEST: usize = 64;

/// e^x.
///
/// The harness takes the platform's, so a fixed one would agree with it no better; nothing here is a bit
/// that a release promises.
#[expect(clippy::disallowed_methods, reason = "compared in printed digits only")]
pub(super) fn exp(x: f64) -> f64 {
    x.exp()
}

/// Natural logarithm, as [`exp`].
#[expect(clippy::disallowed_methods, reason = "compared in printed digits only")]
pub(super) fn ln(x: f64) -> f64 {
    x.ln()
}

/// `repr` of a float.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    // The shortest digits that read back as the same number, as in Python; only the layout differs.
    let shortest = format!("{value:e}");
    let (digits, exponent) = shortest.split_once('e').expect("has an exponent");
    let exponent: i32 = exponent.parse().expect("a small number");
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') {
        plain
    } else {
        plain + ".0"
    }
}

/// `str.isspace` of a character.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Whether `repr` leaves a character as it is.
fn is_printable(c: char) -> bool {
    let hidden = matches!(c,
        '\u{a0}' | '\u{ad}' | '\u{1680}' | '\u{180e}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
        | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..);
    !c.is_control() && !hidden
}

fn repr_text(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_printable(c) => out.push(c),
            c => {
                let code = c as u32;
                out.push_str(&match code {
                    0..=0xff => format!("\\x{code:02x}"),
                    0x100..=0xffff => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                });
            }
        }
    }
    out.push(quote);
}

fn repr_into(node: &Node, out: &mut String) {
    match node {
        Node::Null => out.push_str("None"),
        Node::Bool(value) => out.push_str(if *value { "True" } else { "False" }),
        Node::Int(value) => out.push_str(&value.to_string()),
        Node::Float(value) => out.push_str(&float(*value)),
        Node::Text(text) | Node::Function(text) => repr_text(text, out),
        Node::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                repr_into(item, out);
            }
            out.push(']');
        }
        Node::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                repr_text(key, out);
                out.push_str(": ");
                repr_into(value, out);
            }
            out.push('}');
        }
    }
}

/// `str` of a value.
pub(super) fn text_of(node: &Node) -> String {
    if let Node::Text(text) = node {
        return text.clone();
    }
    let mut out = String::new();
    repr_into(node, &mut out);
    out
}

/// `ast.literal_eval`: numbers, texts, lists, tuples (as lists), dicts with text keys, `True`, `False`, `None`.
///
/// # Errors
/// What stands where it should not.
pub(super) fn literal(source: &str) -> Result<Node, String> {
    let mut reader = Literal {
        rest: source.trim_matches([' ', '\t']),
    };
    let node = reader.value(0)?;
    reader.space();
    if reader.rest.is_empty() {
        Ok(node)
    } else {
        Err(reader.unexpected())
    }
}

struct Literal<'s> {
    rest: &'s str,
}

impl Literal<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, start: &str) -> bool {
        let rest = self.rest.strip_prefix(start);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn unexpected(&self) -> String {
        match self.rest.chars().next() {
            Some(c) => format!("{c:?} is no Python literal"),
            None => "a Python literal ends too early".to_owned(),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, String> {
        if depth > DEEPEST {
            return Err(format!("a Python literal is nested deeper than {DEEPEST}"));
        }
        self.space();
        match self.rest.chars().next() {
            Some('[') => self
                .items('[', ']', depth)
                .map(|(items, _)| Node::List(items)),
            Some('(') => {
                let (mut items, comma) = self.items('(', ')', depth)?;
                // Brackets around one value without a comma only group.
                Ok(match items.len() {
                    1 if !comma => items.remove(0),
                    _ => Node::List(items),
                })
            }
            Some('{') => self.dict(depth),
            Some('\'' | '"') => {
                let mut text = String::new();
                while self.rest.starts_with(['\'', '"']) {
                    self.quoted(&mut text)?;
                    self.space();
                }
                Ok(Node::Text(text))
            }
            _ if self.take("None") => Ok(Node::Null),
            _ if self.take("True") => Ok(Node::Bool(true)),
            _ if self.take("False") => Ok(Node::Bool(false)),
            _ => self.number(),
        }
    }

    fn items(
        &mut self,
        open: char,
        close: char,
        depth: usize,
    ) -> Result<(Vec<Node>, bool), String> {
        self.rest = &self.rest[open.len_utf8()..];
        let (mut items, mut comma) = (Vec::new(), false);
        loop {
            self.space();
            if self.rest.starts_with(close) {
                self.rest = &self.rest[close.len_utf8()..];
                return Ok((items, comma));
            }
            if !items.is_empty() && !comma {
                return Err(self.unexpected());
            }
            items.push(self.value(depth + 1)?);
            self.space();
            comma = self.take(",");
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Node, String> {
        self.rest = &self.rest[1..];
        let (mut node, mut comma) = (Node::Map(Vec::new()), true);
        loop {
            self.space();
            if self.take("}") {
                return Ok(node);
            }
            if !comma {
                return Err(self.unexpected());
            }
            let Node::Text(key) = self.value(depth + 1)? else {
                return Err("a key of a Python dict is no text".to_owned());
            };
            self.space();
            if !self.take(":") {
                return Err(self.unexpected());
            }
            node.set(&key, self.value(depth + 1)?);
            self.space();
            comma = self.take(",");
        }
    }

    fn quoted(&mut self, out: &mut String) -> Result<(), String> {
        let mut chars = self.rest.chars();
        let quote = chars.next();
        loop {
            match chars.next() {
                None | Some('\n') => return Err("a Python text does not end".to_owned()),
                Some('\\') => escape(&mut chars, out)?,
                c if c == quote => break,
                Some(c) => out.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(())
    }

    fn number(&mut self) -> Result<Node, String> {
        let numeric = |c: char| c.is_ascii_alphanumeric() || ".+-_".contains(c);
        let end = self.rest.find(|c| !numeric(c)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        let digits = number.trim_start_matches(['+', '-']);
        if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return Err(self.unexpected());
        }
        let whole = digits.bytes().all(|b| b.is_ascii_digit());
        // Python refuses leading zeros of integers, unless all are.
        let refused = || Err(format!("{number:?} is no Python number"));
        let node = if whole {
            if digits.starts_with('0') && digits.bytes().any(|b| b != b'0') {
                return refused();
            }
            number.parse().map(Node::Int).or_else(|_| refused())?
        } else {
            number.parse().map(Node::Float).or_else(|_| refused())?
        };
        self.rest = rest;
        Ok(node)
    }
}

fn escape(chars: &mut std::str::Chars, out: &mut String) -> Result<(), String> {
    let escaped = chars.next().ok_or("a Python text does not end")?;
    let digits = match escaped {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits > 0 {
        let code: String = chars.by_ref().take(digits).collect();
        let read = u32::from_str_radix(&code, 16).ok();
        let read = read
            .filter(|_| code.len() == digits)
            .and_then(char::from_u32);
        out.push(read.ok_or_else(|| format!("\\{escaped}{code} is no character"))?);
        return Ok(());
    }
    match escaped {
        'n' => out.push('\n'),
        't' => out.push('\t'),
        'r' => out.push('\r'),
        '\n' => {}
        '\\' | '\'' | '"' => out.push(escaped),
        other => return Err(format!("the escape \\{other} is not read")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_python_prints_them() {
        let printed = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e15, "1000000000000000.0"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (-2.5e-300, "-2.5e-300"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, text) in printed {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        let node = Node::List(vec![
            Node::Text("it's".into()),
            Node::Text("both ' and \"".into()),
            Node::Text("線\u{3000}\n\t\\\u{7f}\u{200b}\u{f0000}".into()),
            Node::Int(-3),
            Node::Float(2.5),
            Node::Null,
            Node::Bool(true),
            Node::Map(vec![("k".into(), Node::List(vec![]))]),
        ]);
        let text = text_of(&node);
        assert!(text.starts_with("[\"it's\", 'both \\' and \"', '線\\u3000\\n\\t\\\\\\x7f\\u200b\\U000f0000', -3, 2.5, None, True, {'k': []}]"), "{text}");
        assert_eq!(literal(&text).expect("reads"), node);
    }

    #[test]
    fn literals() {
        assert_eq!(literal("('a' 'b', )"), Ok(Node::List(vec!["ab".into()])));
        assert_eq!(literal("(3)"), Ok(Node::Int(3)));
        assert_eq!(literal(" -1.5e3"), Ok(Node::Float(-1500.0)));
        for wrong in [
            "",
            "[1",
            "[1 2]",
            "'a",
            "{1: 2}",
            "f(1)",
            "01",
            "[1], 2",
            "__import__('os')",
            "nan",
        ] {
            assert!(literal(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn attack_a_deep_literal_is_refused() {
        assert!(literal(&"[".repeat(100_000)).is_err());
        assert!(literal(&"(".repeat(100_000)).is_err());
    }
}
