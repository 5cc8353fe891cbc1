//! Training byte-pair encoding (Sennrich, Haddow, Birch 2016) so that equal text gives equal merges.
//!
//! Text is cut into words by the pre-tokenizer, words are counted, and the pair of neighbouring
//! symbols with the highest count is merged until the vocabulary is full. All counts are integers
//! and ties go to the pair with the lowest ids, so that neither the order of the documents nor the
//! number of threads shows in the result. Hugging Face's trainer does the same on the test's text,
//! but says nothing about ties and counts in 32 bits.

use std::collections::{BTreeMap, BinaryHeap};

/// A pair of neighbouring symbols.
type Pair = (u32, u32);

/// What training gives: symbols in id order, merges in rank order.
#[derive(Debug)]
pub(crate) struct Trained {
    /// The symbols, the given alphabet first.
    pub(crate) symbols: Vec<String>,
    /// The merges, as ids of their two sides.
    pub(crate) merges: Vec<Pair>,
}

/// A word as it stands after the merges so far.
struct Word {
    symbols: Vec<u32>,
    count: i64,
}

/// Learns merges until there are `size` symbols or no pair occurs twice.
///
/// `symbols` start the vocabulary; every character of every word must be one of them.
pub(crate) fn train(mut symbols: Vec<String>, counts: &[(String, u64)], size: usize) -> Trained {
    let mut ids: BTreeMap<String, u32> = symbols.iter().cloned().zip(0..).collect();
    let mut words: Vec<Word> = counts
        .iter()
        .map(|(word, count)| Word {
            symbols: word
                .chars()
                .map(|c| ids[c.encode_utf8(&mut [0; 4]) as &str])
                .collect(),
            count: i64::try_from(*count).expect("a count of words in memory"),
        })
        .collect();

    let mut pairs: BTreeMap<Pair, PairRecord> = BTreeMap::new();
    for (at, word) in words.iter().enumerate() {
        for pair in word.symbols.windows(2) {
            let record = pairs.entry((pair[0], pair[1])).or_default();
            record.count += word.count;
            record.words.push(at);
        }
    }
    // Highest count first, then the lowest pair. Entries go stale and are renewed when they surface.
    let mut queue: BinaryHeap<(i64, std::cmp::Reverse<Pair>)> = pairs
        .iter()
        .map(|(pair, record)| (record.count, std::cmp::Reverse(*pair)))
        .collect();

    let mut merges = Vec::new();
    while symbols.len() < size {
        let Some((count, std::cmp::Reverse(pair))) = queue.pop() else {
            break;
        };
        let record = pairs.get_mut(&pair).expect("queued pairs have a record");
        if record.count != count {
            if record.count > 0 {
                queue.push((record.count, std::cmp::Reverse(pair)));
            }
            continue;
        }
        if count < 2 {
            break;
        }
        // Two ways may lead to one string (`ab`+`c`, `a`+`bc`): the symbol exists once.
        let text = format!("{}{}", symbols[pair.0 as usize], symbols[pair.1 as usize]);
        let merged = *ids.entry(text).or_insert_with_key(|text| {
            symbols.push(text.clone());
            u32::try_from(symbols.len() - 1).expect("far fewer than 2^32 symbols")
        });
        merges.push(pair);

        let mut holders = std::mem::take(&mut record.words);
        holders.sort_unstable();
        holders.dedup();
        let mut changes: BTreeMap<Pair, i64> = BTreeMap::new();
        for at in holders {
            let word = &mut words[at];
            for old in word.symbols.windows(2) {
                *changes.entry((old[0], old[1])).or_default() -= word.count;
            }
            merge(&mut word.symbols, pair, merged);
            for new in word.symbols.windows(2) {
                let new = (new[0], new[1]);
                *changes.entry(new).or_default() += word.count;
                if new.0 == merged || new.1 == merged {
                    pairs.entry(new).or_default().words.push(at);
                }
            }
        }
        for (changed, change) in changes {
            let record = pairs.entry(changed).or_default();
            record.count += change;
            if change > 0 {
                queue.push((record.count, std::cmp::Reverse(changed)));
            }
        }
    }
    Trained { symbols, merges }
}

/// How often a pair occurs, and in which words (some of which may have lost it since).
#[derive(Default)]
struct PairRecord {
    count: i64,
    words: Vec<usize>,
}

/// Replaces every occurrence of `pair`, from the left.
fn merge(symbols: &mut Vec<u32>, pair: Pair, merged: u32) {
    let (mut read, mut write) = (0, 0);
    while read < symbols.len() {
        if symbols[read..].starts_with(&[pair.0, pair.1]) {
            symbols[write] = merged;
            read += 2;
        } else {
            symbols[write] = symbols[read];
            read += 1;
        }
        write += 1;
    }
    symbols.truncate(write);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(words: &[(&str, u64)], size: usize) -> Trained {
        let alphabet = ["a", "b", "c", "d"].map(String::from).to_vec();
        let words: Vec<_> = words
            .iter()
            .map(|(word, count)| ((*word).into(), *count))
            .collect();
        train(alphabet, &words, size)
    }

    #[test]
    fn merges_the_most_frequent_pair_first() {
        let result = trained(&[("abc", 5), ("ab", 3), ("cd", 7)], 7);
        assert_eq!(result.symbols[4..], ["ab", "cd", "abc"]);
        assert_eq!(result.merges, [(0, 1), (2, 3), (4, 2)]);
    }

    #[test]
    fn ties_go_to_the_lowest_pair() {
        let result = trained(&[("cd", 4), ("ab", 4), ("ad", 4)], 7);
        assert_eq!(result.symbols[4..], ["ab", "ad", "cd"]);
    }

    #[test]
    fn stops_where_nothing_repeats() {
        assert_eq!(trained(&[("abcd", 1)], 99).symbols.len(), 4);
        assert_eq!(trained(&[], 99).symbols.len(), 4);
    }

    #[test]
    fn runs_of_one_symbol_merge_from_the_left() {
        let result = trained(&[("aaaaa", 2)], 6);
        // `aa aa a`: both pairs stand twice (in two words), the lower one wins.
        assert_eq!(result.symbols[4..], ["aa", "aaa"]);
        let mut symbols = vec![0, 0, 0];
        merge(&mut symbols, (0, 0), 9);
        assert_eq!(symbols, [9, 0]);
    }

    #[test]
    fn one_string_is_one_symbol() {
        // `ab`+`c` and `a`+`bc` both give `abc`.
        let result = trained(
            &[("ab", 9), ("abc", 5), ("bcbc", 8), ("bc", 20), ("abcd", 2)],
            12,
        );
        let mut seen = result.symbols.clone();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), result.symbols.len());
    }
}
