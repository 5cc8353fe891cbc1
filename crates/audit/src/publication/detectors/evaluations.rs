//! Evaluation files that hold no result, or zero where a result is missing.

use std::collections::{BTreeMap, BTreeSet};

use glasswork_published::{Evaluation, Score};

use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};

/// Shares of right answers among given ones: exactly 0 is no score of a model that answers at all.
const CHOICE_METRICS: &[&str] = &["acc", "acc_norm", "acc_bytes", "mc1", "mc2", "accuracy"];
/// What stands among metrics in result files and is none.
const NO_METRICS: &[&str] = &["alias", "name", "sample_len", ""];
/// What is a share lies between 0 and 1.
const SHARES: &[&str] = &["exact_match", "f1", "em"];
/// A metric that is above this elsewhere has a chance level.
const ELSEWHERE: f64 = 0.02;
/// A task that this part of evaluated checkpoints has is expected of all.
const MOST: f64 = 0.8;

/// The metric's name without the filter: `acc_norm,none` is `acc_norm`.
pub(crate) fn metric_name(key: &str) -> &str {
    key.split(',').next().unwrap_or(key).trim()
}

/// Whether a key among a task's metrics is one; a standard error is none.
pub(crate) fn is_metric(key: &str) -> bool {
    let name = metric_name(key);
    !name.ends_with("stderr") && !NO_METRICS.contains(&name)
}

/// Whether one of a task's metrics is a number.
pub(crate) fn has_score(metrics: &BTreeMap<String, Score>) -> bool {
    let finite = |score: &Score| matches!(score, Score::Value(value) if value.is_finite());
    metrics
        .iter()
        .any(|(key, score)| is_metric(key) && finite(score))
}

/// Unfinished, missing and impossible scores.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let highest = highest(of);
    for evaluation in &of.inventory.evaluations {
        let about = |severity, reason: &str| {
            Finding::new("evaluations", severity, &evaluation.path, reason)
                .with("checkpoint", evaluation.checkpoint.as_deref())
                .on(evidence::file(&evaluation.path, None, "evaluations"))
                .asking("evaluation_results")
        };
        let mut unfinished = BTreeMap::<&str, String>::new();
        let mut zero = BTreeSet::new();
        let mut outside = BTreeSet::new();
        for (task, metrics) in &evaluation.results {
            if metrics.is_empty() {
                unfinished.insert(task, String::new());
            }
            for (key, score) in metrics {
                let name = metric_name(key);
                // Of some metrics there is no standard error; that is said as a text, and so are names.
                if name.ends_with("stderr") || NO_METRICS.contains(&name) {
                    continue;
                }
                match score {
                    Score::Missing => {
                        unfinished.entry(task).or_default();
                    }
                    Score::Failed(text) => {
                        unfinished.insert(task, text.clone());
                    }
                    Score::Value(value) if !value.is_finite() => {
                        unfinished.insert(task, value.to_string());
                    }
                    Score::Value(value) => {
                        let choice = CHOICE_METRICS.contains(&name);
                        // Some publish per cent.
                        if (choice || SHARES.contains(&name)) && !(0.0..=100.0).contains(value) {
                            outside.insert(format!("{task} {key}"));
                        }
                        let elsewhere = highest.get(name).copied().unwrap_or(0.0);
                        if choice && *value == 0.0 && elsewhere > ELSEWHERE {
                            zero.insert(format!("{task} {key}"));
                        }
                    }
                }
            }
        }
        if !unfinished.is_empty() || evaluation.results.is_empty() {
            let tasks: Vec<String> = unfinished.keys().map(|task| (*task).to_owned()).collect();
            let says = unfinished.values().find(|text| !text.is_empty()).cloned();
            findings.push(
                about(Severity::Doubt, "evaluation_unfinished")
                    .with("tasks", tasks)
                    .with("says", says),
            );
        }
        if !zero.is_empty() {
            let scores: Vec<String> = zero.into_iter().collect();
            findings.push(about(Severity::Doubt, "zero_for_missing").with("scores", scores));
        }
        if !outside.is_empty() {
            let scores: Vec<String> = outside.into_iter().collect();
            findings
                .push(about(Severity::Contradiction, "score_out_of_range").with("scores", scores));
        }
    }
    findings.extend(missing(of));
    findings
}

/// The highest value of each metric anywhere.
fn highest<'a>(of: &Subject<'a>) -> BTreeMap<&'a str, f64> {
    let mut highest = BTreeMap::<&str, f64>::new();
    for metrics in of
        .inventory
        .evaluations
        .iter()
        .flat_map(|one| one.results.values())
    {
        for (key, score) in metrics {
            if let Score::Value(value) = score {
                let most = highest.entry(metric_name(key)).or_default();
                *most = most.max(*value);
            }
        }
    }
    highest
}

/// Evaluated checkpoints that lack a task which most others have.
fn missing(of: &Subject<'_>) -> Vec<Finding> {
    let mut tasks = BTreeMap::<&str, BTreeSet<&str>>::new();
    let mut evaluated = BTreeMap::<&str, &Evaluation>::new();
    for evaluation in &of.inventory.evaluations {
        let Some(checkpoint) = evaluation.checkpoint.as_deref() else {
            continue;
        };
        evaluated.insert(checkpoint, evaluation);
        for task in evaluation.results.keys() {
            tasks.entry(task).or_default().insert(checkpoint);
        }
    }
    let mut lacks = BTreeMap::<&str, Vec<String>>::new();
    for (task, by) in tasks {
        if by.len() >= 3
            && by.len() < evaluated.len()
            && by.len() as f64 >= MOST * evaluated.len() as f64
        {
            for checkpoint in evaluated.keys().filter(|name| !by.contains(*name)) {
                lacks.entry(checkpoint).or_default().push(task.to_owned());
            }
        }
    }
    lacks
        .into_iter()
        .map(|(checkpoint, tasks)| {
            Finding::new(
                "evaluations",
                Severity::Doubt,
                checkpoint,
                "evaluation_missing",
            )
            .with("tasks", tasks)
            .on(evidence::file(
                &evaluated[checkpoint].path,
                None,
                "evaluations",
            ))
            .asking("evaluation_results")
        })
        .collect()
}
