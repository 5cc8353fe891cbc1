//! What a publication states about licences: the model's apart from its data's, with the sheet, conflicts and NOTICE text
//! that [`glasswork_licence`] makes of them.

use glasswork_licence::{
    Attribution, Class, Conflict, IntendedUse, Reading, Statements, conflicts, data_restrictions,
    names_authors, notice, read_base, read_card, recognise, restrictions, sheet,
};
use glasswork_published::{Card, FrontMatter, Inventory};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::evidence;
use crate::claims::Evidence;

mod papers;

/// Licences of a publication. Of readings, sheet and conflicts the shapes are [`glasswork_licence`]'s, as it serialises
/// them: the page shows them, and nothing here reads them back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licences {
    /// The model's; `None` where nobody states one.
    pub model: Option<LicenceStatement>,
    /// Whether a licence file says the same as the card.
    pub file_agrees: bool,
    /// Licence files that nobody recognised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files_unknown: Vec<String>,
    /// Whether the model's licence is known and forbids no use.
    pub model_open: bool,
    /// What each data source is under.
    pub sources: Vec<LicenceStatement>,
    /// What each base model is under; what nobody read is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<LicenceStatement>,
    /// [`glasswork_licence::Conflict`]s, open questions among them.
    pub conflicts: Vec<Value>,
    /// The [`glasswork_licence::Sheet`]; null where there is no licence.
    pub sheet: Value,
    /// What to put into a NOTICE file.
    pub notice: String,
}

/// One statement and what it was read as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceStatement {
    /// `model`, or the source's name.
    pub of: String,
    /// The expression, or what was stated where it is unknown.
    pub expression: String,
    /// The class, as [`glasswork_licence::Class`] is written.
    pub class: String,
    /// Whether it is known. Unknown is never permission.
    pub known: bool,
    /// Where it is stated.
    pub evidence: Vec<Evidence>,
    /// The [`glasswork_licence::Reading`].
    pub reading: Value,
}

/// What was read, before it is written down.
pub(crate) struct Read {
    pub(crate) statements: Statements,
    pub(crate) conflicts: Vec<Conflict>,
}

/// Reads all statements of a publication, and holds them against each other and against the intended use.
pub(crate) fn read(inventory: &Inventory, intended: &IntendedUse) -> Read {
    let statements = Statements {
        name: name(&inventory.place).to_owned(),
        card: model_cards(inventory)
            .filter(|card| states(&card.front_matter))
            .flat_map(read_one)
            .collect(),
        files: inventory
            .licences
            .iter()
            .filter(|file| is_licence(&file.path) && !in_data(&file.path))
            .map(|file| recognise(&file.text, &file.path))
            .collect(),
        bases: bases(inventory),
        sources: sources(inventory),
        prose: model_cards(inventory)
            .flat_map(|card| {
                let gate = restrictions(&card.front_matter.gate, &card.path, "extra_gated");
                gate.into_iter()
                    .chain(restrictions(&card.text, &card.path, "text"))
            })
            .collect(),
    };
    Read {
        conflicts: conflicts(&statements, intended),
        statements,
    }
}

impl Licences {
    /// Of a publication, for that use.
    #[must_use]
    pub fn of(inventory: &Inventory, intended: &IntendedUse) -> Self {
        let Read {
            statements,
            conflicts,
        } = read(inventory, intended);
        // A file that nobody recognised says less than a card.
        let file = statements.files.iter().find(|file| file.is_known());
        let Some(model) = statements
            .card
            .first()
            .or(file)
            .or(statements.files.first())
        else {
            return Self {
                sources: stated(&statements.sources),
                bases: stated(&statements.bases),
                conflicts: conflicts.iter().map(value).collect(),
                ..Self::default()
            };
        };
        let agrees = |file: &Reading| file.is_known() && file.same_text(model);
        Self {
            files_unknown: statements
                .files
                .iter()
                .filter(|file| !file.is_known())
                .map(|file| file.origin.file.clone())
                .collect(),
            file_agrees: !statements.card.is_empty() && statements.files.iter().any(agrees),
            model_open: model.class < Class::UseRestricted,
            sources: stated(&statements.sources),
            bases: stated(&statements.bases),
            conflicts: conflicts.iter().map(value).collect(),
            sheet: value(&sheet(model, &statements.sources, intended)),
            notice: notice_of(inventory, model, &statements),
            model: Some(statement("model", model)),
        }
    }
}

