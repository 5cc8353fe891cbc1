//! What can be said about a model that somebody else published: components, findings, claims, decision.
//!
//! ```text
//! Inventory + sampled weights ──► findings ──► components, claims ──► decision by criteria
//! (listings, headers, small files)  (pure)          (pure)              (pure)
//! ```
//!
//! Nothing here opens a file or a connection: [`glasswork_published`] did, and [`Assessment`] is what all commands and
//! the decision page read. What nobody looked at is *missing*, and a class of openness is computed from what is there.

mod assessment;
mod claims;
pub mod components;
pub mod detectors;
mod evidence;
mod finding;
mod licences;
pub mod lines;
pub mod samples;
mod shown;
pub mod statements;
pub mod trajectory;

use std::collections::BTreeMap;

use glasswork_licence::IntendedUse;
use glasswork_published::Inventory;

pub use assessment::{
    ASSESSMENT_FORMAT, Assessment, Checked, CheckpointSeen, Material, Unread, assess,
};
pub use claims::PUBLICATION_CLAIM_IDS;
pub use components::{COMPONENT_IDS, Component, ComponentState, OpennessClass};
pub use finding::{ASK_IDS, Ask, DETECTOR_IDS, FINDING_REASON_IDS, Finding, Severity};
pub use licences::{LicenceStatement, Licences, usual_use};
pub use samples::{Samples, Sampling, Weights};
pub use shown::{Curve, PublishedScore};

/// Ids that the decision page must have words for, as JSON; written by hand, held by tests on both sides.
pub const PAGE_IDS: &str = include_str!("data/ids.json");

/// What detectors look at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What lists, headers and small files told.
    pub inventory: &'a Inventory,
    /// Values drawn from the weights; default where none were drawn.
    pub samples: &'a Samples,
    /// Links and names of repositories that somebody asked for, and whether they answered.
    pub reachable: &'a BTreeMap<String, bool>,
    /// What the reader means to do with the model.
    pub intended: IntendedUse,
}
