//! An inventory while it is gathered, and how much of it may still be read into memory.

use crate::error::{Error, Result};
use crate::headers::problem;
use crate::inventory::{Evaluation, Inventory, Problem};
use crate::limits::Limits;
use crate::metrics::Log;
use crate::store::Store;

/// Bytes of small files of a publication, together: cards, licences, configurations, results, states of trainers.
const MOST_BYTES: u64 = 256 << 20;
/// Scores of all results together; each takes some hundred and fifty bytes.
const MOST_SCORES: usize = 1 << 20;
/// Values of all logs together.
const MOST_POINTS: usize = 32 << 20;

/// What was gathered so far.
pub(crate) struct Gathered {
    pub(crate) inventory: Inventory,
    pub(crate) limits: Limits,
    /// Bytes that may still be read.
    left: u64,
    points: usize,
    scores: usize,
}

impl Gathered {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            inventory: Inventory::default(),
            limits,
            left: MOST_BYTES,
            points: 0,
            scores: 0,
        }
    }

    /// A whole small file of at most `limit` bytes.
    pub(crate) fn read(&mut self, store: &dyn Store, path: &str, limit: u64) -> Result<Vec<u8>> {
        let bytes = store.file(path)?.bytes;
        if bytes <= limit && bytes > self.left {
            return Err(Error::Content {
                path: path.into(),
                problem: format!("was not read: small files have more than {MOST_BYTES} bytes"),
            });
        }
        let read = store.read_all(path, limit)?;
        self.left -= read.len() as u64;
        Ok(read)
    }

    /// Adds results, where there is room for them.
    ///
    /// # Errors
    /// More scores than are kept.
    pub(crate) fn add_results(&mut self, path: &str, found: Vec<Evaluation>) -> Result<()> {
        let of_one =
            |one: &Evaluation| 1 + one.results.values().map(|own| 1 + own.len()).sum::<usize>();
        let scores: usize = found.iter().map(of_one).sum();
        if scores > MOST_SCORES - self.scores {
            return Err(Error::Content {
                path: path.into(),
                problem: format!(
                    "was left out: results have more than {MOST_SCORES} scores together"
                ),
            });
        }
        self.scores += scores;
        self.inventory.evaluations.extend(found);
        Ok(())
    }

    /// Whether there is room for another log.
    pub(crate) fn has_room_for_logs(&self) -> bool {
        self.points < MOST_POINTS
    }

    pub(crate) fn add_log(&mut self, path: &str, log: Log) {
        let points = log.series.iter().map(|series| series.points.len());
        self.points += points.sum::<usize>();
        self.inventory.metrics.extend(log.series);
        if let Some(reason) = log.problem {
            self.told(path, reason);
        }
    }

    /// Notes a file that could not be read.
    pub(crate) fn failed(&mut self, path: &str, error: &Error) {
        self.inventory.problems.push(problem(path, error));
    }

    /// Notes what is wrong with a file.
    pub(crate) fn told(&mut self, path: &str, reason: String) {
        self.inventory.problems.push(Problem::new(path, reason));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::inventory::Score;

    #[test]
    fn attack_results_of_millions_of_scores() {
        let metrics = |count: usize| {
            let one = |i| (format!("m{i}"), Score::Missing);
            (0..count).map(one).collect::<BTreeMap<_, _>>()
        };
        let results = |count| {
            vec![Evaluation {
                results: BTreeMap::from([("task".to_owned(), metrics(count))]),
                ..Evaluation::default()
            }]
        };
        let mut gathered = Gathered::new(Limits::default());
        let half = MOST_SCORES / 2 + 1;
        gathered.add_results("a.json", results(half)).unwrap();
        let told = gathered.add_results("b.json", results(half)).unwrap_err();
        assert!(
            told.to_string().contains("more than 1048576 scores"),
            "{told}"
        );
        gathered.add_results("c.json", results(1000)).unwrap();
        assert_eq!(gathered.inventory.evaluations.len(), 2);
    }
}