/// Whom a NOTICE names: the model, what it descends from, and its data.
fn attributions(
    inventory: &Inventory,
    model: &Reading,
    statements: &Statements,
) -> Vec<Attribution> {
    let one = |work: String, copyright, reading: &Reading| Attribution {
        work,
        authors: Vec::new(),
        copyright,
        url: None,
        reading: reading.clone(),
    };
    // One statement that nobody knows leaves the model's licence open, whatever the others say.
    let mut model = model.clone();
    let mut all = statements.card.iter().chain(&statements.files);
    if all.any(|one| !one.is_known()) {
        model.class = Class::Unknown;
    }
    let lines = copyright(inventory, |path| !in_data(path));
    let mut named = vec![one("the model".into(), lines, &model)];
    for (base, reading) in &statements.bases {
        named.push(one(format!("base model {base}"), Vec::new(), reading));
    }
    for (source, reading) in &statements.sources {
        // `data/x (2)` is a second statement of the same folder.
        let at = source.split(" (").next().unwrap_or(source);
        let lines = copyright(inventory, |path| in_data(path) && folder(path) == at);
        named.push(one(source.clone(), lines, reading));
    }
    named
}

/// The NOTICE: whom it names, and after it the notices of the publication, whole, as licences ask.
fn notice_of(inventory: &Inventory, model: &Reading, statements: &Statements) -> String {
    let attributions = attributions(inventory, model, statements);
    let mut text = notice(name(&inventory.place), &attributions);
    let notices = inventory
        .licences
        .iter()
        .filter(|file| is_notice(&file.path));
    for file in notices {
        let path = shown(&file.path).replace('\n', " ");
        let upstream = shown(&file.text.replace("\r\n", "\n"));
        text.push_str(&format!(
            "\n{path}, as it stands\n\n{}\n",
            upstream.trim_end()
        ));
    }
    text
}

/// Text with control and direction characters escaped; lines stay.
fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if hidden {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe
}

fn is_notice(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.to_ascii_lowercase().starts_with("notice")
}

/// The folder that a file lies in; the file itself where it lies at the top.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(folder, _)| folder)
}

/// What a reader intends who says nothing: to use it commercially, to adapt it and to offer it as a service.
#[must_use]
pub fn usual_use() -> IntendedUse {
    IntendedUse {
        commercial: true,
        modify: true,
        distribute: false,
        serve: true,
        train_others: false,
        users: None,
    }
}

fn value<T: Serialize>(of: &T) -> Value {
    // Plain data of strings, numbers and lists.
    serde_json::to_value(of).unwrap_or(Value::Null)
}

fn statement(of: &str, reading: &Reading) -> LicenceStatement {
    let mut evidence = Vec::new();
    if !reading.origin.file.is_empty() {
        let mut file = evidence::file(&reading.origin.file, None, "licences");
        file.detail = Some(format!("{}: {}", reading.origin.place, reading.origin.text));
        evidence.push(file);
    }
    let class = match value(&reading.class) {
        Value::String(class) => class,
        _ => "unknown".to_owned(),
    };
    LicenceStatement {
        of: of.to_owned(),
        expression: reading
            .expression
            .clone()
            .unwrap_or_else(|| reading.origin.text.clone()),
        class,
        known: reading.is_known(),
        evidence,
        reading: value(reading),
    }
}

fn stated(sources: &[(String, Reading)]) -> Vec<LicenceStatement> {
    sources
        .iter()
        .map(|(name, reading)| statement(name, reading))
        .collect()
}

/// The last part of a place: what people call the model.
fn name(place: &str) -> &str {
    let place = place.strip_prefix("hf:").unwrap_or(place);
    let place = place.split('@').next().unwrap_or(place);
    place
        .rsplit('/')
        .find(|part| !part.is_empty())
        .unwrap_or(place)
}

fn in_data(path: &str) -> bool {
    super::components::is_data_card(path)
}

/// A licence's text: not a notice, not a list of others' licences. At the top also what adds terms to it.
fn is_licence(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let adds = !path.contains('/')
        && is(&["policy", "eula", "agreement"])
        && !is(&["privacy", "security"]);
    (is(&["licen", "copying", "terms"]) || adds) && !name.contains("third")
}

fn states(front: &FrontMatter) -> bool {
    !front.license.is_empty() || front.license_name.is_some()
}

fn read_one(card: &Card) -> Vec<Reading> {
    let front = &card.front_matter;
    read_card(
        &front.license,
        front.license_name.as_deref(),
        front.license_link.as_deref(),
        &card.path,
    )
}

fn model_cards(inventory: &Inventory) -> impl Iterator<Item = &Card> {
    inventory.cards.iter().filter(|card| !in_data(&card.path))
}

