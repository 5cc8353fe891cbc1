//! The order of training: which window stands at which position, as a pure function.
//!
//! The training documents of a source, in canonical order, form one stream of tokens, cut into
//! windows of `T + 1` that overlap by one. Position `p` of the run belongs to a source by the
//! [`Mixture`]; the source's `i`-th visit falls into epoch `⌊i / windows⌋`, and that epoch's own
//! [`Permutation`] says which window is read. All of it runs backwards too, in constant memory.
//!
//! `mixture.json` ([`MixtureFile`]) holds everything that the function needs; chunk files are its
//! materialisation and must agree with it. `docs/order.py` restates it in Python.

use glasswork_release::Digest;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::mixture::{Mixture, MixtureSource};
use crate::permutation::Permutation;

/// Version of `mixture.json` and of the order that it describes.
pub const MIXTURE_FORMAT: u32 = 1;

/// Domain tag of the permutation keys.
const KEY_DOMAIN: &str = "glasswork/permutation/1";

/// What stands at one position of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Index into [`Order::sources`].
    pub source: usize,
    /// Which pass over the source this is, from 0.
    pub epoch: u64,
    /// Which window of the source's stream: tokens `window·T ..= window·T + T`.
    pub window: u64,
}

/// The order of a run.
#[derive(Clone, Debug)]
pub struct Order {
    seed: u64,
    mixture: Mixture,
    keys: Vec<[u64; 2]>,
}

impl Order {
    /// The order over these sources; each gets a permutation key from the seed and its id.
    pub fn new(seed: u64, mixture: Mixture) -> Self {
        let keys = mixture
            .sources()
            .iter()
            .map(|source| permutation_key(seed, &source.id));
        let keys = keys.collect();
        Self {
            seed,
            mixture,
            keys,
        }
    }

    /// The sources, in the byte order of their ids.
    pub fn sources(&self) -> &[MixtureSource] {
        self.mixture.sources()
    }

    /// The seed that the permutation keys come from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The interleaving of the sources.
    pub fn mixture(&self) -> &Mixture {
        &self.mixture
    }

    /// What is read at `position` (a row of the sequence, from 0).
    pub fn window_at(&self, position: u64) -> Window {
        let (source, index) = self.mixture.locate(position);
        let windows = self.sources()[source].windows;
        let epoch = index / windows;
        let permutation = Permutation::new(windows, self.keys[source], epoch);
        Window {
            source,
            epoch,
            window: permutation.forward(index % windows),
        }
    }

    /// Every position below `rows` at which this window of this source is read: one per epoch.
    ///
    /// # Panics
    /// If the source or the window does not exist.
    pub fn positions_of(
        &self,
        source: usize,
        window: u64,
        rows: u64,
    ) -> impl Iterator<Item = u64> + '_ {
        let windows = self.sources()[source].windows;
        (0..)
            .map_while(move |epoch: u64| {
                let permutation = Permutation::new(windows, self.keys[source], epoch);
                let index = epoch
                    .checked_mul(windows)?
                    .checked_add(permutation.inverse(window))?;
                // Within one epoch positions are shuffled, but every one of epoch e + 1 lies after
                // all of epoch e: the first position past the end ends the walk only when its whole
                // epoch starts past the end, so an unreached window is skipped, not the end.
                let first = self
                    .mixture
                    .position_of(source, epoch.checked_mul(windows)?)?;
                (first < rows).then(|| self.mixture.position_of(source, index))
            })
            .flatten()
            .filter(move |&position| position < rows)
    }
}

/// The key of a source's permutations: the first 16 bytes, as two little-endian words, of a digest
/// over the seed (8 bytes, little-endian) and the source's id.
fn permutation_key(seed: u64, source: &str) -> [u64; 2] {
    let digest = Digest::of_parts(KEY_DOMAIN, &[&seed.to_le_bytes(), source.as_bytes()]);
    let word = |at: usize| {
        u64::from_le_bytes(
            digest.0[at..at + 8]
                .try_into()
                .expect("eight bytes of thirty-two"),
        )
    };
    [word(0), word(8)]
}

fn key_to_hex(key: [u64; 2]) -> String {
    format!("{:016x}{:016x}", key[0], key[1])
}

/// `mixture.json`: all that [`Order`] needs, and the size of the sequence it was cut into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixtureFile {
    /// [`MIXTURE_FORMAT`].
    pub format: u32,
    /// The run's seed, in decimal.
    pub seed: String,
    /// `T`: tokens predicted per row; a row holds one more.
    pub sequence_length: u64,
    /// Rows of the whole run: steps × batch.
    pub rows: u64,
    /// The sources, in the byte order of their ids.
    pub sources: Vec<MixtureEntry>,
}

