//! The questions that a country's law and guidance ask, and how far the program's facts answer them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::words::Words;

/// Where a question comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The law or document.
    pub law: String,
    /// The article or part.
    pub article: String,
    /// Where it stands.
    pub url: String,
    /// Whether published accounts of the article were read for this file; the address itself was not opened.
    pub verified: bool,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// A stable key.
    pub id: String,
    /// The question.
    pub text: Words,
    /// Why it is asked.
    pub why: Words,
    /// Where it comes from.
    pub reference: Reference,
    /// Keys of facts that answer it; all of them are needed. Empty: only people can.
    pub answers: Vec<String>,
}

/// The questions of one country or union.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Questions {
    /// Its name.
    pub title: Words,
    /// What these questions are not.
    pub caveat: Words,
    /// The questions.
    pub question: Vec<Question>,
}

/// How far a question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Every fact is there.
    Answered,
    /// Some are.
    Partly,
    /// None is, or only people can answer.
    Unanswered,
}

/// A question with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// The question.
    pub question: Question,
    /// How far.
    pub answer: Answer,
    /// The facts that are there: key and where they stand.
    pub facts: BTreeMap<String, String>,
    /// The facts that are not.
    pub missing: Vec<String>,
}

impl Questions {
    fn parse(file: &'static str, text: &str) -> Result<Self> {
        let questions: Self = toml::from_str(text).map_err(|error| Error::Syntax {
            file,
            problem: error.to_string(),
        })?;
        let mut seen = BTreeSet::new();
        for question in &questions.question {
            if !seen.insert(&question.id) {
                return Err(Error::Twice {
                    file,
                    name: question.id.clone(),
                });
            }
        }
        Ok(questions)
    }
}

static JAPAN: LazyLock<Questions> = LazyLock::new(|| {
    let text = include_str!("../data/questions-japan.toml");
    Questions::parse("questions-japan.toml", text).expect("the embedded file is tested")
});
static EU: LazyLock<Questions> = LazyLock::new(|| {
    let text = include_str!("../data/questions-eu.toml");
    Questions::parse("questions-eu.toml", text).expect("the embedded file is tested")
});

/// What Japan asks.
#[must_use]
pub fn questions_japan() -> &'static Questions {
    &JAPAN
}

/// What the European Union asks.
#[must_use]
pub fn questions_eu() -> &'static Questions {
    &EU
}

/// Holds facts (key → where it stands) against the questions. An answer says that a fact is there to look at, not that
/// the law is satisfied.
#[must_use]
pub fn answer(questions: &Questions, facts: &BTreeMap<String, String>) -> Vec<Answered> {
    questions
        .question
        .iter()
        .map(|question| {
            let (there, missing): (Vec<_>, Vec<_>) = question
                .answers
                .iter()
                .cloned()
                .partition(|key| facts.contains_key(key));
            Answered {
                question: question.clone(),
                answer: match (there.is_empty(), missing.is_empty()) {
                    (true, _) => Answer::Unanswered,
                    (false, true) => Answer::Answered,
                    (false, false) => Answer::Partly,
                },
                facts: there
                    .into_iter()
                    .filter_map(|key| facts.get(&key).map(|place| (key, place.clone())))
                    .collect(),
                missing,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_questions_hold() {
        for (questions, least) in [(questions_japan(), 10), (questions_eu(), 10)] {
            assert!(questions.question.len() >= least);
            for question in &questions.question {
                assert!(question.reference.url.starts_with("https://"));
                for words in [&question.text, &question.why] {
                    assert!(
                        !words.ja.is_ascii() && words.en.is_ascii(),
                        "{}",
                        question.id
                    );
                }
            }
        }
        let twice = "title={ja='あ',en='a'}\ncaveat={ja='あ',en='a'}\n".to_owned()
            + &"[[question]]\nid='q'\ntext={ja='あ',en='a'}\nwhy={ja='あ',en='a'}\nanswers=[]\n\
                reference={law='l',article='1',url='https://x',verified=false}\n"
                .repeat(2);
        assert!(matches!(
            Questions::parse("t", &twice),
            Err(Error::Twice { .. })
        ));
    }

    #[test]
    fn answers_have_three_states() {
        let mut questions = questions_eu().clone();
        questions.question.truncate(1);
        questions.question[0].answers = vec!["a".into(), "b".into()];
        let facts = |keys: &[&str]| {
            keys.iter()
                .map(|&key| (key.into(), "file".into()))
                .collect()
        };
        let state = |keys: &[&str]| answer(&questions, &facts(keys))[0].answer;
        assert_eq!(state(&["a", "b"]), Answer::Answered);
        assert_eq!(state(&["b"]), Answer::Partly);
        assert_eq!(state(&["c"]), Answer::Unanswered);
        questions.question[0].answers.clear();
        assert_eq!(
            answer(&questions, &facts(&["a"]))[0].answer,
            Answer::Unanswered
        );
    }
}
