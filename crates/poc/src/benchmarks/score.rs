//! Asking a task of a checkpoint.

use super::agreement::Measured;
use super::offers::{affordable, cost};
use super::{Stated, Tasks};
use crate::Result;
use glasswork_audit::measured::{Benchmark, BenchmarkScore};
use glasswork_data::PublishedTokenizer;
use glasswork_eval::harness::{
    About, Effort, Options, Progress, Published, Room, TaskScore, evaluate, interval,
};
use glasswork_kernels::Pool;
use glasswork_model::Scorer;
use glasswork_model::scoring::Watch;
use std::path::Path;
use std::sync::Arc;

/// Fewest items of a task that are worth asking.
const FEWEST: usize = 20;

/// A bar for answers.
struct Answers<'w>(&'w dyn Watch);

impl Progress for Answers<'_> {
    fn begin(&self, effort: Effort) {
        self.0.begin(effort.computed as u64);
    }

    fn advance(&self, parts: usize) {
        self.0.advance(parts as u64);
    }
}

/// What is asked.
pub(crate) struct Question<'q> {
    /// Name of the checkpoint, and its folder.
    pub(crate) checkpoint: (&'q str, &'q Path),
    /// Task or group.
    pub(crate) task: &'q str,
    pub(crate) shots: Option<usize>,
    /// Items of each task, and the tokens that were planned for them.
    pub(crate) items: (usize, u64),
    /// What the publisher states of it.
    pub(crate) stated: &'q [Stated],
    /// Scores that are compared in this run.
    pub(crate) comparisons: usize,
}

/// A task's scores: those that are stated, or all of them where none is.
pub(crate) fn measure(
    question: &Question,
    tasks: &Tasks,
    scorer: Scorer,
    (pool, memory): (&Arc<Pool>, u64),
    watch: &dyn Watch,
) -> Result<Vec<Benchmark>> {
    let (name, folder) = question.checkpoint;
    let costs = match cost((tasks.files, tasks.data), question.task, question.shots)? {
        Ok(costs) => costs,
        Err(reason) => return Ok(vec![failed(question, name, reason)]),
    };
    let (items, planned) = question.items;
    let sample = affordable(&costs, items, planned);
    if sample < FEWEST.min(costs.iter().map(|cost| cost.available).max().unwrap_or(0)) {
        let reason = format!("its prompts are so long that time is left for {sample} items only");
        return Ok(vec![failed(question, name, reason)]);
    }
    let tokenizer = PublishedTokenizer::open(&folder.join("tokenizer.json"))?;
    let room = Room {
        memory,
        pool: Arc::clone(pool),
    };
    // Answers are not kept, so that nothing is found again under these names.
    let mut model = Published::new(scorer, tokenizer, ["weights", "tokenizer"], room)?;
    let options = Options {
        shots: question.shots,
        sample: Some(sample),
        ..Options::default()
    };
    let evaluated = evaluate(
        &mut model,
        (tasks.files, &[question.task.to_owned()]),
        tasks.data,
        &options,
        None,
        &About::default(),
        &Answers(watch),
    )?;
    Ok(benchmarks(question, name, &evaluated.scores))
}

/// A score that is not there yet.
fn empty(question: &Question, checkpoint: &str, metric: &str, score: BenchmarkScore) -> Benchmark {
    let stated = question.stated.iter().find(|one| one.metric == metric);
    Benchmark {
        checkpoint: checkpoint.to_owned(),
        task: question.task.to_owned(),
        metric: metric.to_owned(),
        score,
        items: 0,
        of: 0,
        chance: None,
        published: stated.map(|one| one.value),
        agreement: None,
    }
}

fn failed(question: &Question, checkpoint: &str, reason: String) -> Benchmark {
    let metric = question
        .stated
        .first()
        .map_or("", |one| one.metric.as_str());
    empty(
        question,
        checkpoint,
        metric,
        BenchmarkScore::Failed { reason },
    )
}

fn benchmarks(question: &Question, checkpoint: &str, scores: &[TaskScore]) -> Vec<Benchmark> {
    if let Some(unscored) = scores.iter().find(|score| score.metrics.is_empty()) {
        let reason = unscored.state.reason().unwrap_or("it has no metric");
        return vec![failed(question, checkpoint, reason.to_owned())];
    }
    let mut metrics: Vec<(&str, Option<&Stated>)> = question
        .stated
        .iter()
        .map(|one| (one.metric.as_str(), Some(one)))
        .collect();
    if metrics.is_empty() {
        let all = scores
            .first()
            .map(|score| &score.metrics)
            .into_iter()
            .flatten();
        metrics = all.map(|(key, ..)| (metric_of(key), None)).collect();
        metrics.dedup();
    }
    let of = |(metric, stated): (&str, Option<&Stated>)| {
        let Some(measured) = pooled(metric, scores) else {
            let reason = format!("this task has no metric {metric} here");
            return empty(
                question,
                checkpoint,
                metric,
                BenchmarkScore::Missing { reason },
            );
        };
        let (items, of) = measured.items;
        let score = BenchmarkScore::Scored {
            value: measured.value,
            interval: interval(measured.value, measured.error, items as usize),
        };
        let agreement = stated.and_then(|stated| {
            measured.against(stated.value, question.comparisons, stated.shots.is_some())
        });
        Benchmark {
            items,
            of,
            chance: measured.chance,
            agreement,
            ..empty(question, checkpoint, metric, score)
        }
    };
    metrics.into_iter().map(of).collect()
}

