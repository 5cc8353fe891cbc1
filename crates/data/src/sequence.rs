//! The training sequence on disk: written once in training order, read back batch by batch.

use std::ops::Range;
use std::path::{Path, PathBuf};

use glasswork_release::config::RunConfig;
use glasswork_release::npy::{self, TokenFile};
use glasswork_release::sequence::sequence_digest_of;
use glasswork_release::table::{Column, Table};
use glasswork_release::{Digest, batch_digest, canonical, files, layout};

use crate::error::{Error, Result};
use crate::order::{MIXTURE_FORMAT, MixtureFile, Order};
use crate::progress::Progress;
use crate::stream::Stream;

/// Fewest tokens of a chunk (unless the run is shorter).
const CHUNK_TOKENS: u64 = 1 << 20;
/// Most chunks of a run.
const CHUNKS: u64 = 256;

/// Rows of every chunk but the last: whole steps, at least [`CHUNK_TOKENS`], at most [`CHUNKS`]
/// chunks in all.
fn chunk_rows(rows: u64, batch: u64, row_tokens: u64) -> u64 {
    let wanted = CHUNK_TOKENS.div_ceil(row_tokens).max(rows.div_ceil(CHUNKS));
    wanted.next_multiple_of(batch)
}

/// Writes the chunks of a run and their segments below `data`, the release's `data` directory.
pub(crate) fn write(
    data: &Path,
    order: &Order,
    streams: &[Stream],
    config: &RunConfig,
    progress: &dyn Progress,
) -> Result<()> {
    let (length, batch) = (config.model.sequence as u64, config.training.batch as u64);
    let rows = config.rows();
    let size = chunk_rows(rows, batch, length + 1);
    progress.stage("write the sequence", rows, "rows");
    for (chunk, first) in (0..rows).step_by(as_usize(size)).enumerate() {
        let part = first..rows.min(first + size);
        let mut tokens = Vec::with_capacity(as_usize((part.end - part.start) * (length + 1)));
        let mut segments = Segments::default();
        for row in part.clone() {
            let at = order.window_at(row);
            tokens.extend_from_slice(streams[at.source].window(at.window, length));
            for piece in streams[at.source].pieces(at.window, length) {
                segments.step.push(row / batch + 1);
                segments.slot.push((row % batch) as u32);
                segments.seq_start.push(piece.start);
                segments.seq_end.push(piece.end);
                segments.doc.push(piece.doc);
                segments.doc_tok_start.push(piece.doc_token);
                segments.epoch.push(at.epoch);
            }
            progress.advance(1);
        }
        let count = as_usize(part.end - part.start);
        let below =
            |path: String| data.join(path.strip_prefix("data/").expect("chunks lie in data"));
        npy::write_tokens(
            &below(layout::chunk(chunk)),
            count,
            as_usize(length + 1),
            &tokens,
        )?;
        segments
            .into_table()?
            .write(&below(layout::chunk_segments(chunk)))?;
    }
    Ok(())
}

fn as_usize(n: u64) -> usize {
    usize::try_from(n).expect("sizes of what is in memory fit the machine")
}

/// The columns of a segments table under construction.
#[derive(Default)]
struct Segments {
    step: Vec<u64>,
    slot: Vec<u32>,
    seq_start: Vec<u32>,
    seq_end: Vec<u32>,
    doc: Vec<u64>,
    doc_tok_start: Vec<u64>,
    epoch: Vec<u64>,
}

impl Segments {
    fn into_table(self) -> Result<Table> {
        let rows = self.step.len();
        Ok(Table::from_columns([
            ("step", Column::U64(self.step)),
            ("slot", Column::U32(self.slot)),
            ("seq_start", Column::U32(self.seq_start)),
            ("seq_end", Column::U32(self.seq_end)),
            ("doc", Column::U64(self.doc)),
            ("doc_tok_start", Column::U64(self.doc_tok_start)),
            ("epoch", Column::U64(self.epoch)),
            // Text goes in as it is, and every token counts towards the loss.
            ("transform", Column::NullableUtf8(vec![None; rows])),
            ("loss_mask", Column::Bool(vec![true; rows])),
        ])?)
    }
}

/// The rows of one step.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[batch, sequence + 1]`, row-major.
    pub tokens: Vec<u32>,
    /// The source of each row: an index into [`SequenceStore::sources`].
    pub source: Vec<usize>,
    /// [`batch_digest`] of the rows' raw bytes.
    pub digest: Digest,
}

/// The training sequence of a release, read as it is needed.
#[derive(Debug)]
pub struct SequenceStore {
    release: PathBuf,
    /// Each chunk, and the row after its last.
    chunks: Vec<(TokenFile, u64)>,
    rows: u64,
    row_tokens: usize,
    vocabulary: u32,
    order: Order,
    sources: Vec<String>,
    digest: Digest,
}

