//! Token arrays as `.npy` files: version 1.0, two dimensions, C order, `<u2` or `<u4`, nothing else.
//!
//! The writer's bytes are the ones that numpy's own `save` gives. The reader accepts exactly those headers, so an
//! object array, a fortran-ordered one or a second spelling of the same header is refused, and it reads only the rows
//! asked for.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::{atomic, files};

const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";

/// The type of a token: two bytes while the vocabulary fits, else four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// `<u2`.
    U16,
    /// `<u4`.
    U32,
}

impl TokenType {
    /// Bytes per token.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::U16 => 2,
            Self::U32 => 4,
        }
    }

    fn descr(self) -> &'static str {
        match self {
            Self::U16 => "<u2",
            Self::U32 => "<u4",
        }
    }
}

/// Something that can be written as a token: `u16` or `u32`.
pub trait Token: Copy {
    /// The type in the header.
    const TYPE: TokenType;
    /// Appends its little-endian bytes.
    fn append(self, out: &mut Vec<u8>);
}

impl Token for u16 {
    const TYPE: TokenType = TokenType::U16;
    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

impl Token for u32 {
    const TYPE: TokenType = TokenType::U32;
    fn append(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

/// The magic, the version, the length and the padded dictionary, a multiple of 64 bytes.
fn header(kind: TokenType, rows: u64, cols: u64) -> Vec<u8> {
    let mut text = format!(
        "{{'descr': '{}', 'fortran_order': False, 'shape': ({rows}, {cols}), }}",
        kind.descr()
    );
    let whole = (10 + text.len() + 1).next_multiple_of(64);
    text.push_str(&" ".repeat(whole - 11 - text.len()));
    text.push('\n');
    let mut bytes = MAGIC.to_vec();
    let length =
        u16::try_from(text.len()).expect("two numbers and fixed text are far below 64 KiB");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Writes `rows` × `cols` tokens (row-major) to `path`, atomically. Fails when the counts do not agree.
pub fn write_tokens<T: Token>(path: &Path, rows: usize, cols: usize, tokens: &[T]) -> Result<()> {
    if rows.checked_mul(cols) != Some(tokens.len()) {
        let problem = format!("{rows} rows of {cols} are not {} tokens", tokens.len());
        return Err(Error::Npy {
            path: path.into(),
            problem,
        });
    }
    let header = header(T::TYPE, rows as u64, cols as u64);
    let needed = header.len() as u64 + tokens.len() as u64 * T::TYPE.size() as u64;
    atomic::write_file_with(path, needed, |file| {
        file.write_all(&header)?;
        let mut buffer = Vec::with_capacity(1 << 20);
        for block in tokens.chunks(1 << 18) {
            buffer.clear();
            block.iter().for_each(|&token| token.append(&mut buffer));
            file.write_all(&buffer)?;
        }
        Ok(())
    })
}

/// A token array on disk; reads take only the rows they want.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    file: Mutex<File>,
    kind: TokenType,
    rows: usize,
    cols: usize,
    start: u64,
}

impl TokenFile {
    /// Opens a file and checks its header against its length.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = |problem: String| Error::Npy {
            path: path.into(),
            problem,
        };
        let (mut file, length) = files::open(path)?;
        if length < 10 {
            return Err(fail(format!("has {length} bytes; an array needs a header")));
        }
        let mut head = [0; 10];
        file.read_exact(&mut head)
            .map_err(|e| Error::io("read", path, 0, e))?;
        if head[..8] != *MAGIC {
            return Err(fail("does not start as a version 1.0 array".into()));
        }
        let start = 10 + u64::from(u16::from_le_bytes([head[8], head[9]]));
        if length < start {
            return Err(fail(format!(
                "has {length} bytes; its header alone claims {start}"
            )));
        }
        let mut text = vec![0; (start - 10) as usize];
        file.read_exact(&mut text)
            .map_err(|e| Error::io("read", path, 0, e))?;
        let (kind, rows, cols) = parse(&text)
            .filter(|&(kind, rows, cols)| header(kind, rows, cols)[10..] == text[..])
            .ok_or_else(|| {
                fail(
                    "its header is not that of a two-dimensional C-ordered <u2 or <u4 array".into(),
                )
            })?;
        let expected = rows
            .checked_mul(cols)
            .and_then(|n| n.checked_mul(kind.size() as u64))
            .and_then(|n| n.checked_add(start))
            .ok_or_else(|| fail(format!("{rows} × {cols} overflows")))?;
        if expected != length {
            return Err(fail(format!(
                "{rows} × {cols} tokens need {expected} bytes; the file has {length}"
            )));
        }
        let narrow =
            |n| usize::try_from(n).map_err(|_| fail(format!("{n} does not fit in memory")));
        Ok(Self {
            path: path.into(),
            file: Mutex::new(file),
            kind,
            rows: narrow(rows)?,
            cols: narrow(cols)?,
            start,
        })
    }

    /// Number of rows (training sequences).
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Tokens per row (sequence length + 1).
    #[must_use]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The type of the tokens.
    #[must_use]
    pub fn token_type(&self) -> TokenType {
        self.kind
    }

    /// The raw little-endian bytes of some rows, as [`crate::batch_digest`] wants them.
    pub fn read_raw_rows(&self, rows: Range<usize>) -> Result<Vec<u8>> {
        if rows.start > rows.end || rows.end > self.rows {
            let problem = format!(
                "rows {}..{} were asked for; there are {}",
                rows.start, rows.end, self.rows
            );
            return Err(Error::Npy {
                path: self.path.clone(),
                problem,
            });
        }
        // No overflow: the whole file's length was computed with checks in `open`.
        let row = self.cols * self.kind.size();
        let mut bytes = vec![0; rows.len() * row];
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let at = self.start + rows.start as u64 * row as u64;
        file.seek(SeekFrom::Start(at))
            .map_err(|e| Error::io("read", &self.path, 0, e))?;
        file.read_exact(&mut bytes)
            .map_err(|e| Error::io("read", &self.path, 0, e))?;
        Ok(bytes)
    }

    /// The tokens of some rows, row-major.
    pub fn read_rows(&self, rows: Range<usize>) -> Result<Vec<u32>> {
        Ok(self.tokens(&self.read_raw_rows(rows)?))
    }

    /// Tokens from raw bytes of this file's type.
    #[must_use]
    pub fn tokens(&self, raw: &[u8]) -> Vec<u32> {
        match self.kind {
            TokenType::U16 => raw
                .as_chunks::<2>()
                .0
                .iter()
                .map(|b| u16::from_le_bytes(*b).into())
                .collect(),
            TokenType::U32 => raw
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| u32::from_le_bytes(*b))
                .collect(),
        }
    }
}

/// Type, rows and columns of a header's dictionary. Lenient: the caller compares with the one spelling allowed.
fn parse(text: &[u8]) -> Option<(TokenType, u64, u64)> {
    let text = std::str::from_utf8(text)
        .ok()?
        .strip_prefix("{'descr': '")?;
    let (descr, text) = text.split_once("', 'fortran_order': False, 'shape': (")?;
    let kind = [TokenType::U16, TokenType::U32]
        .into_iter()
        .find(|kind| kind.descr() == descr)?;
    let (shape, _) = text.split_once("), }")?;
    let (rows, cols) = shape.split_once(", ")?;
    Some((kind, rows.parse().ok()?, cols.parse().ok()?))
}
