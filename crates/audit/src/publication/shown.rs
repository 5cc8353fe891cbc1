//! What the decision page shows beside its verdict: the publisher's scores, and the log as a curve.

use super::detectors::evaluations::{is_metric, metric_name};
use glasswork_published::{Inventory, MetricKind, Score};
use serde::{Deserialize, Serialize};

/// Most scores that are shown, and that measurements are held against.
const MOST_SCORES: usize = 2000;
/// Most curves.
const MOST_CURVES: usize = 8;
/// Most points of a curve.
const MOST_POINTS: usize = 600;

/// A score as its publisher states it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedScore {
    /// The file that states it.
    pub file: String,
    /// The checkpoint that it is of, where the file says so or lies beside one.
    pub checkpoint: Option<String>,
    /// That checkpoint's step.
    pub step: Option<u64>,
    /// The task.
    pub task: String,
    /// The metric, without its filter.
    pub metric: String,
    /// The score.
    pub value: f64,
    /// Its standard error.
    pub standard_error: Option<f64>,
    /// Examples before each question, where the file says so.
    pub shots: Option<u64>,
}

impl PublishedScore {
    /// All finite scores of a publication, files in their order.
    #[must_use]
    pub fn all(inventory: &Inventory) -> Vec<Self> {
        let mut all = Vec::new();
        for evaluation in &inventory.evaluations {
            let step = evaluation.checkpoint.as_ref().and_then(|name| {
                let own = inventory.checkpoints.iter().find(|one| one.name == *name);
                own.and_then(|one| one.step)
            });
            for (task, metrics) in &evaluation.results {
                for (key, score) in metrics {
                    let Score::Value(value) = *score else {
                        continue;
                    };
                    if !is_metric(key) || !value.is_finite() {
                        continue;
                    }
                    if all.len() == MOST_SCORES {
                        return all;
                    }
                    let metric = metric_name(key);
                    let beside = [
                        key.replacen(metric, &format!("{metric}_stderr"), 1),
                        format!("{metric}_stderr"),
                    ];
                    let error = beside.iter().find_map(|key| match metrics.get(key) {
                        Some(Score::Value(error)) if error.is_finite() => Some(*error),
                        _ => None,
                    });
                    all.push(Self {
                        file: evaluation.path.clone(),
                        checkpoint: evaluation.checkpoint.clone(),
                        step,
                        task: task.clone(),
                        metric: metric.to_owned(),
                        value,
                        standard_error: error,
                        shots: evaluation.shots.get(task).copied(),
                    });
                }
            }
        }
        all
    }
}

/// One key of a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// The file.
    pub file: String,
    /// The key as logged.
    pub key: String,
    /// What it measures.
    pub kind: MetricKind,
    /// Step and value in the order of the file; `None` where it was no number. Of a long log the least and the greatest
    /// value of every stretch, so that a spike stays.
    pub points: Vec<(u64, Option<f64>)>,
}

impl Curve {
    /// Losses, learning rates and norms of a publication.
    #[must_use]
    pub fn all(inventory: &Inventory) -> Vec<Self> {
        let shown = |kind: &MetricKind| {
            matches!(
                kind,
                MetricKind::Loss | MetricKind::LearningRate | MetricKind::GradNorm
            )
        };
        let curves = inventory.metrics.iter().filter_map(|series| {
            let kind = series.kind.filter(shown)?;
            Some(Self {
                file: series.path.clone(),
                key: series.key.clone(),
                kind,
                points: thinned(&series.points),
            })
        });
        curves
            .filter(|curve| !curve.points.is_empty())
            .take(MOST_CURVES)
            .collect()
    }
}

fn thinned(points: &[(u64, f64)]) -> Vec<(u64, Option<f64>)> {
    let shown = |&(step, value): &(u64, f64)| (step, value.is_finite().then_some(value));
    if points.len() <= MOST_POINTS {
        return points.iter().map(shown).collect();
    }
    // Three of each stretch: least, greatest, and one that is no number.
    let stretch = points.len().div_ceil(MOST_POINTS / 3);
    let mut kept = Vec::new();
    for stretch in points.chunks(stretch) {
        let finite = || {
            let all = stretch.iter().enumerate();
            all.filter(|(_, (_, value))| value.is_finite())
        };
        let by_value = |a: &(usize, &(u64, f64)), b: &(usize, &(u64, f64))| a.1.1.total_cmp(&b.1.1);
        let mut chosen: Vec<usize> = [finite().min_by(by_value), finite().max_by(by_value)]
            .into_iter()
            .flatten()
            .map(|(index, _)| index)
            .chain(stretch.iter().position(|(_, value)| !value.is_finite()))
            .collect();
        chosen.sort_unstable();
        chosen.dedup();
        kept.extend(chosen.into_iter().map(|index| shown(&stretch[index])));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_keeps_its_spike_and_what_is_no_number() {
        let mut points: Vec<(u64, f64)> = (0..100_000)
            .map(|step| (step, 3.0 + (step % 7) as f64 * 0.01))
            .collect();
        points[54_321].1 = 9.0;
        points[77_777].1 = f64::NAN;
        let kept = thinned(&points);
        assert!(kept.len() <= MOST_POINTS, "{}", kept.len());
        assert!(kept.contains(&(54_321, Some(9.0))));
        assert!(kept.contains(&(77_777, None)));
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn scores_are_told_from_their_errors() {
        let metrics = [
            ("acc,none", Score::Value(0.5)),
            ("acc_stderr,none", Score::Value(0.01)),
            ("alias", Score::Failed("arc".into())),
            ("acc_norm", Score::Missing),
        ];
        let inventory = Inventory {
            evaluations: vec![glasswork_published::Evaluation {
                path: "results.json".into(),
                results: [(
                    "arc".to_owned(),
                    metrics.map(|(key, score)| (key.to_owned(), score)).into(),
                )]
                .into(),
                shots: [("arc".to_owned(), 25)].into(),
                ..Default::default()
            }],
            ..Inventory::default()
        };
        let all = PublishedScore::all(&inventory);
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!((all[0].value, all[0].standard_error), (0.5, Some(0.01)));
        assert_eq!((all[0].metric.as_str(), all[0].shots), ("acc", Some(25)));
    }
}
