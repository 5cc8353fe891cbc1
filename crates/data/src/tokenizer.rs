//! The byte-level BPE tokenizer: trained here, encoded by Hugging Face's `tokenizers`.
//!
//! `tokenizer.json` is that library's own format, and everything that reads it agrees token for
//! token. It consists of our symbols and merges in one fixed pipeline; a file with any other
//! pipeline is refused, so that no pattern from a release is ever compiled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::{Value, json};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use crate::bpe;
use crate::error::{Error, Result};
use crate::progress::Progress;

/// The text of the token that ends every document.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// Its id.
pub const END_OF_TEXT_ID: u32 = 0;

/// Symbols that every vocabulary holds: the end of text and the 256 bytes.
pub const SMALLEST_VOCABULARY: usize = 257;

/// A tokenizer that encodes any text and gives it back.
#[derive(Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    json: String,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({} tokens)", self.vocabulary())
    }
}

impl Tokenizer {
    /// Trains on these texts until the vocabulary holds `size` tokens. The texts' order and the
    /// number of threads make no difference. Progress advances by bytes of text.
    ///
    /// # Errors
    /// Too little text to find `size` tokens.
    pub fn train(texts: &[&str], size: usize, progress: &dyn Progress) -> Result<Self> {
        let trained = bpe::train(alphabet(), &count_words(texts, progress), size);
        if trained.symbols.len() != size {
            return Err(Error::Vocabulary {
                asked: size,
                reached: trained.symbols.len(),
            });
        }
        let symbol = |id: u32| trained.symbols[id as usize].as_str();
        let merges: Vec<_> = trained
            .merges
            .iter()
            .map(|&(a, b)| [symbol(a), symbol(b)])
            .collect();
        let vocabulary = trained
            .symbols
            .iter()
            .map(String::as_str)
            .zip(0..)
            .collect();
        Self::build(
            &vocabulary,
            &json!(merges),
            Path::new("the trained tokenizer"),
        )
    }

    /// Opens a `tokenizer.json` of a release.
    ///
    /// # Errors
    /// A file that cannot be read, or that is not what [`Tokenizer::train`] gives for its
    /// vocabulary and merges.
    pub fn open(path: &Path) -> Result<Self> {
        let what = path.display().to_string();
        let bytes =
            crate::source::read_limited(path, glasswork_release::canonical::MAX_DOCUMENT as u64)?;
        let file: Value = glasswork_release::canonical::parse_value(&bytes, &what)?;
        let model = &file["model"];
        let vocabulary: BTreeMap<&str, u32> = model["vocab"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(token, id)| Some((token.as_str(), u32::try_from(id.as_u64()?).ok()?)))
            .collect();
        let wrong = |reason: &str| Error::Tokenizer {
            path: path.into(),
            reason: reason.into(),
        };
        let mut ids: Vec<u32> = vocabulary.values().copied().collect();
        ids.sort_unstable();
        if ids
            .iter()
            .zip(0..)
            .any(|(id, expected): (&u32, u32)| *id != expected)
        {
            return Err(wrong("its token ids are not 0, 1, 2, …"));
        }
        let start: BTreeMap<String, u32> = alphabet().into_iter().zip(0..).collect();
        if start
            .iter()
            .any(|(token, id)| vocabulary.get(token.as_str()) != Some(id))
        {
            return Err(wrong(
                "it does not start with the end of text and the 256 bytes",
            ));
        }
        let tokenizer = Self::build(&vocabulary, &model["merges"], path)?;
        let rebuilt: Value =
            serde_json::from_str(&tokenizer.json).map_err(|error| wrong(&error.to_string()))?;
        if rebuilt != file {
            return Err(wrong(
                "it is not a byte-level BPE tokenizer as Glasswork writes it",
            ));
        }
        Ok(tokenizer)
    }

