//! `data/sources.json`: what each source is, under which licences, and what every stage left of it.
//!
//! The file is canonical JSON. It is written once, with the rest of `data/`, and speaks of nothing that depends on the
//! machine: when and how the sources were fetched is an annex.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::error::Result;
use crate::licence::LicenceClass;
use crate::{canonical, files, layout};

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcesFile {
    /// [`crate::FORMAT`].
    pub format: u64,
    /// What all of `data/` was made from: the configuration's part that can change it, every lock and pins file.
    pub inputs_digest: Digest,
    /// The licences that the run allows, as its configuration states them.
    pub allowed: Vec<String>,
    /// The sources, in the order of the configuration.
    pub sources: Vec<SourceRecord>,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRecord {
    /// Its id.
    pub id: String,
    /// Its kind, as in the configuration: `crate-code`, `crate-prose`, `html-docs`.
    pub kind: String,
    /// Where it comes from, for people.
    pub reference: String,
    /// Its integer share of the mixture.
    pub weight: u64,
    /// The file that pins every archive or page of it, by SHA-256.
    pub pinned_by: PinnedBy,
    /// The SPDX expression that the configuration states for the whole source; null where each package states its own.
    pub licence: Option<String>,
    /// The file that this statement rests on, and its digest; null where each package carries its own.
    pub licence_evidence: Option<String>,
    /// Whom to name.
    pub attribution: Option<String>,
    /// The licences of the documents kept (training and held out), each with its class.
    pub licences: Vec<LicenceCount>,
    /// Whether a licence of a kept document asks that its notices travel along with its text.
    pub notice: bool,
    /// Whether a licence of a kept document asks that its text or what is made of it be shared alike.
    pub share_alike: bool,
    /// Whether every kept document's licence lets its text be passed on; if not, `data/text/<id>.parquet` is absent.
    pub redistributable: bool,
    /// What every stage left, in order.
    pub stages: Vec<StageCount>,
    /// Documents, bytes and tokens trained on (each document's end of text is not counted).
    pub train: SplitCount,
    /// Documents, bytes and tokens held out.
    pub held_out: SplitCount,
    /// Rejected documents, by stage and rule.
    pub rejected: Vec<RejectedCount>,
    /// Languages of the documents kept, as BCP 47 tags.
    pub languages: Vec<LanguageCount>,
    /// The packages that it is made of; empty for sources that are not.
    pub packages: Vec<PackageRecord>,
}

/// The file that pins a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedBy {
    /// As the configuration names it.
    pub path: String,
    /// Its digest.
    pub digest: Digest,
    /// How many archives or pages it pins.
    pub entries: u64,
}

/// Documents under one licence expression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceCount {
    /// The SPDX expression, normalised.
    pub spdx: String,
    /// Its class: of an `OR` the freer side's, of an `AND` the stricter side's.
    pub class: LicenceClass,
    /// Documents.
    pub documents: u64,
    /// Bytes of their text.
    pub bytes: u64,
}

/// What a stage left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageCount {
    /// `collect` (all that was found), then `extract`, `licence`, `dedup`.
    pub stage: String,
    /// Documents left after it.
    pub documents: u64,
    /// Bytes of their text.
    pub bytes: u64,
}

/// One side of the split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitCount {
    /// Documents.
    pub documents: u64,
    /// Bytes of their text.
    pub bytes: u64,
    /// Tokens of their text.
    pub tokens: u64,
}

/// Documents that one rule rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RejectedCount {
    /// The stage, as in `data/attributes/<stage>.parquet`.
    pub stage: String,
    /// The rule.
    pub rule: String,
    /// Documents.
    pub documents: u64,
    /// Bytes of their text.
    pub bytes: u64,
}

/// Documents in one language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageCount {
    /// BCP 47; `zxx` is code, `und` was not determined.
    pub lang: String,
    /// Documents.
    pub documents: u64,
    /// Bytes of their text.
    pub bytes: u64,
}

/// One package of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageRecord {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its archive.
    pub sha256: String,
    /// The SPDX expression of its manifest, normalised; null where there is none that can be read.
    pub licence: Option<String>,
    /// The manifest and its digest.
    pub licence_evidence: String,
    /// The rule that refuses the licence; null where it is allowed.
    pub refused: Option<String>,
    /// Whom its manifest names as authors, in the manifest's order; empty where it names none.
    pub authors: Vec<String>,
    /// Where its manifest says that it is developed; null where it does not say.
    pub repository: Option<String>,
    /// The licence, copying, copyright and notice files at the top of its archive, by the bytes of their paths.
    pub licence_files: Vec<LicenceFile>,
}

/// A file of a package that a notice may have to repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceFile {
    /// Its path inside the package's archive.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its copyright lines, trimmed, in their order.
    pub copyright: Vec<String>,
}

impl SourcesFile {
    /// Reads the file of a release.
    pub fn load(release: &Path) -> Result<Self> {
        let (bytes, _, what) = read(release)?;
        canonical::parse_canonical(&bytes, &what)
    }

    /// Reads what the data of a release was made from, and nothing else of the file: it may have been written by
    /// another version of this program, whose records have other fields. None where it does not say.
    pub fn load_inputs_digest(release: &Path) -> Result<Option<Digest>> {
        let (_, value, _) = read(release)?;
        let digest = value
            .get("inputs_digest")
            .and_then(|digest| digest.as_str());
        Ok(digest.and_then(|digest| digest.parse().ok()))
    }

    /// A source by its id.
    #[must_use]
    pub fn source(&self, id: &str) -> Option<&SourceRecord> {
        self.sources.iter().find(|source| source.id == id)
    }
}

/// The file's bytes, their value after the format number was looked at, and its name for messages.
fn read(release: &Path) -> Result<(Vec<u8>, Value, String)> {
    let path = release.join(layout::SOURCES);
    let bytes = files::read(&path, canonical::MAX_DOCUMENT as u64)?;
    let what = path.display().to_string();
    let value = canonical::parse_value(&bytes, &what)?;
    canonical::expect_format(&value, crate::FORMAT, &what)?;
    Ok((bytes, value, what))
}