/// A metric's name without its filter.
fn metric_of(key: &str) -> &str {
    key.split(',').next().unwrap_or(key)
}

/// A metric over the tasks of a group, each counted by its items, as lm-evaluation-harness does with `weight_by_size`; of one
/// task, that task's.
fn pooled(metric: &str, scores: &[TaskScore]) -> Option<Measured> {
    let size = |score: &TaskScore| score.documents.1 as f64;
    let all: f64 = scores.iter().map(size).sum();
    let (mut value, mut variance, mut chance) = (0.0, Some(0.0), Some(0.0));
    let mut items = (0, 0);
    for score in scores {
        let (_, mean, error) = score
            .metrics
            .iter()
            .find(|(key, ..)| metric_of(key) == metric)?;
        let weight = size(score) / all;
        value += weight * mean;
        variance = variance
            .zip(*error)
            .map(|(sum, error)| sum + weight * weight * error * error);
        let level = score.chance.as_ref().filter(|_| metric.starts_with("acc"));
        chance = chance
            .zip(level)
            .map(|(sum, chance)| sum + weight * chance.level);
        items.0 += score.documents.0 as u64;
        items.1 += score.documents.1 as u64;
    }
    value.is_finite().then_some(Measured {
        value,
        error: variance.map(f64::sqrt),
        items,
        chance,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use glasswork_audit::measured::Agreement;
    use glasswork_eval::harness::{Chance, State};

    fn score(task: &str, acc: f64, documents: (usize, usize)) -> TaskScore {
        TaskScore {
            task: task.to_owned(),
            state: State::Measured,
            metrics: vec![
                ("acc,none".to_owned(), acc, Some(0.02)),
                ("acc_norm,none".to_owned(), 0.5, None),
            ],
            chance: Some(Chance {
                level: 0.25,
                p: 0.0,
            }),
            documents,
        }
    }

    fn question(stated: &[Stated]) -> Question<'_> {
        Question {
            checkpoint: ("main", Path::new(".")),
            task: "mmlu",
            shots: Some(5),
            items: (100, 1000),
            stated,
            comparisons: 1,
        }
    }

    #[test]
    fn tasks_of_a_group_count_by_their_size() {
        let scores = [score("a", 0.4, (100, 300)), score("b", 0.8, (100, 100))];
        let pooled = pooled("acc", &scores).expect("both have it");
        assert!((pooled.value - 0.5).abs() < 1e-12);
        let error = (0.75f64 * 0.75 + 0.25 * 0.25).sqrt() * 0.02;
        assert!((pooled.error.expect("both have one") - error).abs() < 1e-12);
        assert_eq!((pooled.items, pooled.chance), ((200, 400), Some(0.25)));
    }

    #[test]
    fn what_is_stated_is_answered_and_what_is_missing_said() {
        let stated = |metric: &str, value| Stated {
            metric: metric.to_owned(),
            value,
            shots: Some(5),
        };
        let scores = [score("mmlu", 0.5, (100, 100))];
        let all = [stated("acc", 0.51), stated("f1", 0.1)];
        let told = benchmarks(&question(&all), "main", &scores);
        assert_eq!(told[0].agreement, Some(Agreement::Agrees));
        assert_eq!(
            (told[0].published, told[0].chance),
            (Some(0.51), Some(0.25))
        );
        assert!(
            matches!(&told[1].score, BenchmarkScore::Missing { reason } if reason.contains("f1"))
        );
        // Nothing stated: all metrics, held against nothing.
        let told = benchmarks(&question(&[]), "main", &scores);
        let metrics: Vec<_> = told
            .iter()
            .map(|one| (one.metric.as_str(), one.agreement))
            .collect();
        assert_eq!(metrics, [("acc", None), ("acc_norm", None)]);
        let failed = [TaskScore {
            state: State::Failed("no".to_owned()),
            metrics: Vec::new(),
            ..score("mmlu", 0.0, (0, 0))
        }];
        let told = benchmarks(&question(&all), "main", &failed);
        assert_eq!(
            told[0].score,
            BenchmarkScore::Failed {
                reason: "no".to_owned()
            }
        );
    }
}