    fn build(vocabulary: &BTreeMap<&str, u32>, merges: &Value, path: &Path) -> Result<Self> {
        let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true});
        let file = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [{
                "id": END_OF_TEXT_ID, "content": END_OF_TEXT, "special": true, "normalized": false,
                "single_word": false, "lstrip": false, "rstrip": false,
            }],
            "normalizer": null,
            "pre_tokenizer": byte_level,
            "post_processor": null,
            "decoder": byte_level,
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": false, "vocab": vocabulary, "merges": merges,
            },
        });
        let path: PathBuf = path.into();
        let wrong = |error: Box<dyn std::error::Error + Send + Sync>| Error::Tokenizer {
            path: path.clone(),
            reason: error.to_string(),
        };
        let mut inner = tokenizers::Tokenizer::from_bytes(file.to_string()).map_err(&wrong)?;
        let mut json = inner.to_string(true).map_err(&wrong)?;
        json.push('\n');
        // A document that spells the end of text out must not end there.
        inner.set_encode_special_tokens(true);
        Ok(Self { inner, json })
    }

    /// The bytes of `tokenizer.json`.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The bytes of `tokenizer_config.json`, with which `transformers` loads the tokenizer for a
    /// model of that many positions.
    pub fn config_json(positions: u64) -> String {
        let config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": END_OF_TEXT,
            "eos_token": END_OF_TEXT,
            "unk_token": END_OF_TEXT,
            "clean_up_tokenization_spaces": false,
            "model_max_length": positions,
        });
        format!("{config:#}\n")
    }

    /// How many tokens there are.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of the token that ends every document.
    pub fn end_of_text(&self) -> u32 {
        END_OF_TEXT_ID
    }

    /// The tokens of a text. Never contains [`Tokenizer::end_of_text`]: text that spells it is
    /// encoded as text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let encoding = self.inner.encode_fast(text, false);
        encoding
            .expect("every byte has a token and no step can refuse one")
            .get_ids()
            .to_vec()
    }

    /// The text of these tokens. Bytes that are not UTF-8 (a character cut in two) become U+FFFD.
    pub fn decode(&self, tokens: &[u32]) -> String {
        self.inner
            .decode(tokens, false)
            .expect("the byte-level decoder refuses nothing")
    }
}

/// The pipeline's first half, which cuts text into words.
fn pre_tokenizer() -> ByteLevel {
    ByteLevel::new(false, false, true)
}

/// The symbols that training starts from: the end of text, then the 256 characters that stand for
/// bytes, by code point.
fn alphabet() -> Vec<String> {
    let mut bytes: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    bytes.sort_unstable();
    std::iter::once(END_OF_TEXT.to_owned())
        .chain(bytes.into_iter().map(String::from))
        .collect()
}

