//! Reads cards: the YAML at their top, and where their links lead.

use std::collections::BTreeSet;

use serde_norway::Value;

use crate::error::{Error, Result};
use crate::inventory::{Card, FrontMatter};

/// Longest card that is read.
pub(crate) const MOST: u64 = 1 << 20;
/// Longest front matter.
const MOST_FRONT: usize = 64 << 10;
/// Entries of a list, and characters of an entry.
const MOST_ENTRIES: usize = 1000;
const MOST_TEXT: usize = 1000;
/// Links of a card.
const MOST_LINKS: usize = 2000;

/// Reads a card. A front matter that is none is an error beside the card: its text is kept.
pub(crate) fn parse(path: &str, bytes: &[u8]) -> (Card, Option<Error>) {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let (front, body) = split(&text);
    let (front_matter, problem) = match front.map(|front| front_matter(front, path)) {
        None => (FrontMatter::default(), None),
        Some(Ok(front)) => (front, None),
        Some(Err(error)) => (FrontMatter::default(), Some(error)),
    };
    let card = Card {
        path: path.into(),
        front_matter,
        text: body.to_owned(),
        links: links(body),
    };
    (card, problem)
}

/// The YAML between two lines `---`, and the rest.
fn split(text: &str) -> (Option<&str>, &str) {
    let Some(rest) = text.strip_prefix("---\n") else {
        return (None, text);
    };
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return (Some(&rest[..at]), &rest[at + line.len()..]);
        }
        at += line.len();
    }
    (None, text)
}

fn front_matter(yaml: &str, path: &str) -> Result<FrontMatter> {
    let fail = |problem: String| Error::Content {
        path: path.into(),
        problem,
    };
    if yaml.len() > MOST_FRONT {
        return Err(fail(format!(
            "has a front matter of {} bytes; at most {MOST_FRONT} are read",
            yaml.len()
        )));
    }
    let value: Value = serde_norway::from_str(yaml)
        .map_err(|error| fail(format!("its front matter is no YAML: {error}")))?;
    let all = |key: &str| match value.get(key) {
        Some(Value::Sequence(items)) => items.iter().filter_map(text).take(MOST_ENTRIES).collect(),
        Some(one) => text(one).into_iter().collect(),
        None => Vec::new(),
    };
    let one = |key: &str| value.get(key).and_then(text);
    Ok(FrontMatter {
        license: all("license"),
        license_name: one("license_name"),
        license_link: one("license_link"),
        datasets: all("datasets"),
        base_model: all("base_model"),
        language: all("language"),
        tags: all("tags"),
        gate: gate(&value),
    })
}

/// The words of a gate: every text below a key `extra_gated_…`, names of fields and their options among them.
fn gate(front: &Value) -> String {
    let mut words = Vec::new();
    let keys = front.as_mapping().into_iter().flatten();
    for (key, value) in keys {
        let Some(name) = key.as_str().and_then(|key| key.strip_prefix(GATE)) else {
            continue;
        };
        // A key that is a condition of its own.
        if name == "eu_disallowed" {
            if value.as_bool() == Some(true) {
                words.push("Not available in the EU.".to_owned());
            }
        } else {
            gather(value, &mut words);
        }
    }
    // Aliases repeat texts: no more of them than a front matter holds.
    let mut left = MOST_FRONT;
    words.retain(|word| {
        let fits = word.len() < left;
        left = left.saturating_sub(word.len() + 1);
        fits
    });
    words.join("\n")
}

/// How keys of a gate begin.
const GATE: &str = "extra_gated_";
/// Texts of a gate.
const MOST_WORDS: usize = 2000;
/// Kinds of fields: they say nothing to a reader.
const FIELDS: [&str; 6] = [
    "text",
    "checkbox",
    "select",
    "date_picker",
    "country",
    "ip_location",
];

/// All texts of a value, in its order.
fn gather(value: &Value, into: &mut Vec<String>) {
    if into.len() >= MOST_WORDS {
        return;
    }
    match value {
        Value::String(text) => {
            let text = text.trim();
            if !text.is_empty() && !FIELDS.contains(&text) {
                into.push(text.to_owned());
            }
        }
        Value::Sequence(items) => items.iter().for_each(|item| gather(item, into)),
        Value::Mapping(fields) => {
            for (key, value) in fields {
                // `type: select`, `options:` and `label:` structure a field.
                let structures =
                    matches!(key.as_str(), Some("type" | "options" | "label" | "value"));
                if !structures {
                    gather(key, into);
                }
                gather(value, into);
            }
        }
        _ => {}
    }
}

