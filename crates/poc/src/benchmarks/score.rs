//! Asking a task of a checkpoint.

use super::agreement::{Measured, is_share};
use super::offers::{Pace, cost};
use super::{Stated, Tasks};
use crate::Result;
use glasswork_audit::measured::{Benchmark, BenchmarkScore};
use glasswork_data::PublishedTokenizer;
use glasswork_eval::harness::{
    About, Effort, Options, Progress, Published, Room, TaskCost, TaskScore, evaluate, interval,
};
use glasswork_kernels::Pool;
use glasswork_model::Scorer;
use glasswork_model::scoring::Watch;
use std::path::Path;
use std::sync::Arc;

/// Fewest items of a task that are worth asking.
const FEWEST: usize = 50;

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
    /// Name of the checkpoint.
    pub(crate) checkpoint: &'q str,
    /// Task or group.
    pub(crate) task: &'q str,
    pub(crate) shots: Option<usize>,
    /// What the publisher states of it.
    pub(crate) stated: &'q [Stated],
    /// Scores that are compared in this run.
    pub(crate) comparisons: usize,
}

/// A question whose data is here, with as many items of each task as there is time for.
pub(crate) struct Ready {
    costs: Vec<TaskCost>,
    sample: usize,
}

impl Question<'_> {
    /// Fetches the data: at most `items` of each task, as many as then take `seconds()`. Or what is said instead of scores.
    pub(crate) fn ready(
        &self,
        tasks: &Tasks,
        pace: &Pace,
        items: usize,
        seconds: &dyn Fn() -> f64,
    ) -> Result<std::result::Result<Ready, Vec<Benchmark>>> {
        let costs = match cost((tasks.files, tasks.data), self.task, self.shots)? {
            Ok(costs) => costs,
            Err(cost) => {
                let score = BenchmarkScore::Missing {
                    reason: cost.missing.unwrap_or_default(),
                };
                return Ok(Err(self.unscored(&score)));
            }
        };
        let sample = pace.affordable(&costs, items, seconds());
        let asked = |sample: usize| {
            costs
                .iter()
                .map(|cost| cost.available.min(sample))
                .sum::<usize>()
        };
        if asked(sample) < FEWEST.min(asked(usize::MAX)) {
            let reason = format!("time is left for {} items only", asked(sample));
            return Ok(Err(self.unscored(&BenchmarkScore::Missing { reason })));
        }
        Ok(Ok(Ready { costs, sample }))
    }

    /// Every score that is stated, and why it was not measured.
    pub(crate) fn unscored(&self, score: &BenchmarkScore) -> Vec<Benchmark> {
        let mut metrics: Vec<&str> = self.stated.iter().map(|one| one.metric.as_str()).collect();
        if metrics.is_empty() {
            metrics.push("");
        }
        let each = metrics.into_iter();
        each.map(|metric| self.empty(metric, score.clone()))
            .collect()
    }

    fn empty(&self, metric: &str, score: BenchmarkScore) -> Benchmark {
        let stated = self.stated.iter().find(|one| one.metric == metric);
        Benchmark {
            checkpoint: self.checkpoint.to_owned(),
            task: self.task.to_owned(),
            metric: metric.to_owned(),
            score,
            items: 0,
            of: 0,
            chance: None,
            published: stated.map(|one| one.value),
            agreement: None,
        }
    }
}

