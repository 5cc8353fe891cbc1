//! Weights that are no numbers, and matrices of one value: nobody computes with them.

use std::collections::BTreeMap;

use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};
use crate::publication::trajectory::parts;

/// Fewer values of a matrix may be equal by chance of what was drawn.
const FEWEST: usize = 16;
/// Updates at the beginning that may leave a matrix that begins at 0.
const FIRST: u64 = 16;
/// Tensors named in a finding.
const NAMED: usize = 20;

/// Contradictions, one a checkpoint and reason.
pub(super) fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let samples = of.samples;
    let mut drawn: Vec<(usize, &str, &[f32])> = samples
        .spots
        .iter()
        .map(|(index, tensor, values)| (*index, tensor.as_str(), values.as_slice()))
        .collect();
    for (index, values) in samples.values.iter().enumerate() {
        let parts = parts(values.as_deref().unwrap_or_default(), &samples.lengths);
        let named = samples.tensors.iter().zip(parts);
        drawn.extend(named.map(|(tensor, values)| (index, tensor.as_str(), values)));
    }
    let mut found = BTreeMap::<(usize, &str), Vec<String>>::new();
    for (index, tensor, values) in drawn {
        let reason = if values.iter().any(|value| !value.is_finite()) {
            "weights_not_finite"
        } else if is_constant(of, index, tensor, values) {
            "weights_constant"
        } else {
            continue;
        };
        let tensors = found.entry((index, reason)).or_default();
        if !tensors.iter().any(|named| named == tensor) {
            tensors.push(tensor.to_owned());
        }
    }
    found
        .into_iter()
        .map(|((index, reason), mut tensors)| {
            let checkpoint = &of.inventory.checkpoints[index];
            let all = tensors.len();
            tensors.truncate(NAMED);
            Finding::new("shards", Severity::Contradiction, &checkpoint.name, reason)
                .with("count", all)
                .with("tensors", tensors)
                .on(evidence::weights(checkpoint))
                .asking("right_weights")
        })
        .collect()
}

/// A matrix of one value after training began. Norms and biases begin so and may stay so.
fn is_constant(of: &Subject<'_>, index: usize, tensor: &str, values: &[f32]) -> bool {
    let checkpoint = &of.inventory.checkpoints[index];
    let matrix = checkpoint
        .tensors
        .iter()
        .any(|own| own.name == tensor && own.shape.len() == 2);
    matrix
        && checkpoint.step.is_none_or(|step| step > FIRST)
        && values.len() >= FEWEST
        && values.iter().all(|value| *value == values[0])
}
