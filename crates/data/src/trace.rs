//! From a step of training back to the documents it read, and from a document to its steps.

use std::path::Path;

use glasswork_release::config::RunConfig;
use glasswork_release::layout;
use glasswork_release::table::Table;

use crate::documents::Records;
use crate::error::{Error, Result};

/// A stretch of one document inside one row of one step.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Segment {
    /// The step, from 1.
    pub step: u64,
    /// The row within the step's batch, from 0.
    pub slot: u32,
    /// First token of the stretch, as a position in the row.
    pub seq_start: u32,
    /// The position after its last token.
    pub seq_end: u32,
    /// The document's number.
    pub doc: u64,
    /// Which token of the document stands at `seq_start`.
    pub doc_tok_start: u64,
    /// Which pass over the source this is, from 0.
    pub epoch: u64,
    /// The source's id.
    pub source: String,
    /// The document's id within its source.
    pub source_doc_id: String,
    /// Its licence, an SPDX expression.
    pub licence: String,
}

/// What a step (from 1) read, row by row, each row in order.
///
/// # Errors
/// A step that the run does not have, or tables that contradict one another.
pub fn trace_step(release: &Path, step: u64) -> Result<Vec<Segment>> {
    let config = RunConfig::load(&release.join(layout::RUN))?;
    if step == 0 || step > config.training.steps {
        return Err(Error::NoStep {
            step,
            steps: config.training.steps,
        });
    }
    let found = select(release, |segments, row| segments.step[row] == step)?;
    if found.is_empty() {
        let reason = format!("no segment of step {step}");
        return Err(Error::Inconsistent {
            path: release.join(layout::SEQUENCE),
            reason,
        });
    }
    Ok(found)
}

/// Where training read a document: every stretch, in the order of the steps. Empty for a document
/// that was held out, rejected, or not reached.
///
/// # Errors
/// A document that the release does not have, or tables that contradict one another.
pub fn trace_document(release: &Path, doc: u64) -> Result<Vec<Segment>> {
    Records::load(release)?.get(doc)?;
    select(release, |segments, row| segments.doc[row] == doc)
}

/// The columns of a segments table.
struct Columns<'a> {
    step: &'a [u64],
    slot: &'a [u32],
    seq_start: &'a [u32],
    seq_end: &'a [u32],
    doc: &'a [u64],
    doc_tok_start: &'a [u64],
    epoch: &'a [u64],
}

impl<'a> Columns<'a> {
    fn of(table: &'a Table) -> Result<Self> {
        Ok(Self {
            step: table.u64("step")?,
            slot: table.u32("slot")?,
            seq_start: table.u32("seq_start")?,
            seq_end: table.u32("seq_end")?,
            doc: table.u64("doc")?,
            doc_tok_start: table.u64("doc_tok_start")?,
            epoch: table.u64("epoch")?,
        })
    }
}

/// The segments that `wanted` picks, joined with their documents.
fn select(release: &Path, wanted: impl Fn(&Columns<'_>, usize) -> bool) -> Result<Vec<Segment>> {
    let records = Records::load(release)?;
    let mut found = Vec::new();
    for chunk in 0..layout::chunk_files(release).len() {
        let table = Table::read(&release.join(layout::chunk_segments(chunk)))?;
        let columns = Columns::of(&table)?;
        for row in (0..table.rows()).filter(|&row| wanted(&columns, row)) {
            let document = records.get(columns.doc[row])?;
            found.push(Segment {
                step: columns.step[row],
                slot: columns.slot[row],
                seq_start: columns.seq_start[row],
                seq_end: columns.seq_end[row],
                doc: columns.doc[row],
                doc_tok_start: columns.doc_tok_start[row],
                epoch: columns.epoch[row],
                source: document.source,
                source_doc_id: document.source_doc_id,
                licence: document.licence.unwrap_or_default(),
            });
        }
    }
    Ok(found)
}
