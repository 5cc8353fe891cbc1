//! The training sequence against the ledger as a whole, and against the metrics batch by batch.

use super::history::{Run, compare};
use super::{CheckReport, Parts};
use crate::config::RunConfig;
use crate::digest::Digest;
use crate::finding::Finding;
use crate::layout;
use crate::metrics::Metrics;
use crate::npy::TokenFile;
use crate::sequence::{batch_digest, sequence_digest};

/// The most bytes of one batch that are read at once: 1 GiB.
const MAX_BATCH: u64 = 1 << 30;

/// Chunks against the ledger as a whole, and against the metrics batch by batch. Returns the sequence digest found.
pub(super) fn check(
    parts: &Parts<'_>,
    run: Option<&Run<'_>>,
    metrics: Option<&Metrics>,
    config: Option<&RunConfig>,
    report: &mut CheckReport,
) -> Option<Digest> {
    let names = parts.chunks();
    if names.is_empty() {
        report.unchecked.push(
            "the training sequence is not part of this release: batches were not compared".into(),
        );
        return None;
    }
    let mut chunks = Vec::new();
    let mut digests = Vec::new();
    for name in names {
        digests.push(parts.load(&name, Digest::of_file, report)?);
        let chunk = parts.load(&name, TokenFile::open, report)?;
        chunks.push((name, chunk));
    }
    let digest = sequence_digest(&digests);
    if let Some(run) = run {
        compare(
            report,
            layout::SEQUENCE,
            "digest of the sequence",
            run.sequence_digest,
            digest,
        );
    }
    let config = config?;
    for (name, chunk) in &chunks {
        compare(
            report,
            name,
            "tokens per row",
            config.model.sequence + 1,
            chunk.cols(),
        );
    }
    let rows: u64 = chunks.iter().map(|(_, chunk)| chunk.rows() as u64).sum();
    compare(
        report,
        layout::SEQUENCE,
        "number of rows",
        config.rows(),
        rows,
    );
    let widest = chunks
        .iter()
        .map(|(_, c)| c.cols() as u64 * c.token_type().size() as u64)
        .max()
        .unwrap_or(0);
    if widest.saturating_mul(config.training.batch as u64) > MAX_BATCH {
        let found = format!("{} rows of up to {widest}", config.training.batch);
        report.findings.push(Finding::new(
            layout::SEQUENCE,
            "bytes of a batch",
            format!("at most {MAX_BATCH}"),
            found,
        ));
        return Some(digest);
    }
    if let Some(metrics) = metrics {
        check_batches(&chunks, config.training.batch, metrics, report);
    }
    Some(digest)
}

/// Every batch of the chunks against its row of the metrics.
fn check_batches(
    chunks: &[(String, TokenFile)],
    batch: usize,
    metrics: &Metrics,
    report: &mut CheckReport,
) {
    for row in &metrics.rows {
        let mut raw = Vec::new();
        // Rows still to be read, counted from the first row of the chunk at hand.
        let mut start = (row.step as usize - 1).saturating_mul(batch);
        let mut missing = batch;
        let mut files = Vec::new();
        for (name, chunk) in chunks {
            let here = chunk.rows().saturating_sub(start).min(missing);
            if here > 0 {
                match chunk.read_raw_rows(start..start + here) {
                    Ok(bytes) => raw.extend(bytes),
                    Err(error) => {
                        let finding = Finding::new(name, "rows of the batch", "readable", error);
                        report.findings.push(finding.at_step(row.step));
                        return;
                    }
                }
                files.push(name.as_str());
            }
            missing -= here;
            start = start.saturating_sub(chunk.rows());
            if missing == 0 {
                break;
            }
        }
        if missing > 0 {
            let found = format!("{} rows", batch - missing);
            let finding = Finding::new(
                layout::SEQUENCE,
                "rows of the batch",
                format!("{batch} rows"),
                found,
            );
            report.findings.push(finding.at_step(row.step));
            return;
        }
        let digest = batch_digest(&raw);
        if digest != row.batch_digest {
            let files = files.join(" and ");
            let what = "digest of the batch";
            match report.findings.last_mut() {
                // A run of wrong batches is one finding: it states the digests of the first.
                Some(last)
                    if last.path == files
                        && last.what == what
                        && last.last_step.or(last.step) == Some(row.step - 1) =>
                {
                    last.last_step = Some(row.step);
                }
                _ => {
                    let finding = Finding::new(files, what, row.batch_digest, digest);
                    report.findings.push(finding.at_step(row.step));
                }
            }
        }
    }
}
