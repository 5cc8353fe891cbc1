//! How much of a publication is looked at, and through what.

use std::fmt;
use std::sync::Arc;

use glasswork_hub::{Hub, Watch};

/// The way to what is named, and how far to go.
#[derive(Clone, Default)]
pub struct Door {
    /// The Hub; without it, only folders are opened.
    pub hub: Option<Arc<Hub>>,
    /// Told how downloads of whole files go.
    pub watch: Option<Arc<dyn Watch + Send + Sync>>,
    /// How much is looked at.
    pub limits: Limits,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("hub", &self.hub)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How much of a publication is looked at. What lies beyond a limit is listed all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Revisions of a repository that are listed: one request each, and one for their `config.json`.
    pub revisions: usize,
    /// Checkpoints whose headers are read: two or three stretches for each file of weights. Where there are more,
    /// neighbours in pairs, evenly spread.
    pub headers: usize,
    /// Files of results that are read.
    pub evaluations: usize,
    /// Logs that are read, whole.
    pub logs: usize,
    /// Files of data whose first lines are looked at, evenly spread.
    pub samples: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            revisions: 1000,
            headers: 1000,
            evaluations: 5000,
            logs: 64,
            samples: 32,
        }
    }
}

impl Limits {
    /// For minutes and a slow connection.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            revisions: 400,
            headers: 16,
            evaluations: 64,
            logs: 8,
            samples: 4,
        }
    }
}

/// `at_most` of the numbers below `count`, evenly spread, first and last among them.
pub(crate) fn spread(count: usize, at_most: usize) -> Vec<usize> {
    if count <= at_most {
        return (0..count).collect();
    }
    match at_most {
        0 => Vec::new(),
        1 => vec![count - 1],
        _ => (0..at_most)
            .map(|i| i * (count - 1) / (at_most - 1))
            .collect(),
    }
}

/// The same in pairs of neighbours, because faults between checkpoints show between neighbours.
pub(crate) fn spread_in_pairs(count: usize, at_most: usize) -> Vec<usize> {
    if count <= at_most {
        return (0..count).collect();
    }
    let mut chosen: Vec<usize> = spread(count - 1, at_most / 2)
        .into_iter()
        .flat_map(|first| [first, first + 1])
        .collect();
    chosen.dedup();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_is_spread_and_has_both_ends() {
        assert_eq!(spread(3, 5), [0, 1, 2]);
        assert_eq!(spread(11, 3), [0, 5, 10]);
        assert_eq!(spread_in_pairs(100, 6), [0, 1, 49, 50, 98, 99]);
        assert_eq!(spread_in_pairs(4, 2), [2, 3]);
        assert!(spread_in_pairs(9, 1).is_empty() && spread(9, 0).is_empty());
    }
}
