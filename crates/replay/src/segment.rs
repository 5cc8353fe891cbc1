//! The replay of one segment.

use crate::inputs::{self, divergence};
use crate::{Outcome, ReplayError};
use glasswork_data::{Batch, SequenceStore};
use glasswork_kernels::{Pool, Profile};
use glasswork_model::{Engine, ModelConfig};
use glasswork_release::annex::Divergence;
use glasswork_release::checkpoint::{CheckpointManifest, read_checkpoint, verify_checkpoint};
use glasswork_release::config::RunConfig;
use glasswork_release::ledger::{Event, Ledger};
use glasswork_release::metrics::{Metrics, StepRow};
use glasswork_release::state::{TensorEntry, state_digest};
use glasswork_release::{Digest, layout};
use glasswork_train::{Cut, NON_FINITE, Stepper, TrainError, TrainState};
use std::path::Path;
use std::sync::Arc;

/// The steps between two neighbouring checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Number, from 1.
    pub number: usize,
    /// Step of the checkpoint that it starts from.
    pub from: u64,
    /// Step of the checkpoint that it ends at.
    pub to: u64,
    /// State digest at the end, as the ledger records it.
    pub state_digest: Digest,
}

/// The segments that the release's ledger records, in order.
///
/// # Errors
/// When the ledger cannot be read or its chain is broken.
pub fn segments(release: &Path) -> Result<Vec<Segment>, ReplayError> {
    let ledger = Ledger::read(&release.join(layout::LEDGER))?;
    let recorded = ledger.events().iter().filter_map(|event| match event {
        Event::Segment {
            from,
            to,
            state_digest,
            ..
        } if to > from => Some((*from, *to, *state_digest)),
        _ => None,
    });
    let mut segments = Vec::new();
    let mut at = 0;
    for (from, to, state_digest) in recorded {
        if from != at {
            return Err(ReplayError::Gap {
                expected: at,
                found: from,
            });
        }
        at = to;
        segments.push(Segment {
            number: segments.len() + 1,
            from,
            to,
            state_digest,
        });
    }
    Ok(segments)
}

/// Recomputes `segment` of `release` and compares everything on the way. `advance` is told each step.
///
/// # Errors
/// When the release lacks what a replay needs; a *difference* is an outcome, not an error.
pub fn replay(
    release: &Path,
    segment: Segment,
    pool: Arc<Pool>,
    cut: Cut,
    advance: &dyn Fn(&StepRow),
) -> Result<Outcome, ReplayError> {
    let run = RunConfig::load(&release.join(layout::RUN))?;
    let Ok(profile) = run.profile.parse::<Profile>() else {
        return Err(TrainError::Profile(run.profile).into());
    };
    let model = ModelConfig::from_run(&run)?;
    let store = SequenceStore::open(release)?;
    let inputs = inputs::differences(release, segment, &run, &store)?;
    let mut damaged = damage(release, segment.from)?;
    if damaged.is_empty() {
        damaged = inputs::misfits(release, segment.from, &model)?;
    }
    if !damaged.is_empty() {
        // A start that contradicts its own digests proves nothing about the steps after it.
        damaged.extend(inputs);
        return Ok(stopped(segment, damaged));
    }
    let metrics = Metrics::read(&release.join(layout::STEPS))?;
    let mut engine = Engine::new(model.clone(), profile, pool);
    engine.recompute(cut.recomputed);
    let sources = store.sources().len();
    let mut stepper = Stepper::new(run.clone(), engine, sources, cut.micro_batch);
    let mut found = Vec::new();
    if metrics.sources != store.sources() {
        let what = format!(
            "names the sources {:?}, the mixture {:?}",
            metrics.sources,
            store.sources()
        );
        found.push(divergence(segment.from, None, Some(layout::STEPS), &what));
    }
    let incidents = incidents(release)?;
    let mut state = start(release, segment, &run, &stepper, &mut found)?;
    for step in segment.from + 1..=segment.to {
        let batch = store.batch(step, run.training.batch)?;
        let outcome = stepper.step(&mut state, &batch)?;
        match metrics.row(step) {
            Some(recorded) => {
                compare_step(&outcome.row, recorded, &metrics.sources, &batch, &mut found);
            }
            None => found.push(divergence(
                step,
                None,
                Some(layout::STEPS),
                "there is no row for this step",
            )),
        }
        if outcome.applied == incidents.contains(&step) {
            let what = if outcome.applied {
                "records a step without update that has one"
            } else {
                "lacks the step that has no update"
            };
            found.push(divergence(step, None, Some(layout::LEDGER), what));
        }
        advance(&outcome.row);
    }
    let entries = state.entries(stepper.engine());
    let computed = state_digest(state.step, &entries);
    if computed != segment.state_digest {
        let what = format!(
            "the state recomputed is {computed}, the ledger records {}",
            segment.state_digest
        );
        found.push(divergence(segment.to, None, Some(layout::LEDGER), &what));
    }
    compare_end(release, segment, &entries, &mut found)?;
    found.extend(inputs::misfits(release, segment.to, &model)?);
    name_tensor(&mut found);
    // Last: a digest over a whole file says less than what was found inside it.
    found.extend(inputs);
    let tokens = (segment.to - segment.from) * run.tokens_per_step();
    Ok(Outcome {
        segment,
        differences: found,
        expected: segment.state_digest,
        computed,
        tokens,
    })
}

