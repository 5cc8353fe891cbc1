//! The tokenizer of somebody else's model: whatever pipeline its `tokenizer.json` describes.
//!
//! A release's own tokenizer is held to one pipeline ([`crate::Tokenizer`]); a published model brings its own.
//! Its patterns are compiled and run as they stand: a person who scores a model has chosen to trust it
//! so far.
//!
//! What begins and ends a text stands in files beside it, `tokenizer_config.json` and
//! `special_tokens_map.json`.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest `tokenizer.json` that is read; published ones stay below a tenth.
const MOST_BYTES: u64 = 256 << 20;

/// Longest file beside it; `tokenizer_config.json` lists added tokens and a chat template.
const MOST_CONFIG_BYTES: u64 = 16 << 20;

/// A special token, and how it is written.
type Special = (u32, String);

/// A tokenizer as `transformers` saves it.
pub struct PublishedTokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
    begin: Option<Special>,
    end: Option<Special>,
}

impl std::fmt::Debug for PublishedTokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublishedTokenizer({})", self.path.display())
    }
}

impl PublishedTokenizer {
    /// Opens a `tokenizer.json`.
    ///
    /// # Errors
    /// A file that cannot be read or is no tokenizer.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = read(path, MOST_BYTES)?;
        let refuse = |reason: String| Error::Tokenizer {
            path: path.into(),
            reason,
        };
        refuse_dropout(&bytes).map_err(refuse)?;
        let inner = tokenizers::Tokenizer::from_bytes(bytes);
        let mut inner = inner.map_err(|error| refuse(error.to_string()))?;
        // What a file says of lengths is for batches of a trainer; every text is wanted whole here, as
        // `transformers` gives it.
        inner
            .with_padding(None)
            .with_truncation(None)
            .map_err(|error| refuse(error.to_string()))?;
        let special = |key: &str| -> Result<Option<Special>> {
            for file in ["tokenizer_config.json", "special_tokens_map.json"] {
                let text = token_of(&path.with_file_name(file), key)?;
                let token = text.and_then(|text| Some((inner.token_to_id(&text)?, text)));
                if token.is_some() {
                    return Ok(token);
                }
            }
            Ok(None)
        };
        Ok(Self {
            begin: special("bos_token")?,
            end: special("eos_token")?,
            inner,
            path: path.into(),
        })
    }

    /// The token that begins a text, where the files beside the tokenizer name one of its vocabulary.
    pub fn begin_of_text(&self) -> Option<&(u32, String)> {
        self.begin.as_ref()
    }

    /// The token that ends a text, likewise.
    pub fn end_of_text(&self) -> Option<&(u32, String)> {
        self.end.as_ref()
    }

    /// The tokens of a text, without the ones that begin or end it.
    ///
    /// # Errors
    /// A text that the pipeline cannot encode.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.tokens(text, false)
    }

    /// The tokens of a text with those that the pipeline puts around it: none for many models, one that begins
    /// it for others.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_with_special(&self, text: &str) -> Result<Vec<u32>> {
        self.tokens(text, true)
    }

    /// The text of tokens, without special ones.
    ///
    /// # Errors
    /// Tokens that the pipeline cannot decode.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        let text = self.inner.decode(tokens, true);
        text.map_err(|error| self.refuse(error.to_string()))
    }

    fn tokens(&self, text: &str, special: bool) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, special);
        let encoding = encoding.map_err(|error| self.refuse(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn refuse(&self, reason: String) -> Error {
        Error::Tokenizer {
            path: self.path.clone(),
            reason,
        }
    }
}

/// Dropout of merges draws tokens anew for every text: no score would come out twice.
fn refuse_dropout(tokenizer: &[u8]) -> std::result::Result<(), String> {
    #[derive(serde::Deserialize)]
    struct File {
        model: Model,
    }
    #[derive(serde::Deserialize)]
    struct Model {
        #[serde(default)]
        dropout: Option<f64>,
    }
    match serde_json::from_slice::<File>(tokenizer) {
        Ok(file) if file.model.dropout.is_some_and(|share| share != 0.0) => {
            Err("draws its tokens at random (`dropout` of its model is not 0)".to_owned())
        }
        // What is no tokenizer is told by whoever reads it whole.
        _ => Ok(()),
    }
}

/// The text of a special token in a configuration: the value of `key`, or its `content`. A file that is not
/// there names none.
fn token_of(path: &Path, key: &str) -> Result<Option<String>> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = read(path, MOST_CONFIG_BYTES)?;
    let config: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| Error::Tokenizer {
            path: path.into(),
            reason: error.to_string(),
        })?;
    let token = &config[key];
    let text = token.as_str().or_else(|| token["content"].as_str());
    Ok(text.map(str::to_owned))
}

