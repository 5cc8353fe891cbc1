//! A first checkpoint that is not the initialisation of the rest.
//!
//! Weights keep some of where they began for long: their values correlate with those of step 0, while another initialisation of
//! the same shape correlates by chance only, within ±1/√n. And at step 0 every norm's weights are still equal.

use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};
use crate::publication::lines::{lines, main_line};
use crate::publication::trajectory::mean_correlation;

/// Standard deviations of chance that a correlation must reach to be one.
const CHANCE: f64 = 5.0;
/// Two later checkpoints, as far apart in steps as the first two, must correlate so much for the first pair to be judged.
const LATER: f64 = 0.3;
/// Steps within which no training of a language model forgets its initialisation.
const SOON: u64 = 1000;
/// Norm weights that differ by more than this part of their size have been trained. They begin equal; the first thousands of
/// updates move them by more than this.
const TRAINED: f32 = 0.05;

/// A first pair that does not correlate is a contradiction where later pairs do; a doubt where there are none but it is early.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let values = |index: usize| of.samples.values.get(index).and_then(Option::as_deref);
    for line in lines(of.inventory) {
        let drawn: Vec<(u64, usize, &[f32])> = line
            .members
            .iter()
            .filter_map(|(step, index)| Some((*step, *index, values(*index)?)))
            .collect();
        let [(first_step, first, start), (second_step, second, after), ..] = drawn[..] else {
            continue;
        };
        // Without a step of its own a number in a name is a count of something.
        if of.inventory.checkpoints[first].step != Some(0) || start.is_empty() {
            continue;
        }
        let correlate = |a: &[f32], b: &[f32]| mean_correlation(a, b, &of.samples.lengths);
        let found = correlate(start, after);
        let chance = CHANCE / (start.len() as f64).sqrt();
        if found >= chance {
            continue;
        }
        let apart = second_step - first_step;
        let later = drawn[1..].iter().find_map(|(a_step, _, a)| {
            let (_, _, b) = drawn
                .iter()
                .find(|(step, ..)| *step >= a_step.saturating_add(apart) && step > a_step)?;
            Some(correlate(a, b))
        });
        let severity = match later {
            Some(later) if later >= LATER => Severity::Contradiction,
            None if apart <= SOON => Severity::Doubt,
            _ => continue,
        };
        let checkpoint = &of.inventory.checkpoints[first];
        findings.push(
            Finding::new(
                "initialisation",
                severity,
                &checkpoint.name,
                "not_the_initialisation",
            )
            .with("correlation", found)
            .with("later", later)
            .with("other", of.inventory.checkpoints[second].name.as_str())
            .on(evidence::weights(checkpoint))
            .on(evidence::weights(&of.inventory.checkpoints[second]))
            .asking("initial_weights"),
        );
    }
    // Step 0 of another stage begins with weights that were trained.
    let first = main_line(of.inventory).and_then(|line| line.members.first().copied());
    let first_norms = of
        .samples
        .first_norms
        .iter()
        .filter(|(index, _)| first.is_some_and(|(_, first)| first == *index));
    for (index, norm) in first_norms {
        let high = norm.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let low = norm.iter().copied().fold(f32::INFINITY, f32::min);
        if norm.len() > 1 && high - low > TRAINED * high.abs().max(low.abs()) {
            let checkpoint = &of.inventory.checkpoints[*index];
            findings.push(
                Finding::new(
                    "initialisation",
                    Severity::Doubt,
                    &checkpoint.name,
                    "norms_already_trained",
                )
                .with("lowest", f64::from(low))
                .with("highest", f64::from(high))
                .on(evidence::weights(checkpoint))
                .asking("initial_weights"),
            );
        }
    }
    findings
}
