//! Criteria: what must hold, on which rung, within which limits.

use std::collections::{BTreeMap, BTreeSet};

use glasswork_release::licence::LicenceClass;
use serde::Deserialize;

use crate::claims::{CLAIM_IDS, Rung};
use crate::error::{Error, Result};
use crate::publication::PUBLICATION_CLAIM_IDS;

/// The criteria used when the reader gives none, as text; reports print it in full.
pub const DEFAULT_CRITERIA: &str = include_str!("../default-criteria.toml");

/// Ids that the page has words for.
pub const CRITERION_IDS: &[&str] = &[
    "integrity",
    "publisher",
    "completeness",
    "replay",
    "licences",
    "model_licence",
    "personal_data",
    "contamination",
    "copying",
    "learning",
    "benchmarks",
    "safety",
];

/// The criteria by which a published model is judged when the reader gives none, as text.
pub const DEFAULT_PUBLICATION_CRITERIA: &str = include_str!("../default-publication-criteria.toml");

/// Ids of [`DEFAULT_PUBLICATION_CRITERIA`], that the page has words for.
pub const PUBLICATION_CRITERION_IDS: &[&str] = &[
    "pub_weights",
    "pub_model_licence",
    "pub_data_licences",
    "pub_statements",
    "pub_evaluations",
    "pub_confirmed",
    "pub_own_documents",
    "pub_safety",
    "pub_history",
];

/// The most criteria in a file.
const MAX_CRITERIA: usize = 1000;

/// A checked criteria file.
#[derive(Debug, Clone, PartialEq)]
pub struct Criteria {
    /// Its name.
    pub name: String,
    /// The file, as it was given.
    pub text: String,
    /// At least one.
    pub criteria: Vec<Criterion>,
}

/// One criterion.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// Its id, unique in the file.
    pub id: String,
    /// Words for it, by language, where the id is none of [`CRITERION_IDS`] and [`PUBLICATION_CRITERION_IDS`].
    #[serde(default)]
    pub title: BTreeMap<String, String>,
    /// Claims that must hold; ids of [`CLAIM_IDS`], or of [`PUBLICATION_CLAIM_IDS`] for a published model.
    pub claims: Vec<String>,
    /// The least rung of each of them.
    pub rung: Rung,
    /// Claims without evidence, or on a lower rung, are no reason against it; one that is contradicted still is.
    #[serde(default)]
    pub accept_missing: bool,
    /// With `licences_known`: classes of licences that training text may have; with `pub_model_licence`: that the model may.
    pub classes: Option<Vec<LicenceClass>>,
    /// With `segments_replayed`: the share of all steps, lying in bad segments, that must be met …
    pub bad_share: Option<f64>,
    /// … with at least this chance.
    pub chance: Option<f64>,
    /// With `held_out_better`: the most bits per byte on any source; with `pub_own_documents`: on the reader's own.
    pub max_bits_per_byte: Option<f64>,
    /// With `verbatim_searched`: the most tokens of a copied stretch.
    pub max_verbatim_tokens: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[allow(dead_code)] // Looked at before the rest is parsed.
    format: u64,
    name: String,
    #[serde(rename = "criterion", default)]
    criteria: Vec<Criterion>,
}

#[derive(Deserialize)]
struct Format {
    format: Option<u64>,
}

impl Criteria {
    /// Parses and checks a criteria file: format number first, unknown keys refused.
    ///
    /// # Errors
    /// Names the key or id that is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |problem: String| Error::Criteria { problem };
        let Format { format } =
            toml::from_str(text).map_err(|error| wrong(error.message().to_owned()))?;
        match format {
            Some(1) => {}
            Some(other) => {
                return Err(wrong(format!(
                    "format is {other}; this program reads format 1"
                )));
            }
            None => return Err(wrong("there is no `format = 1`".into())),
        }
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .map(|span| text[..span.start].lines().count().max(1));
            let place = line
                .map(|line| format!("line {line}: "))
                .unwrap_or_default();
            wrong(format!("{place}{}", error.message()))
        })?;
        if file.criteria.is_empty() {
            return Err(wrong(
                "there is no [[criterion]], and without criteria there is no verdict".into(),
            ));
        }
        if file.criteria.len() > MAX_CRITERIA {
            return Err(wrong(format!(
                "{} criteria; at most {MAX_CRITERIA}",
                file.criteria.len()
            )));
        }
        let mut seen = BTreeSet::new();
        for criterion in &file.criteria {
            if !seen.insert(&criterion.id) {
                return Err(wrong(format!("the id `{}` occurs twice", criterion.id)));
            }
            criterion
                .validate()
                .map_err(|problem| wrong(format!("criterion `{}`: {problem}", criterion.id)))?;
        }
        Ok(Self {
            name: file.name,
            text: text.to_owned(),
            criteria: file.criteria,
        })
    }

    /// [`DEFAULT_CRITERIA`], parsed.
    #[must_use]
    pub fn shipped() -> Self {
        Self::parse(DEFAULT_CRITERIA).expect("a test parses the shipped file")
    }

    /// [`DEFAULT_PUBLICATION_CRITERIA`], parsed.
    #[must_use]
    pub fn shipped_for_publications() -> Self {
        Self::parse(DEFAULT_PUBLICATION_CRITERIA).expect("a test parses the shipped file")
    }
}

