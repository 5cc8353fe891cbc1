//! Stretches that a log leaves out.

use std::collections::BTreeMap;

use glasswork_published::MetricKind;

use super::{Point, of_kind, shown, subject, usual_interval};
use crate::publication::Subject;
use crate::publication::finding::{Finding, Severity};

/// Neighbouring intervals that say how often values are logged just there.
const NEIGHBOURS: usize = 5;
/// So many values missing in one place are more than lines lost on the way.
const STRETCH: u64 = 10;
/// Gaps named in a finding.
const NAMED: usize = 10;

/// A stretch without values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Last step before it.
    pub from: u64,
    /// First step after it.
    pub to: u64,
    /// Values that the log's own rhythm would have there.
    pub missing: u64,
}

/// Gaps of a log: intervals longer than the rhythm before *and* after them, so that a change of rhythm is none.
#[must_use]
pub fn gaps(points: &[Point]) -> Vec<Gap> {
    let steps: Vec<u64> = points
        .iter()
        .map(|(step, _)| (*step, ()))
        .collect::<BTreeMap<_, _>>()
        .into_keys()
        .collect();
    let mut found = Vec::new();
    for i in 1..steps.len() {
        let before = usual_interval(&steps[i.saturating_sub(NEIGHBOURS + 1)..i]);
        let after = usual_interval(&steps[i..steps.len().min(i + NEIGHBOURS + 1)]);
        let (Some(before), Some(after)) = (before, after) else {
            continue;
        };
        let interval = steps[i] - steps[i - 1];
        let rhythm = before.max(after);
        // At least one whole value must be missing.
        if interval >= rhythm.saturating_mul(2) {
            found.push(Gap {
                from: steps[i - 1],
                to: steps[i],
                missing: interval / rhythm - 1,
            });
        }
    }
    found
}

/// A stretch of ten values or more, or one value in fifty, is a doubt; less is a note.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    // A file's series share its steps; one of them speaks for all.
    let mut files = BTreeMap::new();
    for series in of_kind(of.inventory, MetricKind::Loss) {
        files.entry(&series.path).or_insert(series);
    }
    files
        .into_values()
        .filter_map(|series| {
            let gaps = gaps(&series.points);
            let longest = gaps.iter().max_by_key(|gap| gap.missing)?;
            let missing: u64 = gaps.iter().map(|gap| gap.missing).sum();
            let much = longest.missing >= STRETCH
                || missing.saturating_mul(50) > series.points.len() as u64;
            let severity = if much {
                Severity::Doubt
            } else {
                Severity::Note
            };
            let stretches: Vec<String> = gaps
                .iter()
                .take(NAMED)
                .map(|gap| format!("{}–{}", gap.from, gap.to))
                .collect();
            Some(
                Finding::new("log_gap", severity, &subject(series), "log_misses_steps")
                    .with("values", missing)
                    .with("stretches", stretches)
                    .on(shown(series))
                    .asking("whole_log"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(steps: impl IntoIterator<Item = u64>) -> Vec<Point> {
        steps.into_iter().map(|step| (step, 1.0)).collect()
    }

    #[test]
    fn a_change_of_rhythm_is_no_gap() {
        assert!(gaps(&log((0..100).chain((100..2000).step_by(10)))).is_empty());
        let holed = log((0..1000)
            .step_by(10)
            .filter(|step| !(500..550).contains(step)));
        assert_eq!(
            gaps(&holed),
            [Gap {
                from: 490,
                to: 550,
                missing: 5
            }]
        );
    }
}
