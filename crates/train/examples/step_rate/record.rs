//! What a run records around its steps, as `glasswork_train::train` does it, without the training.

use glasswork_release::ledger::{Event, Ledger};
use glasswork_release::metrics::{Metrics, StepRow};
use glasswork_release::sequence::batches_digest;
use glasswork_release::{FORMAT, batch_digest};
use std::path::Path;
use std::time::Instant;

/// Steps between checkpoints, and segments of the made-up run. The demo's are 64 and fewer, a long run's more.
const SEGMENT: u64 = 100;
const SEGMENTS: u64 = 10;

/// Milliseconds a step, on average: digest of the batch's tokens, the row of the metrics, their digest and
/// file at each checkpoint, the ledger's line. Files go beside this program, synced as a run syncs them.
pub(crate) fn milliseconds(row: &StepRow, tokens: &[u32]) -> f64 {
    let program = std::env::current_exe().expect("a program");
    let beside = program.parent().unwrap_or(Path::new("."));
    let directory = tempfile::tempdir_in(beside).expect("a directory");
    let mut ledger = Ledger::open(&directory.path().join("ledger.jsonl")).expect("a new ledger");
    let digest = row.state_digest;
    let run = Event::Run {
        format: FORMAT,
        config_digest: digest,
        profile: "f32-v1".to_owned(),
        sequence_digest: digest,
        name: "bench".to_owned(),
    };
    ledger.append(run).expect("a first line");
    let mut metrics = Metrics::new(vec!["none".to_owned()]);
    let raw: Vec<u8> = tokens.iter().flat_map(|t| t.to_le_bytes()).collect();
    let start = Instant::now();
    for segment in 0..SEGMENTS {
        let (from, to) = (segment * SEGMENT, (segment + 1) * SEGMENT);
        for step in from + 1..=to {
            let row = StepRow {
                step,
                batch_digest: batch_digest(&raw),
                ..row.clone()
            };
            metrics.rows.push(row);
        }
        let metrics_digest = metrics.rows_digest(from..to).expect("rows are there");
        metrics
            .write(&directory.path().join("steps.parquet"))
            .expect("a file");
        let segment = Event::Segment {
            from,
            to,
            tokens: to,
            commitment: digest,
            state_digest: digest,
            metrics_digest,
            batches_digest: batches_digest(&metrics.batch_digests(from..to)),
        };
        ledger.append(segment).expect("a line");
    }
    start.elapsed().as_secs_f64() * 1e3 / (SEGMENT * SEGMENTS) as f64
}
