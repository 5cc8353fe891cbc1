//! The tokenizer of somebody else's model: whatever pipeline its `tokenizer.json` describes.
//!
//! A release's own tokenizer is held to one pipeline ([`crate::Tokenizer`]); a published model brings its own.
//! Its patterns are compiled and run as they stand: a person who scores a model has chosen to trust it
//! so far.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// A tokenizer as `transformers` saves it.
pub struct PublishedTokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
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
        let bytes = std::fs::read(path).map_err(|source| Error::Read {
            path: path.into(),
            source,
        })?;
        let inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| Error::Tokenizer {
            path: path.into(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            inner,
            path: path.into(),
        })
    }

    /// The tokens of a text, without the ones that begin or end it.
    ///
    /// # Errors
    /// A text that the pipeline cannot encode.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.inner.encode_fast(text, false);
        let encoding = encoding.map_err(|error| Error::Tokenizer {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        Ok(encoding.get_ids().to_vec())
    }
}
