//! `metrics/steps.parquet`: one row per step, in full precision.
//!
//! Row of step s (counted from 1) speaks of the s-th update: it used sequence rows (s−1)·batch to s·batch, and its
//! state digest is that of the state *after* it.

use std::ops::Range;
use std::path::Path;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout;
use crate::table::{Column, Table};

/// Loss over the targets of one source within a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceLoss {
    /// Targets of this source.
    pub targets: u64,
    /// Mean loss over them, in nats; of no meaning (and stored as null) when there are none.
    pub loss: f64,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRow {
    /// The step, counted from 1.
    pub step: u64,
    /// Target tokens consumed up to and including this step.
    pub tokens: u64,
    /// Mean loss of the step, in nats.
    pub loss: f64,
    /// Norm of the whole gradient before clipping.
    pub grad_norm: f64,
    /// Learning rate of the update.
    pub learning_rate: f32,
    /// [`crate::batch_digest`] of the step's rows.
    pub batch_digest: Digest,
    /// [`crate::state::state_digest`] after the update.
    pub state_digest: Digest,
    /// Loss per source, in the order of [`Metrics::sources`].
    pub sources: Vec<SourceLoss>,
}

/// All rows of a run so far, and the sources that their per-source losses speak of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Source ids, in the order of the columns.
    pub sources: Vec<String>,
    /// Rows of steps 1, 2, 3, ….
    pub rows: Vec<StepRow>,
}

impl Metrics {
    /// No rows yet.
    #[must_use]
    pub fn new(sources: Vec<String>) -> Self {
        Self {
            sources,
            rows: Vec::new(),
        }
    }

    /// Steps that have a row; the last one's number.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The row of a step (counted from 1).
    #[must_use]
    pub fn row(&self, step: u64) -> Option<&StepRow> {
        self.rows.get(usize::try_from(step).ok()?.checked_sub(1)?)
    }

    /// Forgets every row after `step`.
    pub fn truncate_after(&mut self, step: u64) {
        self.rows.retain(|row| row.step <= step);
    }

    /// The digest of the updates that lead from the state after step `range.start` to the state after `range.end`:
    /// the rows of steps `range.start + 1` to `range.end`.
    ///
    /// `of_parts("glasswork/metrics-rows/1", [schema, cells of each row])`, cells as in [`Table::row_digest`]. Fails
    /// when a row is missing.
    pub fn rows_digest(&self, range: Range<u64>) -> Result<Digest> {
        let fail = || Error::Table {
            what: layout::STEPS.into(),
            problem: format!(
                "steps {} to {} were asked for; there are {}",
                range.start + 1,
                range.end,
                self.rows.len()
            ),
        };
        if range.start > range.end || range.end > self.steps() {
            return Err(fail());
        }
        let narrow = |n| usize::try_from(n).map_err(|_| fail());
        let table = self.table_of(narrow(range.start)?..narrow(range.end)?)?;
        Ok(table.rows_digest("glasswork/metrics-rows/1", 0..table.rows()))
    }

    /// The batch digests of the updates in `range` (as in [`Metrics::rows_digest`]); shorter when rows are missing.
    #[must_use]
    pub fn batch_digests(&self, range: Range<u64>) -> Vec<Digest> {
        let bound = |n| {
            usize::try_from(n)
                .unwrap_or(usize::MAX)
                .min(self.rows.len())
        };
        let (start, end) = (bound(range.start), bound(range.end));
        self.rows[start.min(end)..end]
            .iter()
            .map(|row| row.batch_digest)
            .collect()
    }

    /// The rows as a table. Fails when a row has another number of sources, or the steps are not 1, 2, 3, ….
    pub fn table(&self) -> Result<Table> {
        self.table_of(0..self.rows.len())
    }

    /// Some of the rows as a table. Panics when they are not there.
    fn table_of(&self, range: Range<usize>) -> Result<Table> {
        let fail = |problem| Error::Table {
            what: layout::STEPS.into(),
            problem,
        };
        let rows = &self.rows[range.clone()];
        for (i, row) in range.zip(rows) {
            if row.step != i as u64 + 1 {
                return Err(fail(format!(
                    "row {i} is of step {}, not {}",
                    row.step,
                    i + 1
                )));
            }
            if row.sources.len() != self.sources.len() {
                let (found, expected) = (row.sources.len(), self.sources.len());
                return Err(fail(format!(
                    "step {} has losses of {found} sources, not {expected}",
                    row.step
                )));
            }
        }
        let mut table = Table::from_columns([
            ("step", Column::U64(rows.iter().map(|r| r.step).collect())),
            (
                "tokens",
                Column::U64(rows.iter().map(|r| r.tokens).collect()),
            ),
            ("loss", Column::F64(rows.iter().map(|r| r.loss).collect())),
            (
                "grad_norm",
                Column::F64(rows.iter().map(|r| r.grad_norm).collect()),
            ),
            (
                "learning_rate",
                Column::F32(rows.iter().map(|r| r.learning_rate).collect()),
            ),
            (
                "batch_digest",
                Column::digests(rows.iter().map(|r| r.batch_digest)),
            ),
            (
                "state_digest",
                Column::digests(rows.iter().map(|r| r.state_digest)),
            ),
        ])?;
        for (i, source) in self.sources.iter().enumerate() {
            layout::valid_id("source", source)?;
            let loss = |s: SourceLoss| (s.targets > 0).then_some(s.loss);
            table.push(
                format!("loss/{source}"),
                Column::NullableF64(rows.iter().map(|r| loss(r.sources[i])).collect()),
            )?;
            table.push(
                format!("targets/{source}"),
                Column::U64(rows.iter().map(|r| r.sources[i].targets).collect()),
            )?;
        }
        Ok(table)
    }

    /// Writes `metrics/steps.parquet`, atomically.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.table()?.write(path)
    }

    /// Reads `metrics/steps.parquet`, which must hold exactly the columns that [`Metrics::table`] gives.
    pub fn read(path: &Path) -> Result<Self> {
        let table = Table::read(path)?;
        let sources: Vec<String> = table
            .names()
            .filter_map(|n| n.strip_prefix("loss/"))
            .map(str::to_owned)
            .collect();
        let (step, tokens) = (table.u64("step")?, table.u64("tokens")?);
        let (loss, grad_norm) = (table.f64("loss")?, table.f64("grad_norm")?);
        let learning_rate = table.f32("learning_rate")?;
        let (batch, state) = (
            table.digests("batch_digest")?,
            table.digests("state_digest")?,
        );
        let mut per_source = Vec::new();
        for source in &sources {
            per_source.push((
                table.nullable_f64(&format!("loss/{source}"))?,
                table.u64(&format!("targets/{source}"))?,
            ));
        }
        let rows = (0..table.rows())
            .map(|i| StepRow {
                step: step[i],
                tokens: tokens[i],
                loss: loss[i],
                grad_norm: grad_norm[i],
                learning_rate: learning_rate[i],
                batch_digest: batch[i],
                state_digest: state[i],
                sources: per_source
                    .iter()
                    .map(|(loss, targets)| SourceLoss {
                        targets: targets[i],
                        loss: loss[i].unwrap_or(f64::NAN),
                    })
                    .collect(),
            })
            .collect();
        let metrics = Self { sources, rows };
        // One comparison refuses what the reading above tolerated: other columns, another order, nulls beside targets.
        if metrics.table()? != table {
            let problem = "its columns or values are not those of format 1".into();
            return Err(Error::Table {
                what: path.display().to_string(),
                problem,
            });
        }
        Ok(metrics)
    }
}
