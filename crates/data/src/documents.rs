//! The documents of a release, read back: records, texts, and what evaluation holds out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use glasswork_release::layout;
use glasswork_release::table::Table;

use crate::error::{Error, Result};

/// A document's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its number.
    pub doc: u64,
    /// Its source's id.
    pub source: String,
    /// Its id within the source: `name@version/path`, or a page's path.
    pub source_doc_id: String,
    /// SHA-256 of the archive or page that it comes from.
    pub raw_sha256: String,
    /// Its licence, a normalised SPDX expression.
    pub licence: Option<String>,
    /// Its language, BCP 47.
    pub lang: String,
    /// Bytes of its text, in UTF-8.
    pub n_bytes: u64,
    /// Tokens of its text.
    pub n_tokens: u64,
    /// `train`, `held-out` or `rejected`.
    pub split: String,
    /// BLAKE3 of its text, as hexadecimal digits; `None` where it was not read.
    pub content_hash: Option<String>,
    /// Whether the release carries its text.
    pub has_text: bool,
}

/// A held-out text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldOut {
    /// Its source's id.
    pub source: String,
    /// The document's number.
    pub doc: u64,
    /// The text, cut at the end where the byte limit fell inside it.
    pub text: String,
}

/// `documents.parquet` in memory.
pub(crate) struct Records {
    path: PathBuf,
    table: Table,
}

impl Records {
    pub(crate) fn load(release: &Path) -> Result<Self> {
        let path = release.join(layout::DOCUMENTS);
        let table = Table::read(&path)?;
        let records = Self { path, table };
        if records
            .table
            .u64("doc")?
            .iter()
            .zip(0..)
            .any(|(doc, row): (&u64, u64)| *doc != row)
        {
            let reason = "documents are not numbered 0, 1, 2, …".into();
            return Err(Error::Inconsistent {
                path: records.path,
                reason,
            });
        }
        Ok(records)
    }

    pub(crate) fn len(&self) -> u64 {
        self.table.rows() as u64
    }

    pub(crate) fn get(&self, doc: u64) -> Result<Document> {
        let row = usize::try_from(doc)
            .ok()
            .filter(|row| *row < self.table.rows());
        let Some(row) = row else {
            return Err(Error::NoDocument {
                doc,
                reason: format!("there are {}", self.table.rows()),
            });
        };
        let text = |column: &str| Ok::<_, Error>(self.table.utf8(column)?[row].clone());
        Ok(Document {
            doc,
            source: text("source_id")?,
            source_doc_id: text("source_doc_id")?,
            raw_sha256: text("raw_sha256")?,
            licence: self.table.nullable_utf8("licence_spdx")?[row].clone(),
            lang: text("lang")?,
            n_bytes: self.table.u64("n_bytes")?[row],
            n_tokens: self.table.u64("n_tokens")?[row],
            split: text("split")?,
            content_hash: self.table.nullable_utf8("content_hash")?[row].clone(),
            has_text: self.table.nullable_utf8("text_ref")?[row].is_some(),
        })
    }
}

/// The texts of one source that the release carries, by document number.
///
/// # Errors
/// An id that names no file, or a table that cannot be read. A source whose text is withheld has
/// no such table: see [`Document::has_text`].
pub fn texts(release: &Path, source: &str) -> Result<BTreeMap<u64, String>> {
    let table = Table::read(&release.join(layout::text(source)?))?;
    Ok(table
        .u64("doc")?
        .iter()
        .copied()
        .zip(table.utf8("text")?.iter().cloned())
        .collect())
}

/// A document's record and, where the release carries it, its text.
///
/// # Errors
/// A number that the release does not have, or tables that cannot be read.
pub fn document(release: &Path, doc: u64) -> Result<(Document, Option<String>)> {
    let record = Records::load(release)?.get(doc)?;
    let text = if record.has_text {
        texts(release, &record.source)?.remove(&doc)
    } else {
        None
    };
    Ok((record, text))
}

/// Every document's record, in the order of their numbers; rejected ones too.
pub fn documents(release: &Path) -> Result<Vec<Document>> {
    let records = Records::load(release)?;
    (0..records.len()).map(|doc| records.get(doc)).collect()
}

/// Held-out text, at most `max_bytes` of each source: whole documents in the order of their
/// content hashes, the last cut at a character where the limit falls inside it. Sources follow one
/// another in byte order; one whose text the release withholds gives nothing.
///
/// # Errors
/// Tables that cannot be read or contradict one another.
pub fn held_out(release: &Path, max_bytes: u64) -> Result<Vec<HeldOut>> {
    let mut chosen: BTreeMap<String, Vec<(Option<String>, u64)>> = BTreeMap::new();
    for record in documents(release)? {
        if record.split == "held-out" && record.has_text {
            chosen
                .entry(record.source)
                .or_default()
                .push((record.content_hash, record.doc));
        }
    }
    let mut out = Vec::new();
    for (source, mut documents) in chosen {
        documents.sort_unstable();
        let mut texts = texts(release, &source)?;
        let mut left = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        for (_, doc) in documents {
            if left == 0 {
                break;
            }
            let Some(mut text) = texts.remove(&doc) else {
                let reason = format!("document {doc} has no text");
                return Err(Error::Inconsistent {
                    path: release.join(layout::text(&source)?),
                    reason,
                });
            };
            text.truncate(text.floor_char_boundary(left));
            left = if text.is_empty() {
                0
            } else {
                left - text.len()
            };
            if !text.is_empty() {
                out.push(HeldOut {
                    source: source.clone(),
                    doc,
                    text,
                });
            }
        }
    }
    Ok(out)
}
