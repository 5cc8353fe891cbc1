//! Compares our logits with what `peers/architectures.py` wrote: `architectures DIRECTORY`.
//!
//! Every `NAME.expected.safetensors` of the directory goes with a model folder `NAME`. Fails where a
//! logit in `f32-v1` differs by more than 1e-4, or where scoring the sequences gives another
//! log-likelihood; says how far `bf16-v1` is away.

use glasswork_kernels::{Isa, Pool, Profile};
use glasswork_model::scoring::{Cut, Sequence, Unwatched};
use glasswork_model::{Checkpoint, Scorer};
use glasswork_release::safetensors::SafeTensors;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest difference of a logit in f32.
const TOLERANCE: f64 = 1e-4;
/// Largest difference of a sequence's log-likelihood; a sum over some forty tokens.
const SUM_TOLERANCE: f64 = 1e-3;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or("architectures DIRECTORY")?;
    let mut all: Vec<PathBuf> = std::fs::read_dir(&directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    all.retain(|path| path.to_string_lossy().ends_with(".expected.safetensors"));
    all.sort();
    let mut failed = all.is_empty();
    for path in &all {
        failed |= !agrees(path)?;
    }
    if failed {
        return Err("FAIL architectures".into());
    }
    println!("PASS {} architectures", all.len());
    Ok(())
}

fn agrees(path: &Path) -> Result<bool, Box<dyn Error>> {
    let shown = path.to_string_lossy();
    let folder = PathBuf::from(shown.trim_end_matches(".expected.safetensors"));
    let expected = SafeTensors::open(path)?;
    let length = usize::try_from(expected.info("tokens")?.shape[1])?;
    let tokens = expected.bytes("tokens")?.as_chunks().0.iter();
    let tokens: Vec<u32> = tokens.map(|b| u32::from_le_bytes(*b)).collect();
    let sums = expected.bytes("log_likelihood")?.as_chunks().0.iter();
    let sums: Vec<f64> = sums.map(|b| f64::from_le_bytes(*b)).collect();
    let logits = expected.f32("logits")?;
    // One token more, so that there are logits after the last one.
    let with_next = |tokens: &[u32]| Sequence::new([tokens, &[0]].concat());
    let rows: Vec<Sequence> = tokens.chunks(length).map(with_next).collect();
    let alone: Vec<Sequence> = tokens
        .chunks(length)
        .map(|t| Sequence::new(t.to_vec()))
        .collect();
    let cut = Cut {
        chunk_rows: 64,
        wave_rows: usize::MAX,
    };
    let (mut worst, mut sum) = ([0.0_f64; 2], 0.0_f64);
    for (profile, worst) in Profile::ALL.into_iter().zip(&mut worst) {
        let pool = Arc::new(Pool::new(2, Isa::best())?);
        let mut scorer = Scorer::new(Checkpoint::open(&folder)?, profile, pool);
        let ours = scorer.logits(&rows, cut)?;
        assert_eq!(ours.len(), logits.len(), "one logit per token and word");
        for (&a, &b) in ours.iter().zip(&logits) {
            let difference = (f64::from(a) - f64::from(b)).abs();
            // A NaN would not be larger.
            *worst = if difference <= *worst {
                *worst
            } else {
                difference
            };
        }
        if profile == Profile::F32V1 {
            let wave = Cut {
                wave_rows: 1,
                ..cut
            };
            for (score, &expected) in scorer.score(&alone, wave, &Unwatched)?.iter().zip(&sums) {
                sum = sum.max((score.log_likelihood - expected).abs());
            }
        }
    }
    let right = worst[0] <= TOLERANCE && sum <= SUM_TOLERANCE;
    println!(
        "{} {}: largest difference of a logit {:.2e} in f32-v1, {:.2e} in bf16-v1; of a log-likelihood {sum:.2e}",
        if right { "ok  " } else { "FAIL" },
        folder.file_name().unwrap_or_default().to_string_lossy(),
        worst[0],
        worst[1],
    );
    Ok(right)
}
