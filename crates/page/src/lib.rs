//! The offline pages: each one HTML file that holds the page and its data, and needs nothing else.
//!
//! [`report`] shows a release, [`decision`] published models side by side. `web/` builds each page to one file with an
//! empty place for the data; this crate embeds those files, reads a release through `glasswork-audit`, and fills the
//! place. The result opens from disk without network: its content security
//! policy names the digests of its one script and one style sheet and allows nothing else, and whatever text a release
//! carries reaches the page as JSON and is shown as text.
//!
//! The data contracts are [`Report`] and [`Comparison`]; `web/src/report.ts` and `web/src/decision/comparison.ts` are
//! the same in TypeScript, and a test holds each two together.
//! Cost: what [`glasswork_audit::Dossier::read`] costs, and the file in memory once.

mod comparison;
mod error;
mod html;
mod report;

use std::path::Path;

use glasswork_audit::{Criteria, Dossier};
use glasswork_release::annex::Program;
use glasswork_release::{Digest, check};

pub use comparison::{Comparison, PrintedCriteria, Question, QuestionSheet, QuestionState};
pub use error::{Error, Result};
pub use report::{DecidedRun, Language, Report};

/// How a report is made.
pub struct Options<'a> {
    /// The language that the page opens in; a reader switches it there.
    pub language: Language,
    /// The root by which the reader knows the publisher.
    pub pinned_root: Option<Digest>,
    /// Whether the reader vouches for the replay and drill records in the release: unsigned, they are hearsay else.
    pub own_replays: bool,
    /// The criteria to decide by.
    pub criteria: Criteria,
    /// What makes the report.
    pub program: Program,
    /// Told how far the check of the files is.
    pub progress: &'a dyn Fn(check::Progress<'_>),
}

impl Options<'_> {
    /// In this language, by the default criteria, with no root pinned and no record vouched for.
    #[must_use]
    pub fn new(language: Language) -> Self {
        let program = Program {
            name: "glasswork".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            source_digest: None,
        };
        Self {
            language,
            pinned_root: None,
            own_replays: false,
            criteria: Criteria::shipped(),
            program,
            progress: &|_| {},
        }
    }
}

/// The report of a release, or of a run in progress, as one HTML file.
///
/// # Errors
/// When the page was not built, or nothing can be said about the directory.
pub fn report(release: &Path, options: &Options<'_>) -> Result<Vec<u8>> {
    html::expect_built(html::REPORT)?;
    to_html(&report_data(release, options)?)
}

/// The page that shows this report.
///
/// # Errors
/// When the page was not built.
pub fn to_html(report: &Report) -> Result<Vec<u8>> {
    html::with_data(html::REPORT, report)
}

/// The data of a report, for `--json`.
///
/// # Errors
/// When nothing can be said about the directory.
pub fn report_data(release: &Path, options: &Options<'_>) -> Result<Report> {
    let mut dossier = Dossier::read_with_progress(release, options.pinned_root, options.progress)?;
    dossier.own_replays = options.own_replays;
    Ok(Report::new(dossier, options))
}

/// The decision page: published models side by side, judged by the same criteria, as one HTML file.
///
/// # Errors
/// When the page was not built.
pub fn decision(comparison: &Comparison) -> Result<Vec<u8>> {
    html::with_data(html::DECISION, comparison)
}
