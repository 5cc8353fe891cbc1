//! Prompts as Jinja2 renders them for the harness: undefined names are errors, the last line break stays,
//! values print as in Python, and its texts and lists have their methods.

use super::node::Node;
use super::python::{is_space, text_of};
use fancy_regex::Regex;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};

/// Longest text that a template may make.
const LONGEST: usize = 64 << 20;
/// Steps that rendering one document may take, as `minijinja` counts them: a fraction of a second, and 256 MiB.
const FUEL: u64 = 4 << 20;
/// Bytes that one step of our own methods goes through.
const BYTES_A_STEP: usize = 64;

/// Renders templates.
#[derive(Debug)]
pub(super) struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    /// Settings of the harness.
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut syntax = SyntaxConfig::builder();
        syntax.keep_trailing_newline(true);
        environment.set_syntax(syntax.build().expect("the usual delimiters"));
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(format);
        environment.set_unknown_method_callback(method);
        environment.add_filter("regex_replace", regex_replace);
        Self { environment }
    }

    /// `source` with the fields of `document`.
    ///
    /// # Errors
    /// A template that cannot be read, or asks for what is not there.
    pub(super) fn render(&self, source: &str, document: &Node) -> Result<String, String> {
        // Most templates are plain names of nothing; Jinja2 would give them back as well.
        let source = source.replace("\r\n", "\n").replace('\r', "\n");
        let template = self.environment.template_from_str(&source);
        let rendered = template.and_then(|template| template.render(value(document)));
        let rendered = rendered.map_err(|error| match error.kind() {
            ErrorKind::OutOfFuel => format!(
                "template {}: takes more than {FUEL} steps for one document",
                beginning(&source)
            ),
            _ => format!("template {}: {error}", beginning(&source)),
        })?;
        if rendered.len() > LONGEST {
            return Err(format!(
                "template {} makes {} bytes",
                beginning(&source),
                rendered.len()
            ));
        }
        Ok(rendered)
    }
}

/// So much of a template as an error shows.
fn beginning(source: &str) -> String {
    const SHOWN: usize = 500;
    let shown: String = source.chars().take(SHOWN).collect();
    match shown.len() < source.len() {
        true => format!("{shown:?} …"),
        false => format!("{shown:?}"),
    }
}

fn value(node: &Node) -> Value {
    match node {
        Node::Null => Value::from(()),
        Node::Bool(value) => Value::from(*value),
        Node::Int(value) => Value::from(*value),
        Node::Float(value) => Value::from(*value),
        Node::Text(text) | Node::Function(text) => Value::from(text.as_str()),
        Node::List(items) => items.iter().map(value).collect(),
        Node::Map(entries) => Value::from_pairs(
            entries
                .iter()
                .map(|(key, item)| (key.as_str(), value(item))),
        ),
    }
}

fn node(value: &Value) -> Result<Node, Error> {
    Ok(match value.kind() {
        ValueKind::None => Node::Null,
        ValueKind::Bool => Node::Bool(value.is_true()),
        ValueKind::Number => match value.as_i64() {
            Some(whole) if value.is_integer() => Node::Int(whole),
            _ => Node::Float(f64::try_from(value.clone())?),
        },
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter()?.checked();
            Node::List(
                items
                    .map(|item| node(&item?))
                    .collect::<Result<_, Error>>()?,
            )
        }
        ValueKind::Map => {
            let mut entries = Vec::new();
            for key in value.try_iter()?.checked() {
                let key = key?;
                entries.push((key.to_string(), node(&value.get_item(&key)?)?));
            }
            Node::Map(entries)
        }
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        _ => Node::Text(value.to_string()),
    })
}

fn format(out: &mut Output, _state: &mut State, value: &Value) -> Result<(), Error> {
    let text = match value.as_str() {
        Some(text) => out.write_str(text),
        None => out.write_str(&text_of(&node(value)?)),
    };
    text.map_err(|_| Error::new(ErrorKind::WriteFailure, "the text could not be written"))
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, what.into())
}

fn regex_replace(
    state: &State,
    text: &str,
    pattern: &str,
    replacement: &str,
    count: Option<usize>,
) -> Result<String, Error> {
    state.consume_fuel(1 + (text.len() / BYTES_A_STEP) as u64)?;
    replace(text, pattern, replacement, count.unwrap_or(0)).map_err(wrong)
}

