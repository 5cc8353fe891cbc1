//! Files for people who do not read JSON: the obligations sheet and the questions, as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::conflicts::{Conflict, State};
use crate::questions::{Answer, Questions, answer};
use crate::reading::{Origin, Reading, shown};
use crate::sheet::{IntendedUse, Row, sheet};
use crate::words::{Words, words};

/// The language of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Japanese.
    Japanese,
    /// English.
    English,
}

impl Language {
    fn of(self, words: &Words) -> &str {
        match self {
            Self::Japanese => &words.ja,
            Self::English => &words.en,
        }
    }

    fn say(self, section: &str, key: &str) -> String {
        self.of(&words(section, key)).to_owned()
    }

    fn paper(self, key: &str) -> String {
        self.say("paper", key)
    }
}

/// Whose licence is spoken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The model itself.
    Model,
    /// Data that it was trained on.
    Source(String),
    /// A model that it descends from.
    Base(String),
}

impl Subject {
    fn shown(&self, language: Language) -> String {
        match self {
            Self::Model => language.paper("model"),
            Self::Source(name) => format!("{} {}", language.paper("source"), code(name)),
            Self::Base(name) => format!("{} {}", language.paper("base"), code(name)),
        }
    }
}

/// The obligations sheet: what is not known first, then conflicts, then every obligation with its clause, whether that
/// clause was looked up, and where the licence is stated.
#[must_use]
pub fn obligations(
    title: &str,
    subjects: &[(Subject, Reading)],
    conflicts: &[Conflict],
    intended: &IntendedUse,
    language: Language,
) -> String {
    let say = |key: &str| language.paper(key);
    let mut text = format!(
        "# {}: {}\n\n{}\n\n",
        say("title"),
        code(title),
        say("caveat")
    );
    let _ = writeln!(text, "{}", assumed(intended, language));
    unknown(subjects, conflicts, language, &mut text);
    let _ = write!(text, "\n## {}\n\n", say("conflicts"));
    let beside: Vec<&Conflict> = conflicts
        .iter()
        .filter(|conflict| conflict.rule != "licence-unknown")
        .collect();
    if beside.is_empty() {
        let _ = writeln!(text, "{}", say("no-conflicts"));
    } else {
        heads(&["state", "why", "parties"], language, &mut text);
        for conflict in beside {
            one_conflict(conflict, language, &mut text);
        }
    }
    let _ = write!(
        text,
        "\n## {}\n\n{}\n\n",
        say("obligations"),
        say("clauses")
    );
    heads(
        &[
            "licence",
            "subject",
            "obligation",
            "when",
            "applies",
            "owes",
            "clause",
            "looked-up",
            "stated",
        ],
        language,
        &mut text,
    );
    for (subject, reading) in subjects {
        for row in rows(subject, reading, intended) {
            one_row(subject, &row, language, &mut text);
        }
    }
    text
}

fn assumed(intended: &IntendedUse, language: Language) -> String {
    let uses = [
        ("use-commercial", intended.commercial),
        ("use-modify", intended.modify),
        ("use-distribute", intended.distribute),
        ("use-serve", intended.serve),
        ("use-train", intended.train_others),
    ];
    let named = |wanted: bool| {
        let uses: Vec<String> = uses
            .iter()
            .filter(|(_, meant)| *meant == wanted)
            .map(|(key, _)| language.paper(key))
            .collect();
        uses.join(&language.paper("comma"))
    };
    let users = intended.users.map_or_else(
        || language.paper("users-unknown"),
        |users| format!("{}: {users}", language.paper("users")),
    );
    format!(
        "{}: {}\n\n{}: {}\n\n{users}",
        language.paper("assumed"),
        named(true),
        language.paper("not-assumed"),
        named(false)
    )
}

