//! The tokenizer of somebody else's model: whatever pipeline its `tokenizer.json` describes.
//!
//! A release's own tokenizer is held to one pipeline ([`crate::Tokenizer`]); a published model brings its own.
//! Its patterns are compiled and run as they stand: a person who scores a model has chosen to trust it
//! so far.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest `tokenizer.json` that is read; published ones stay below a tenth.
const MOST_BYTES: u64 = 256 << 20;

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
        let bytes = read(path, MOST_BYTES)?;
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
