//! Cards and licence texts.

use serde::{Deserialize, Serialize};

/// A Markdown file at the top of a publication or of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Where it lies.
    pub path: String,
    /// The YAML between `---` at its top, as far as it concerns us.
    pub front_matter: FrontMatter,
    /// What follows the front matter; at most a mebibyte.
    pub text: String,
    /// Targets of its links and pictures, in their order, without repetitions.
    pub links: Vec<String>,
}

/// The keys of a Hub card that say what a model is and may be used for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontMatter {
    /// `license`: mostly one; a data card may name several.
    pub license: Vec<String>,
    /// `license_name`, for a license `other`.
    pub license_name: Option<String>,
    /// `license_link`.
    pub license_link: Option<String>,
    /// `datasets`.
    pub datasets: Vec<String>,
    /// `base_model`.
    pub base_model: Vec<String>,
    /// `language`.
    pub language: Vec<String>,
    /// `tags`.
    pub tags: Vec<String>,
    /// What a reader must agree to before the Hub hands out files: all texts below `extra_gated_…`, one below the other. Empty
    /// where there is no gate.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gate: String,
}

/// A file `LICENSE`, `NOTICE` or of a similar name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceFile {
    /// Where it lies.
    pub path: String,
    /// SHA-256 of its bytes.
    pub sha256: Option<String>,
    /// What it says; at most a mebibyte.
    pub text: String,
}