fn unknown(
    subjects: &[(Subject, Reading)],
    conflicts: &[Conflict],
    language: Language,
    text: &mut String,
) {
    let say = |key: &str| language.paper(key);
    let _ = write!(text, "\n## {}\n\n", say("unknown"));
    let open: Vec<&(Subject, Reading)> = subjects
        .iter()
        .filter(|(_, reading)| !reading.is_known())
        .collect();
    let nobody = subjects.is_empty();
    // Sentences of cards that close a use: whether they hold is not known.
    let sentences: Vec<&Origin> = conflicts
        .iter()
        .filter(|conflict| conflict.rule == "prose-restricts")
        .filter_map(|conflict| conflict.parties.last()?.origin.as_ref())
        .collect();
    if open.is_empty() && sentences.is_empty() && !nobody {
        let _ = writeln!(text, "{}", say("nothing-unknown"));
        return;
    }
    let _ = write!(text, "**{}**\n\n", say("unknown-is-no"));
    if nobody {
        let _ = writeln!(text, "- {}: {}", say("model"), say("nobody-says"));
    }
    for (subject, reading) in open {
        let stated = if reading.origin.text.is_empty() {
            say("nobody-says")
        } else {
            let read: Vec<String> = reading.unknown.iter().map(|one| code(one)).collect();
            format!("{} ({})", read.join(", "), place(&reading.origin, language))
        };
        let _ = writeln!(text, "- {}: {stated}", subject.shown(language));
    }
    for sentence in sentences {
        let _ = writeln!(
            text,
            "- {}: {}",
            language.say("who", "card text"),
            place(sentence, language)
        );
    }
}

fn rows(subject: &Subject, reading: &Reading, intended: &IntendedUse) -> Vec<Row> {
    match subject {
        Subject::Source(name) => {
            // The sheet begins with the model's rows: one without any.
            let mut none = Reading::unknown(Origin::new("", "", ""));
            none.unknown.clear();
            sheet(&none, &[(name.clone(), reading.clone())], intended).rows
        }
        Subject::Model | Subject::Base(_) => sheet(reading, &[], intended).rows,
    }
}