/// Every word of the texts with its count, sorted.
fn count_words(texts: &[&str], progress: &dyn Progress) -> Vec<(String, u64)> {
    let counts = texts
        .par_iter()
        .fold(BTreeMap::new, |mut counts: BTreeMap<String, u64>, text| {
            let mut words = PreTokenizedString::from(*text);
            pre_tokenizer()
                .pre_tokenize(&mut words)
                .expect("the pattern is the library's own");
            for (word, _, _) in words.get_splits(OffsetReferential::Original, OffsetType::Byte) {
                match counts.get_mut(word) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(word.to_owned(), 1)),
                }
            }
            progress.advance(text.len() as u64);
            counts
        })
        .reduce(BTreeMap::new, |mut left, mut right| {
            if left.len() < right.len() {
                std::mem::swap(&mut left, &mut right);
            }
            for (word, count) in right {
                *left.entry(word).or_default() += count;
            }
            left
        });
    counts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use proptest::prelude::*;
    use tokenizers::models::bpe::BpeTrainer;

    /// Rust and prose of our own, enough for several hundred merges.
    const TEXTS: &[&str] = &[
        include_str!("bpe.rs"),
        include_str!("order.rs"),
        include_str!("permutation.rs"),
        include_str!("source/html.rs"),
        include_str!("source/licence.rs"),
    ];

    fn tokenizer() -> Tokenizer {
        Tokenizer::train(TEXTS, 900, &Silent).expect("enough text")
    }

    #[test]
    fn order_of_texts_and_threads_make_no_difference() {
        let reference = tokenizer();
        let mut turned = TEXTS.to_vec();
        for threads in [1, 2, 3, 7] {
            turned.rotate_left(1);
            turned.swap(0, 2);
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads");
            let again = pool
                .install(|| Tokenizer::train(&turned, 900, &Silent))
                .expect("enough text");
            assert_eq!(again.json(), reference.json());
        }
    }

    /// The library's own trainer is the oracle, on text where it meets no tie that it leaves open.
    #[test]
    fn agrees_with_the_librarys_trainer() {
        let ours = tokenizer();
        let mut theirs = tokenizers::Tokenizer::new(tokenizers::models::bpe::BPE::default());
        theirs.with_pre_tokenizer(Some(pre_tokenizer()));
        let mut trainer: tokenizers::models::TrainerWrapper = BpeTrainer::builder()
            .vocab_size(900)
            .min_frequency(2)
            .show_progress(false)
            .special_tokens(vec![tokenizers::AddedToken::from(END_OF_TEXT, true)])
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build()
            .into();
        theirs.train(&mut trainer, TEXTS.iter()).expect("trains");
        let vocabulary = |tokenizer: &tokenizers::Tokenizer| {
            tokenizer
                .get_vocab(true)
                .into_iter()
                .collect::<BTreeMap<_, _>>()
        };
        assert_eq!(vocabulary(&theirs), vocabulary(&ours.inner));
    }

    #[test]
    fn the_file_opens_and_another_pipeline_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("tokenizer.json");
        let ours = tokenizer();
        std::fs::write(&path, ours.json()).expect("writes");
        let again = Tokenizer::open(&path).expect("opens");
        assert_eq!(again.json(), ours.json());
        for (from, to) in [
            (
                r#""add_prefix_space": false"#,
                r#""add_prefix_space": true"#,
            ),
            (
                r#""normalizer": null"#,
                r#""normalizer": {"type": "Lowercase"}"#,
            ),
            (r#""special": true"#, r#""special": false"#),
            (r#""dropout": null"#, r#""dropout": 0.5"#),
            (r#""merges": ["#, r#""surprise": ["#),
        ] {
            assert!(ours.json().contains(from), "{from}");
            std::fs::write(&path, ours.json().replacen(from, to, 1)).expect("writes");
            assert!(Tokenizer::open(&path).is_err(), "{from} -> {to}");
        }
        std::fs::write(&path, "{}").expect("writes");
        assert!(Tokenizer::open(&path).is_err());
    }

    #[test]
    fn attack_text_that_spells_the_end_of_text() {
        let tokenizer = tokenizer();
        let text = "before <|endoftext|> after";
        let tokens = tokenizer.encode(text);
        assert!(!tokens.contains(&tokenizer.end_of_text()));
        assert_eq!(tokenizer.decode(&tokens), text);
        assert_eq!(tokenizer.decode(&[END_OF_TEXT_ID]), END_OF_TEXT);
    }

    #[test]
    fn too_little_text_is_an_error_with_a_remedy() {
        let error = Tokenizer::train(&["abc abc"], 4096, &Silent).expect_err("too little");
        assert!(
            matches!(error, Error::Vocabulary { asked: 4096, reached } if reached < 300),
            "{error}"
        );
        assert!(error.hint().is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_comes_back(text in "\\PC{0,200}|[ \t\n\r\u{0}a<|>é]{0,200}") {
            thread_local!(static TOKENIZER: Tokenizer = tokenizer());
            TOKENIZER.with(|tokenizer| {
                let tokens = tokenizer.encode(&text);
                prop_assert_eq!(tokenizer.decode(&tokens), text);
                Ok(())
            })?;
        }
    }
}
