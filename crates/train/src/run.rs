//! The run: resume, steps, checkpoints, metrics, ledger, seal.

use crate::{Cut, Stepper, TrainError, TrainState};
use glasswork_data::{SequenceStore, Tokenizer};
use glasswork_kernels::{Pool, Profile};
use glasswork_model::{Engine, ModelConfig, config_json};
use glasswork_release::checkpoint::{Commitment, read_checkpoint};
use glasswork_release::config::RunConfig;
use glasswork_release::core_index::CoreIndex;
use glasswork_release::ledger::{Event, Ledger};
use glasswork_release::lock::RunLock;
use glasswork_release::metrics::{Metrics, StepRow};
use glasswork_release::seal::seal;
use glasswork_release::{Digest, atomic, files, layout, sequence};
use std::path::Path;
use std::sync::Arc;

/// Told what happens, so that a caller can show it. All numbers are the run's own.
pub trait Watch {
    /// Training goes on after step `done` of `steps`; each step consumes `tokens`.
    fn begin(&self, done: u64, steps: u64, tokens: u64);
    /// A step ended.
    fn step(&self, row: &StepRow);
    /// A checkpoint was written.
    fn checkpoint(&self, step: u64);
    /// Something to tell the person at the terminal.
    fn notice(&self, text: &str);
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Steps done in all.
    pub steps: u64,
    /// Steps done by this call: 0 when there was nothing left to do.
    pub steps_now: u64,
    /// State digest of the last checkpoint.
    pub state_digest: Digest,
    /// Commitment of the last checkpoint.
    pub commitment: Digest,
    /// Digest of `core.json`.
    pub root: Digest,
}

/// Trains the prepared run in `dir` to its end and seals the release; goes on where an earlier
/// call stopped. `code` is the content of `code.json`: which program this is.
///
/// # Errors
/// When the directory was begun with another configuration, data or program, when it is damaged, or
/// when the disk refuses; what was written stays whole.
pub fn train(
    dir: &Path,
    pool: Arc<Pool>,
    cut: Cut,
    code: &[u8],
    watch: &dyn Watch,
) -> Result<Summary, TrainError> {
    let _lock = RunLock::acquire(dir)?;
    let mut run = Run::open(dir, pool, cut)?;
    let done = run.resume(watch)?;
    if done.0.step < run.config.training.steps {
        same_or_write(dir, code)?;
    }
    let (state, commitment, steps_now) = run.advance(done, watch)?;
    // A finished release keeps its root: sealing it again would bless whatever happened to it since.
    let sealed = steps_now == 0 && dir.join(layout::CORE).exists();
    let root = if sealed {
        CoreIndex::load(dir)?.root()?
    } else {
        seal(dir, &run.config.name)?
    };
    let state_digest = run
        .ledger_state(state.step)
        .expect("the last segment was just recorded");
    Ok(Summary {
        steps: state.step,
        steps_now,
        state_digest,
        commitment,
        root,
    })
}

/// The kind of incident that the ledger records for a step whose loss or gradient was not finite.
pub const NON_FINITE: &str = "non-finite";

/// The bytes of a checkpoint's `config.json`.
pub fn checkpoint_config(config: &serde_json::Value) -> Vec<u8> {
    format!("{config:#}\n").into_bytes()
}

struct Run<'a> {
    dir: &'a Path,
    config: RunConfig,
    store: SequenceStore,
    ledger: Ledger,
    metrics: Metrics,
    stepper: Stepper,
    config_json: Vec<u8>,
    /// Incidents since the last checkpoint; recorded with the next, so that a kill leaves none behind.
    incidents: Vec<Event>,
}

/// Where a resumed run stands: the state, and the commitment of its checkpoint.
type Standing = (TrainState, Option<Digest>);

impl<'a> Run<'a> {
    fn open(dir: &'a Path, pool: Arc<Pool>, cut: Cut) -> Result<Self, TrainError> {
        let config = RunConfig::load(&dir.join(layout::RUN))?;
        let Ok(profile) = config.profile.parse::<Profile>() else {
            return Err(TrainError::Profile(config.profile));
        };
        let model = ModelConfig::from_run(&config)?;
        let tokenizer = Tokenizer::open(&dir.join(layout::TOKENIZER))?.vocabulary();
        if tokenizer != model.vocabulary {
            let vocabulary = model.vocabulary;
            return Err(TrainError::Vocabulary {
                tokenizer,
                vocabulary,
            });
        }
        let store = SequenceStore::open(dir)?;
        let (needed, needed_tokens) = (config.rows(), config.model.sequence + 1);
        if store.rows() < needed || store.row_tokens() != needed_tokens {
            let (found, found_tokens) = (store.rows(), store.row_tokens());
            return Err(TrainError::Sequence {
                found,
                found_tokens,
                needed,
                needed_tokens,
            });
        }
        let end_of_text = glasswork_data::END_OF_TEXT_ID;
        let config_json = checkpoint_config(&config_json(&model, end_of_text));
        let mut engine = Engine::new(model, profile, pool);
        engine.recompute(cut.recomputed);
        let sources = store.sources().len();
        let stepper = Stepper::new(config.clone(), engine, sources, cut.micro_batch);
        Ok(Self {
            ledger: Ledger::open(&dir.join(layout::LEDGER))?,
            metrics: Metrics::new(store.sources().to_vec()),
            dir,
            config,
            store,
            stepper,
            config_json,
            incidents: Vec::new(),
        })
    }

