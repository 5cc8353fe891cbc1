//! Claims on the evidence ladder.
//!
//! Each claim is one sentence that a reader may repeat, with a status, how far it was checked, and where. The sentence
//! itself is the page's; here are its id and its values. Every id of [`CLAIM_IDS`] is always there: what nobody
//! looked into is a claim with the status *missing*.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dossier::Dossier;
pub(crate) use data::class_name;

mod data;
mod genuine;
mod quality;
mod repeatable;

/// How far a claim was checked, from weakest to strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Somebody says so.
    Declared,
    /// The file that says so is there, digest taken.
    Present,
    /// It agrees with the rest of the release.
    Consistent,
    /// It was computed again, within a stated bound.
    ReplayedWithinBound,
    /// It was computed again, every bit the same.
    ReplayedBitwise,
}

/// What the evidence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It supports the claim.
    Holds,
    /// It contradicts the claim.
    Fails,
    /// There is none.
    Missing,
}

/// A value in a claim's sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Param {
    /// Missing.
    Null,
    /// A number.
    Number(f64),
    /// Text, or an id of the page's catalogue.
    Text(String),
    /// Texts.
    List(Vec<String>),
}

/// Values by name.
pub type Params = BTreeMap<String, Param>;

/// A file that a claim stands on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Path in the release.
    pub path: String,
    /// Its BLAKE3 digest, where it could be taken.
    pub digest: Option<String>,
    /// The part of the page that shows it.
    pub section: String,
    /// More about where.
    pub detail: Option<String>,
}

/// One sentence about a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// One of [`CLAIM_IDS`].
    pub id: String,
    /// What the evidence says.
    pub status: Status,
    /// How far it was checked; `None` where there is nothing to check.
    pub rung: Option<Rung>,
    /// Values of the sentence.
    pub params: Params,
    /// What it stands on.
    pub evidence: Vec<Evidence>,
}

/// Every claim that is made, in the order of the page.
pub const CLAIM_IDS: &[&str] = &[
    "publisher_verified",
    "files_intact",
    "chain_consistent",
    "fault_found",
    "segments_replayed",
    "independent_replay",
    "checkpoints_complete",
    "configuration_recorded",
    "code_recorded",
    "order_recorded",
    "licences_known",
    "licences_allowed",
    "held_out_separate",
    "verbatim_searched",
    "personal_data_screened",
    "model_licence",
    "loss_fell",
    "held_out_better",
    "held_out_not_rising",
    "training_uneventful",
    "benchmarks_run",
    "safety_evaluated",
];

/// Everything that can be said about a release, in the order of [`CLAIM_IDS`].
#[must_use]
pub fn claims(dossier: &Dossier) -> Vec<Claim> {
    let mut all = genuine::claims(dossier);
    all.extend(repeatable::claims(dossier));
    all.extend(data::claims(dossier));
    all.extend(quality::claims(dossier));
    all
}

impl Claim {
    /// A claim that nothing speaks for or against yet.
    fn missing(id: &str) -> Self {
        Self {
            id: id.into(),
            status: Status::Missing,
            rung: None,
            params: Params::new(),
            evidence: Vec::new(),
        }
    }

    fn holds(id: &str, rung: Rung) -> Self {
        Self {
            status: Status::Holds,
            rung: Some(rung),
            ..Self::missing(id)
        }
    }

    fn fails(id: &str, rung: Rung) -> Self {
        Self {
            status: Status::Fails,
            rung: Some(rung),
            ..Self::missing(id)
        }
    }

    /// Holds or fails.
    fn judged(id: &str, rung: Rung, holds: bool) -> Self {
        if holds {
            Self::holds(id, rung)
        } else {
            Self::fails(id, rung)
        }
    }

    fn with(mut self, name: &str, value: impl Into<Param>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }

    /// Adds the files that `paths` names, shown in `section`.
    fn on<P: Into<String>>(
        mut self,
        dossier: &Dossier,
        section: &str,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        self.evidence.extend(paths.into_iter().map(|path| {
            let path = path.into();
            Evidence {
                digest: dossier.digest(&path).map(str::to_owned),
                path,
                section: section.into(),
                detail: None,
            }
        }));
        self
    }

    /// A number of its sentence.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.params.get(name) {
            Some(Param::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

impl From<f64> for Param {
    fn from(number: f64) -> Self {
        if number.is_finite() {
            Self::Number(number)
        } else {
            Self::Null
        }
    }
}

// Counts in sentences; what is beyond 2⁵³ is not counted here.
impl From<u64> for Param {
    fn from(number: u64) -> Self {
        Self::Number(number as f64)
    }
}

impl From<usize> for Param {
    fn from(number: usize) -> Self {
        Self::Number(number as f64)
    }
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Param {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<String>> for Param {
    fn from(texts: Vec<String>) -> Self {
        Self::List(texts)
    }
}

impl<T: Into<Param>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
