//! What a detector found: which detector, how bad, about what, why, on which files, and what to ask for.

use serde::{Deserialize, Serialize};

use crate::claims::{Evidence, Param, Params};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A reader should know it; it speaks against nothing.
    Note,
    /// It may be wrong; the publisher can say.
    Doubt,
    /// Two things that were published cannot both be true, or a file cannot be what its name says.
    Contradiction,
}

/// What the publisher is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// One of [`ASK_IDS`].
    pub id: String,
    /// Values of its sentence.
    pub params: Params,
}

/// One thing that a detector found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// One of [`DETECTOR_IDS`].
    pub detector: String,
    /// How much it weighs.
    pub severity: Severity,
    /// The checkpoint, file or series that it is about, as the publisher named it.
    pub subject: String,
    /// One of [`FINDING_REASON_IDS`].
    pub reason: String,
    /// Values of the reason's sentence.
    pub params: Params,
    /// Files that show it.
    pub evidence: Vec<Evidence>,
    /// What to ask the publisher for, where that helps.
    pub ask: Option<Ask>,
}

/// Every detector, in the order of reports.
pub const DETECTOR_IDS: &[&str] = &[
    "step_identity",
    "duplicates",
    "initialisation",
    "cadence",
    "configuration",
    "optimizer_state",
    "token_totals",
    "licences",
    "references",
    "evaluations",
    "shards",
    "pickles",
    "number_format",
    "spikes",
    "non_finite",
    "stall",
    "log_restart",
    "log_gap",
    "schedule",
];

/// Every reason of a finding, by detector.
pub const FINDING_REASON_IDS: &[&str] = &[
    // step_identity
    "weights_out_of_order",
    "weights_jump",
    // duplicates
    "same_files",
    "same_weights",
    "nearly_same_weights",
    // initialisation
    "not_the_initialisation",
    "norms_already_trained",
    // cadence
    "steps_missing",
    "step_twice",
    "fewer_than_declared",
    // configuration
    "size_differs",
    "layers_differ",
    "head_missing",
    "head_stored_though_tied",
    "step_differs",
    "configuration_missing",
    "configuration_changes",
    "keys_unknown",
    // optimizer_state
    "optimizer_missing",
    "optimizer_missing_for_some",
    "optimizer_promised",
    // token_totals
    "totals_differ",
    "product_differs",
    "tokens_off_the_line",
    "tokens_fall",
    // licences
    "card_against_file",
    "licences_conflict",
    "use_not_allowed",
    "licence_unknown",
    "licence_missing",
    "two_licences",
    // references
    "link_dead",
    "reference_dead",
    "data_named_not_there",
    "base_model_missing",
    // evaluations
    "evaluation_unfinished",
    "evaluation_missing",
    "zero_for_missing",
    "score_out_of_range",
    // shards
    "shard_missing",
    "shard_truncated",
    "shard_empty",
    "file_unreadable",
    "weights_not_finite",
    "weights_constant",
    // pickles
    "would_execute",
    "needs_code",
    // number_format
    "dtype_differs",
    // spikes
    "loss_spikes",
    "gradient_spikes",
    // non_finite
    "values_not_finite",
    // stall
    "loss_stalled",
    "loss_implausible",
    // log_restart
    "log_goes_back",
    "warm_up_again",
    // log_gap
    "log_misses_steps",
    // schedule
    "rate_differs",
    "warm_up_differs",
    "rate_jumps",
];

/// Everything that a publisher can be asked for because of a finding.
pub const ASK_IDS: &[&str] = &[
    "right_weights",
    "which_weights",
    "initial_weights",
    "missing_checkpoints",
    "right_configuration",
    "optimizer_states",
    "token_counts",
    "licence_statement",
    "working_reference",
    "base_model_name",
    "evaluation_results",
    "whole_files",
    "weights_without_code",
    "number_format_reason",
    "incident_report",
    "whole_log",
    "real_schedule",
];

impl Finding {
    /// A finding of `detector` about `subject`.
    pub(crate) fn new(detector: &str, severity: Severity, subject: &str, reason: &str) -> Self {
        Self {
            detector: detector.into(),
            severity,
            subject: subject.into(),
            reason: reason.into(),
            params: Params::new(),
            evidence: Vec::new(),
            ask: None,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Param>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }

    /// Adds a file that shows it.
    pub(crate) fn on(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// Asks the publisher for `id`; the subject goes along.
    pub(crate) fn asking(mut self, id: &str) -> Self {
        self.ask = Some(Ask {
            id: id.into(),
            params: Params::from([("subject".to_owned(), self.subject.as_str().into())]),
        });
        self
    }
}