    /// Brings the directory to its last whole checkpoint and loads it.
    fn resume(&mut self, watch: &dyn Watch) -> Result<Standing, TrainError> {
        atomic::sweep_stale(self.dir)?;
        let last = self
            .ledger
            .events()
            .iter()
            .enumerate()
            .rev()
            .find_map(|(line, event)| match event {
                Event::Segment {
                    to,
                    commitment,
                    state_digest,
                    ..
                } => Some((line, (*to, *commitment, *state_digest))),
                _ => None,
            });
        self.expect_recorded(last.map(|(_, (step, ..))| step))?;
        self.prologue()?;
        if let Some((line, _)) = last {
            self.ledger.truncate(line + 1)?;
        }
        let last = last.map(|(_, segment)| segment);
        let Some((step, commitment, recorded)) = last else {
            self.remove_checkpoints_after(None)?;
            let engine = self.stepper.engine();
            let state = TrainState::initial(engine.config(), engine.layout(), self.config.seed);
            return Ok((state, None));
        };
        self.remove_checkpoints_after(Some(step))?;
        if step > 0 {
            self.metrics = self.recorded_metrics(step)?;
        }
        let checkpoint = read_checkpoint(&self.dir.join(layout::checkpoint_dir(step)))?;
        let state = TrainState::from_checkpoint(&checkpoint, self.stepper.engine().layout())?;
        let found = checkpoint.manifest.state_digest;
        if found != recorded {
            return Err(TrainError::State {
                step,
                recorded: recorded.to_string(),
                found: found.to_string(),
            });
        }
        if step < self.config.training.steps && step > 0 {
            watch.notice(&format!("going on from checkpoint {step}"));
        }
        Ok((state, Some(commitment)))
    }

    /// The ledger's first lines: which run this is and what data it reads. Written once; afterwards
    /// they must still be true.
    fn prologue(&mut self) -> Result<(), TrainError> {
        let mut expected = vec![Event::Run {
            format: glasswork_release::FORMAT,
            config_digest: self.config.digest(),
            profile: self.config.profile.clone(),
            sequence_digest: self.store.digest(),
            name: self.config.name.clone(),
        }];
        for (stage, path) in [
            ("sources", layout::SOURCES),
            ("documents", layout::DOCUMENTS),
            ("tokenizer", layout::TOKENIZER),
            ("order", layout::MIXTURE),
        ] {
            let digest = Digest::of_file(&self.dir.join(path))?;
            expected.push(Event::Stage {
                stage: stage.to_owned(),
                digest,
            });
        }
        for (index, event) in expected.into_iter().enumerate() {
            match self.ledger.events().get(index) {
                None => self.ledger.append(event)?,
                Some(recorded) if *recorded == event => {}
                Some(recorded) => {
                    return Err(TrainError::Changed {
                        path: self.dir.to_owned(),
                        what: "configuration or data",
                        recorded: format!("{recorded:?}"),
                        found: format!("{event:?}"),
                    });
                }
            }
        }
        Ok(())
    }

    /// A kill leaves at most one checkpoint that the ledger does not know. More of them mean that the
    /// ledger was lost, and the work of hours must not be removed for that.
    fn expect_recorded(&self, last: Option<u64>) -> Result<(), TrainError> {
        let steps = layout::checkpoint_steps(self.dir)?;
        let unknown = |step: &&u64| last.is_none_or(|last| **step > last);
        let count = steps.iter().filter(unknown).count();
        // A sealed release was complete: there is no kill that it could be recovering from.
        let sealed = self.dir.join(layout::CORE).exists();
        if count > usize::from(!sealed) {
            let path = self.dir.join(layout::LEDGER);
            return Err(TrainError::Unrecorded { path, count });
        }
        Ok(())
    }

    /// The metrics up to `step`, held against the ledger's digest of every segment: a damaged row must
    /// not be sealed into a release.
    fn recorded_metrics(&self, step: u64) -> Result<Metrics, TrainError> {
        let path = self.dir.join(layout::STEPS);
        let mut metrics = Metrics::read(&path)?;
        metrics.truncate_after(step);
        if metrics.sources != self.store.sources() {
            let (recorded, found) = (
                format!("{:?}", metrics.sources),
                format!("{:?}", self.store.sources()),
            );
            return Err(TrainError::Changed {
                path,
                what: "set of sources",
                recorded,
                found,
            });
        }
        for event in self.ledger.events() {
            if let Event::Segment {
                from,
                to,
                metrics_digest,
                ..
            } = event
                && metrics.rows_digest(*from..*to)? != *metrics_digest
            {
                return Err(TrainError::Metrics {
                    path,
                    from: *from,
                    to: *to,
                });
            }
        }
        Ok(metrics)
    }

