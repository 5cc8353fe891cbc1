//! Stretches of a sample that stand, token for token, in the training sequence.

use crate::EvalError;
use glasswork_data::SequenceStore;

/// Shorter stretches say nothing: any three words of English stand somewhere. A stretch of six
/// tokens may still be chance; the reader sees its text, its length and its sources.
pub const MINIMUM_TOKENS: usize = 6;

/// A stretch of a sample and where training consumed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// First token of the stretch in the sample.
    pub start: usize,
    /// Length in tokens.
    pub length: usize,
    /// Rows of the sequence that hold it, ascending, with the first token's place in the row.
    pub places: Vec<(u64, usize)>,
}

/// The longest stretches of `sample` (no one inside another) of at least [`MINIMUM_TOKENS`] tokens,
/// longest first. Reads the whole sequence once; a row is searched by itself.
///
/// # Errors
/// When the sequence cannot be read.
pub fn find_stretches(
    store: &SequenceStore,
    batch: usize,
    steps: u64,
    sample: &[u32],
) -> Result<Vec<Found>, EvalError> {
    // longest[i]: length of the longest match that begins at token i, and where.
    let mut longest: Vec<(usize, Vec<(u64, usize)>)> = vec![(0, Vec::new()); sample.len()];
    for step in 1..=steps {
        let rows = store.batch(step, batch)?;
        for (slot, row) in rows.tokens.chunks_exact(store.row_tokens()).enumerate() {
            let number = (step - 1) * batch as u64 + slot as u64;
            for (at, &first) in row.iter().enumerate() {
                for (i, &token) in sample.iter().enumerate() {
                    if token != first {
                        continue;
                    }
                    let length = row[at..]
                        .iter()
                        .zip(&sample[i..])
                        .take_while(|(a, b)| a == b)
                        .count();
                    let (best, places) = &mut longest[i];
                    if length > *best {
                        *best = length;
                        places.clear();
                    }
                    if length == *best && length >= MINIMUM_TOKENS {
                        places.push((number, at));
                    }
                }
            }
        }
    }
    let mut found: Vec<Found> = Vec::new();
    let mut covered = 0;
    for (start, (length, places)) in longest.into_iter().enumerate() {
        // A stretch that ends where an earlier one does lies inside it.
        if length >= MINIMUM_TOKENS && start + length > covered {
            covered = start + length;
            found.push(Found {
                start,
                length,
                places,
            });
        }
    }
    found.sort_by_key(|f| (std::cmp::Reverse(f.length), f.start));
    // A sample that goes round in circles quotes the same words again and again: once is enough.
    let mut told: Vec<&[u32]> = Vec::new();
    found.retain(|f| {
        let words = &sample[f.start..f.start + f.length];
        let new = !told.contains(&words);
        told.push(words);
        new
    });
    Ok(found)
}
