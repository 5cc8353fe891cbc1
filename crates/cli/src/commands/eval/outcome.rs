//! What an evaluation says: as JSON, and in lines for a person.

use super::against::{self, Compared};
use crate::output::grouped;
use glasswork_eval::harness::{MineReport, TaskScore, interval};
use serde::Serialize;
use std::path::PathBuf;

/// A checkpoint's part of the result.
#[derive(Serialize)]
pub(super) struct OfCheckpoint {
    pub(super) checkpoint: String,
    pub(super) computed: usize,
    pub(super) known: usize,
    pub(super) tasks: Vec<OfTask>,
    pub(super) mine: Option<OfMine>,
    pub(super) results: Option<PathBuf>,
    /// Beside the samples of another evaluation.
    pub(super) against: Vec<Compared>,
}

#[derive(Serialize)]
pub(super) struct OfTask {
    pub(super) task: String,
    pub(super) state: &'static str,
    pub(super) reason: Option<String>,
    /// Documents that were judged, and documents of the split.
    pub(super) judged: usize,
    pub(super) documents: usize,
    pub(super) metrics: Vec<OfMetric>,
    /// Score of guessing, and the probability of guessing so well.
    pub(super) chance: Option<(f64, f64)>,
}

#[derive(Serialize)]
pub(super) struct OfMetric {
    /// With its filter.
    pub(super) metric: String,
    pub(super) value: f64,
    pub(super) standard_error: Option<f64>,
    /// 95 %.
    pub(super) interval: Option<(f64, f64)>,
}

#[derive(Serialize)]
pub(super) struct OfMine {
    pub(super) documents: usize,
    pub(super) bytes: usize,
    pub(super) bits_per_byte: Option<f64>,
    pub(super) tokens_per_character: Option<f64>,
    pub(super) questions: usize,
    pub(super) exact: usize,
    pub(super) contained: usize,
    pub(super) skipped: Vec<(String, String)>,
}

pub(super) fn of_task(score: TaskScore, (judged, documents): (usize, usize)) -> OfTask {
    let of_metric = |(metric, value, standard_error)| OfMetric {
        interval: interval(value, standard_error, judged),
        metric,
        value,
        standard_error,
    };
    OfTask {
        state: score.state.name(),
        reason: score.state.reason().map(str::to_owned),
        chance: score.chance.map(|chance| (chance.level, chance.p)),
        task: score.task,
        judged,
        documents,
        metrics: score.metrics.into_iter().map(of_metric).collect(),
    }
}

pub(super) fn of_mine(report: MineReport) -> OfMine {
    OfMine {
        documents: report.texts.len(),
        bytes: report.texts.iter().map(|text| text.bytes).sum(),
        bits_per_byte: report.bits_per_byte(),
        tokens_per_character: report.tokens_per_character(),
        questions: report.answers.len(),
        exact: report.answers.iter().filter(|answer| answer.exact).count(),
        contained: report
            .answers
            .iter()
            .filter(|answer| answer.contains)
            .count(),
        skipped: report.skipped,
    }
}

pub(super) fn text(all: &[OfCheckpoint]) -> String {
    let mut text = String::new();
    for one in all {
        text.push_str(&format!("{}\n", one.checkpoint));
        for task in &one.tasks {
            for one in &task.metrics {
                let interval = one.interval.map_or(String::new(), |(low, high)| {
                    format!(", 95% {low:.4} to {high:.4}")
                });
                text.push_str(&format!(
                    "  {:<28} {:<20} {:.4}{interval}\n",
                    task.task, one.metric, one.value
                ));
            }
            if task.judged > 0 {
                text.push_str(&format!(
                    "  {:<28} {} of {} items\n",
                    "",
                    grouped(task.judged as u64),
                    grouped(task.documents as u64)
                ));
            }
            if let Some((level, p)) = task.chance {
                let guess = if p > 0.05 {
                    ": not told from guessing"
                } else {
                    ""
                };
                text.push_str(&format!("  {:<28} guessing scores {level:.3}{guess}\n", ""));
            }
            if let Some(reason) = &task.reason {
                text.push_str(&format!("  {:<28} {}: {reason}\n", task.task, task.state));
            }
        }
        text.push_str(&against::text(&one.against));
        if let Some(mine) = &one.mine {
            text.push_str(&own(mine));
        }
        if let Some(path) = &one.results {
            text.push_str(&format!("  results in {}\n", path.display()));
        }
    }
    text
}

fn own(mine: &OfMine) -> String {
    let number =
        |value: Option<f64>| value.map_or("not measured".to_owned(), |value| format!("{value:.4}"));
    let mut text = format!(
        "  own documents: {}, {} bytes; bits per byte {}, tokens a character {}\n",
        grouped(mine.documents as u64),
        grouped(mine.bytes as u64),
        number(mine.bits_per_byte),
        number(mine.tokens_per_character),
    );
    if mine.questions > 0 {
        text.push_str(&format!(
            "  own questions: {}, answered exactly {}, the answer contained {}\n",
            mine.questions, mine.exact, mine.contained
        ));
    }
    for (path, why) in &mine.skipped {
        text.push_str(&format!("  not read: {path}: {why}\n"));
    }
    text
}
