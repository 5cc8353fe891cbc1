//! What the decision page shows beside its verdict: the publisher's scores, and the log as a curve.

use super::detectors::evaluations::{is_metric, metric_name};
use glasswork_published::{Evaluation, Inventory, MetricKind, Score, names_a_checkpoint};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most scores that are shown.
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
    /// The metric, with its filter where it has one: `acc`, `exact_match,strict-match`.
    pub metric: String,
    /// The score.
    pub value: f64,
    /// Its standard error.
    pub standard_error: Option<f64>,
    /// Examples before each question, where the file says so.
    pub shots: Option<u64>,
}

impl PublishedScore {
    /// What a page shows of them: those of the last checkpoint, and of none by name, before those of earlier ones; and how
    /// many were left out.
    #[must_use]
    pub fn shown(inventory: &Inventory) -> (Vec<Self>, u64) {
        let mut all = Self::all(inventory);
        all.sort_by_key(|score| std::cmp::Reverse(score.step.unwrap_or(u64::MAX)));
        let left_out = all.len().saturating_sub(MOST_SCORES);
        all.truncate(MOST_SCORES);
        (all, left_out as u64)
    }

    /// All finite scores of a publication, files in their order; none of other models that lie there for comparison.
    #[must_use]
    pub fn all(inventory: &Inventory) -> Vec<Self> {
        let mut all = Vec::new();
        for evaluation in own(inventory) {
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
                        metric: key
                            .trim()
                            .strip_suffix(",none")
                            .unwrap_or(key.trim())
                            .to_owned(),
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

/// Results that are of this model: files of baselines lie beside many models.
fn own(inventory: &Inventory) -> impl Iterator<Item = &Evaluation> {
    let named = |one: &Evaluation| one.model.clone().filter(|model| on_the_hub(model));
    let models: BTreeSet<String> = inventory.evaluations.iter().filter_map(named).collect();
    let place = inventory.place.split('@').next().unwrap_or_default();
    let here = place.rsplit('/').next().unwrap_or(place).to_owned();
    // A folder may be called anything: where one model alone is named in it, it is that one.
    let any_name = !place.starts_with("hf:") && models.len() < 2;
    inventory.evaluations.iter().filter(move |one| {
        any_name
            || named(one).is_none_or(|model| {
                model
                    .rsplit('/')
                    .next()
                    .is_some_and(|name| name.eq_ignore_ascii_case(&here))
            })
    })
}

/// Whether a name is one of the Hub, `owner/name`: a path, or a checkpoint's name below a folder, says nothing.
fn on_the_hub(model: &str) -> bool {
    let plain = |part: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(known)
    };
    model
        .split_once('/')
        .is_some_and(|(owner, name)| plain(owner) && plain(name) && !names_a_checkpoint(name))
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
    fn baselines_are_no_scores_of_this_model() {
        let of = |place: &str, models: &[&str]| {
            let one = |model: &&str| Evaluation {
                path: (*model).into(),
                model: Some((*model).into()),
                results: [(
                    "arc".to_owned(),
                    [("acc".to_owned(), Score::Value(0.5))].into(),
                )]
                .into(),
                ..Evaluation::default()
            };
            let inventory = Inventory {
                place: place.into(),
                evaluations: models.iter().map(one).collect(),
                ..Inventory::default()
            };
            let all = PublishedScore::all(&inventory);
            all.into_iter().map(|score| score.file).collect::<Vec<_>>()
        };
        let amber = "hf:LLM360/Amber@main";
        let own = [
            "llm360/amber",
            "workspace/ckpt_100",
            "/data/runs/x",
            "Amber",
        ];
        assert_eq!(of(amber, &own), own);
        assert!(of(amber, &["EleutherAI/pythia-6.9b"]).is_empty());
        assert_eq!(of("copies/m", &["LLM360/Amber"]), ["LLM360/Amber"]);
        assert_eq!(of("copies/m", &["LLM360/Amber", "a/m"]), ["a/m"]);
    }

    #[test]
    fn the_last_checkpoints_scores_are_shown_first() {
        let checkpoint = |step: u64| glasswork_published::Checkpoint {
            name: format!("step{step}"),
            step: Some(step),
            ..Default::default()
        };
        let of = |step: u64| Evaluation {
            path: format!("step{step}/x.json"),
            checkpoint: Some(format!("step{step}")),
            results: (0..700)
                .map(|i| {
                    (
                        format!("t{i:03}"),
                        [("acc".to_owned(), Score::Value(0.5))].into(),
                    )
                })
                .collect(),
            ..Evaluation::default()
        };
        let steps = [100, 200, 300, 400];
        let inventory = Inventory {
            checkpoints: steps.map(checkpoint).into(),
            evaluations: steps.map(of).into(),
            ..Inventory::default()
        };
        let (shown, left_out) = PublishedScore::shown(&inventory);
        assert_eq!(
            (shown.len(), left_out, shown[0].step),
            (MOST_SCORES, 800, Some(400))
        );
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