/// One source of [`MixtureFile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixtureEntry {
    /// The source's id.
    pub id: String,
    /// Its integer share of the rows.
    pub weight: u64,
    /// Tokens of its training stream, an end-of-text after each document included.
    pub tokens: u64,
    /// Windows of one pass: `⌊(tokens − 1) / T⌋`.
    pub windows: u64,
    /// Rows of the run that come from it.
    pub rows: u64,
    /// Passes begun over it.
    pub epochs_used: u64,
    /// 32 hexadecimal digits: the two 64-bit words of the permutation key.
    pub permutation_key: String,
}

impl MixtureFile {
    /// Describes `order` for a run of `rows` rows; `tokens[i]` belongs to `order.sources()[i]`.
    pub fn describe(order: &Order, sequence_length: u64, rows: u64, tokens: &[u64]) -> Self {
        let counts = order.mixture.counts(rows);
        let sources = order
            .sources()
            .iter()
            .enumerate()
            .map(|(at, source)| MixtureEntry {
                id: source.id.clone(),
                weight: source.weight,
                tokens: tokens[at],
                windows: source.windows,
                rows: counts[at],
                epochs_used: counts[at].div_ceil(source.windows),
                permutation_key: key_to_hex(order.keys[at]),
            });
        Self {
            format: MIXTURE_FORMAT,
            seed: order.seed.to_string(),
            sequence_length,
            rows,
            sources: sources.collect(),
        }
    }

    /// The order that the file describes.
    ///
    /// # Errors
    /// A format this program does not know, or figures that do not follow from one another.
    pub fn order(&self) -> Result<Order> {
        let wrong = |what: String| Err(Error::Mixture(what));
        if self.format != MIXTURE_FORMAT {
            return wrong(format!(
                "format {} where {MIXTURE_FORMAT} is known",
                self.format
            ));
        }
        let Ok(seed) = self.seed.parse::<u64>() else {
            return wrong(format!("seed `{}` is no 64-bit integer", self.seed));
        };
        if self.sequence_length == 0 {
            return wrong("sequence_length is 0".into());
        }
        let sources = self.sources.iter().map(|entry| MixtureSource {
            id: entry.id.clone(),
            weight: entry.weight,
            windows: entry.windows,
        });
        let order = Order::new(seed, Mixture::new(sources.collect())?);
        let tokens: Vec<u64> = self.sources.iter().map(|entry| entry.tokens).collect();
        for entry in &self.sources {
            if entry.tokens.saturating_sub(1) / self.sequence_length != entry.windows {
                return wrong(format!(
                    "source `{}`: {} tokens do not make {} windows of {}",
                    entry.id, entry.tokens, entry.windows, self.sequence_length
                ));
            }
        }
        if Self::describe(&order, self.sequence_length, self.rows, &tokens) != *self {
            return wrong(
                "its order of sources, rows, epochs or keys do not follow from it".into(),
            );
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(seed: u64, sizes: &[(u64, u64)]) -> Order {
        let source = |(i, &(weight, windows)): (usize, &(u64, u64))| MixtureSource {
            id: format!("source-{i}"),
            weight,
            windows,
        };
        let sources = sizes.iter().enumerate().map(source).collect();
        Order::new(seed, Mixture::new(sources).expect("valid"))
    }

    proptest! {
        #[test]
        fn every_position_is_found_from_its_window(
            seed: u64, sizes in prop::collection::vec((1u64..9, 1u64..50), 1..5), rows in 1u64..400,
        ) {
            let order = order(seed, &sizes);
            let mut found = Vec::new();
            for (source, (_, windows)) in sizes.iter().enumerate() {
                for window in 0..*windows {
                    for position in order.positions_of(source, window, rows) {
                        let at = order.window_at(position);
                        prop_assert_eq!((at.source, at.window), (source, window));
                        found.push(position);
                    }
                }
            }
            found.sort_unstable();
            prop_assert_eq!(found, (0..rows).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_epoch_reads_each_window_once() {
        let order = order(7, &[(1, 13), (3, 40)]);
        let mut reads = std::collections::BTreeMap::new();
        for position in 0..160 {
            let at = order.window_at(position);
            *reads.entry((at.source, at.epoch, at.window)).or_insert(0) += 1;
        }
        assert!(reads.values().all(|&count| count == 1));
        assert_eq!(reads.len(), 160);
        assert_eq!(reads.keys().filter(|key| key.0 == 1).count(), 120);
    }

    #[test]
    fn the_file_gives_the_order_back_and_notices_a_changed_figure() {
        let order = order(u64::MAX, &[(1, 13), (3, 40)]);
        let file = MixtureFile::describe(&order, 10, 160, &[131, 405]);
        let again = file.order().expect("consistent");
        for position in 0..160 {
            assert_eq!(again.window_at(position), order.window_at(position));
        }
        let mut changed = file.clone();
        changed.sources[0].weight = 2;
        assert!(changed.order().is_err());
        let mut changed = file.clone();
        changed.sources[1].windows = 39;
        assert!(changed.order().is_err());
        let mut changed = file.clone();
        changed.seed = "6".into();
        assert!(changed.order().is_err());
        let mut changed = file;
        changed.format = 2;
        assert!(changed.order().is_err());
    }
}
