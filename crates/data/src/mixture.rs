//! Which source the next window comes from: a closed form, exact at every position.
//!
//! Sources stand at the leaves of a balanced binary tree, in the byte order of their ids. Of the
//! first `m` windows that reach a node whose sides weigh `l` and `r`, the left side gets
//! `⌊m·l/(l+r)⌋`, the right side the rest. Both counts never fall as `m` grows, so a position
//! belongs to exactly one source, the counts invert in closed form, and no source is ever further
//! from its share than the depth of the tree. (Independent floors per source fail from three
//! sources on: a position may belong to none or to two.)

use crate::error::{Error, Result};

/// One source as the mixture sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MixtureSource {
    /// The source's id in the run file.
    pub id: String,
    /// Its integer share; only ratios matter.
    pub weight: u64,
    /// How many windows one pass over its training text holds.
    pub windows: u64,
}

/// The interleaving of sources, a pure function of their ids and weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mixture {
    sources: Vec<MixtureSource>,
    /// `before[i]` = weight of the sources before `i`; one longer than `sources`.
    before: Vec<u64>,
}

impl Mixture {
    /// Sorts the sources by the bytes of their ids and checks them.
    ///
    /// # Errors
    /// No source, an id given twice, a weight or window count of zero, or a sum of weights past
    /// `u64`.
    pub fn new(mut sources: Vec<MixtureSource>) -> Result<Self> {
        sources.sort_by(|a, b| a.id.as_bytes().cmp(b.id.as_bytes()));
        if sources.is_empty() {
            return Err(Error::Mixture("it names no source".into()));
        }
        let mut before = vec![0u64];
        let mut total = 0u64;
        for (at, source) in sources.iter().enumerate() {
            if at > 0 && sources[at - 1].id == source.id {
                return Err(Error::Mixture(format!(
                    "source `{}` is named twice",
                    source.id
                )));
            }
            if source.weight == 0 || source.windows == 0 {
                return Err(Error::Mixture(format!(
                    "source `{}` has weight {} and {} windows; both must be at least 1",
                    source.id, source.weight, source.windows
                )));
            }
            total = total
                .checked_add(source.weight)
                .ok_or_else(|| Error::Mixture("the weights' sum exceeds 2^64".into()))?;
            before.push(total);
        }
        Ok(Self { sources, before })
    }

    /// The sources, in the byte order of their ids; indices elsewhere refer to this slice.
    pub fn sources(&self) -> &[MixtureSource] {
        &self.sources
    }

    /// Weights of the two children of the node over `low..high`, and where it splits.
    fn split(&self, low: usize, high: usize) -> (u128, u128, usize) {
        let middle = low + (high - low) / 2;
        let left = self.before[middle] - self.before[low];
        let right = self.before[high] - self.before[middle];
        (u128::from(left), u128::from(right), middle)
    }

    /// The source of this position, and how many windows of that source came before it.
    pub fn locate(&self, position: u64) -> (usize, u64) {
        let (mut low, mut high, mut m) = (0, self.sources.len(), u128::from(position));
        while high - low > 1 {
            let (left, right, middle) = self.split(low, high);
            let taken = m * left / (left + right);
            if (m + 1) * left / (left + right) > taken {
                (high, m) = (middle, taken);
            } else {
                (low, m) = (middle, m - taken);
            }
        }
        (
            low,
            u64::try_from(m).expect("a count of positions never exceeds the position"),
        )
    }

    /// The position of a source's `index`-th window: `locate(position_of(s, i)) == (s, i)`.
    /// `None` where it lies past the last `u64` position.
    ///
    /// # Panics
    /// If `source` is not an index into [`Mixture::sources`].
    pub fn position_of(&self, source: usize, index: u64) -> Option<u64> {
        assert!(source < self.sources.len(), "no source {source}");
        // The path from the root to the leaf, then upwards: at each node the smallest position
        // at which the child has had `index + 1` windows.
        let mut path = Vec::new();
        let (mut low, mut high) = (0, self.sources.len());
        while high - low > 1 {
            let (left, right, middle) = self.split(low, high);
            path.push((left, right, source < middle));
            if source < middle {
                high = middle;
            } else {
                low = middle;
            }
        }
        let mut m = u128::from(index);
        for (left, right, is_left) in path.into_iter().rev() {
            let total = left + right;
            m = if is_left {
                ((m + 1) * total).div_ceil(left) - 1
            } else {
                m * total / right
            };
            if m > u128::from(u64::MAX) {
                return None;
            }
        }
        u64::try_from(m).ok()
    }