/// What the data is under: each data card's statements, then data sets that cards only name, then data that nobody
/// speaks of.
fn sources(inventory: &Inventory) -> Vec<(String, Reading)> {
    let data_cards: Vec<&Card> = inventory
        .cards
        .iter()
        .filter(|card| in_data(&card.path))
        .collect();
    let mut found = Vec::new();
    for card in &data_cards {
        let folder = folder(&card.path);
        let files = files_of_data(inventory, folder);
        let stated = if states(&card.front_matter) || files.is_empty() {
            read_one(card)
        } else {
            vec![files[0].clone()]
        };
        let closing = data_restrictions(&card.text, &card.path, "text")
            .into_iter()
            .chain(data_restrictions(
                &card.front_matter.gate,
                &card.path,
                "extra_gated",
            ))
            .next();
        for (i, mut reading) in stated.into_iter().enumerate() {
            // A file that says something else, or a sentence that closes what the licence leaves open: which holds
            // nobody knows.
            let other = files
                .iter()
                .find(|file| !file.is_known() || !states_same(file, &reading));
            if let Some(file) = other.filter(|_| reading.is_known()) {
                let says = file
                    .expression
                    .clone()
                    .unwrap_or_else(|| file.unknown.join(", "));
                doubt(&mut reading, format!("{}: {says}", file.origin.file));
            }
            if let Some(sentence) = closing
                .as_ref()
                .filter(|_| reading.class < Class::NonCommercial)
            {
                doubt(
                    &mut reading,
                    format!("{}: {}", sentence.file, sentence.text),
                );
            }
            let part = if i == 0 {
                folder.to_owned()
            } else {
                format!("{folder} ({})", i + 1)
            };
            found.push((part, reading));
        }
    }
    // Folders with a licence's text and no card.
    for file in &inventory.licences {
        let at = folder(&file.path);
        let described =
            at == file.path || found.iter().any(|(name, _): &(String, Reading)| name == at);
        if in_data(&file.path) && is_licence(&file.path) && !described {
            found.extend(
                files_of_data(inventory, at)
                    .into_iter()
                    .map(|reading| (at.to_owned(), reading)),
            );
        }
    }
    for card in model_cards(inventory) {
        for data in &card.front_matter.datasets {
            let last = data.rsplit('/').next().unwrap_or(data).to_ascii_lowercase();
            let described = data_cards.iter().any(|card| {
                card.path.to_ascii_lowercase().contains(&last)
                    || card.text.to_ascii_lowercase().contains(&last)
            });
            if !described && !found.iter().any(|(name, _)| name == data) {
                found.extend(nobody_says(data, &card.path));
            }
        }
    }
    if found.is_empty()
        && let Some(file) = inventory.data.first()
    {
        found.extend(nobody_says("data", &file.path));
    }
    found
}

/// Licence files of a data folder.
fn files_of_data(inventory: &Inventory, at: &str) -> Vec<Reading> {
    inventory
        .licences
        .iter()
        .filter(|file| in_data(&file.path) && is_licence(&file.path) && folder(&file.path) == at)
        .map(|file| recognise(&file.text, &file.path))
        .collect()
}

/// Whether a file says what a card does; of an expression it may be any part.
fn states_same(file: &Reading, card: &Reading) -> bool {
    let text = |id: &str| {
        id.trim_end_matches("-only")
            .trim_end_matches("-or-later")
            .to_owned()
    };
    let of_card = card.expression.as_deref().unwrap_or_default();
    file.licences.iter().all(|of_file| {
        of_card
            .split([' ', '(', ')'])
            .any(|id| text(id) == text(&of_file.id))
    })
}

/// Makes a reading unknown, and says why.
fn doubt(reading: &mut Reading, why: String) {
    reading.class = Class::Unknown;
    reading.unknown.push(why);
}

/// Base models that cards name. What one is under stands on its own card, which nobody has read here; of some the
/// name says it.
fn bases(inventory: &Inventory) -> Vec<(String, Reading)> {
    let mut found = Vec::<(String, Reading)>::new();
    for card in model_cards(inventory) {
        for base in &card.front_matter.base_model {
            if found.iter().any(|(name, _)| name == base) {
                continue;
            }
            match read_base(base, &card.path) {
                Some(reading) => found.push((base.clone(), reading)),
                None => found.extend(nobody_says(base, &card.path)),
            }
        }
    }
    found
}

/// A source of which no licence is stated.
fn nobody_says(name: &str, file: &str) -> Option<(String, Reading)> {
    let reading = read_card(&[], None, None, file).pop()?;
    Some((name.to_owned(), reading))
}

/// Copyright lines of licence files and notices that lie at such paths.
fn copyright(inventory: &Inventory, lies: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines: Vec<String> = inventory
        .licences
        .iter()
        .filter(|file| lies(&file.path))
        .flat_map(|file| file.text.lines())
        .map(str::trim)
        .filter(|line| is_copyright(line))
        .take(20)
        .map(|line| line.chars().take(200).collect())
        .collect();
    lines.dedup();
    lines
}

