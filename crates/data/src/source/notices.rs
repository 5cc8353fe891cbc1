//! Whom a package names: the authors of its manifest, and the copyright lines of its licence files.

use glasswork_release::sources::LicenceFile;

/// What a package says about those who own it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notices {
    pub(crate) authors: Vec<String>,
    pub(crate) repository: Option<String>,
    /// By the bytes of their paths.
    pub(crate) files: Vec<LicenceFile>,
}