/// Steps that the ledger records as done without an update.
fn incidents(release: &Path) -> Result<Vec<u64>, ReplayError> {
    let ledger = Ledger::read(&release.join(layout::LEDGER))?;
    let steps = ledger.events().iter().filter_map(|event| match event {
        Event::Incident { step, kind, .. } if kind == NON_FINITE => Some(*step),
        _ => None,
    });
    Ok(steps.collect())
}

fn stopped(segment: Segment, differences: Vec<Divergence>) -> Outcome {
    Outcome {
        segment,
        differences,
        expected: segment.state_digest,
        computed: Digest([0; 32]),
        tokens: 0,
    }
}

/// Tensors and files of a checkpoint that contradict its manifest.
fn damage(release: &Path, step: u64) -> Result<Vec<Divergence>, ReplayError> {
    let directory = layout::checkpoint_dir(step);
    let findings = verify_checkpoint(&release.join(&directory));
    Ok(findings
        .into_iter()
        .map(|finding| {
            let what = format!(
                "{}: expected {}, found {}",
                finding.what, finding.expected, finding.found
            );
            let file = if finding.path.starts_with(&directory) {
                finding.path
            } else {
                format!("{directory}/{}", finding.path)
            };
            divergence(step, finding.tensor.as_deref(), Some(&file), &what)
        })
        .collect())
}

/// The state to start from. The initialisation is recomputed; a later checkpoint is loaded and held
/// against what ledger and metrics say of it.
fn start(
    release: &Path,
    segment: Segment,
    run: &RunConfig,
    stepper: &Stepper,
    found: &mut Vec<Divergence>,
) -> Result<TrainState, ReplayError> {
    let engine = stepper.engine();
    let directory = layout::checkpoint_dir(segment.from);
    let checkpoint = read_checkpoint(&release.join(&directory))?;
    if segment.from == 0 {
        let state = TrainState::initial(engine.config(), engine.layout(), run.seed);
        let entries = state.entries(engine);
        compare_tensors(&entries, &checkpoint.manifest, found);
        let computed = state_digest(0, &entries);
        let recorded = recorded_initial(release)?;
        if recorded != Some(computed) {
            let recorded =
                recorded.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
            let what = format!(
                "the initial state recomputed is {computed}, the ledger records {recorded}"
            );
            found.push(divergence(0, None, Some(layout::LEDGER), &what));
        }
        return Ok(state);
    }
    let recorded = segments(release)?
        .into_iter()
        .find(|s| s.to == segment.from)
        .map(|s| s.state_digest);
    let state = TrainState::from_checkpoint(&checkpoint, engine.layout())?;
    let computed = state.digest(engine);
    if recorded != Some(computed) {
        let recorded = recorded.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
        let what = format!(
            "the checkpoint holds state {computed}, the ledger records {recorded}; replay the segment before to name the tensor"
        );
        found.push(divergence(segment.from, None, Some(&directory), &what));
    }
    Ok(state)
}

/// State digest of the initialisation, as the ledger records it.
fn recorded_initial(release: &Path) -> Result<Option<Digest>, ReplayError> {
    let ledger = Ledger::read(&release.join(layout::LEDGER))?;
    Ok(ledger.events().iter().find_map(|event| match event {
        Event::Segment {
            to: 0,
            state_digest,
            ..
        } => Some(*state_digest),
        _ => None,
    }))
}

