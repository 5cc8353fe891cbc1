//! What a publication states about licences: the model's apart from its data's, with the sheet, conflicts and NOTICE text
//! that [`glasswork_licence`] makes of them.

use glasswork_licence::{
    Attribution, Class, Conflict, IntendedUse, Reading, Statements, conflicts, notice, read_base,
    read_card, recognise, restrictions, sheet,
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
                let gate = restrictions(&card.front_matter.gate, &card.path, "extra_gated_prompt");
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
            notice: notice(
                name(&inventory.place),
                &attributions(inventory, model, &statements),
            ),
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
    let mut named = vec![one("the model".into(), copyright(inventory, true), model)];
    for (base, reading) in &statements.bases {
        named.push(one(format!("base model {base}"), Vec::new(), reading));
    }
    for (source, reading) in &statements.sources {
        named.push(one(source.clone(), copyright(inventory, false), reading));
    }
    named
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

/// A licence's text: not a notice, not a list of others' licences.
fn is_licence(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    ["licen", "copying", "terms"]
        .iter()
        .any(|word| name.contains(word))
        && !name.contains("third")
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
        let folder = card
            .path
            .rsplit_once('/')
            .map_or(card.path.as_str(), |(folder, _)| folder);
        for (i, reading) in read_one(card).into_iter().enumerate() {
            let part = if i == 0 {
                folder.to_owned()
            } else {
                format!("{folder} ({})", i + 1)
            };
            found.push((part, reading));
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

/// Copyright lines of licence files: the model's, or the data's.
fn copyright(inventory: &Inventory, of_model: bool) -> Vec<String> {
    let mut lines: Vec<String> = inventory
        .licences
        .iter()
        .filter(|file| in_data(&file.path) != of_model)
        .flat_map(|file| file.text.lines())
        .map(str::trim)
        .filter(|line| {
            let lower = line.to_ascii_lowercase();
            // Not the sentences of licences about copyright, and not their templates.
            lower.starts_with("copyright")
                && lower.bytes().any(|byte| byte.is_ascii_digit())
                && !line.contains(['[', '{', '<'])
        })
        .take(20)
        .map(|line| line.chars().take(200).collect())
        .collect();
    lines.dedup();
    lines
}
