//! The files for lawyers: obligations sheet, NOTICE, and the questions that countries ask.

use std::collections::BTreeMap;

use glasswork_licence::{
    IntendedUse, Language, Reading, Subject, obligations, questions, questions_eu, questions_japan,
};
use glasswork_published::Inventory;

use super::{Licences, Read, name, nobody_says, notice_of, read};

impl Licences {
    /// The files for lawyers, name and text: `obligations.md`, `NOTICE`, `questions-japan.md`, `questions-eu.md`. `facts` are
    /// keys of what answers the questions, and where it stands.
    #[must_use]
    pub fn papers(
        inventory: &Inventory,
        intended: &IntendedUse,
        facts: &BTreeMap<String, String>,
        japanese: bool,
    ) -> Vec<(&'static str, String)> {
        let language = if japanese {
            Language::Japanese
        } else {
            Language::English
        };
        let Read {
            statements,
            conflicts,
        } = read(inventory, intended);
        let model = name(&inventory.place);
        let of_model = statements.card.iter().chain(&statements.files);
        let mut subjects: Vec<(Subject, Reading)> = of_model
            .map(|reading| (Subject::Model, reading.clone()))
            .collect();
        if subjects.is_empty() {
            let silent = nobody_says("model", "").map(|(_, reading)| (Subject::Model, reading));
            subjects.extend(silent);
        }
        let bases = statements.bases.iter().cloned();
        subjects.extend(bases.map(|(name, reading)| (Subject::Base(name), reading)));
        let sources = statements.sources.iter().cloned();
        subjects.extend(sources.map(|(name, reading)| (Subject::Source(name), reading)));
        let sheet = obligations(model, &subjects, &conflicts, intended, language);
        let first = subjects.first().map(|(_, reading)| reading.clone());
        let notice = first.map(|reading| notice_of(inventory, &reading, &statements));
        vec![
            ("obligations.md", sheet),
            ("NOTICE", notice.unwrap_or_default()),
            (
                "questions-japan.md",
                questions(questions_japan(), facts, language),
            ),
            (
                "questions-eu.md",
                questions(questions_eu(), facts, language),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use glasswork_published::{Card, FrontMatter};

    use super::*;
    use crate::publication::usual_use;

    fn inventory(license: &[&str], base: &[&str], data: &[&str]) -> Inventory {
        let card = |path: &str, license: &[&str], base: &[&str]| Card {
            path: path.into(),
            front_matter: FrontMatter {
                license: license.iter().map(|&one| one.into()).collect(),
                base_model: base.iter().map(|&one| one.into()).collect(),
                ..FrontMatter::default()
            },
            text: String::new(),
            links: Vec::new(),
        };
        Inventory {
            place: "hf:owner/Llama-x".into(),
            cards: vec![
                card("README.md", license, base),
                card("data/README.md", data, &[]),
            ],
            ..Inventory::default()
        }
    }

    fn papers(inventory: &Inventory, japanese: bool) -> BTreeMap<&'static str, String> {
        let facts = BTreeMap::from([("model_licence_known".to_owned(), "README.md".to_owned())]);
        Licences::papers(inventory, &usual_use(), &facts, japanese)
            .into_iter()
            .collect()
    }

    #[test]
    fn a_sound_publication_has_four_papers() {
        let made = papers(
            &inventory(&["llama2"], &["meta-llama/Llama-2-7b"], &["cc-by-4.0"]),
            false,
        );
        let sheet = &made["obligations.md"];
        for needle in [
            "# Licences and obligations: `Llama-x`",
            "Every licence that is stated was recognised",
            "| `llama2` | the base model `meta-llama/Llama-2-7b` |",
            "| `CC-BY-4.0` | the data `data` |",
            "`README.md`, `license`: `llama2`",
        ] {
            assert!(sheet.contains(needle), "{needle}\n{sheet}");
        }
        assert!(sheet.contains("taken from this program's list of names; not stated here"));
        assert!(!sheet.contains("| contradiction |") && !sheet.contains("Unknown is not"));
        let notice = &made["NOTICE"];
        assert!(notice.contains("Llama 2 is licensed under the LLAMA 2 Community License"));
        assert!(notice.contains("base model meta-llama/Llama-2-7b") && !notice.contains("UNKNOWN"));
        assert!(made["questions-japan.md"].contains("the model's licence is known: `README.md`"));
        assert!(made["questions-eu.md"].contains("Regulation (EU) 2024/1689"));
    }

    #[test]
    fn a_spoiled_one_says_first_what_is_not_known() {
        let spoiled = inventory(&["apache-2.0"], &["somebody/unheard-of"], &["cc-by-nc-4.0"]);
        let made = papers(&spoiled, false);
        let sheet = &made["obligations.md"];
        let at = |needle: &str| {
            sheet
                .find(needle)
                .unwrap_or_else(|| panic!("{needle}\n{sheet}"))
        };
        assert!(at("Unknown is not permission") < at("- the base model `somebody/unheard-of`"));
        assert!(at("- the base model `somebody/unheard-of`") < at("| contradiction |"));
        assert!(at("| contradiction |") < at("## Obligations"));
        assert!(made["NOTICE"].contains("UNKNOWN: find out before passing this on"));
        let japanese = papers(&spoiled, true);
        assert!(japanese["obligations.md"].contains("不明は許可ではありません"));
        assert!(japanese["questions-japan.md"].contains("日本で確認すること"));
        let silent = papers(&inventory(&[], &[], &["mit"]), false);
        assert!(silent["obligations.md"].contains("- the model: nobody states one"));
        assert!(silent["NOTICE"].contains("UNKNOWN"));
    }
}