/// Everything that a metrics row records, bit for bit. `sources` names its columns.
fn compare_step(
    computed: &StepRow,
    recorded: &StepRow,
    sources: &[String],
    batch: &Batch,
    found: &mut Vec<Divergence>,
) {
    let step = computed.step;
    let mut differ = |file: &str, name: &str, ours: String, theirs: String| {
        if ours != theirs {
            let what = format!("{name} recomputed is {ours}, recorded is {theirs}");
            found.push(divergence(step, None, Some(file), &what));
        }
    };
    differ(
        layout::SEQUENCE,
        "batch digest",
        batch.digest.to_string(),
        recorded.batch_digest.to_string(),
    );
    let f64_text = |x: f64| format!("{x} ({:016x})", x.to_bits());
    for (name, ours, theirs) in [
        ("loss", computed.loss, recorded.loss),
        ("gradient norm", computed.grad_norm, recorded.grad_norm),
    ] {
        differ(layout::STEPS, name, f64_text(ours), f64_text(theirs));
    }
    let rate = |row: &StepRow| {
        format!(
            "{} ({:08x})",
            row.learning_rate,
            row.learning_rate.to_bits()
        )
    };
    differ(
        layout::STEPS,
        "learning rate",
        rate(computed),
        rate(recorded),
    );
    differ(
        layout::STEPS,
        "tokens",
        computed.tokens.to_string(),
        recorded.tokens.to_string(),
    );
    for ((ours, theirs), source) in computed.sources.iter().zip(&recorded.sources).zip(sources) {
        let name = format!("loss/{source}");
        let text = |source: &glasswork_release::metrics::SourceLoss| {
            // A source without targets has no loss: any NaN says so.
            if source.targets == 0 {
                "none".to_owned()
            } else {
                format!("{} of {} targets", f64_text(source.loss), source.targets)
            }
        };
        differ(layout::STEPS, &name, text(ours), text(theirs));
    }
    differ(
        layout::STEPS,
        "state digest",
        computed.state_digest.to_string(),
        recorded.state_digest.to_string(),
    );
}

/// The state reached against the checkpoint at the segment's end: its manifest, and its bytes.
fn compare_end(
    release: &Path,
    segment: Segment,
    entries: &[TensorEntry],
    found: &mut Vec<Divergence>,
) -> Result<(), ReplayError> {
    found.extend(damage(release, segment.to)?);
    let manifest = release
        .join(layout::checkpoint_dir(segment.to))
        .join(layout::MANIFEST);
    compare_tensors(entries, &CheckpointManifest::read(&manifest)?, found);
    Ok(())
}

fn compare_tensors(
    ours: &[TensorEntry],
    manifest: &CheckpointManifest,
    found: &mut Vec<Divergence>,
) {
    let directory = layout::checkpoint_dir(manifest.step);
    let computed = state_digest(manifest.step, ours);
    for entry in ours {
        let stored = manifest
            .tensors
            .iter()
            .find(|tensor| tensor.name == entry.name);
        let what = match stored {
            Some(tensor) if tensor.digest == entry.digest => continue,
            Some(tensor) => format!(
                "recomputed bytes are {}, the manifest records {}",
                entry.digest, tensor.digest
            ),
            None => "the manifest lacks this tensor".to_owned(),
        };
        let file = stored.map_or_else(
            || format!("{directory}/{}", layout::MANIFEST),
            |tensor| format!("{directory}/{}", tensor.file),
        );
        found.push(divergence(
            manifest.step,
            Some(&entry.name),
            Some(&file),
            &what,
        ));
    }
    if manifest.state_digest != computed {
        let what = format!(
            "the state recomputed is {computed}, the manifest records {}",
            manifest.state_digest
        );
        let file = format!("{directory}/{}", layout::MANIFEST);
        found.push(divergence(manifest.step, None, Some(&file), &what));
    }
}

/// The first difference is what a verdict quotes: give it the first tensor known to differ at its
/// step, so that "diverged at step s in tensor t" can be said where it is known.
fn name_tensor(found: &mut [Divergence]) {
    let Some(first) = found.first() else { return };
    if first.tensor.is_none() {
        let step = first.step;
        let named = found.iter().find(|d| d.step == step && d.tensor.is_some());
        if let Some(Divergence { tensor, file, .. }) = named.cloned() {
            found[0].tensor = tensor;
            found[0].file = file;
        }
    }
}
