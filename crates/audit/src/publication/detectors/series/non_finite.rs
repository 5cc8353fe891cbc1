//! Logged values that are no numbers.

use glasswork_published::MetricKind;

use super::{of_kind, shown, subject};
use crate::publication::Subject;
use crate::publication::finding::{Finding, Severity};

/// Losses and rates that are no numbers are doubts. A norm of gradients that overflowed is a note: trainers in half precision skip
/// such updates by design.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (kind, severity) in [
        (MetricKind::Loss, Severity::Doubt),
        (MetricKind::LearningRate, Severity::Doubt),
        (MetricKind::GradNorm, Severity::Note),
    ] {
        for series in of_kind(of.inventory, kind) {
            let mut steps = series
                .points
                .iter()
                .filter(|(_, value)| !value.is_finite())
                .map(|(step, _)| *step);
            let Some(first) = steps.next() else { continue };
            let count = 1 + steps.count();
            findings.push(
                Finding::new(
                    "non_finite",
                    severity,
                    &subject(series),
                    "values_not_finite",
                )
                .with("count", count)
                .with("first_step", first)
                .on(shown(series))
                .asking("incident_report"),
            );
        }
    }
    findings
}