/// A scalar as a person would read it.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        _ => return None,
    };
    let text: String = text.chars().take(MOST_TEXT).collect();
    (!text.is_empty()).then_some(text)
}

/// Targets of links and pictures, in Markdown and HTML, and bare addresses; none of code.
fn links(text: &str) -> Vec<String> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|m| start.starts_with(m));
        match (fence, mark) {
            (None, Some(mark)) => {
                fence = Some(mark);
                continue;
            }
            (Some(open), Some(mark)) if open == mark => {
                fence = None;
                continue;
            }
            (Some(_), _) => continue,
            (None, None) => {}
        }
        for link in of_line(&without_code(line)) {
            if found.len() < MOST_LINKS && seen.insert(link.clone()) {
                found.push(link);
            }
        }
    }
    found
}

/// A line without what stands between backticks.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    // A last backtick without a partner opens nothing.
    let closed = parts.len() - parts.len().is_multiple_of(2) as usize;
    let text = |(i, part): (usize, &&str)| {
        if i % 2 == 0 || i >= closed {
            (*part).to_owned()
        } else {
            " ".to_owned()
        }
    };
    parts.iter().enumerate().map(text).collect()
}

/// Longest target of a link; addresses of more than 2,000 characters open in few browsers.
const LONGEST_TARGET: usize = 2048;

fn of_line(line: &str) -> Vec<String> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut add = |at: usize, target: &str| {
        let target = target.trim();
        if !target.is_empty() && target.len() <= MOST_TEXT && !target.contains(char::is_control) {
            found.push((at, target.to_owned()));
        }
    };
    // [text](target "title"), and `[name]: target` at the beginning of a line.
    for (at, _) in line.match_indices("](") {
        let rest = near(&line[at + 2..]);
        let target = match rest.strip_prefix('<') {
            Some(inner) => inner.split('>').next(),
            None => balanced(rest).split_whitespace().next(),
        };
        add(at, target.unwrap_or_default());
    }
    if line.starts_with('[')
        && let Some((name, target)) = line.split_once("]: ")
        && !name.contains("](")
    {
        let target = target.split_whitespace().next().unwrap_or_default();
        add(0, target.trim_matches(['<', '>']));
    }
    for attribute in ["href=", "src="] {
        for (at, _) in line.match_indices(attribute) {
            let rest = near(&line[at + attribute.len()..]);
            if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
                add(at, rest[1..].split(quote).next().unwrap_or_default());
            }
        }
    }
    for scheme in ["https://", "http://"] {
        for (at, _) in line.match_indices(scheme) {
            let before = line[..at].chars().next_back();
            // Those of the forms above were taken already.
            if matches!(before, Some('(' | '"' | '\'' | '=')) && line[..at].ends_with(['"', '\''])
                || line[..at].ends_with("](")
                || line[..at].ends_with("](<")
            {
                continue;
            }
            let stops = |c: char| c.is_whitespace() || "<>\"'|)]}*".contains(c);
            let target = near(&line[at..]).split(stops).next().unwrap_or_default();
            if target.len() > scheme.len() {
                add(at, target.trim_end_matches(['.', ',', ';', ':', '!', '?']));
            }
        }
    }
    found.sort();
    found.into_iter().map(|(_, target)| target).collect()
}