/// Not the sentences of licences about copyright, and not their templates.
fn is_copyright(line: &str) -> bool {
    let lower = line.to_lowercase();
    let opens = ["copyright", "©", "(c) "]
        .iter()
        .any(|opens| lower.starts_with(opens));
    let template = line.contains(['[', '{'])
        || ["<year", "<name", "<owner", "<copyright", "<holder", "yyyy"]
            .iter()
            .any(|slot| lower.contains(slot));
    opens && !template && (line.bytes().any(|byte| byte.is_ascii_digit()) || names_authors(line))
}

#[cfg(test)]
mod tests {
    use glasswork_published::LicenceFile;

    use super::*;

    const APACHE: &str = include_str!("../../../../LICENSE");

    fn file(path: &str, text: &str) -> LicenceFile {
        LicenceFile {
            path: path.into(),
            sha256: None,
            text: text.into(),
        }
    }

    fn card(path: &str, license: &str, text: &str) -> Card {
        Card {
            path: path.into(),
            front_matter: FrontMatter {
                license: vec![license.into()],
                ..FrontMatter::default()
            },
            text: text.into(),
            links: Vec::new(),
        }
    }

    fn of(cards: Vec<Card>, licences: Vec<LicenceFile>) -> Licences {
        let inventory = Inventory {
            place: "hf:owner/x".into(),
            cards,
            licences,
            ..Inventory::default()
        };
        Licences::of(&inventory, &usual_use())
    }

    #[test]
    fn copyright_lines_are_told_from_sentences_and_templates() {
        for line in [
            "Copyright (c) 2024 Jane Doe <jane@doe.org>",
            "Copyright (c) The Acme Team",
            "© 2023 Third Holder",
            "(c) 2020 Somebody",
        ] {
            assert!(is_copyright(line), "{line}");
        }
        for line in [
            "Copyright [yyyy] [name of copyright owner]",
            "Copyright (c) <year> <copyright holders>",
            "copyright notice that is included in or attached to the work",
            "COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER",
        ] {
            assert!(!is_copyright(line), "{line}");
        }
    }

    #[test]
    fn a_data_folder_is_under_what_its_card_and_its_file_both_say() {
        let known = |text: &str, licences: Vec<LicenceFile>| {
            let cards = vec![
                card("README.md", "apache-2.0", ""),
                card("data/README.md", "apache-2.0", text),
            ];
            of(cards, licences).sources[0].known
        };
        let differs = "Above a million users ask us first.";
        assert!(known("", vec![]) && known("", vec![file("data/LICENSE", APACHE)]));
        assert!(!known("", vec![file("data/LICENSE", differs)]));
        assert!(!known(
            "",
            vec![file(
                "data/LICENSE",
                "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT"
            )]
        ));
        assert!(!known("The dataset is for research purposes only.", vec![]));
        let alone = of(
            vec![card("README.md", "apache-2.0", "")],
            vec![file("data/LICENSE", APACHE)],
        );
        assert_eq!(alone.sources[0].expression, "Apache-2.0");
    }

    #[test]
    fn policies_at_the_top_are_licence_files() {
        for path in [
            "USE_POLICY.md",
            "EULA.txt",
            "AGREEMENT",
            "POLICY.md",
            "a/LICENSE",
        ] {
            assert!(is_licence(path), "{path}");
        }
        for path in ["SECURITY_POLICY.md", "docs/policy.md", "NOTICE"] {
            assert!(!is_licence(path), "{path}");
        }
    }

    #[test]
    fn a_notice_names_each_holder_once_and_says_what_is_unknown() {
        let cards = || {
            vec![
                card("README.md", "mit", ""),
                card("data/a/README.md", "mit", ""),
                card("data/b/README.md", "mit", ""),
            ]
        };
        let made = of(
            cards(),
            vec![
                file("data/a/NOTICE", "Copyright 2020 Holder A"),
                file("data/b/NOTICE", "Copyright 2021 Holder B"),
                file(
                    "NOTICE",
                    "Our work\n\nThis product includes\u{202e} others' work.",
                ),
            ],
        )
        .notice;
        assert!(
            made.contains("data/a\n  Copyright 2020 Holder A\n  licence: MIT"),
            "{made}"
        );
        assert!(
            made.contains("data/b\n  Copyright 2021 Holder B\n  licence: MIT"),
            "{made}"
        );
        assert!(made.contains(
            "NOTICE, as it stands\n\nOur work\n\nThis product includes\\u{202e} others' work."
        ));
        assert!(!made.contains("UNKNOWN"));
        let unknown = of(cards(), vec![file("LICENSE-2", "Ask us first.")]).notice;
        assert!(
            unknown.contains("the model\n  licence: UNKNOWN"),
            "{unknown}"
        );
    }
}