/// `re.sub(pattern, replacement, text, count)`, with group numbers in the replacement.
pub(super) fn replace(
    text: &str,
    pattern: &str,
    replacement: &str,
    count: usize,
) -> Result<String, String> {
    let regex = regex(pattern)?;
    let mut out = String::new();
    let mut last = 0;
    let most = if count == 0 { usize::MAX } else { count };
    for found in regex.captures_iter(text).take(most) {
        let found = found.map_err(|error| format!("{pattern:?}: {error}"))?;
        let Some(whole) = found.get(0) else { continue };
        out.push_str(&text[last..whole.start()]);
        let mut chars = replacement.chars();
        while let Some(c) = chars.next() {
            match (c, chars.as_str().chars().next()) {
                ('\\', Some(digit)) if digit.is_ascii_digit() => {
                    chars.next();
                    let group = digit.to_digit(10).map_or(0, |digit| digit as usize);
                    out.push_str(found.get(group).map_or("", |group| group.as_str()));
                }
                ('\\', Some('n')) => {
                    chars.next();
                    out.push('\n');
                }
                ('\\', Some('\\')) => {
                    chars.next();
                    out.push('\\');
                }
                _ => out.push(c),
            }
        }
        last = whole.end();
        if out.len() > LONGEST {
            return Err(format!("{pattern:?}: makes too long a text"));
        }
    }
    out.push_str(&text[last..]);
    Ok(out)
}

/// Compiles a pattern of Python's `re`. Where the two languages differ, `\Z` and `(?P=name)`, it is an error.
pub(super) fn regex(pattern: &str) -> Result<Regex, String> {
    let built = fancy_regex::RegexBuilder::new(pattern)
        .backtrack_limit(1 << 20)
        .delegate_size_limit(16 << 20)
        .build();
    built.map_err(|error| format!("{pattern:?}: {error}"))
}

fn method(state: &mut State, value: &Value, name: &str, given: &[Value]) -> Result<Value, Error> {
    let length = value.as_str().map(str::len).or_else(|| value.len());
    state.consume_fuel(1 + (length.unwrap_or(0) / BYTES_A_STEP) as u64)?;
    match value.kind() {
        ValueKind::String => text_method(value.as_str().unwrap_or_default(), name, given),
        ValueKind::Seq | ValueKind::Iterable => list_method(value, name, given),
        ValueKind::Map => map_method(value, name, given),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// Positional arguments as texts.
fn texts<const N: usize>(given: &[Value]) -> Result<[Option<&str>; N], Error> {
    if given.len() > N {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let mut found = [None; N];
    for (place, value) in found.iter_mut().zip(given) {
        if value.kind() != ValueKind::None {
            let text = value.as_str();
            *place = Some(text.ok_or_else(|| wrong("a method of a text takes texts here"))?);
        }
    }
    Ok(found)
}

fn needed(text: Option<&str>) -> Result<&str, Error> {
    text.ok_or_else(|| Error::from(ErrorKind::MissingArgument))
}

fn first(given: &[Value]) -> Result<&Value, Error> {
    let first = given.first();
    first.ok_or_else(|| Error::from(ErrorKind::MissingArgument))
}

/// Characters before a byte, as Python counts.
fn place(text: &str, byte: Option<usize>) -> Option<i64> {
    byte.map(|byte| text[..byte].chars().count() as i64)
}

fn trimmed<'t>(text: &'t str, set: Option<&str>, (start, end): (bool, bool)) -> &'t str {
    let inside = |c: char| set.map_or_else(|| is_space(c), |set| set.contains(c));
    let text = if start {
        text.trim_start_matches(inside)
    } else {
        text
    };
    if end {
        text.trim_end_matches(inside)
    } else {
        text
    }
}

/// `str.capitalize`.
pub(super) fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + &chars.as_str().to_lowercase()
}