impl SequenceStore {
    /// Opens the sequence of a release or of a run in progress. Reads every chunk once, to take
    /// the digest that commitments name: about a second per 2 GB.
    ///
    /// # Errors
    /// Files that cannot be read, or that disagree about rows and their length.
    pub fn open(release: &Path) -> Result<Self> {
        let config = RunConfig::load(&release.join(layout::RUN))?;
        let mixture = load_mixture(release)?;
        let order = mixture.order()?;
        let row_tokens = config.model.sequence + 1;
        let mut chunks = Vec::new();
        let mut rows = 0u64;
        for path in layout::chunk_files(release) {
            let file = TokenFile::open(&path)?;
            if file.cols() != row_tokens {
                let reason = format!("rows of {} tokens, the run has {row_tokens}", file.cols());
                return Err(Error::Inconsistent { path, reason });
            }
            rows += file.rows() as u64;
            chunks.push((file, rows));
        }
        if rows != mixture.rows
            || rows != config.rows()
            || mixture.sequence_length + 1 != row_tokens as u64
        {
            let reason = format!(
                "{rows} rows; mixture.json has {} rows of {} + 1, run.toml {} rows of {} + 1",
                mixture.rows,
                mixture.sequence_length,
                config.rows(),
                config.model.sequence
            );
            return Err(Error::Inconsistent {
                path: release.join(layout::SEQUENCE),
                reason,
            });
        }
        let sources = order
            .sources()
            .iter()
            .map(|source| source.id.clone())
            .collect();
        let vocabulary = u32::try_from(config.model.vocabulary).expect("at most 65,536");
        let digest = sequence_digest_of(release)?;
        let release = release.into();
        Ok(Self {
            release,
            chunks,
            rows,
            row_tokens,
            vocabulary,
            order,
            sources,
            digest,
        })
    }

    /// Rows of the run: steps × batch.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Tokens of a row: sequence + 1.
    pub fn row_tokens(&self) -> usize {
        self.row_tokens
    }

    /// The ids of the sources that have rows to give, in byte order.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// The order that the sequence was written in.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// The digest of the whole sequence, as it was when it was opened.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The rows of `step` (from 1) for batches of `batch` rows: `(step − 1)·batch .. step·batch`.
    ///
    /// # Errors
    /// A step that the run does not have, or tokens that the vocabulary does not have.
    pub fn batch(&self, step: u64, batch: usize) -> Result<Batch> {
        let end = step
            .checked_mul(batch as u64)
            .filter(|&end| step > 0 && batch > 0 && end <= self.rows);
        let Some(end) = end else {
            return Err(Error::NoStep {
                step,
                steps: self.rows / batch.max(1) as u64,
            });
        };
        let rows = end - batch as u64..end;
        let raw = self.read_raw(rows.clone())?;
        // All chunks have one token type, or their rows could not have been joined.
        let tokens = self.chunks[0].0.tokens(&raw);
        if let Some(token) = tokens.iter().find(|&&token| token >= self.vocabulary) {
            let reason = format!(
                "step {step} holds token {token}, but the vocabulary has only {} tokens",
                self.vocabulary
            );
            return Err(Error::Inconsistent {
                path: self.release.join(layout::SEQUENCE),
                reason,
            });
        }
        let source = rows.map(|row| self.order.window_at(row).source).collect();
        Ok(Batch {
            tokens,
            source,
            digest: batch_digest(&raw),
        })
    }

    /// The raw little-endian bytes of some rows, across chunks.
    fn read_raw(&self, rows: Range<u64>) -> Result<Vec<u8>> {
        let mut raw = Vec::new();
        let mut at = rows.start;
        while at < rows.end {
            let chunk = self.chunks.partition_point(|(_, end)| *end <= at);
            let (file, end) = &self.chunks[chunk];
            if file.token_type() != self.chunks[0].0.token_type() {
                let path = self.release.join(layout::chunk(chunk));
                return Err(Error::Inconsistent {
                    path,
                    reason: "its token type differs".into(),
                });
            }
            let first = end - file.rows() as u64;
            let to = rows.end.min(*end);
            raw.extend(file.read_raw_rows(as_usize(at - first)..as_usize(to - first))?);
            at = to;
        }
        Ok(raw)
    }
}

/// Reads `mixture.json`, its format number first.
pub(crate) fn load_mixture(release: &Path) -> Result<MixtureFile> {
    let path = release.join(layout::MIXTURE);
    let bytes = files::read(&path, canonical::MAX_DOCUMENT as u64)?;
    let what = path.display().to_string();
    let value = canonical::parse_value(&bytes, &what)?;
    canonical::expect_format(&value, u64::from(MIXTURE_FORMAT), &what)?;
    Ok(canonical::parse_canonical(&bytes, &what)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_hold_whole_steps_and_stay_few() {
        // The demo: 400 steps of 16 rows of 257 tokens give two chunks.
        let rows = chunk_rows(6400, 16, 257);
        assert_eq!(rows % 16, 0);
        assert_eq!(6400u64.div_ceil(rows), 2);
        // A trillion tokens still give at most 256.
        let rows = chunk_rows(488_281_250, 1024, 2049);
        assert!(488_281_250u64.div_ceil(rows) <= 256);
        assert!(chunk_rows(4, 4, 33) >= 4);
    }
}
