//! Checkpoints stored in another number format than the rest of their line: bf16 among fp32 has lost bits of the weights.

use std::collections::BTreeMap;

use glasswork_published::Checkpoint;

use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};
use crate::publication::lines::{is_main, lines};

/// The format of most of a checkpoint's numbers.
fn format(checkpoint: &Checkpoint) -> Option<String> {
    let mut elements = BTreeMap::<String, u64>::new();
    for tensor in &checkpoint.tensors {
        let count = tensor
            .shape
            .iter()
            .fold(1_u64, |product, size| product.saturating_mul(*size));
        let sum = elements
            .entry(tensor.dtype.to_ascii_uppercase())
            .or_default();
        *sum = sum.saturating_add(count);
    }
    elements
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(format, _)| format)
}

/// Those that differ from most of their line are doubts; `main`, which is often converted for use, a note.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let checkpoint = |index: usize| &of.inventory.checkpoints[index];
    let mut usual_of_longest: Option<(usize, String)> = None;
    for line in lines(of.inventory) {
        let formats: Vec<(usize, String)> = line
            .members
            .iter()
            .filter_map(|(_, index)| Some((*index, format(checkpoint(*index))?)))
            .collect();
        let mut counts = BTreeMap::<&str, usize>::new();
        for (_, format) in &formats {
            *counts.entry(format).or_default() += 1;
        }
        let Some((usual, _)) = counts.into_iter().max_by_key(|(_, count)| *count) else {
            continue;
        };
        for (index, found) in formats.iter().filter(|(_, format)| format != usual) {
            findings.push(differs(checkpoint(*index), Severity::Doubt, found, usual));
        }
        if usual_of_longest
            .as_ref()
            .is_none_or(|(length, _)| formats.len() > *length)
        {
            usual_of_longest = Some((formats.len(), usual.to_owned()));
        }
    }
    if let Some((_, usual)) = usual_of_longest {
        let told = |main: &Checkpoint| findings.iter().any(|one| one.subject == main.name);
        let mains = of.inventory.checkpoints.iter().filter(|one| is_main(one));
        let mains: Vec<&Checkpoint> = mains.filter(|one| !told(one)).collect();
        for main in mains {
            if let Some(found) = format(main).filter(|found| *found != usual) {
                findings.push(differs(main, Severity::Note, &found, &usual));
            }
        }
    }
    findings
}

fn differs(checkpoint: &Checkpoint, severity: Severity, found: &str, usual: &str) -> Finding {
    Finding::new("number_format", severity, &checkpoint.name, "dtype_differs")
        .with("found", found)
        .with("usual", usual)
        .on(evidence::weights(checkpoint))
        .asking("number_format_reason")
}
