//! The data of the decision page, field by field as `web/src/decision/comparison.ts` reads it.

use std::collections::BTreeMap;

use glasswork_audit::publication::{Assessment, ComponentState, LicenceStatement};
use glasswork_audit::{Criteria, Status};
use glasswork_licence::{Answer, Questions, Words, answer, questions_eu, questions_japan};
use glasswork_release::annex::Program;
use serde::{Deserialize, Serialize};

use crate::Language;

/// The format number of the data block.
const FORMAT: u32 = 1;

/// Published models side by side, judged by the same criteria.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Format of this block.
    pub format: u32,
    /// What made the page.
    pub program: Program,
    /// The language to open in.
    pub language: Language,
    /// What the models were judged by.
    pub criteria: PrintedCriteria,
    /// The models, in the reader's order.
    pub models: Vec<Assessment>,
    /// What countries ask, of each model in the same order.
    pub questions: Vec<Vec<QuestionSheet>>,
}

/// Criteria as they are printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrintedCriteria {
    /// Their name.
    pub name: String,
    /// The file, whole.
    pub text: String,
}

/// The questions of one country or union, held against what is known of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionSheet {
    /// Its name.
    pub title: Words,
    /// What these questions are not.
    pub caveat: Words,
    /// The questions.
    pub questions: Vec<Question>,
}

/// A question, and how far what is there answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// A stable key.
    pub id: String,
    /// The question.
    pub text: Words,
    /// Why it is asked.
    pub why: Words,
    /// The law or document that asks.
    pub law: String,
    /// The article or part.
    pub article: String,
    /// Where it stands.
    pub url: String,
    /// Whether the article was looked up.
    pub verified: bool,
    /// How far.
    pub state: QuestionState,
    /// What there is to look at: key of the fact, and where it stands.
    pub facts: BTreeMap<String, String>,
    /// Keys of facts that are not there. Empty and unanswered: only people can answer.
    pub missing: Vec<String>,
}

/// How far a question is answered. An answer says that there is something to look at, not that the law is satisfied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionState {
    /// Every fact is there.
    Answered,
    /// Some are.
    Partly,
    /// None is.
    Unanswered,
}

impl Comparison {
    /// The page of these models, judged by these criteria.
    #[must_use]
    pub fn new(
        models: Vec<Assessment>,
        criteria: &Criteria,
        language: Language,
        program: Program,
    ) -> Self {
        let questions = models.iter().map(sheets).collect();
        Self {
            format: FORMAT,
            program,
            language,
            criteria: PrintedCriteria {
                name: criteria.name.clone(),
                text: criteria.text.clone(),
            },
            models,
            questions,
        }
    }
}

fn sheets(model: &Assessment) -> Vec<QuestionSheet> {
    let facts = facts(model);
    [questions_japan(), questions_eu()]
        .into_iter()
        .map(|questions| sheet(questions, &facts))
        .collect()
}

fn sheet(questions: &Questions, facts: &BTreeMap<String, String>) -> QuestionSheet {
    let questions_answered = answer(questions, facts).into_iter().map(|one| Question {
        id: one.question.id,
        text: one.question.text,
        why: one.question.why,
        law: one.question.reference.law,
        article: one.question.reference.article,
        url: one.question.reference.url,
        verified: one.question.reference.verified,
        state: match one.answer {
            Answer::Answered => QuestionState::Answered,
            Answer::Partly => QuestionState::Partly,
            Answer::Unanswered => QuestionState::Unanswered,
        },
        facts: one.facts,
        missing: one.missing,
    });
    QuestionSheet {
        title: questions.title.clone(),
        caveat: questions.caveat.clone(),
        questions: questions_answered.collect(),
    }
}

/// Components that are there, as facts that questions ask for.
const COMPONENT_FACTS: &[(&str, &str)] = &[
    ("model_architecture", "architecture_known"),
    ("final_parameters", "weights_present"),
    ("evaluation_results", "evaluations_present"),
    ("model_card", "card_present"),
    ("data_card", "data_sources_listed"),
    ("training_code", "training_recipe_known"),
    ("datasets", "training_data_searchable"),
];

