//! How much of a reader's own documents stands in the training data, as far as a sample of it tells.
//!
//! Compared are stretches of 13 words, as in the study of GPT-3's training data (Brown et al. 2020, appendix C), lower
//! case and without punctuation. Where a script has no spaces between words, two characters count as one word. A share
//! of nothing found means little where little was looked at: the bytes that were read stand beside it.

use glasswork_data::PublishedTokenizer;
use glasswork_published::{DataFile, DataKind, Store};
use serde::Deserialize;
use std::collections::HashMap;
use std::ops::Range;

/// Words of a stretch.
const WORDS: usize = 13;
/// Bytes of training data that are read at most, and in one piece.
const MOST: u64 = 32 << 20;
const PIECE: u64 = 1 << 20;
/// Stretches of the reader's documents that are looked for; of more, evenly apart ones.
const MOST_STRETCHES: usize = 1 << 20;
/// Seed of the places that are read.
const SEED: u64 = 0x6f76_6572_6c61_7000;

/// What a sample of the training data holds of documents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Overlap {
    /// Share of the documents' stretches that were found.
    pub(crate) share: f64,
    /// Bytes of documents that were looked through, of all bytes of training data that are published.
    pub(crate) sampled: (u64, u64),
}

/// Looks for stretches of `texts` in a sample of the files `data` of `store`. `None` where texts are too short or no
/// data can be read: compressed files and tables are not.
pub(crate) fn measure(
    texts: &[String],
    data: &[DataFile],
    store: &dyn Store,
    tokenizer: &PublishedTokenizer,
) -> Option<Overlap> {
    let mut wanted = Wanted::new(texts)?;
    let mut read = 0;
    for (file, range) in places(data, MOST) {
        // A piece that cannot be read was not looked at: the bytes say so.
        let Ok(bytes) = store.read(&file.path, range.clone()) else {
            continue;
        };
        read += match file.kind {
            DataKind::Text => {
                wanted.look(&String::from_utf8_lossy(&bytes));
                bytes.len() as u64
            }
            _ => rows(&bytes, &range, file.bytes, |row| {
                let text = row.text(tokenizer);
                text.map(|text| wanted.look(&text)).is_some()
            }),
        };
    }
    (read > 0).then(|| Overlap {
        share: wanted.found as f64 / wanted.all as f64,
        sampled: (
            read,
            data.iter()
                .fold(0, |sum: u64, file| sum.saturating_add(file.bytes)),
        ),
    })
}

/// Stretches that are looked for.
struct Wanted {
    /// How many there are of each.
    left: HashMap<u64, u64>,
    all: u64,
    found: u64,
}

impl Wanted {
    fn new(texts: &[String]) -> Option<Self> {
        let mut hashes = Vec::new();
        for text in texts {
            stretches(text, |hash| hashes.push(hash));
        }
        let every = hashes.len().div_ceil(MOST_STRETCHES).max(1);
        let mut left = HashMap::new();
        let mut all = 0;
        for hash in hashes.into_iter().step_by(every) {
            *left.entry(hash).or_insert(0) += 1;
            all += 1;
        }
        (all > 0).then_some(Self {
            left,
            all,
            found: 0,
        })
    }

    fn look(&mut self, text: &str) {
        stretches(text, |hash| {
            self.found += self.left.remove(&hash).unwrap_or(0);
        });
    }
}

/// A line of a file of documents, or of rows of a training sequence.
#[derive(Deserialize)]
struct Row {
    #[serde(default, alias = "input_ids")]
    token_ids: Option<Vec<u32>>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    content: Option<String>,
}

impl Row {
    fn text(self, tokenizer: &PublishedTokenizer) -> Option<String> {
        match (self.text.or(self.content), self.token_ids) {
            (Some(text), _) => Some(text),
            (None, Some(tokens)) => tokenizer.decode(&tokens).ok(),
            (None, None) => None,
        }
    }
}

/// Gives the whole lines of a piece of a file to `look`, which says whether it could; the bytes of those that it could.
fn rows(bytes: &[u8], range: &Range<u64>, length: u64, mut look: impl FnMut(Row) -> bool) -> u64 {
    let line_end = |byte: &u8| *byte == b'\n';
    let begin = match range.start {
        0 => 0,
        _ => bytes
            .iter()
            .position(line_end)
            .map_or(bytes.len(), |end| end + 1),
    };
    let end = match range.end == length {
        true => bytes.len(),
        false => bytes.iter().rposition(line_end).map_or(0, |end| end + 1),
    };
    let whole = bytes.get(begin..end).unwrap_or_default();
    let looked = whole.split_inclusive(line_end).filter_map(|line| {
        let row = serde_json::from_slice(line).ok()?;
        look(row).then_some(line.len() as u64)
    });
    looked.sum()
}

/// Where to read: all, if there is no more than `most`; else a piece at a drawn place in each of as many equal parts.
fn places(data: &[DataFile], most: u64) -> Vec<(&DataFile, Range<u64>)> {
    let readable = |file: &&DataFile| matches!(file.kind, DataKind::Jsonl | DataKind::Text);
    let files: Vec<&DataFile> = data.iter().filter(readable).collect();
    let total = files
        .iter()
        .fold(0u64, |sum, file| sum.saturating_add(file.bytes));
    if total <= most {
        return files
            .into_iter()
            .map(|file| (file, 0..file.bytes))
            .collect();
    }
    let count = most / PIECE;
    let part = total / count;
    let mut random = SEED;
    let mut places = Vec::new();
    for index in 0..count {
        let mut at = index * part + next(&mut random) % part;
        for file in &files {
            if at < file.bytes {
                let from = at.min(file.bytes.saturating_sub(PIECE));
                places.push((*file, from..file.bytes.min(from + PIECE)));
                break;
            }
            at -= file.bytes;
        }
    }
    places
}

