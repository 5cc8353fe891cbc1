//! What a reader's own machine measured on a published model: the evidence that no card can give.
//!
//! Pure data. `glasswork-poc` measures; the claims of a publication rest on it and the decision page shows it.

use serde::{Deserialize, Serialize};

/// Everything that was measured. What was not measured is absent, never zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurements {
    /// Loss of checkpoints on logged batches.
    pub logged_loss: Vec<LoggedLoss>,
    /// Loss on data that a checkpoint has and has not seen.
    pub seen_unseen: Vec<SeenUnseen>,
    /// Standard tasks.
    pub benchmarks: Vec<Benchmark>,
    /// The reader's own documents and questions.
    pub own_documents: Option<OwnDocuments>,
}

/// A mean with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Sample standard deviation ÷ √count; `None` with fewer than two values.
    pub standard_error: Option<f64>,
    /// Values.
    pub count: u64,
}

impl Mean {
    /// Of these values; `None` where there are none or one is not finite.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
        let error = (squares / (count as f64 - 1.0) / count as f64).sqrt();
        mean.is_finite().then_some(Self {
            mean,
            standard_error: (count > 1).then_some(error),
            count: count as u64,
        })
    }
}

/// How two numbers stand to one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Their difference lies within the bound.
    Agrees,
    /// It does not.
    Differs,
    /// The bound is so wide that agreement would say nothing.
    NotEnough,
}

/// Loss of a checkpoint on batches that were trained on right after it, against the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedLoss {
    /// Name of the checkpoint.
    pub checkpoint: String,
    /// Updates before it.
    pub step: u64,
    /// The file of rows.
    pub data: String,
    /// Mean loss (nats a token) of rows, measured here.
    pub measured: Mean,
    /// Mean of the logged losses of the updates that read such rows.
    pub logged: Mean,
    /// Whether these are the very rows of the next update, or rows of the stretch in which it lies.
    pub exact: bool,
    /// Largest difference that counts as agreement.
    pub bound: f64,
    /// The outcome.
    pub agreement: Agreement,
    /// Steps whose weights would have given a loss within the bound too, by the logged curve: first and last.
    pub indistinguishable: (u64, u64),
    /// Rows that the checkpoint was trained on last, because nothing came after it: only a higher loss differs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trained_on: bool,
    /// The log's number of an update minus ours, where it counts otherwise.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shift: i64,
}

fn is_zero(shift: &i64) -> bool {
    *shift == 0
}

/// Mean loss on rows that a checkpoint was trained on lately, and on rows that come long after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenUnseen {
    /// Name of the checkpoint.
    pub checkpoint: String,
    /// Updates before it.
    pub step: u64,
    /// Rows that it has seen, and the file that they are from.
    pub seen: Mean,
    /// The file.
    pub seen_data: String,
    /// Rows that come after it.
    pub unseen: Mean,
    /// The file.
    pub unseen_data: String,
    /// unseen − seen; nats a token.
    pub gap: f64,
    /// 95% interval of the gap.
    pub interval: (f64, f64),
    /// *Differs* where what it should not have seen is significantly easier than what it has.
    pub agreement: Agreement,
}

/// A task's score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Benchmark {
    /// Name of the checkpoint.
    pub checkpoint: String,
    /// The task.
    pub task: String,
    /// The metric.
    pub metric: String,
    /// What came of it.
    pub score: BenchmarkScore,
    /// Items scored.
    pub items: u64,
    /// Items that the task has.
    pub of: u64,
    /// Score of guessing.
    pub chance: Option<f64>,
    /// What the publisher states for the same.
    pub published: Option<f64>,
    /// Against the published score, where there is one.
    pub agreement: Option<Agreement>,
}

/// A score, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum BenchmarkScore {
    /// A score with its 95% interval.
    Scored {
        /// The score.
        value: f64,
        /// The interval; `None` where the metric has no standard error.
        interval: Option<(f64, f64)>,
    },
    /// Not looked at, and why.
    Missing {
        /// Why.
        reason: String,
    },
    /// It could not be computed.
    Failed {
        /// Why.
        reason: String,
    },
}

/// The reader's own material.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnDocuments {
    /// Name of the checkpoint.
    pub checkpoint: String,
    /// Documents read.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bits per UTF-8 byte.
    pub bits_per_byte: Option<f64>,
    /// Tokens a character: what a text costs where tokens are paid.
    pub tokens_per_character: Option<f64>,
    /// Questions asked.
    pub questions: u64,
    /// Answers that equal the expected one.
    pub exact: u64,
    /// Answers that contain it.
    pub contained: u64,
    /// Share of the documents' stretches of 13 words that the sampled training data holds; `None` where that is unknown.
    pub overlap: Option<f64>,
    /// Bytes of training data that were looked through for that, of all that is published: nothing found in little is
    /// not nothing.
    #[serde(default)]
    pub overlap_sampled: Option<(u64, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_says_what_it_does_not_know() {
        let mean = Mean::of(&[1.0, 2.0, 3.0]).expect("finite");
        assert_eq!((mean.mean, mean.count), (2.0, 3));
        let error = mean.standard_error.expect("three values");
        assert!((error - 1.0 / 3f64.sqrt()).abs() < 1e-12);
        assert_eq!(Mean::of(&[1.0]).expect("finite").standard_error, None);
        assert_eq!(Mean::of(&[]), None);
        assert_eq!(Mean::of(&[f64::NAN, 1.0]), None);
    }
}