fn text_method(text: &str, name: &str, given: &[Value]) -> Result<Value, Error> {
    let answer = match name {
        "strip" | "lstrip" | "rstrip" => {
            let [set] = texts(given)?;
            Value::from(trimmed(text, set, (name != "rstrip", name != "lstrip")))
        }
        "lower" => Value::from(text.to_lowercase()),
        "upper" => Value::from(text.to_uppercase()),
        "capitalize" => Value::from(capitalize(text)),
        "split" | "rsplit" => split(text, name, given)?,
        "splitlines" => text.lines().map(Value::from).collect(),
        "replace" => {
            let (given, count) = given.split_at(given.len().min(2));
            let [old, new] = texts(given)?;
            let (old, new) = (needed(old)?, needed(new)?);
            if text.len().saturating_mul(new.len().max(1)) > LONGEST {
                return Err(wrong("replace makes too long a text"));
            }
            Value::from(match count.first().and_then(Value::as_usize) {
                Some(count) => text.replacen(old, new, count),
                None => text.replace(old, new),
            })
        }
        "startswith" | "endswith" => {
            let first = first(given)?;
            let options: Vec<Value> = match first.as_str() {
                Some(_) => vec![first.clone()],
                None => first.try_iter()?.collect(),
            };
            let fits = |option: &Value| match (option.as_str(), name) {
                (Some(option), "startswith") => text.starts_with(option),
                (Some(option), _) => text.ends_with(option),
                (None, _) => false,
            };
            Value::from(options.iter().any(fits))
        }
        "find" | "rfind" | "index" => {
            let [part] = texts(given)?;
            let part = needed(part)?;
            let byte = if name == "rfind" {
                text.rfind(part)
            } else {
                text.find(part)
            };
            match place(text, byte) {
                Some(place) => Value::from(place),
                None if name == "index" => return Err(wrong("substring not found")),
                None => Value::from(-1),
            }
        }
        "count" => {
            let [part] = texts(given)?;
            Value::from(text.matches(needed(part)?).count())
        }
        "join" => {
            let first = first(given)?;
            let mut joined = String::new();
            for (index, item) in first.try_iter()?.checked().enumerate() {
                let item = item?;
                joined.push_str(if index > 0 { text } else { "" });
                joined.push_str(item.as_str().ok_or_else(|| wrong("join takes texts"))?);
                if joined.len() > LONGEST {
                    return Err(wrong("join makes too long a text"));
                }
            }
            Value::from(joined)
        }
        "isdigit" | "isnumeric" => {
            Value::from(!text.is_empty() && text.chars().all(char::is_numeric))
        }
        "isalpha" => Value::from(!text.is_empty() && text.chars().all(char::is_alphabetic)),
        "isupper" => Value::from(
            text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase),
        ),
        "islower" => Value::from(
            text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase),
        ),
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    };
    Ok(answer)
}

fn split(text: &str, name: &str, given: &[Value]) -> Result<Value, Error> {
    let (positional, named): (&[Value], Kwargs) =
        minijinja::value::from_args::<(Rest<Value>, Kwargs)>(given)
            .map(|(rest, named)| (&given[..rest.len()], named))?;
    let (separators, most) = positional.split_at(positional.len().min(1));
    let [separator] = texts(separators)?;
    let most = match most.first() {
        Some(most) => most.as_i64(),
        None => named.get::<Option<i64>>("maxsplit")?,
    };
    named.assert_all_used()?;
    let most = most.and_then(|most| usize::try_from(most).ok());
    let pieces = most.map_or(usize::MAX, |most| most.saturating_add(1));
    let mut parts: Vec<&str> = match (separator, name) {
        (Some(""), _) => return Err(wrong("empty separator")),
        (Some(separator), "split") => text.splitn(pieces, separator).collect(),
        (Some(separator), _) => text.rsplitn(pieces, separator).collect(),
        (None, "rsplit") if most.is_some() => {
            return Err(wrong("rsplit at white space takes no limit here"));
        }
        (None, _) => {
            let mut parts = Vec::new();
            let mut rest = trimmed(text, None, (true, false));
            while !rest.is_empty() {
                if parts.len() + 1 == pieces {
                    parts.push(rest);
                    break;
                }
                let end = rest.find(is_space).unwrap_or(rest.len());
                parts.push(&rest[..end]);
                rest = trimmed(&rest[end..], None, (true, false));
            }
            parts
        }
    };
    if name == "rsplit" && separator.is_some() {
        parts.reverse();
    }
    Ok(parts.into_iter().map(Value::from).collect())
}