/// A task's scores: those that are stated, or all of them where none is.
pub(crate) fn measure(
    question: &Question,
    ready: &Ready,
    tasks: &Tasks,
    (scorer, folder): (Scorer, &Path),
    (pool, memory): (&Arc<Pool>, u64),
    watch: &dyn Watch,
) -> Result<Vec<Benchmark>> {
    let tokenizer = PublishedTokenizer::open(&folder.join("tokenizer.json"))?;
    let room = Room {
        memory,
        pool: Arc::clone(pool),
    };
    // Answers are not kept, so that nothing is found again under these names.
    let mut model = Published::new(scorer, tokenizer, ["weights", "tokenizer"], room)?;
    let options = Options {
        shots: question.shots,
        sample: Some(ready.sample),
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
    Ok(benchmarks(question, &ready.costs, &evaluated.scores))
}

fn benchmarks(question: &Question, costs: &[TaskCost], scores: &[TaskScore]) -> Vec<Benchmark> {
    if let Some(unscored) = scores.iter().find(|score| score.metrics.is_empty()) {
        let reason = unscored
            .state
            .reason()
            .unwrap_or("it has no metric")
            .to_owned();
        return question.unscored(&BenchmarkScore::Failed { reason });
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
    }
    let of = |(metric, stated): (&str, Option<&Stated>)| {
        let Some(measured) = pooled(metric, scores) else {
            let reason = format!("this task has no metric {metric} here");
            return question.empty(metric, BenchmarkScore::Missing { reason });
        };
        let (items, of) = measured.items;
        let score = BenchmarkScore::Scored {
            value: measured.value,
            interval: interval(measured.value, measured.error, items as usize),
        };
        let agreement = stated.and_then(|stated| {
            // The publisher's prompts: as many examples, and the task in its own words.
            let prompts = costs
                .iter()
                .all(|cost| !cost.own_words && stated.shots == Some(cost.shots));
            measured.against(stated.value, question.comparisons, prompts)
        });
        Benchmark {
            items,
            of,
            chance: measured.chance,
            agreement,
            ..question.empty(metric, score)
        }
    };
    metrics.into_iter().map(of).collect()
}

/// A metric as it is published: with its filter where it has one.
fn metric_of(key: &str) -> &str {
    key.strip_suffix(",none").unwrap_or(key)
}

/// A task's metric. One that is stated without a filter, as versions before 0.4 did, is the only one of its name.
fn metric<'s>(score: &'s TaskScore, stated: &str) -> Option<(f64, Option<f64>, &'s str)> {
    let all = || score.metrics.iter();
    let same = all().find(|(key, ..)| metric_of(key) == stated);
    let alone = || {
        let mut named = all().filter(|(key, ..)| key.split(',').next() == Some(stated));
        named.next().filter(|_| named.next().is_none())
    };
    let (key, value, error) = same.or_else(alone)?;
    Some((*value, *error, key))
}

