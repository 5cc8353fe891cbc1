//! Rows of a log on their way to series.

use std::collections::BTreeMap;

use super::{Log, MOST_KEY, MOST_KEYS, MOST_POINTS, kind};
use crate::error::{Error, Result};
use crate::inventory::MetricSeries;

/// Series by key, as rows come.
#[derive(Default)]
pub(super) struct Series {
    by_key: BTreeMap<String, Vec<(u64, f64)>>,
    points: usize,
    /// Whether a key came that there is no room for.
    more_keys: bool,
    /// Values where a number is due that are none.
    odd: u64,
}

impl Series {
    /// A value of a row; `false` when there is no room for more.
    pub(super) fn push(&mut self, key: &str, step: u64, value: f64) -> bool {
        if self.points == MOST_POINTS {
            return false;
        }
        if !self.by_key.contains_key(key) {
            if key.len() > MOST_KEY {
                self.odd();
                return true;
            }
            if self.by_key.len() == MOST_KEYS {
                self.more_keys = true;
                return true;
            }
            self.by_key.insert(key.to_owned(), Vec::new());
        }
        let points = self.by_key.get_mut(key).expect("it was put there");
        points.push((step, value));
        self.points += 1;
        true
    }

    /// A value that is no number.
    pub(super) fn odd(&mut self) {
        self.odd += 1;
    }

    /// What was logged.
    pub(super) fn log(self, path: &str) -> Result<Log> {
        if self.by_key.is_empty() {
            return Err(Error::Content {
                path: path.into(),
                problem: "holds no numbers by step".into(),
            });
        }
        let problem = if self.points == MOST_POINTS {
            Some(format!(
                "has more than {MOST_POINTS} values; the first ones were read"
            ))
        } else if self.more_keys {
            Some(format!(
                "has more than {MOST_KEYS} keys; the first ones were read"
            ))
        } else if self.odd > 0 {
            Some(format!("holds {} values that are no numbers", self.odd))
        } else {
            None
        };
        let series = self.by_key.into_iter().map(|(key, points)| MetricSeries {
            path: path.into(),
            kind: kind(&key),
            key,
            points,
        });
        Ok(Log {
            series: series.collect(),
            problem,
        })
    }
}