/// What an assessment knows of what the questions ask for: key and where it stands. What only people can read out of
/// a card (a crawl policy, a purpose) is not among it.
fn facts(model: &Assessment) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    for (id, fact) in COMPONENT_FACTS {
        let there = model.components.iter().find(|component| {
            component.id == *id
                && matches!(
                    component.state,
                    ComponentState::Consistent | ComponentState::Present
                )
        });
        let first = there.and_then(|component| {
            let mut files = component.evidence.iter();
            files.find(|file| *fact != "training_data_searchable" || is_text(&file.path))
        });
        if let Some(first) = first {
            facts
                .entry((*fact).to_owned())
                .or_insert(first.path.clone());
        }
    }
    let licences = &model.licences;
    // A data card that names no data set lists none.
    if !licences.sources.iter().any(names_data) {
        facts.remove("data_sources_listed");
    }
    if let Some(of_model) = licences.model.as_ref().filter(|model| model.known)
        && let Some(first) = of_model.evidence.first()
    {
        facts.insert("model_licence_known".into(), first.path.clone());
        if licences.model_open {
            facts.insert("model_open".into(), first.path.clone());
        }
        let mut others = licences.sources.iter().chain(&licences.bases);
        if !licences.sources.is_empty() && others.all(|one| one.known) {
            facts.insert("licences_known".into(), first.path.clone());
        }
    }
    let holds = |id: &str| {
        model
            .claims
            .iter()
            .find(|claim| claim.id == id && claim.status == Status::Holds)
    };
    if let Some(tokens) = holds("pub_tokens_add_up") {
        // Without a place there is nothing to look at.
        if let Some(file) = tokens.evidence.first().filter(|file| !file.path.is_empty()) {
            facts.insert("data_size_known".into(), file.path.clone());
        }
    }
    facts
}

/// Whether a source is one that somebody named or licensed, not a folder with a card that says nothing of it.
fn names_data(source: &LicenceStatement) -> bool {
    let of_its_folder = |path: &str| {
        path.rsplit_once('/')
            .is_some_and(|(folder, _)| folder == source.of)
    };
    let silent =
        source.of == "data" || source.evidence.iter().any(|file| of_its_folder(&file.path));
    !source.expression.is_empty() || !silent
}

