//! Restarts that a log shows: steps that go back, values logged twice that differ, a second warm-up.

use std::collections::BTreeMap;

use glasswork_published::MetricKind;

use super::{Point, by_step, of_kind, shown, subject};
use crate::publication::Subject;
use crate::publication::finding::{Finding, Severity};

/// A log that goes back at more than one value in twenty was not written in order.
const UNSORTED: usize = 20;
/// A rate that has fallen and then rises by this factor warms up again.
const RISE: f64 = 1.5;
/// Restarts named in a finding.
const NAMED: usize = 10;

/// A place where a log goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// The last step before.
    pub from: u64,
    /// The step that it went back to.
    pub to: u64,
    /// Steps logged again with the same value …
    pub same: u64,
    /// … and with another.
    pub different: u64,
}

/// Places where the log goes back; none where it was not written in order at all.
#[must_use]
pub fn restarts(points: &[Point]) -> Vec<Restart> {
    let mut found: Vec<Restart> = Vec::new();
    let mut last_value = BTreeMap::<u64, f64>::new();
    let mut highest = None;
    let mut before = None;
    for (step, value) in points {
        let again = last_value.insert(*step, *value);
        if before.is_some_and(|before| *step <= before) {
            found.push(Restart {
                from: highest.unwrap_or(*step),
                to: *step,
                same: 0,
                different: 0,
            });
        }
        if let (Some(again), Some(restart)) = (again, found.last_mut()) {
            if again.to_bits() == value.to_bits() {
                restart.same += 1;
            } else {
                restart.different += 1;
            }
        }
        highest = highest.max(Some(*step));
        before = Some(*step);
    }
    if found.len().saturating_mul(UNSORTED) > points.len() {
        return Vec::new();
    }
    found
}

/// Steps at which a rate that had fallen below two thirds of its peak begins to rise again.
#[must_use]
pub fn warm_ups_again(rates: &[Point]) -> Vec<u64> {
    let mut found = Vec::new();
    let mut peak = 0.0_f64;
    // Where the rate was lowest since its peak.
    let mut low: Option<Point> = None;
    for (step, rate) in rates {
        match low {
            // What stays below a fiftieth of the peak is the tail of a schedule.
            Some((at, lowest))
                if *rate > lowest * RISE && lowest * RISE < peak && *rate > 0.02 * peak =>
            {
                found.push(at);
                peak = *rate;
                low = None;
            }
            _ if *rate >= peak => {
                peak = *rate;
                low = None;
            }
            Some((_, lowest)) if *rate >= lowest => {}
            _ => low = Some((*step, *rate)),
        }
    }
    found
}

/// Undeclared restarts are doubts. Where a card speaks of restarts, phases or stages they are notes, and so is a
/// stretch that was logged again with the same values.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let declared = of.inventory.cards.iter().any(|card| {
        let text = card.text.to_ascii_lowercase();
        [
            "restart",
            "resum",
            "rolled back",
            "roll back",
            "rollback",
            "rewound",
        ]
        .iter()
        .any(|word| text.contains(word))
    });
    let staged = of.inventory.cards.iter().any(|card| {
        let text = card.text.to_ascii_lowercase();
        ["phase", "stage", "re-warm", "warm restart", "cyclic"]
            .iter()
            .any(|word| text.contains(word))
    });
    let mut findings = Vec::new();
    let mut files = BTreeMap::new();
    for series in of_kind(of.inventory, MetricKind::Loss) {
        files.entry(&series.path).or_insert(series);
    }
    for series in files.into_values() {
        let restarts = restarts(&series.points);
        if restarts.is_empty() {
            continue;
        }
        let different: u64 = restarts.iter().map(|restart| restart.different).sum();
        let same: u64 = restarts.iter().map(|restart| restart.same).sum();
        let severity = if declared || (different == 0 && same > 0) {
            Severity::Note
        } else {
            Severity::Doubt
        };
        let places: Vec<String> = restarts
            .iter()
            .take(NAMED)
            .map(|restart| format!("{} → {}", restart.from, restart.to))
            .collect();
        findings.push(
            Finding::new("log_restart", severity, &subject(series), "log_goes_back")
                .with("restarts", restarts.len())
                .with("places", places)
                .with("different", different)
                .with("same", same)
                .on(shown(series))
                .asking("incident_report"),
        );
    }
    for series in of_kind(of.inventory, MetricKind::LearningRate) {
        let again = warm_ups_again(&by_step(&series.points));
        let Some(first) = again.first() else { continue };
        let severity = if declared || staged {
            Severity::Note
        } else {
            Severity::Doubt
        };
        findings.push(
            Finding::new("log_restart", severity, &subject(series), "warm_up_again")
                .with("step", *first)
                .with("count", again.len())
                .on(shown(series))
                .asking("incident_report"),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_goes_back_is_read_in_the_order_written() {
        let mut points: Vec<Point> = (0..100).map(|step| (step, 3.0)).collect();
        points.extend((90..200).map(|step| (step, if step < 95 { 3.0 } else { 2.9 })));
        assert_eq!(
            restarts(&points),
            [Restart {
                from: 99,
                to: 90,
                same: 5,
                different: 5
            }]
        );
        let backwards: Vec<Point> = (0..100).rev().map(|step| (step, 1.0)).collect();
        assert!(restarts(&backwards).is_empty());
    }

    #[test]
    fn a_second_warm_up_is_seen_and_the_first_is_not() {
        let first = (0..20).map(|i| (i, i as f64 / 20.0));
        let fall = (20..100).map(|i| (i, 1.0 - (i - 20) as f64 / 100.0));
        let once: Vec<Point> = first.chain(fall).collect();
        assert!(warm_ups_again(&once).is_empty());
        let mut twice = once.clone();
        twice.extend((100..120).map(|i| (i, (i - 100) as f64 / 40.0)));
        assert_eq!(warm_ups_again(&twice).len(), 1);
    }
}
