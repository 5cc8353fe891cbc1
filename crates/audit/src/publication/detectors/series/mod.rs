//! What the published logs alone tell: spikes, values that are no numbers, stalls, restarts, gaps, another schedule.

pub mod log_gap;
pub mod log_restart;
pub mod non_finite;
pub mod schedule;
pub mod spikes;
pub mod stall;

use glasswork_published::{Inventory, MetricKind, MetricSeries};

use crate::claims::Evidence;
use crate::publication::evidence;

/// A point of a series: step and value.
pub type Point = (u64, f64);

/// The series of `kind`.
pub(crate) fn of_kind(
    inventory: &Inventory,
    kind: MetricKind,
) -> impl Iterator<Item = &MetricSeries> {
    inventory
        .metrics
        .iter()
        .filter(move |series| series.kind == Some(kind) && !is_held_out(&series.key))
}

/// Losses on held-out data are logged seldom and follow rules of their own.
fn is_held_out(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["eval", "valid", "val_", "val/", "test"]
        .iter()
        .any(|part| key.contains(part))
}

/// As the subject of a finding: file and key.
fn subject(series: &MetricSeries) -> String {
    format!("{}: {}", series.path, series.key)
}

fn shown(series: &MetricSeries) -> Evidence {
    evidence::file(&series.path, None, "metrics")
}

/// By step, without what a restart did again: of several values of one step the last one logged, finite ones only.
fn by_step(points: &[Point]) -> Vec<Point> {
    let last: std::collections::BTreeMap<u64, f64> = points
        .iter()
        .filter(|(_, value)| value.is_finite())
        .copied()
        .collect();
    last.into_iter().collect()
}

/// The learning rate logged in the same file, or else in any.
fn rates(inventory: &Inventory, path: &str) -> Option<Vec<Point>> {
    let all: Vec<&MetricSeries> = of_kind(inventory, MetricKind::LearningRate).collect();
    let found = all
        .iter()
        .find(|series| series.path == path)
        .or(all.first())?;
    Some(by_step(&found.points))
}

/// The most frequent difference between successive values; `None` where there is none.
pub(crate) fn usual_interval(steps: &[u64]) -> Option<u64> {
    let mut counts = std::collections::BTreeMap::<u64, usize>::new();
    for pair in steps.windows(2) {
        *counts.entry(pair[1].abs_diff(pair[0])).or_default() += 1;
    }
    counts.remove(&0);
    // Of equally frequent ones the smallest.
    let most = counts.values().copied().max()?;
    counts
        .into_iter()
        .find(|(_, count)| *count == most)
        .map(|(interval, _)| interval)
}