impl Criterion {
    fn validate(&self) -> Result<(), String> {
        // Ids become anchors of the page.
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if self.id.is_empty() || self.id.len() > 64 || !self.id.bytes().all(plain) {
            return Err("an id has 1 to 64 of a-z, 0-9 and `_`".into());
        }
        if self.claims.is_empty() {
            return Err("it names no claim".into());
        }
        for claim in &self.claims {
            let known = [CLAIM_IDS, PUBLICATION_CLAIM_IDS].concat();
            if !known.contains(&claim.as_str()) {
                return Err(format!(
                    "`{claim}` is no claim; claims are {}",
                    known.join(", ")
                ));
            }
        }
        let needs: [(bool, &str, &[&str]); 4] = [
            (
                self.classes.is_some(),
                "classes",
                &["licences_known", "pub_model_licence"],
            ),
            (
                self.bad_share.is_some() || self.chance.is_some(),
                "bad_share and chance",
                &["segments_replayed"],
            ),
            (
                self.max_bits_per_byte.is_some(),
                "max_bits_per_byte",
                &["held_out_better", "pub_own_documents"],
            ),
            (
                self.max_verbatim_tokens.is_some(),
                "max_verbatim_tokens",
                &["verbatim_searched"],
            ),
        ];
        for (given, key, claims) in needs {
            if given && !self.claims.iter().any(|own| claims.contains(&own.as_str())) {
                return Err(format!("{key} needs the claim `{}`", claims.join("` or `")));
            }
        }
        match (self.bad_share, self.chance) {
            (None, None) => {}
            (Some(share), Some(chance))
                if share > 0.0 && share <= 1.0 && chance > 0.0 && chance <= 1.0 => {}
            (Some(_), Some(_)) => {
                return Err("bad_share and chance lie above 0 and at most at 1".into());
            }
            _ => return Err("bad_share and chance stand together".into()),
        }
        if self
            .max_bits_per_byte
            .is_some_and(|limit| limit.is_nan() || limit <= 0.0)
        {
            return Err("max_bits_per_byte is above 0".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        Criteria::parse(text).expect_err("is refused").to_string()
    }

    #[test]
    fn the_shipped_criteria_are_the_ids_that_the_page_has_words_for() {
        let ids = |criteria: Criteria| -> Vec<String> {
            criteria
                .criteria
                .into_iter()
                .map(|criterion| criterion.id)
                .collect()
        };
        assert_eq!(ids(Criteria::shipped()), CRITERION_IDS);
        assert_eq!(
            ids(Criteria::shipped_for_publications()),
            PUBLICATION_CRITERION_IDS
        );
    }

    #[test]
    fn there_is_no_verdict_without_criteria() {
        assert!(problem("format = 1\nname = \"none\"").contains("no verdict"));
        assert!(problem("name = \"none\"").contains("format = 1"));
        assert!(problem("format = 2\nanything = 1").contains("format is 2"));
    }

    #[test]
    fn what_a_person_mistypes_is_named() {
        let with =
            |line: &str| format!("format = 1\nname = \"n\"\n[[criterion]]\nid = \"a\"\n{line}\n");
        let claims = "claims = [\"files_intact\"]\nrung = \"consistent\"";
        assert!(Criteria::parse(&with(claims)).is_ok());
        assert!(
            problem(&with("claims = [\"file_intact\"]\nrung = \"present\""))
                .contains("`file_intact` is no claim")
        );
        assert!(problem(&with("claims = []\nrung = \"present\"")).contains("names no claim"));
        assert!(problem(&with("claims = [\"files_intact\"]\nrung = \"sure\"")).contains("line 6"));
        assert!(problem(&with(&format!("{claims}\nclases = []"))).contains("clases"));
        assert!(
            problem(&with(&format!("{claims}\nclasses = [\"permissive\"]")))
                .contains("licences_known")
        );
        let replay = "claims = [\"segments_replayed\"]\nrung = \"present\"";
        assert!(problem(&with(&format!("{replay}\nchance = 0.5"))).contains("together"));
        assert!(
            problem(&with(&format!("{replay}\nchance = 1.5\nbad_share = 0.1")))
                .contains("at most at 1")
        );
        let twice = format!("{}[[criterion]]\nid = \"a\"\n{claims}", with(claims));
        assert!(problem(&twice).contains("occurs twice"));
        let id = format!("format = 1\nname = \"n\"\n[[criterion]]\nid = \"<b>\"\n{claims}");
        assert!(problem(&id).contains("an id has"));
    }
}
