//! Digests of the training sequence: of one batch, and of the whole.

use std::path::Path;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout;

/// The digest of one step's rows: their raw little-endian bytes, exactly as they lie in the chunk files.
///
/// `Digest::of_parts("glasswork/batch/1", [raw])`.
#[must_use]
pub fn batch_digest(raw: &[u8]) -> Digest {
    Digest::of_parts("glasswork/batch/1", &[raw])
}

/// The digest of an ordered list of batches: `of_parts("glasswork/batches/1", [each digest's 32 bytes])`.
#[must_use]
pub fn batches_digest(batches: &[Digest]) -> Digest {
    let parts: Vec<&[u8]> = batches.iter().map(|d| &d.0[..]).collect();
    Digest::of_parts("glasswork/batches/1", &parts)
}

/// The digest of a sequence: `of_parts("glasswork/sequence/1", [each chunk digest's 32 bytes])`.
///
/// A chunk's digest is [`Digest::of_file`] of its whole `.npy` file, header included: the header holds the number of
/// rows, their length and the token type, so these are pinned too.
#[must_use]
pub fn sequence_digest(chunks: &[Digest]) -> Digest {
    let parts: Vec<&[u8]> = chunks.iter().map(|d| &d.0[..]).collect();
    Digest::of_parts("glasswork/sequence/1", &parts)
}

/// The digest of the sequence that lies in a release or run directory.
pub fn sequence_digest_of(release: &Path) -> Result<Digest> {
    let files = layout::chunk_files(release);
    if files.is_empty() {
        let path = release.join(layout::chunk(0));
        return Err(Error::Io {
            action: "open",
            path,
            source: std::io::ErrorKind::NotFound.into(),
        });
    }
    let chunks = files
        .iter()
        .map(|file| Digest::of_file(file))
        .collect::<Result<Vec<_>>>()?;
    Ok(sequence_digest(&chunks))
}
