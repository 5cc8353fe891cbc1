//! One evaluation: tasks into requests, requests into answers, answers into scores.

use super::answers::{Effort, Progress, Wanted, answer_all};
use super::dataset::Datasets;
use super::group::Selection;
use super::json;
use super::language_model::LanguageModel;
use super::log::Log;
use super::result;
use super::running::Running;
use super::task_files::TaskFiles;
use crate::EvalError;
use std::path::Path;

/// Version of what decides an answer's meaning. A change of it makes kept answers void.
pub const VERSION: &str = "glasswork-harness-1 (lm-eval 0.4.13)";

/// What may be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Examples before each question, where the task does not say 0.
    pub shots: Option<usize>,
    /// Only so many documents of each task, the first ones, as the harness takes them.
    pub limit: Option<usize>,
    /// Of those only so many, drawn at random by `seed`; each is asked as it would be among all.
    pub sample: Option<usize>,
    /// Seed of the choice of examples; the harness has 1234.
    pub seed: u64,
    /// About so many tokens are computed before answers are kept.
    pub portion: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shots: None,
            limit: None,
            sample: None,
            seed: 1234,
            portion: 1 << 17,
        }
    }
}

/// What a result says of where it comes from.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The model's name.
    pub model: String,
    /// How it was opened.
    pub model_args: String,
    /// When it began, seconds since 1970.
    pub date: f64,
    /// The program.
    pub program: String,
}

/// How far a score can be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Every document was judged.
    Measured,
    /// Some documents were not, and do not count.
    Partly {
        /// Documents that could not be asked or judged.
        failed: usize,
        /// Documents with an answer that is no number.
        invalid: usize,
        /// The first reason.
        reason: String,
    },
    /// There is no data.
    Missing(String),
    /// The task cannot be computed.
    Failed(String),
    /// No answer is a number.
    Invalid(String),
}

/// What guessing would score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// Mean of 1 / number of choices.
    pub level: f64,
    /// Probability of guessing at least as many right (exact binomial tail at the mean level).
    pub p: f64,
}

impl Chance {
    /// Whether the score may well be a guess, at 5 %.
    pub fn at_chance(&self) -> bool {
        self.p > 0.05
    }
}

/// A task's part of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskScore {
    /// Its name.
    pub task: String,
    /// Whether it was measured.
    pub state: State,
    /// `metric,filter`, value, standard error where there is one.
    pub metrics: Vec<(String, f64, Option<f64>)>,
    /// Guessing, for tasks with choices.
    pub chance: Option<Chance>,
    /// Documents that were judged, and documents that the task has.
    pub documents: (usize, usize),
}

/// What an evaluation gives.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// Of each task.
    pub scores: Vec<TaskScore>,
    /// `results_….json` of the harness.
    pub results: String,
    /// `samples_<task>_….jsonl` of the harness, by task.
    pub samples: Vec<(String, String)>,
    /// What was computed and what was known.
    pub effort: Effort,
}

/// Evaluates `model` on the tasks, groups and tags `names` of `files`. Answers are kept in the file `log`.
///
/// # Errors
/// A name that nothing has, a log that cannot be read or written, a model that cannot compute. A task that
/// cannot be read or lacks its data is a [`State`], not an error.
pub fn evaluate(
    model: &mut dyn LanguageModel,
    (files, names): (&TaskFiles, &[String]),
    data: &Datasets,
    options: &Options,
    log: Option<&Path>,
    about: &About,
    progress: &dyn Progress,
) -> Result<Evaluated, EvalError> {
    let selection = Selection::new(files, names, options.shots)?;
    let mut log = Log::open(log)?;
    let mut running: Vec<(String, Result<Running, State>)> = Vec::new();
    for (name, task) in selection.tasks {
        let task = task.and_then(|task| Running::new(task, data, options, model));
        running.push((name, task.map_err(|error| State::of(&error))));
    }
    let wanted: Vec<Wanted> = running
        .iter()
        .filter_map(|(_, running)| running.as_ref().ok())
        .flat_map(|running| running.wanted().cloned())
        .collect();
    let effort = answer_all(model, &wanted, &mut log, options.portion, progress)?;
    let (mut judged, mut scores) = (Vec::new(), Vec::new());
    for (name, running) in running {
        match running.and_then(|running| running.judge(&log).map_err(|error| State::of(&error))) {
            Ok(task) => {
                scores.push(task.score());
                judged.push(task);
            }
            Err(state) => scores.push(TaskScore {
                task: name,
                state,
                metrics: Vec::new(),
                chance: None,
                documents: (0, 0),
            }),
        }
    }
    let results = result::results(
        &judged,
        &selection.groups,
        &scores,
        (options, about, &model.identity()),
    );
    let samples = judged.iter().map(|task| {
        let lines: String = task
            .samples
            .iter()
            .map(|sample| result::sample_line(sample) + "\n")
            .collect();
        (task.task.name.clone(), lines)
    });
    Ok(Evaluated {
        samples: samples.collect(),
        results: json::write(&results, Some(2)),
        scores,
        effort,
    })
}

impl State {
    fn of(error: &EvalError) -> Self {
        match error {
            EvalError::Dataset { .. } | EvalError::Read { .. } => Self::Missing(error.to_string()),
            error => Self::Failed(error.to_string()),
        }
    }

    /// The state in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Partly { .. } => "partly",
            Self::Missing(_) => "missing",
            Self::Failed(_) => "failed",
            Self::Invalid(_) => "invalid",
        }
    }

    /// Why it is not measured.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Measured => None,
            Self::Partly { reason, .. } => Some(reason),
            Self::Missing(reason) | Self::Failed(reason) | Self::Invalid(reason) => Some(reason),
        }
    }
}
