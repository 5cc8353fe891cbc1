//! What can be said about a release, how far each sentence was checked, and what follows from it.
//!
//! ```text
//! a directory ──► Dossier ──► claims ──► decision by criteria
//!                 (read once)  (pure)     (pure)
//! ```
//!
//! * [`Dossier::read`] gathers everything that a report shows. A release is untrusted and may be incomplete: what is
//!   absent stays absent, an annex that speaks of another release or cannot be read is listed as refused, with the
//!   reason, and supports nothing.
//! * [`claims`] states every claim with its rung of the evidence ladder ([`Rung`]) and the files it stands on. A claim
//!   without evidence is *missing*, never true by silence.
//! * [`decide`] applies a [`Criteria`] file. There is no verdict without criteria; the default ones are
//!   [`DEFAULT_CRITERIA`].
//!
//! Models that others published get the same treatment in [`publication`]: claims of their own, the same rungs, criteria
//! and decision.
//!
//! Claims, criteria, reasons and remedies have stable ids; their words, in English and Japanese, are the page's
//! (`web/src/catalogue`). Cost: one `check` of the release (every byte hashed) and its tables in memory.

mod claims;
mod commands;
mod consumption;
mod criteria;
mod decision;
pub mod dossier;
mod error;
pub mod measured;
pub mod publication;
mod read;
mod terms;

pub use claims::{CLAIM_IDS, Claim, Evidence, Param, Params, Rung, Status, claims};
pub use commands::{Command, commands, release_place};
pub use criteria::{
    CRITERION_IDS, Criteria, Criterion, DEFAULT_CRITERIA, DEFAULT_PUBLICATION_CRITERIA,
    PUBLICATION_CRITERION_IDS,
};
pub use decision::{
    Cost, CriterionResult, CriterionVerdict, Decision, PUBLICATION_REMEDY_IDS, REASON_IDS,
    REMEDY_IDS, Reason, Remedy, Verdict, decide,
};
pub use dossier::Dossier;
pub use error::{Error, Result};
pub use read::detection_chance;
pub use terms::expression_terms;
