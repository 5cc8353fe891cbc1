//! What to do within a budget, most telling first.
//!
//! Nothing is computed here: a plan is a choice among items whose costs are estimated. The order is one of
//! information: what can refute the publisher's claims for little comes before what measures once more.

use crate::{Budget, Rates};
use serde::Serialize;
use std::collections::BTreeSet;

/// Share of a budget that is planned; estimates are estimates.
const PLANNED: f64 = 0.9;

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum What {
    /// The reader's own documents and questions.
    OwnDocuments {
        /// Which checkpoint.
        checkpoint: usize,
    },
    /// Loss on logged batches, and on data seen and not yet seen.
    Probe {
        /// Which checkpoint.
        checkpoint: usize,
        /// Rows a side.
        rows: usize,
        /// Whether rows that it has seen are scored, too.
        seen: bool,
    },
    /// A standard task, on items drawn at random.
    Benchmark {
        /// Which checkpoint.
        checkpoint: usize,
        /// The task, or a group of tasks.
        task: String,
        /// Examples before each question; `None` as the task has it.
        shots: Option<usize>,
        /// Items of each task.
        items: usize,
        /// Whether its data set is fetched first; how much that is nobody knows before.
        fetches_data: bool,
    },
}

impl What {
    /// The checkpoint that it needs.
    fn checkpoint(&self) -> usize {
        match self {
            Self::OwnDocuments { checkpoint }
            | Self::Probe { checkpoint, .. }
            | Self::Benchmark { checkpoint, .. } => *checkpoint,
        }
    }
}

/// Something that can be done, with what it takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// What.
    pub what: What,
    /// Bytes that are not on this disk yet; what an earlier item fetches is not counted again.
    pub fetch_bytes: u64,
    /// What that takes; seconds.
    pub fetch_seconds: f64,
    /// Tokens to score or generate.
    pub tokens: u64,
    /// Floating point operations, for a price elsewhere.
    pub flops: f64,
    /// Wall time here, fetching included; seconds.
    pub seconds: f64,
    /// Ids of the claims that it speaks to.
    pub claims: Vec<&'static str>,
}

/// What fits, and what does not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Budget, seconds.
    pub budget_seconds: f64,
    /// To be done, in this order.
    pub chosen: Vec<Item>,
    /// What would take too long.
    pub left_out: Vec<Item>,
    /// Tasks that cannot be asked, and why.
    pub not_asked: Vec<NotAsked>,
    /// How fast this machine is; `None` where nothing is computed.
    pub rates: Option<Rates>,
}

/// A task that cannot be asked of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotAsked {
    /// Which checkpoint.
    pub checkpoint: usize,
    /// The task.
    pub task: String,
    /// Why.
    pub why: String,
}

impl Plan {
    /// Takes `offers` in their order, which is that of their worth, as long as they fit; a later one that fits is taken
    /// where an earlier one does not.
    #[must_use]
    pub fn new(offers: Vec<Item>, budget: Budget) -> Self {
        let mut left = budget.seconds() * PLANNED;
        let (mut chosen, mut left_out) = (Vec::new(), Vec::new());
        let mut fetched = BTreeSet::new();
        for mut item in offers {
            let checkpoint = item.what.checkpoint();
            if fetched.contains(&checkpoint) {
                item.seconds -= item.fetch_seconds;
                (item.fetch_bytes, item.fetch_seconds) = (0, 0.0);
            }
            if item.seconds <= left {
                fetched.insert(checkpoint);
                left -= item.seconds;
                chosen.push(item);
            } else {
                left_out.push(item);
            }
        }
        Self {
            budget_seconds: budget.seconds(),
            chosen,
            left_out,
            not_asked: Vec::new(),
            rates: None,
        }
    }

    /// Bytes that it fetches.
    #[must_use]
    pub fn fetch_bytes(&self) -> u64 {
        self.chosen.iter().map(|item| item.fetch_bytes).sum()
    }

    /// Wall time that it is expected to take; seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.chosen.iter().fold(0.0, |sum, item| sum + item.seconds)
    }

    /// Floating point operations of what is chosen.
    #[must_use]
    pub fn flops(&self) -> f64 {
        self.chosen.iter().fold(0.0, |sum, item| sum + item.flops)
    }
}

/// The order in which checkpoints of a training are worth probing: the last, which people would use; the first, where
/// faults of initialisation show; then ever finer halves.
#[must_use]
pub fn order_of_checkpoints(count: usize) -> Vec<usize> {
    let Some(last) = count.checked_sub(1) else {
        return Vec::new();
    };
    let mut order = vec![last];
    let mut add = |index: usize| {
        if !order.contains(&index) {
            order.push(index);
        }
    };
    add(0);
    let mut parts = 2;
    while parts <= 2 * count {
        for part in (1..parts).step_by(2) {
            add(last * part / parts);
        }
        parts *= 2;
    }
    order
}

/// What computing elsewhere would cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prices {
    /// US dollars for an hour of one GPU.
    pub gpu_hour: f64,
    /// Floating point operations a second that it reaches.
    pub gpu_flops: f64,
}

impl Default for Prices {
    /// An H100 as rented in 2025: 2 dollars an hour, 4·10¹⁴ a second reached.
    fn default() -> Self {
        Self {
            gpu_hour: 2.0,
            gpu_flops: 4e14,
        }
    }
}

impl Prices {
    /// Dollars for these operations.
    #[must_use]
    pub fn dollars(&self, flops: f64) -> f64 {
        flops / self.gpu_flops / 3600.0 * self.gpu_hour
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(seconds: f64) -> Item {
        Item {
            what: What::Probe {
                checkpoint: 3,
                rows: 16,
                seen: true,
            },
            fetch_bytes: 10,
            fetch_seconds: 0.0,
            tokens: 0,
            flops: 0.0,
            seconds,
            claims: vec!["pub_loss_confirmed"],
        }
    }

    #[test]
    fn what_fits_is_taken_in_order() {
        let budget = "10m".parse().expect("a budget");
        let plan = Plan::new([300.0, 400.0, 200.0, 60.0].map(item).into(), budget);
        let seconds = |items: &[Item]| items.iter().map(|item| item.seconds).collect::<Vec<_>>();
        assert_eq!(seconds(&plan.chosen), [300.0, 200.0]);
        assert_eq!(seconds(&plan.left_out), [400.0, 60.0]);
        // Both need the same weights.
        assert_eq!((plan.fetch_bytes(), plan.seconds()), (10, 500.0));
    }

    #[test]
    fn weights_are_fetched_once() {
        let of = |checkpoint| Item {
            what: What::OwnDocuments { checkpoint },
            fetch_seconds: 300.0,
            ..item(310.0)
        };
        let budget = "10m".parse().expect("a budget");
        let plan = Plan::new(vec![of(1), of(1), of(2), of(1)], budget);
        let seconds: Vec<f64> = plan.chosen.iter().map(|item| item.seconds).collect();
        assert_eq!(seconds, [310.0, 10.0, 10.0]);
    }

    #[test]
    fn checkpoints_are_probed_from_the_ends_inwards() {
        assert_eq!(order_of_checkpoints(0), [0; 0]);
        assert_eq!(order_of_checkpoints(1), [0]);
        assert_eq!(order_of_checkpoints(5)[..4], [4, 0, 2, 1]);
        for count in [2, 3, 13, 360] {
            let mut all = order_of_checkpoints(count);
            assert_eq!(all[0], count - 1);
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn prices_are_stated_numbers() {
        // One hour of a GPU that reaches 4·10¹⁴.
        assert_eq!(Prices::default().dollars(4e14 * 3600.0), 2.0);
    }
}