fn one_row(subject: &Subject, row: &Row, language: Language, text: &mut String) {
    let say = |key: &str| language.paper(key);
    let duty = match &row.detail {
        Some(detail) => format!("{}: {}", language.of(&row.text), code(detail)),
        None => language.of(&row.text).to_owned(),
    };
    let looked_up = match (row.clause.is_empty(), row.verified) {
        (true, _) => String::new(),
        (false, true) => say("yes"),
        (false, false) => format!("**{}**", say("not-looked-up")),
    };
    let licence = if row.licence.is_empty() {
        say("unknown-licence")
    } else {
        code(&row.licence)
    };
    let cells = [
        licence,
        subject.shown(language),
        duty,
        language.of(&row.trigger).to_owned(),
        say(if row.applies { "yes" } else { "no" }),
        language.say("owes", row.owes),
        plain(&row.clause),
        looked_up,
        place(&row.origin, language),
    ];
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn one_conflict(conflict: &Conflict, language: Language, text: &mut String) {
    let state = match conflict.state {
        State::Fine => "fine",
        State::OpenQuestion => "open-question",
        State::Unknown => "unknown",
        State::Contradiction => "contradiction",
    };
    let parties: Vec<String> = conflict
        .parties
        .iter()
        .map(|party| {
            let mut one = who(&party.who, language);
            if !party.licence.is_empty() {
                let _ = write!(one, ": {}", code(&party.licence));
            }
            for clause in &party.clauses {
                let _ = write!(one, "; {}", plain(clause));
            }
            if let Some(origin) = &party.origin {
                let _ = write!(one, " ({})", place(origin, language));
            }
            one
        })
        .collect();
    let _ = writeln!(
        text,
        "| {} | {} | {} |",
        language.say("state", state),
        language.of(&conflict.text),
        parties.join("<br>")
    );
}

/// A party in the reader's language: `model`, `source NAME`.
fn who(party: &str, language: Language) -> String {
    for kind in ["base model", "source"] {
        if let Some(name) = party.strip_prefix(kind).filter(|name| !name.is_empty()) {
            return format!("{} {}", language.say("who", kind), code(name.trim_start()));
        }
    }
    language.say("who", party)
}

/// A table's head.
fn heads(keys: &[&str], language: Language, text: &mut String) {
    let names: Vec<String> = keys.iter().map(|key| language.paper(key)).collect();
    let _ = writeln!(text, "| {} |", names.join(" | "));
    let _ = writeln!(text, "|{}", " --- |".repeat(keys.len()));
}

/// The questions of one country or union, what is there to answer them, and what is missing.
#[must_use]
pub fn questions(
    asked: &Questions,
    facts: &BTreeMap<String, String>,
    language: Language,
) -> String {
    let say = |key: &str| language.paper(key);
    let mut text = format!(
        "# {}\n\n{}\n",
        language.of(&asked.title),
        language.of(&asked.caveat)
    );
    for one in answer(asked, facts) {
        let state = match one.answer {
            Answer::Answered => "answered",
            Answer::Partly => "partly",
            Answer::Unanswered if one.question.answers.is_empty() => "people",
            Answer::Unanswered => "unanswered",
        };
        let reference = &one.question.reference;
        let read = if reference.verified {
            "accounts-read"
        } else {
            "not-looked-up"
        };
        let _ = write!(
            text,
            "\n## {}\n\n{}\n\n- {}: {}, {} <{}> ({})\n- {}: **{}**\n",
            language.of(&one.question.text),
            language.of(&one.question.why),
            say("reference"),
            plain(&reference.law),
            plain(&reference.article),
            reference.url,
            say(read),
            say("publication"),
            say(state),
        );
        for (fact, place) in &one.facts {
            let _ = writeln!(text, "  - {}: {}", language.say("fact", fact), code(place));
        }
        for fact in &one.missing {
            let _ = writeln!(
                text,
                "  - {}: {}",
                say("missing"),
                language.say("fact", fact)
            );
        }
    }
    text
}

/// Where a name stands that a licence was concluded from.
const BY_NAME: &str = "base_model";

fn place(origin: &Origin, language: Language) -> String {
    match (origin.file.is_empty(), origin.text.is_empty()) {
        (_, true) => language.paper("nobody-says"),
        (true, false) => code(&origin.text),
        (false, false) if origin.place.is_empty() => {
            format!("{}: {}", code(&origin.file), code(&origin.text))
        }
        (false, false) => {
            let at = if origin.place.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("{} {}", language.paper("line"), origin.place)
            } else {
                code(&origin.place)
            };
            let stands = format!("{}, {at}: {}", code(&origin.file), code(&origin.text));
            if origin.place == BY_NAME {
                // The card names the model; what that is under we know from elsewhere.
                format!("{stands} ({})", language.paper("by-name"))
            } else {
                stands
            }
        }
    }
}

/// What others wrote, as a code span of one table cell: no Markdown in it holds. A bar, escaped or not, would end the
/// cell after a backslash: it is shown as a broken one.
fn code(text: &str) -> String {
    let text = shown(text).replace('`', "'").replace('|', "¦");
    format!("`{}`", text.trim())
}