fn list_method(value: &Value, name: &str, given: &[Value]) -> Result<Value, Error> {
    let [wanted] = given else {
        return Err(Error::from(ErrorKind::UnknownMethod));
    };
    let mut items = value.try_iter()?;
    match name {
        "index" => match items.position(|item| item == *wanted) {
            Some(place) => Ok(Value::from(place)),
            None => Err(wrong(format!("{wanted} is not in the list"))),
        },
        "count" => Ok(Value::from(items.filter(|item| item == wanted).count())),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn map_method(value: &Value, name: &str, given: &[Value]) -> Result<Value, Error> {
    let keys: Vec<Value> = value.try_iter()?.collect();
    let item = |key: &Value| value.get_item(key);
    match (name, given) {
        ("keys", []) => Ok(keys.into_iter().collect()),
        ("values", []) => Ok(keys
            .iter()
            .map(item)
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .collect()),
        ("items", []) => {
            let pair = |key: &Value| Ok([key.clone(), item(key)?].into_iter().collect());
            Ok(keys
                .iter()
                .map(pair)
                .collect::<Result<Vec<Value>, Error>>()?
                .into_iter()
                .collect())
        }
        ("get", [key]) if !keys.contains(key) => Ok(Value::from(())),
        ("get", [key, otherwise]) if !keys.contains(key) => Ok(otherwise.clone()),
        ("get", [key] | [key, _]) => item(key),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::json::parse;

    fn render(source: &str) -> Result<String, String> {
        let document = r#"{"q": " Who? ", "label": 2, "flag": true, "none": null, "x": 1.0, "letter": "B",
            "choices": {"text": ["a'b", "c"], "label": ["A", "B"]}, "text": "the cat sat", "opts": ["no", "yes"]}"#;
        Templates::new().render(source, &parse(document).expect("parses"))
    }

    #[test]
    fn values_print_as_in_python() {
        let cases = [
            ("{{q.strip()}}\n", "Who?\n"),
            ("{{choices.text}}", "[\"a'b\", 'c']"),
            ("{{flag}} {{none}} {{x}} {{label}}", "True None 1.0 2"),
            ("{{choices.label.index(letter)}}", "1"),
            ("{{[q, letter]}}", "[' Who? ', 'B']"),
            (
                "{{text.split(' ')[:-1]|join(' ')}}|{{' '+text.split(' ')[-1]}}",
                "the cat| sat",
            ),
            (
                "{{text.split()[0]}} {{text.rsplit(' ', 1)[0]}} {{text.split(' ', maxsplit=1)}}",
                "the the cat ['the', 'cat sat']",
            ),
            ("{{ (label|int) - 1 }}", "1"),
            (
                "{% for o in opts %}- {{ o }}\n{% endfor %}.",
                "- no\n- yes\n.",
            ),
            (
                "{{text|regex_replace('(c)(.)', '\\\\2\\\\1')}}",
                "the act sat",
            ),
            (
                "{{choices}}",
                "{'text': [\"a'b\", 'c'], 'label': ['A', 'B']}",
            ),
            (
                "{% set p = 'A' %}{{p + '\n\nQ: ' + text}}",
                "A\n\nQ: the cat sat",
            ),
            ("plain é", "plain é"),
        ];
        for (source, expected) in cases {
            assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for source in [
            "{{missing}}",
            "{{choices.missing}}",
            "{{opts.index('perhaps')}}",
            "{% if missing %}{% endif %}",
            "{{",
            "{{q.unknown()}}",
        ] {
            assert!(render(source).is_err(), "{source}");
        }
    }

    #[test]
    fn attack_a_loop_that_never_ends_is_an_error() {
        let nested = |depth: usize| {
            let open: String = (0..depth)
                .map(|i| format!("{{% for v{i} in range(1000) %}}"))
                .collect();
            format!("{open}x{}", "{% endfor %}".repeat(depth))
        };
        // 10⁹ steps; text that doubles; a macro that calls itself.
        for source in [
            nested(3),
            "{% set ns = namespace(t='x') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}".to_owned(),
            "{{ 'x' * 1000000000 }}".to_owned(),
            "{% for i in range(100000) %}{{ text.replace('e', text) }}{{ text.split() }}{% for j in range(99) %}{{ text.upper() }}{% endfor %}{% endfor %}".to_owned(),
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        ] {
            let error = render(&source).expect_err("is bounded");
            assert!(error.starts_with("template "), "{error}");
        }
        let steps = render(&nested(3)).expect_err("is bounded");
        assert!(steps.contains("steps for one document"), "{steps}");
        assert!(render(&nested(1)).is_ok());
    }

    #[test]
    fn attack_a_text_that_swells_is_an_error() {
        let long = "x".repeat(1 << 20);
        assert!(replace(&long, "x", &long, 0).is_err());
        let joined = "{% set s = 'x' * 100000 %}{{ s.join(s) }}";
        assert!(render(joined).is_err());
    }

    #[test]
    fn attack_no_template_leaves_its_document() {
        for source in [
            "{% include '/etc/passwd' %}",
            "{{ ''.__class__.__mro__ }}",
            "{% import 'os' as os %}",
        ] {
            assert!(render(source).is_err(), "{source}");
        }
    }
}