/// The beginning of a text, long enough for any address: a line may be a megabyte of nothing but openings.
fn near(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_TARGET);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// What comes before the bracket that closes; brackets may stand within.
fn balanced(text: &str) -> &str {
    let mut open = 1;
    for (at, c) in text.char_indices() {
        open += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if open == 0 {
            return &text[..at];
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_a_line_of_nothing_but_openings() {
        for piece in ["](", "https://", "](<", "href=\"", "[x](y"] {
            let line = piece.repeat(1_000_000 / piece.len());
            // Minutes, if every opening were followed to the end of the line.
            of_line(&line);
        }
        assert_eq!(near(&"あ".repeat(4000)).len(), 2046);
    }

    #[test]
    fn what_a_gate_asks_to_agree_to_is_read() {
        let text = "---\nlicense: mit\nextra_gated_heading: Ask\nextra_gated_prompt: >-\n  For research only.\nextra_gated_fields:\n  \
            Name: text\n  I will use it for research only: checkbox\n---\n";
        let (card, problem) = parse("README.md", text.as_bytes());
        assert!(problem.is_none());
        assert_eq!(
            card.front_matter.gate,
            "Ask\nFor research only.\nName\nI will use it for research only"
        );
        for (front, gate) in [
            ("extra_gated_fields: 3", ""),
            ("extra_gated_fields: [a]", "a"),
            (
                "extra_gated_description: For research only.",
                "For research only.",
            ),
            ("extra_gated_button_content: I agree", "I agree"),
            (
                "extra_gated_fields: {Use: {type: select, options: [Research only, {label: Other, value: other}]}}",
                "Use\nResearch only\nOther\nother",
            ),
            (
                "extra_gated_eu_disallowed: true",
                "Not available in the EU.",
            ),
            ("extra_gated_eu_disallowed: false", ""),
        ] {
            let (card, _) = parse("README.md", format!("---\n{front}\n---\n").as_bytes());
            assert_eq!(card.front_matter.gate, gate, "{front}");
        }
        let long = format!(
            "a: &a {}\nextra_gated_x: [{}]",
            "x".repeat(40_000),
            "*a, ".repeat(100)
        );
        let (card, _) = parse("README.md", format!("---\n{long}\n---\n").as_bytes());
        assert!(card.front_matter.gate.len() <= MOST_FRONT);
    }

    #[test]
    fn front_matter_and_links_are_read() {
        let text = "---\r\nlicense: apache-2.0\r\nlanguage:\r\n- en\r\n- no\r\ndatasets: a/b\r\nbase_model: [c/d]\r\ntags: [1, true, {x: y}]\r\n---\r\n# Title\r\n\
            See [paper](https://arxiv.org/abs/1 \"title\"), [card](docs/card.md) and ![](a_(b).png).\r\n\
            <img src=\"loss.svg\"> https://example.org/x. `https://example.org/code`\r\n\
            ```\r\n[no](link)\r\n```\r\n[1]: <no>\r\n[2]: notes.md\r\n[again](docs/card.md)\r\n";
        let (card, problem) = parse("README.md", text.as_bytes());
        assert!(problem.is_none());
        let front = &card.front_matter;
        assert_eq!(front.license, ["apache-2.0"]);
        assert_eq!(front.language, ["en", "no"]);
        assert_eq!(front.datasets, ["a/b"]);
        assert_eq!(front.base_model, ["c/d"]);
        assert_eq!(front.tags, ["1", "true"]);
        assert!(card.text.starts_with("# Title"));
        assert_eq!(
            card.links,
            [
                "https://arxiv.org/abs/1",
                "docs/card.md",
                "a_(b).png",
                "loss.svg",
                "https://example.org/x",
                "no",
                "notes.md"
            ]
        );
    }

    #[test]
    fn a_card_without_front_matter_is_all_text() {
        for text in ["# A\n", "---\nlicense: mit\n", "", "---"] {
            let (card, problem) = parse("x.md", text.as_bytes());
            assert_eq!((card.text.as_str(), problem.is_none()), (text, true));
        }
    }

    #[test]
    fn attack_front_matter() {
        let laughs: String = (1..40)
            .map(|i| format!("a{i}: &a{i} [*a{}, *a{0}, *a{0}, *a{0}, *a{0}]\n", i - 1))
            .collect();
        for yaml in [
            format!("a0: &a0 [x, x, x, x]\n{laughs}"),
            "[".repeat(60_000),
            "x".repeat(MOST_FRONT + 1),
            "license: [mit\n".into(),
            "license: *nothing\n".into(),
        ] {
            let (card, problem) = parse("x.md", format!("---\n{yaml}\n---\ntext\n").as_bytes());
            assert!(problem.is_some(), "{}", &yaml[..40.min(yaml.len())]);
            assert_eq!(card.text, "text\n");
        }
        let (card, _) = parse("x.md", b"\xff\xfe](x)](\x00)](((((");
        assert!(card.links.len() <= 2);
    }
}