    /// Checkpoints that the ledger does not know were interrupted between rename and record.
    fn remove_checkpoints_after(&self, last: Option<u64>) -> Result<(), TrainError> {
        for step in layout::checkpoint_steps(self.dir)? {
            if last.is_none_or(|last| step > last) {
                atomic::remove_dir(&self.dir.join(layout::checkpoint_dir(step)))?;
            }
        }
        Ok(())
    }

    /// Runs all steps that are left, with a checkpoint at each of the configuration's steps.
    fn advance(
        &mut self,
        (mut state, parent): Standing,
        watch: &dyn Watch,
    ) -> Result<(TrainState, Digest, u64), TrainError> {
        let steps = self.config.training.steps;
        let first = state.step;
        let tokens = self.config.tokens_per_step();
        watch.begin(first, steps, tokens);
        let targets: Vec<u64> = self.config.training.checkpoint_steps.clone();
        let left = targets.iter().filter(|&&step| step > first).count() as u64;
        let bytes = TrainState::bytes(self.stepper.engine().layout());
        atomic::expect_free(self.dir, left * (bytes + (1 << 20)))?;
        let mut commitment = match parent {
            Some(commitment) => commitment,
            None => self.checkpoint(&state, None, watch)?,
        };
        let mut from = first;
        for to in targets.into_iter().filter(|&step| step > first) {
            for step in from + 1..=to {
                let batch = self.store.batch(step, self.config.training.batch)?;
                let outcome = self.stepper.step(&mut state, &batch)?;
                watch.step(&outcome.row);
                if !outcome.applied {
                    let detail = format!(
                        "loss {} and gradient norm {}: no update",
                        outcome.row.loss, outcome.row.grad_norm
                    );
                    watch.notice(&format!("step {step}: {detail}"));
                    let kind = NON_FINITE.to_owned();
                    self.incidents.push(Event::Incident { step, kind, detail });
                }
                self.metrics.rows.push(outcome.row);
            }
            commitment = self.checkpoint(&state, Some((from, commitment)), watch)?;
            from = to;
        }
        let done = state.step - first;
        Ok((state, commitment, done))
    }

    /// Writes the checkpoint, then the metrics, then the ledger's line, which makes both count.
    fn checkpoint(
        &mut self,
        state: &TrainState,
        parent: Option<(u64, Digest)>,
        watch: &dyn Watch,
    ) -> Result<Digest, TrainError> {
        let to = state.step;
        let from = parent.map_or(to, |(from, _)| from);
        let batch_digests = self.metrics.batch_digests(from..to);
        let batches_digest = sequence::batches_digest(&batch_digests);
        let metrics_digest = self.metrics.rows_digest(from..to)?;
        let state_digest = state.digest(self.stepper.engine());
        let tokens = to * self.config.tokens_per_step();
        let inputs = Commitment {
            parent: parent.map(|(_, digest)| digest),
            config_digest: self.config.digest(),
            profile: self.config.profile.clone(),
            sequence_digest: self.store.digest(),
            batch_digests,
            metrics_digest,
            state_digest,
        };
        let commitment = inputs.commitment();
        state.write(self.dir, tokens, inputs, &self.config_json)?;
        self.metrics.write(&self.dir.join(layout::STEPS))?;
        for incident in self.incidents.drain(..) {
            self.ledger.append(incident)?;
        }
        self.ledger.append(Event::Segment {
            from,
            to,
            tokens,
            commitment,
            state_digest,
            metrics_digest,
            batches_digest,
        })?;
        watch.checkpoint(to);
        Ok(commitment)
    }

    fn ledger_state(&self, step: u64) -> Option<Digest> {
        self.ledger
            .events()
            .iter()
            .rev()
            .find_map(|event| match event {
                Event::Segment {
                    to, state_digest, ..
                } if *to == step => Some(*state_digest),
                _ => None,
            })
    }
}

/// `code.json` says which program trained the run: written at the start, equal until the end. A run
/// that has no step left stays what it is, whichever program looks at it.
fn same_or_write(dir: &Path, code: &[u8]) -> Result<(), TrainError> {
    let path = dir.join(layout::CODE);
    if !path.exists() {
        return Ok(atomic::write_file(&path, code)?);
    }
    let recorded = files::read(&path, 1 << 20)?;
    if recorded == code {
        return Ok(());
    }
    Err(TrainError::Changed {
        path: dir.to_owned(),
        what: "program",
        recorded: String::from_utf8_lossy(&recorded).trim().to_owned(),
        found: String::from_utf8_lossy(code).trim().to_owned(),
    })
}