/// A whole plain file, or what a link leads to, of at most `limit` bytes.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let io = |source| Error::Read {
        path: path.into(),
        source,
    };
    let refuse = |reason: String| Error::Tokenizer {
        path: path.into(),
        reason,
    };
    // Asked before it is opened: opening a pipe could block for ever.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(refuse("is no plain file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(refuse(format!("has more than {limit} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = r#"{"version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}],
        "pre_tokenizer": null, "decoder": {"type": "Fuse"},
        "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": {"<s>": 0, "a": 1, "b": 2, "ab": 3}, "merges": ["a b"]}}"#;

    #[test]
    fn special_tokens_stand_around_and_beside() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("tokenizer.json");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("writes");
        };
        write("tokenizer.json", TINY);
        write(
            "special_tokens_map.json",
            r#"{"eos_token": {"content": "<s>"}}"#,
        );
        let tokenizer = PublishedTokenizer::open(&path).expect("opens");
        assert_eq!(tokenizer.begin_of_text(), None);
        assert_eq!(tokenizer.end_of_text(), Some(&(0, "<s>".to_owned())));
        write(
            "tokenizer_config.json",
            r#"{"bos_token": "<s>", "eos_token": "not there"}"#,
        );
        let tokenizer = PublishedTokenizer::open(&path).expect("opens");
        assert_eq!(tokenizer.begin_of_text(), Some(&(0, "<s>".to_owned())));
        assert_eq!(tokenizer.end_of_text(), Some(&(0, "<s>".to_owned())));
        assert_eq!(tokenizer.encode("aba").expect("encodes"), [3, 1]);
        assert_eq!(
            tokenizer.encode_with_special("aba").expect("encodes"),
            [0, 3, 1]
        );
        assert_eq!(tokenizer.decode(&[0, 3, 1]).expect("decodes"), "aba");
        // Lengths are a trainer's; chance is nobody's.
        let truncated = TINY.replace(
            "\"truncation\": null",
            r#""truncation": {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0}"#,
        );
        write("tokenizer.json", &truncated);
        let tokenizer = PublishedTokenizer::open(&path).expect("opens");
        assert_eq!(tokenizer.encode("aba").expect("encodes"), [3, 1]);
        write(
            "tokenizer.json",
            &TINY.replace("\"dropout\": null", "\"dropout\": 0.5"),
        );
        let error = PublishedTokenizer::open(&path).expect_err("is refused");
        assert!(error.to_string().contains("at random"), "{error}");
        write("tokenizer.json", TINY);
        write("tokenizer_config.json", "{");
        assert!(PublishedTokenizer::open(&path).is_err());
    }

    #[test]
    fn reads_plain_files_up_to_the_limit() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, b"12345").expect("writes");
        assert_eq!(read(&path, 5).expect("reads"), b"12345");
        assert!(matches!(read(&path, 4), Err(Error::Tokenizer { .. })));
        assert!(matches!(
            read(folder.path(), 4),
            Err(Error::Tokenizer { .. })
        ));
        assert!(matches!(
            read(&folder.path().join("none"), 4),
            Err(Error::Read { .. })
        ));
    }
}
