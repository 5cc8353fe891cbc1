//! Standard tasks: what a publisher states of a checkpoint, asked again on this machine, on items drawn at random.

mod agreement;
mod offers;
mod score;

pub(crate) use offers::{Pace, offers};
pub(crate) use score::{Question, measure};

use glasswork_audit::publication::PublishedScore;
use glasswork_eval::harness::{Datasets, TaskFiles};
use glasswork_published::Inventory;
use std::collections::BTreeMap;

/// Tasks that may be asked, and where their data lies.
#[derive(Debug)]
pub struct Tasks<'a> {
    /// Task files.
    pub files: &'a TaskFiles,
    /// Data sets.
    pub data: &'a Datasets,
    /// Names to ask whatever the publisher states; those that the publisher states are asked besides.
    pub names: &'a [String],
}

/// A score that is published, by our name of task and metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stated {
    pub(crate) metric: String,
    pub(crate) value: f64,
    pub(crate) shots: Option<usize>,
}

/// Tasks to ask of checkpoints (by index), with what is stated of them.
pub(crate) type Wanted = BTreeMap<(usize, String), Vec<Stated>>;

/// What is stated of tasks that we know, and what the reader asks of the checkpoint `last`.
pub(crate) fn wanted(inventory: &Inventory, last: usize, tasks: &Tasks) -> Wanted {
    let mut wanted = Wanted::new();
    for name in tasks.names {
        wanted.entry((last, name.clone())).or_default();
    }
    for score in PublishedScore::all(inventory) {
        let index = match &score.checkpoint {
            None => Some(last),
            Some(name) => inventory
                .checkpoints
                .iter()
                .position(|one| one.name == *name),
        };
        let (task, metric) = ours(&score);
        let known = tasks.files.names().any(|name| name == task);
        let with_weights = |index: &usize| !inventory.checkpoints[*index].weights.is_empty();
        let Some(index) = index.filter(with_weights).filter(|_| known) else {
            continue;
        };
        let stated = wanted.entry((index, task)).or_default();
        // Where several files state the same of a checkpoint, the first is held to.
        if stated.iter().all(|one| one.metric != metric) {
            stated.push(Stated {
                metric,
                value: score.value,
                shots: score.shots.and_then(|shots| usize::try_from(shots).ok()),
            });
        }
    }
    wanted
}

/// Task and metric as lm-evaluation-harness has them since 0.4.
fn ours(score: &PublishedScore) -> (String, String) {
    match (score.task.as_str(), score.metric.as_str()) {
        ("truthfulqa_mc", metric @ ("mc1" | "mc2")) => {
            (format!("truthfulqa_{metric}"), "acc".to_owned())
        }
        (task, metric) => {
            let task = task.replace("hendrycksTest-", "mmlu_");
            (task, metric.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glasswork_eval::harness::own_tasks;
    use glasswork_published::{Checkpoint, Evaluation, Score, StoredFile};

    fn inventory() -> Inventory {
        let checkpoint = |name: &str, weights: usize| Checkpoint {
            name: name.into(),
            weights: vec![StoredFile::default(); weights],
            ..Checkpoint::default()
        };
        let scores = |task: &str, scores: &[(&str, f64)]| {
            let of = |(name, value): &(&str, f64)| ((*name).to_owned(), Score::Value(*value));
            (task.to_owned(), scores.iter().map(of).collect())
        };
        let evaluation =
            |checkpoint: Option<&str>, results: &[(String, BTreeMap<String, Score>)]| Evaluation {
                path: "eval.json".into(),
                checkpoint: checkpoint.map(str::to_owned),
                results: results.iter().cloned().collect(),
                shots: [("arc_challenge".to_owned(), 25)].into(),
                model: None,
            };
        Inventory {
            checkpoints: vec![
                checkpoint("ckpt_000", 1),
                checkpoint("ckpt_001", 0),
                checkpoint("main", 2),
            ],
            evaluations: vec![
                evaluation(
                    None,
                    &[
                        scores("truthfulqa_mc", &[("mc1", 0.2), ("mc2", 0.3)]),
                        scores(
                            "arc_challenge",
                            &[("acc", 0.3), ("acc_norm", 0.4), ("acc_norm_stderr", 0.01)],
                        ),
                        scores("their_own_task", &[("acc", 0.3)]),
                    ],
                ),
                evaluation(
                    Some("ckpt_000"),
                    &[scores("arc_challenge", &[("acc", 0.25)])],
                ),
                evaluation(
                    Some("ckpt_001"),
                    &[scores("arc_challenge", &[("acc", 0.25)])],
                ),
                evaluation(None, &[scores("arc_challenge", &[("acc", 0.9)])]),
            ],
            ..Inventory::default()
        }
    }

    #[test]
    fn what_is_stated_is_asked_of_its_checkpoint() {
        let files = own_tasks();
        let tasks = Tasks {
            files: &files,
            data: &Datasets::default(),
            names: &["jnli".to_owned()],
        };
        let wanted = wanted(&inventory(), 2, &tasks);
        let keys: Vec<(usize, &str)> = wanted.keys().map(|(i, task)| (*i, task.as_str())).collect();
        assert_eq!(
            keys,
            [
                (0, "arc_challenge"),
                (2, "arc_challenge"),
                (2, "jnli"),
                (2, "truthfulqa_mc1"),
                (2, "truthfulqa_mc2")
            ]
        );
        let arc = &wanted[&(2, "arc_challenge".to_owned())];
        let metrics: Vec<_> = arc
            .iter()
            .map(|one| (one.metric.as_str(), one.value, one.shots))
            .collect();
        assert_eq!(
            metrics,
            [("acc", 0.3, Some(25)), ("acc_norm", 0.4, Some(25))]
        );
        assert_eq!(wanted[&(2, "truthfulqa_mc2".to_owned())][0].metric, "acc");
    }
}