    /// How many of the first `rows` positions each source gets; the counts sum to `rows`.
    pub fn counts(&self, rows: u64) -> Vec<u64> {
        let mut counts = vec![0; self.sources.len()];
        let mut open = vec![(0, self.sources.len(), u128::from(rows))];
        while let Some((low, high, m)) = open.pop() {
            if high - low == 1 {
                counts[low] = u64::try_from(m).expect("never more than `rows`");
                continue;
            }
            let (left, right, middle) = self.split(low, high);
            let taken = m * left / (left + right);
            open.push((low, middle, taken));
            open.push((middle, high, m - taken));
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mixture(weights: &[u64]) -> Mixture {
        let source = |(i, &weight)| MixtureSource {
            id: format!("s{i:03}"),
            weight,
            windows: 1,
        };
        Mixture::new(weights.iter().enumerate().map(source).collect()).expect("valid")
    }

    proptest! {
        #[test]
        fn locate_and_position_of_are_inverse(
            weights in prop::collection::vec(1u64..1_000_000, 1..12), position in 0..u64::MAX / 2,
        ) {
            let mixture = mixture(&weights);
            let (source, index) = mixture.locate(position);
            prop_assert_eq!(mixture.position_of(source, index), Some(position));
        }

        #[test]
        fn any_leaf_position_leads_back(
            weights in prop::collection::vec(1u64.., 1..6), which: usize, index in 0u64..1_000_000,
        ) {
            prop_assume!(weights.iter().try_fold(0u64, |sum, &w| sum.checked_add(w)).is_some());
            let mixture = mixture(&weights);
            let source = which % weights.len();
            if let Some(position) = mixture.position_of(source, index) {
                prop_assert_eq!(mixture.locate(position), (source, index));
            }
        }

        #[test]
        fn shares_stay_within_the_depth_of_the_tree(
            weights in prop::collection::vec(1u64..100, 1..17), rows in 0u64..1_000_000,
        ) {
            let mixture = mixture(&weights);
            let counts = mixture.counts(rows);
            prop_assert_eq!(counts.iter().sum::<u64>(), rows);
            let total: u64 = weights.iter().sum();
            let depth = (weights.len() as f64).log2().ceil();
            for (count, weight) in counts.iter().zip(&weights) {
                let share = rows as f64 * *weight as f64 / total as f64;
                prop_assert!((*count as f64 - share).abs() <= depth + 1e-6);
            }
        }
    }

    #[test]
    fn walking_the_positions_counts_each_source_up_from_zero() {
        let mixture = mixture(&[5, 1, 3]);
        let mut next = [0u64; 3];
        for position in 0..900 {
            let (source, index) = mixture.locate(position);
            assert_eq!(index, next[source]);
            next[source] += 1;
        }
        assert_eq!(next, [500, 100, 300]);
        assert_eq!(mixture.counts(900), next);
    }

    #[test]
    fn refuses_what_has_no_meaning() {
        let source = |id: &str, weight, windows| MixtureSource {
            id: id.into(),
            weight,
            windows,
        };
        assert!(Mixture::new(vec![]).is_err());
        assert!(Mixture::new(vec![source("a", 0, 1)]).is_err());
        assert!(Mixture::new(vec![source("a", 1, 0)]).is_err());
        assert!(Mixture::new(vec![source("a", 1, 1), source("a", 2, 1)]).is_err());
        assert!(Mixture::new(vec![source("a", u64::MAX, 1), source("b", 1, 1)]).is_err());
    }
}
