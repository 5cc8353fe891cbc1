//! One set of weights under two names.

use std::collections::BTreeMap;

use glasswork_published::{Checkpoint, MetricKind};

use super::{EVIDENCE, SUBJECTS};
use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};
use crate::publication::lines::{Line, is_main, lines};
use crate::publication::trajectory::Trajectory;

/// Updates at the beginning that may move nothing.
const FIRST: u64 = 16;
/// Neighbours nearer than this part of what their neighbours are apart are nearly the same.
const NEARLY: f64 = 0.02;

/// Checkpoints of one line with the same files or the same values are a contradiction; of two lines a note, because a
/// branch begins with the weights it leaves from; `main` may be the last of its line, and should be no other.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let lines = lines(of.inventory);
    let mut findings = Vec::new();
    let mut told = Vec::<(usize, usize)>::new();
    for group in same_files(of) {
        told.extend(group.windows(2).map(|pair| (pair[0], pair[1])));
        findings.extend(report(of, &lines, &group, "same_files"));
    }
    for group in same_values(of) {
        let new = group
            .windows(2)
            .any(|pair| !told.contains(&(pair[0], pair[1])));
        if new {
            findings.extend(report(of, &lines, &group, "same_weights"));
        }
    }
    for line in &lines {
        findings.extend(nearly_same(of, line));
    }
    findings
}

/// Groups of checkpoints whose weight files have the same digests.
fn same_files(of: &Subject<'_>) -> Vec<Vec<usize>> {
    let mut groups = BTreeMap::<Vec<&str>, Vec<usize>>::new();
    for (index, checkpoint) in of.inventory.checkpoints.iter().enumerate() {
        let digests: Option<Vec<&str>> = checkpoint
            .weights
            .iter()
            .map(|file| file.sha256.as_deref())
            .collect();
        if let Some(mut digests) = digests.filter(|digests| !digests.is_empty()) {
            digests.sort_unstable();
            groups.entry(digests).or_default().push(index);
        }
    }
    groups
        .into_values()
        .filter(|group| group.len() > 1)
        .collect()
}

/// Groups of checkpoints of which every sampled value has the same bits.
fn same_values(of: &Subject<'_>) -> Vec<Vec<usize>> {
    let mut groups = BTreeMap::<Vec<u32>, Vec<usize>>::new();
    for (index, values) in of.samples.values.iter().enumerate() {
        if let Some(values) = values.as_ref().filter(|values| !values.is_empty()) {
            let bits = values.iter().map(|value| value.to_bits()).collect();
            groups.entry(bits).or_default().push(index);
        }
    }
    groups
        .into_values()
        .filter(|group| group.len() > 1)
        .collect()
}

fn report(of: &Subject<'_>, lines: &[Line], group: &[usize], reason: &str) -> Option<Finding> {
    let checkpoint = |index: usize| &of.inventory.checkpoints[index];
    let place = |index: usize| {
        lines.iter().find_map(|line| {
            let at = line.members.iter().position(|(_, own)| *own == index)?;
            Some((line, at))
        })
    };
    let (mains, others): (Vec<usize>, Vec<usize>) = group
        .iter()
        .copied()
        .partition(|index| is_main(checkpoint(*index)));
    // Logs count updates: what counts something else cannot be looked up there.
    let steps: Vec<u64> = others
        .iter()
        .filter_map(|index| checkpoint(*index).step)
        .collect();
    let one_line = others.iter().any(|a| {
        others.iter().any(|b| {
            a != b
                && matches!((place(*a), place(*b)), (Some((x, i)), Some((y, j)))
                    if x.name == y.name && x.members[i].0 != y.members[j].0)
        })
    });
    let severity = if one_line {
        if steps.len() == others.len() && rate_was_zero(of, &steps) {
            return None;
        }
        // Warm-ups begin at a rate of 0, and bf16 hides what the first updates move. The number of a chunk is no update.
        let early = |index: &usize| checkpoint(*index).step.is_some_and(|step| step <= FIRST);
        if others.iter().all(early) {
            Severity::Note
        } else {
            Severity::Contradiction
        }
    } else if !mains.is_empty() && others.len() == 1 {
        let is_last = |(line, at): (&Line, usize)| {
            let after = &line.members[at + 1..];
            after.iter().all(|(_, index)| is_main(checkpoint(*index)))
        };
        let last = place(others[0]).is_none_or(is_last);
        if last {
            return None;
        }
        Severity::Doubt
    } else {
        Severity::Note
    };
    let names: Vec<String> = group
        .iter()
        .take(SUBJECTS)
        .map(|index| checkpoint(*index).name.clone())
        .collect();
    let mut finding = Finding::new("duplicates", severity, &names[0], reason)
        .with("count", group.len())
        .with("checkpoints", names)
        .asking("right_weights");
    for index in group.iter().take(EVIDENCE) {
        finding = finding.on(evidence::weights(checkpoint(*index)));
    }
    Some(finding)
}

/// Whether a logged rate says that nothing was learnt between the first and the last of `steps`.
fn rate_was_zero(of: &Subject<'_>, steps: &[u64]) -> bool {
    let (Some(first), Some(last)) = (steps.iter().min(), steps.iter().max()) else {
        return false;
    };
    let mut between = of
        .inventory
        .metrics
        .iter()
        .filter(|series| series.kind == Some(MetricKind::LearningRate))
        .flat_map(|series| &series.points)
        .filter(|(step, _)| step > first && step <= last)
        .peekable();
    between.peek().is_some() && between.all(|(_, rate)| *rate == 0.0)
}

/// Neighbours much nearer to each other than neighbours around them, though not equal.
fn nearly_same(of: &Subject<'_>, line: &Line) -> Vec<Finding> {
    let trajectory = Trajectory::of(line, of.samples);
    let n = trajectory.len();
    let steps = |i: usize| trajectory.steps[i + 1] - trajectory.steps[i];
    (0..n.saturating_sub(1))
        .filter_map(|i| {
            let own = trajectory.distance(i, i + 1);
            let near: Vec<f64> = (i.saturating_sub(2)..(i + 3).min(n - 1))
                .filter(|j| *j != i && steps(*j) == steps(i))
                .map(|j| trajectory.distance(j, j + 1))
                .collect();
            let least = near.iter().copied().reduce(f64::min)?;
            let checkpoint = |place: usize| -> &Checkpoint {
                &of.inventory.checkpoints[trajectory.indices[place]]
            };
            let updates: Vec<u64> = [i, i + 1]
                .iter()
                .filter_map(|place| checkpoint(*place).step)
                .collect();
            let suspicious = own > 0.0
                && checkpoint(i + 1).step.is_none_or(|step| step > FIRST)
                && own < NEARLY * least
                && !rate_was_zero(of, &updates);
            suspicious.then(|| {
                Finding::new(
                    "duplicates",
                    Severity::Doubt,
                    &checkpoint(i + 1).name,
                    "nearly_same_weights",
                )
                .with("other", checkpoint(i).name.as_str())
                .with("part", own / least)
                .on(evidence::weights(checkpoint(i)))
                .on(evidence::weights(checkpoint(i + 1)))
                .asking("which_weights")
            })
        })
        .collect()
}
