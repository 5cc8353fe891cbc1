//! Reading files that somebody else may have written: plain files only, and no more bytes than agreed.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// What a directory entry is, in words.
pub(crate) fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        "symbolic link"
    } else if kind.is_dir() {
        "directory"
    } else if kind.is_file() {
        "file"
    } else {
        "device, pipe or socket"
    }
}

/// Opens a plain file for reading and tells its length.
///
/// Links are refused (a release never contains any), and so are pipes and devices, which could block for ever.
pub fn open(path: &Path) -> Result<(File, u64)> {
    let metadata = path
        .symlink_metadata()
        .map_err(|e| Error::io("open", path, 0, e))?;
    if !metadata.file_type().is_file() {
        return Err(Error::NotAPlainFile {
            path: path.into(),
            kind: kind(&metadata),
        });
    }
    let file = File::open(path).map_err(|e| Error::io("open", path, 0, e))?;
    let length = file
        .metadata()
        .map_err(|e| Error::io("open", path, 0, e))?
        .len();
    Ok((file, length))
}

/// Reads a whole plain file of at most `limit` bytes; the size is checked before memory is taken.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let (file, length) = open(path)?;
    if length > limit {
        return Err(Error::TooLarge {
            path: path.into(),
            length,
            limit,
        });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // The file may grow between the two calls: one byte more than promised is enough to notice.
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|e| Error::io("read", path, 0, e))?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge {
            path: path.into(),
            length: bytes.len() as u64,
            limit,
        });
    }
    Ok(bytes)
}

/// Calls `consume` with every block of a plain file, in order; returns the number of bytes.
pub fn for_each_block(path: &Path, mut consume: impl FnMut(&[u8])) -> Result<u64> {
    let (mut file, _) = open(path)?;
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(n) => {
                consume(&buffer[..n]);
                total += n as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", path, 0, error)),
        }
    }
}