/// A metric over the tasks of a group, each counted by its items, as lm-evaluation-harness does with `weight_by_size`; of one
/// task, that task's.
fn pooled(stated: &str, scores: &[TaskScore]) -> Option<Measured> {
    let size = |score: &TaskScore| score.documents.1 as f64;
    let all: f64 = scores.iter().map(size).sum();
    let (mut value, mut chance) = (0.0, Some(0.0));
    let (mut variance, mut drawn, mut of_share) = (Some(0.0), Some(0.0), 0.0);
    let mut items = (0, 0);
    let mut share = true;
    for score in scores {
        let (mean, error, key) = metric(score, stated)?;
        share &= is_share(key);
        let weight = size(score) / all;
        let asked = score.documents.0 as f64;
        let unseen = (1.0 - asked / size(score)).max(0.0);
        let weighted = error.map(|error| weight * weight * error * error);
        value += weight * mean;
        variance = variance.zip(weighted).map(|(sum, own)| sum + own);
        // Where all items are asked nothing is drawn, whether or not there is a standard error.
        drawn = match (drawn, weighted) {
            (sum, _) if unseen == 0.0 => sum,
            (Some(sum), Some(own)) => Some(sum + unseen * own),
            _ => None,
        };
        of_share += weight * weight * unseen / (asked - 1.0).max(1.0);
        let level = score.chance.as_ref().filter(|_| key.starts_with("acc"));
        chance = chance
            .zip(level)
            .map(|(sum, chance)| sum + weight * chance.level);
        items.0 += score.documents.0 as u64;
        items.1 += score.documents.1 as u64;
    }
    value.is_finite().then_some(Measured {
        value,
        error: variance.map(f64::sqrt),
        drawn: drawn.map(f64::sqrt),
        of_share,
        items,
        chance,
        share,
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
                ("exact_match,strict".to_owned(), 0.1, Some(0.02)),
                ("exact_match,loose".to_owned(), 0.9, Some(0.02)),
            ],
            chance: Some(Chance {
                level: 0.25,
                p: 0.0,
            }),
            documents,
        }
    }

    fn stated(metric: &str, value: f64) -> Stated {
        Stated {
            metric: metric.to_owned(),
            value,
            shots: Some(5),
        }
    }

    fn told(stated: &[Stated], shots: usize, own_words: bool, score: TaskScore) -> Vec<Benchmark> {
        let question = Question {
            checkpoint: "main",
            task: "mmlu",
            shots: Some(5),
            stated,
            comparisons: 1,
        };
        let cost = TaskCost {
            shots,
            own_words,
            ..TaskCost::default()
        };
        benchmarks(&question, &[cost], &[score])
    }

    #[test]
    fn tasks_of_a_group_count_by_their_size() {
        let scores = [score("a", 0.4, (100, 300)), score("b", 0.8, (100, 100))];
        let pooled = pooled("acc", &scores).expect("both have it");
        assert!((pooled.value - 0.5).abs() < 1e-12);
        let error = (0.75f64 * 0.75 + 0.25 * 0.25).sqrt() * 0.02;
        assert!((pooled.error.expect("both have one") - error).abs() < 1e-12);
        // The second was asked whole: only the first is drawn.
        let drawn = 0.75 * 0.02 * (2.0f64 / 3.0).sqrt();
        assert!((pooled.drawn.expect("both have one") - drawn).abs() < 1e-12);
        assert_eq!((pooled.items, pooled.chance), ((200, 400), Some(0.25)));
    }

    #[test]
    fn what_is_stated_is_answered_and_what_is_missing_said() {
        let all = [stated("acc", 0.51), stated("bleu", 0.1)];
        let found = told(&all, 5, false, score("mmlu", 0.5, (100, 100)));
        assert_eq!(found[0].agreement, Some(Agreement::Agrees));
        assert_eq!(
            (found[0].published, found[0].chance),
            (Some(0.51), Some(0.25))
        );
        assert!(
            matches!(&found[1].score, BenchmarkScore::Missing { reason } if reason.contains("bleu"))
        );
        // Nothing stated: all metrics, held against nothing.
        let found = told(&[], 5, false, score("mmlu", 0.5, (100, 100)));
        let metrics: Vec<_> = found
            .iter()
            .map(|one| (one.metric.as_str(), one.agreement))
            .collect();
        assert_eq!(
            metrics,
            [
                ("acc", None),
                ("exact_match,strict", None),
                ("exact_match,loose", None)
            ]
        );
        let failed = TaskScore {
            state: State::Failed("no".to_owned()),
            metrics: Vec::new(),
            ..score("mmlu", 0.0, (0, 0))
        };
        let found = told(&all, 5, false, failed);
        let reason = "no".to_owned();
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|one| one.score
            == BenchmarkScore::Failed {
                reason: reason.clone()
            }));
    }

    #[test]
    fn a_filter_is_held_against_its_own() {
        let filters = [
            stated("exact_match,loose", 0.9),
            stated("exact_match,strict", 0.1),
            stated("exact_match", 0.5),
        ];
        let found = told(&filters, 5, false, score("gsm8k", 0.5, (100, 100)));
        assert_eq!(found[0].agreement, Some(Agreement::Agrees));
        assert_eq!(found[1].agreement, Some(Agreement::Agrees));
        // Two of that name: which is meant is not known.
        assert!(matches!(found[2].score, BenchmarkScore::Missing { .. }));
    }

    #[test]
    fn other_prompts_contradict_nothing() {
        let lie = [stated("acc", 0.9)];
        let agreement = |shots, own_words| {
            told(&lie, shots, own_words, score("t", 0.5, (100, 100)))[0].agreement
        };
        assert_eq!(agreement(5, false), Some(Agreement::Differs));
        assert_eq!(agreement(0, false), Some(Agreement::NotEnough));
        assert_eq!(agreement(5, true), Some(Agreement::NotEnough));
    }
}