/// Our own words, and names within them, in a table cell.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in shown(text).chars() {
        if "\\`*_[]<>|#".contains(c) {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conflicts::{Statements, conflicts};
    use crate::questions::{questions_eu, questions_japan};
    use crate::reading::read_at;
    use crate::words;

    const USE: IntendedUse = IntendedUse {
        commercial: true,
        modify: true,
        distribute: false,
        serve: true,
        train_others: false,
        users: None,
    };

    fn made(model: &str, data: &str, language: Language) -> String {
        let model = read_at(model, "README.md", "license");
        let data = read_at(data, "data/README.md", "license");
        let base = read_at("llama2", "README.md", "base_model");
        let statements = Statements {
            name: "Llama-x".into(),
            card: vec![model.clone()],
            files: Vec::new(),
            bases: vec![("meta-llama/Llama-2-7b".into(), base.clone())],
            sources: vec![("data".into(), data.clone())],
            prose: Vec::new(),
        };
        let subjects = [
            (Subject::Model, model),
            (Subject::Base("meta-llama/Llama-2-7b".into()), base),
            (Subject::Source("data".into()), data),
        ];
        obligations(
            "x",
            &subjects,
            &conflicts(&statements, &USE),
            &USE,
            language,
        )
    }

    #[test]
    fn a_sound_sheet_names_licence_subject_clause_and_place() {
        let text = made("llama2", "cc-by-4.0", Language::English);
        assert!(text.contains("No legal advice"));
        assert!(text.contains("Every licence that is stated was recognised"));
        let row = "| `llama2` | the base model `meta-llama/Llama-2-7b` | Do not train or improve other language models with it \
            or its output | when you train other models with it | no | you | section 1.b.v | yes | `README.md`, `base_model`: `llama2` \
            (taken from this program's list of names; not stated here) |";
        assert!(text.contains(row), "{text}");
        let row = "| `CC-BY-4.0` | the data `data` | Name the authors and keep their copyright notices | when you pass it on | yes | \
            the publisher | section 3(a)(1)(A) | yes | `data/README.md`, `license`: `cc-by-4.0` |";
        assert!(text.contains(row), "{text}");
        assert!(!text.contains("contradiction |"));
    }

    #[test]
    fn what_is_not_known_stands_first_and_says_so() {
        let text = made("apache-2.0", "house rules", Language::English);
        let at = |needle: &str| {
            text.find(needle)
                .unwrap_or_else(|| panic!("{needle}\n{text}"))
        };
        assert!(at("Unknown is not permission") < at("## Conflicts"));
        assert!(
            at("- the data `data`: `house rules` (`data/README.md`, `license`: `house rules`)")
                < at("## Conflicts")
        );
        assert!(at("| contradiction |") < at("## Obligations"));
        let nobody = obligations("x", &[], &[], &USE, Language::English);
        assert!(nobody.contains("- the model: nobody states one"));
        let other = made("qwen", "mit", Language::English);
        assert!(other.contains("**not looked up**"));
    }

    #[test]
    fn sentences_that_close_a_use_are_not_known_to_hold() {
        for licence in ["apache-2.0", "house rules"] {
            let model = read_at(licence, "README.md", "license");
            let statements = Statements {
                card: vec![model.clone()],
                prose: crate::restrictions("For research use only.", "README.md", "text"),
                ..Statements::default()
            };
            let text = obligations(
                "x",
                &[(Subject::Model, model)],
                &conflicts(&statements, &USE),
                &USE,
                Language::English,
            );
            let told = "- the card's text: `README.md`, `text, line 1`: `For research use only.`";
            let at = text.find(told).unwrap_or_else(|| panic!("{text}"));
            assert!(at < text.find("## Conflicts").expect("is there"));
        }
    }

    #[test]
    fn sheets_are_japanese_too() {
        let text = made("apache-2.0", "nonsense", Language::Japanese);
        assert!(!text.contains("contradiction") && !text.contains("base model"));
        for needle in [
            "法的助言ではありません",
            "不明は許可ではありません",
            "矛盾",
            "著作者名を表示し",
        ] {
            assert!(text.contains(needle), "{needle}\n{text}");
        }
        assert!(!text.contains("the model"));
    }

    #[test]
    fn questions_name_their_reference_and_what_answers_them() {
        let facts = BTreeMap::from([("model_licence_known".to_owned(), "README.md".to_owned())]);
        let text = questions(questions_japan(), &facts, Language::English);
        assert!(text.contains("<https://laws.e-gov.go.jp/law/345AC0000000048>"));
        assert!(text.contains("**answered**\n  - the model's licence is known: `README.md`"));
        assert!(text.contains("**only people can answer**"));
        assert!(text.contains("  - missing: a crawl policy is stated"));
        for asked in [questions_japan(), questions_eu()] {
            for fact in asked.question.iter().flat_map(|one| &one.answers) {
                assert!(words::has("fact", fact), "{fact}");
            }
        }
    }

    #[test]
    fn attack_markdown_in_a_statement_stays_text() {
        let text = made(
            "a`b|c](http://x) <script>\n# Heading",
            "x`|y",
            Language::English,
        );
        assert!(!text.contains("\n# Heading"));
        assert!(text.contains("`x'¦y`"));
        assert_eq!(code("a`b|c"), "`a'b¦c`");
        assert_eq!(code("a\\|b"), "`a\\¦b`");
        assert_eq!(plain("[a](b)<i>"), "\\[a\\](b)\\<i\\>");
    }
}