/// Whether a file of training data holds text that can be searched: token ids are no text.
fn is_text(path: &str) -> bool {
    let name = path.to_lowercase();
    let name = [".gz", ".zst", ".xz", ".bz2"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(&name);
    [
        ".jsonl", ".json", ".txt", ".parquet", ".csv", ".tsv", ".arrow",
    ]
    .iter()
    .any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURE: &str = include_str!("../../../web/tests/decision.json");

    /// The fixture that the page's tests draw is what this program writes: the contract holds in both directions.
    #[test]
    fn the_fixture_is_the_contract() {
        let comparison: Comparison = serde_json::from_str(FIXTURE).expect("a comparison");
        let again = serde_json::to_value(&comparison).expect("is JSON");
        let fixture: serde_json::Value = serde_json::from_str(FIXTURE).expect("is JSON");
        assert_eq!(keys(&again), keys(&fixture));
        assert_eq!(comparison.models.len(), comparison.questions.len());
    }

    /// Every claim, component and question of the fixture is one that this program makes, and none is left out.
    #[test]
    fn the_fixture_has_every_id() {
        let comparison: Comparison = serde_json::from_str(FIXTURE).expect("a comparison");
        for model in &comparison.models {
            let claims: Vec<&str> = model.claims.iter().map(|claim| claim.id.as_str()).collect();
            assert_eq!(claims, glasswork_audit::publication::PUBLICATION_CLAIM_IDS);
            let components: Vec<&str> =
                model.components.iter().map(|one| one.id.as_str()).collect();
            let all: Vec<&str> = glasswork_audit::publication::COMPONENT_IDS
                .iter()
                .map(|(id, _, _)| *id)
                .collect();
            assert_eq!(components, all);
        }
    }

    #[test]
    fn what_is_there_answers_and_what_is_not_does_not() {
        let comparison: Comparison = serde_json::from_str(FIXTURE).expect("a comparison");
        let mut model = comparison.models[0].clone();
        let known = facts(&model);
        assert!(known.contains_key("licences_known") && known.contains_key("card_present"));
        for component in &mut model.components {
            component.state = ComponentState::Missing;
        }
        let mut made_from_another = model.clone();
        let base = comparison.models[1].licences.bases[0].clone();
        made_from_another.licences.bases = vec![base];
        assert!(!facts(&made_from_another).contains_key("licences_known"));
        model.licences.sources[0].known = false;
        let known = facts(&model);
        assert!(known.contains_key("model_licence_known") && !known.contains_key("licences_known"));
        if let Some(of_model) = &mut model.licences.model {
            of_model.known = false;
        }
        model.claims.clear();
        assert_eq!(facts(&model), BTreeMap::new());
        for sheet in sheets(&model) {
            let states: Vec<QuestionState> = sheet.questions.iter().map(|one| one.state).collect();
            assert!(!states.is_empty());
            assert!(
                states
                    .iter()
                    .all(|state| *state == QuestionState::Unanswered)
            );
        }
    }

    #[test]
    fn what_has_no_place_or_names_no_data_answers_nothing() {
        let comparison: Comparison = serde_json::from_str(FIXTURE).expect("a comparison");
        let mut model = comparison.models[0].clone();
        let open = model.licences.model_open;
        assert_eq!(facts(&model).contains_key("model_open"), open);
        model.licences.model_open = !open;
        assert_eq!(facts(&model).contains_key("model_open"), !open);
        for claim in &mut model.claims {
            if claim.id == "pub_tokens_add_up" {
                claim.status = Status::Holds;
                claim.evidence.clear();
            }
        }
        assert!(!facts(&model).contains_key("data_size_known"));
        let card = model
            .components
            .iter_mut()
            .find(|one| one.id == "data_card")
            .expect("is there");
        card.state = ComponentState::Present;
        let mut file = card.evidence.first().cloned().unwrap_or_else(|| {
            let model = model.licences.model.as_ref().expect("is stated");
            model.evidence[0].clone()
        });
        file.path = "data/README.md".into();
        card.evidence = vec![file.clone()];
        let mut silent = model.licences.sources[0].clone();
        silent.of = "data".into();
        silent.expression.clear();
        silent.evidence = vec![file];
        model.licences.sources = vec![silent.clone()];
        assert!(!facts(&model).contains_key("data_sources_listed"));
        silent.of = "owner/corpus".into();
        model.licences.sources.push(silent);
        assert!(facts(&model).contains_key("data_sources_listed"));
    }

    #[test]
    fn files_of_token_ids_are_no_searchable_text() {
        assert!(is_text("data/train_000.jsonl") && is_text("a.JSON.zst"));
        assert!(!is_text("data/tokens.npy") && !is_text("tokens.bin.gz") && !is_text("s.ds"));
    }

    #[test]
    fn the_page_holds_the_data_or_says_how_to_build_it() {
        let comparison: Comparison = serde_json::from_str(FIXTURE).expect("a comparison");
        match crate::decision(&comparison) {
            Ok(html) => {
                let html = String::from_utf8(html).expect("is text");
                assert!(html.contains("Content-Security-Policy"));
                assert!(html.contains("id=\"glasswork-decision\">{\"format\":1,"));
            }
            Err(error @ crate::Error::PageNotBuilt) => {
                assert!(error.hint().expect("has one").contains("cargo xtask web"));
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// Paths of all keys that hold something, array places left out.
    fn keys(value: &serde_json::Value) -> std::collections::BTreeSet<String> {
        fn collect(
            value: &serde_json::Value,
            prefix: &str,
            keys: &mut std::collections::BTreeSet<String>,
        ) {
            match value {
                serde_json::Value::Object(fields) => {
                    for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                        let path = format!("{prefix}.{key}");
                        collect(value, &path, keys);
                        keys.insert(path);
                    }
                }
                serde_json::Value::Array(items) => {
                    items.iter().for_each(|item| collect(item, prefix, keys));
                }
                _ => {}
            }
        }
        let mut found = std::collections::BTreeSet::new();
        collect(value, "", &mut found);
        found
    }
}
