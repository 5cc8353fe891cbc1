//! Spikes: a value above the mean of the 128 before it by more than six standard deviations.
//!
//! The rule of OLMo-core's spike score: population deviation, full window; the score is spikes per value.

use glasswork_published::MetricKind;

use super::{Point, of_kind, shown, subject};
use crate::publication::Subject;
use crate::publication::finding::{Finding, Severity};

/// Values before one that it is compared with.
const WINDOW: usize = 128;
/// Standard deviations.
const SIGMAS: f64 = 6.0;
/// Steps named in a finding.
const NAMED: usize = 10;

/// Indices of the spikes of `points`, in the order logged. Values that are no numbers are left out, here and in windows.
#[must_use]
pub fn spikes(points: &[Point]) -> Vec<usize> {
    let finite: Vec<usize> = (0..points.len())
        .filter(|i| points[*i].1.is_finite())
        .collect();
    (WINDOW..finite.len())
        .filter(|at| {
            let window = &finite[at - WINDOW..*at];
            let mean = window.iter().map(|i| points[*i].1).sum::<f64>() / WINDOW as f64;
            let variance = window
                .iter()
                .map(|i| (points[*i].1 - mean) * (points[*i].1 - mean))
                .sum::<f64>()
                / WINDOW as f64;
            // The last term keeps the rounding of a mean of equal values from being a spike.
            let value = points[finite[*at]].1;
            value > mean + SIGMAS * variance.sqrt() + 1e-9 * mean.abs()
        })
        .map(|at| finite[at])
        .collect()
}

/// Spikes of the loss are doubts; of the gradient's norm alone, whose values have long tails, notes.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let kinds = [
        (MetricKind::Loss, Severity::Doubt, "loss_spikes"),
        (MetricKind::GradNorm, Severity::Note, "gradient_spikes"),
    ];
    let mut findings = Vec::new();
    for (kind, severity, reason) in kinds {
        for series in of_kind(of.inventory, kind) {
            let found = spikes(&series.points);
            if found.is_empty() {
                continue;
            }
            let steps: Vec<String> = found
                .iter()
                .take(NAMED)
                .map(|i| series.points[*i].0.to_string())
                .collect();
            findings.push(
                Finding::new("spikes", severity, &subject(series), reason)
                    .with("count", found.len())
                    .with("score", found.len() as f64 / series.points.len() as f64)
                    .with("steps", steps)
                    .on(shown(series))
                    .asking("incident_report"),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A curve that alternates, so that its deviation is known: mean 2, deviation 0.1.
    fn curve(n: usize) -> Vec<Point> {
        (0..n)
            .map(|i| (i as u64, if i % 2 == 0 { 1.9 } else { 2.1 }))
            .collect()
    }

    #[test]
    fn the_threshold_is_six_deviations_of_the_full_window() {
        let mut points = curve(200);
        points[150].1 = 2.59;
        assert!(spikes(&points).is_empty());
        points[150].1 = 2.61;
        assert_eq!(spikes(&points), [150]);
        points[150].1 = 2.0;
        points[100].1 = 9.0;
        assert!(spikes(&points).is_empty(), "no full window before it");
    }

    #[test]
    fn numbers_that_are_none_and_equal_values_are_no_spikes() {
        let mut points = curve(300);
        points[200].1 = f64::NAN;
        points[201].1 = f64::INFINITY;
        assert!(spikes(&points).is_empty());
        let flat: Vec<Point> = (0..300).map(|i| (i, 0.1)).collect();
        assert!(spikes(&flat).is_empty());
    }
}
