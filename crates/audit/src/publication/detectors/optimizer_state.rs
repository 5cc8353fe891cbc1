//! Optimizer state that is not there, without which training cannot be taken up again.

use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};
use crate::publication::lines::main_line;

/// A promise that is not kept is a contradiction; its absence a doubt where intermediate checkpoints are published, else a
/// note; state of the last checkpoint only, or of some, a note.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let with_weights: Vec<_> = of
        .inventory
        .checkpoints
        .iter()
        .filter(|checkpoint| !checkpoint.weights.is_empty())
        .collect();
    let Some(last) = with_weights.last() else {
        return Vec::new();
    };
    let without: Vec<String> = with_weights
        .iter()
        .filter(|checkpoint| checkpoint.optimizer.is_empty())
        .map(|checkpoint| checkpoint.name.clone())
        .collect();
    if without.is_empty() {
        return Vec::new();
    }
    let finding = |severity, reason| {
        Finding::new("optimizer_state", severity, &last.name, reason)
            .with("without", without.len())
            .with("checkpoints", with_weights.len())
            .asking("optimizer_states")
    };
    if without.len() < with_weights.len() {
        return vec![finding(Severity::Note, "optimizer_missing_for_some")];
    }
    if let Some(path) = promised(of) {
        return vec![
            finding(Severity::Contradiction, "optimizer_promised")
                .on(evidence::file(path, None, "cards")),
        ];
    }
    let series = main_line(of.inventory).is_some_and(|line| line.members.len() > 1);
    let severity = if series {
        Severity::Doubt
    } else {
        Severity::Note
    };
    vec![finding(severity, "optimizer_missing")]
}

/// The card that speaks of optimizer states as published.
fn promised<'a>(of: &Subject<'a>) -> Option<&'a str> {
    let says = |line: &str| {
        let line = line.to_ascii_lowercase();
        let about = line.contains("optimizer state") || line.contains("optimiser state");
        let denied = [
            " not ",
            "n't",
            "without",
            " no ",
            "unreleased",
            "unavailable",
            "on request",
        ]
        .iter()
        .any(|word| line.contains(word));
        about && !denied
    };
    of.inventory
        .cards
        .iter()
        .find(|card| card.text.lines().any(says))
        .map(|card| card.path.as_str())
}