/// SplitMix64 (Steele, Lea and Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Characters of scripts without spaces between words: Chinese, Japanese.
fn stands_alone(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0xff66..=0xff9d | 0x2_0000..=0x3_ffff)
}

/// Hashes of words, each with its weight in halves.
fn words(text: &str) -> Vec<(u64, usize)> {
    let mut words = Vec::new();
    let mut word = None;
    // FNV-1a over the code points.
    let add = |hash: u64, c: char| (hash ^ u64::from(c)).wrapping_mul(0x100_0000_01b3);
    const BEGIN: u64 = 0xcbf2_9ce4_8422_2325;
    for c in text.chars().flat_map(char::to_lowercase) {
        if stands_alone(c) {
            words.extend(word.take().map(|hash| (hash, 2)));
            words.push((add(BEGIN, c), 1));
        } else if c.is_alphanumeric() {
            word = Some(add(word.unwrap_or(BEGIN), c));
        } else if c != '\'' {
            words.extend(word.take().map(|hash| (hash, 2)));
        }
    }
    words.extend(word.map(|hash| (hash, 2)));
    words
}

/// Gives the hash of every stretch to `each`.
fn stretches(text: &str, mut each: impl FnMut(u64)) {
    let words = words(text);
    let (mut end, mut weight) = (0, 0);
    for begin in 0..words.len() {
        while weight < 2 * WORDS && end < words.len() {
            weight += words[end].1;
            end += 1;
        }
        if weight < 2 * WORDS {
            return;
        }
        let hash = words[begin..end].iter().fold(0, |mut hash, (word, _)| {
            hash ^= word;
            next(&mut hash)
        });
        each(hash);
        weight -= words[begin].1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        let mut count = 0;
        stretches(text, |_| count += 1);
        count
    }

    fn shared(one: &str, other: &str) -> (u64, u64) {
        let mut wanted = Wanted::new(&[one.to_owned()]).expect("is long enough");
        wanted.look(other);
        (wanted.found, wanted.all)
    }

    const SAID: &str =
        "One two three four five six seven eight nine ten eleven twelve thirteen, fourteen.";

    #[test]
    fn thirteen_words_are_a_stretch() {
        assert_eq!(count(SAID), 2);
        assert_eq!(count("one two three"), 0);
        assert_eq!(count(""), 0);
        // Neither case, punctuation nor line breaks tell texts apart; a changed word does.
        let other = SAID.to_uppercase().replace(' ', "\n -- ");
        assert_eq!(shared(SAID, &other), (2, 2));
        assert_eq!(shared(SAID, &SAID.replace("fourteen", "last")), (1, 2));
        assert_eq!(shared(SAID, &SAID.replace("seven", "8")), (0, 2));
    }

    #[test]
    fn japanese_is_told_by_characters() {
        let said = "吾輩は猫である名前はまだ無いどこで生れたか頓と見当がつかぬ";
        assert_eq!(said.chars().count(), 29);
        assert_eq!(count(said), 4);
        assert_eq!(shared(said, &format!("曰く、{said}。")), (4, 4));
        assert_eq!(shared(said, "することができるようになりました"), (0, 4));
    }

    fn file(path: &str, kind: DataKind, bytes: u64) -> DataFile {
        DataFile {
            path: path.to_owned(),
            bytes,
            sha256: None,
            kind,
            sampled: None,
        }
    }

    #[test]
    fn pieces_are_spread_and_the_same_again() {
        let data = [
            file("a", DataKind::Jsonl, 100 << 20),
            file("b", DataKind::CompressedJsonl, 900 << 20),
            file("c", DataKind::Jsonl, 100 << 20),
        ];
        let drawn = places(&data, 8 << 20);
        assert_eq!(drawn.len(), 8);
        assert_eq!(drawn, places(&data, 8 << 20));
        let of = |path: &str| drawn.iter().filter(|(file, _)| file.path == path).count();
        assert_eq!((of("a"), of("b"), of("c")), (4, 0, 4));
        for (file, range) in &drawn {
            assert!(range.end <= file.bytes && range.end - range.start == PIECE);
        }
        let all = places(&data, 1 << 30);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].1, 0..100 << 20);
        assert!(places(&[], MOST).is_empty());
    }

    #[test]
    fn only_whole_lines_are_looked_at_and_counted() {
        let text = b"{\"text\": \"a\"}\nnothing\n{\"token_ids\": [1]}\n{\"text\": \"b\"}";
        let look = |range: Range<u64>| {
            let mut found = Vec::new();
            let part = &text[range.start as usize..range.end as usize];
            let bytes = rows(part, &range, text.len() as u64, |row| {
                found.push((row.text, row.token_ids));
                true
            });
            (found.len(), bytes)
        };
        let whole = text.len() as u64;
        assert_eq!(look(0..whole), (3, whole - 8));
        assert_eq!(look(0..whole - 1), (2, 14 + 19));
        assert_eq!(look(1..whole), (2, whole - 14 - 8));
        assert_eq!(look(1..5), (0, 0));
    }
}
