//! An inventory while it is gathered, and how much of it may still be read into memory.

use crate::error::{Error, Result};
use crate::headers::problem;
use crate::inventory::{Inventory, Problem};
use crate::limits::Limits;
use crate::metrics::Log;
use crate::store::Store;

/// Bytes of small files of a publication, together: cards, licences, configurations, results, states of trainers.
const MOST_BYTES: u64 = 256 << 20;
/// Values of all logs together.
const MOST_POINTS: usize = 32 << 20;

/// What was gathered so far.
pub(crate) struct Gathered {
    pub(crate) inventory: Inventory,
    pub(crate) limits: Limits,
    /// Bytes that may still be read.
    left: u64,
    points: usize,
}

impl Gathered {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            inventory: Inventory::default(),
            limits,
            left: MOST_BYTES,
            points: 0,
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
