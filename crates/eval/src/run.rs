//! Evaluates checkpoints of a release and files the annexes.

use crate::verbatim::Found;
use crate::{EvalError, MINIMUM_TOKENS, continue_prompt, find_stretches, windows};
use glasswork_data::{HeldOut, SequenceStore, Tokenizer, held_out, trace_step};
use glasswork_kernels::{Pool, cross_entropy::MASKED};
use glasswork_model::{Engine, Parameters};
use glasswork_release::annex::{
    ANNEX_FORMAT, HeldOutFile, HeldOutScore, Match, Program, Sample, SamplesFile, Stretch, Verbatim,
};
use glasswork_release::checkpoint::{CheckpointManifest, read_checkpoint};
use glasswork_release::config::RunConfig;
use glasswork_release::{atomic, files, layout};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Most places listed for one stretch; all are counted.
const LISTED_MATCHES: usize = 8;
/// Most stretches listed for one sample.
const LISTED_STRETCHES: usize = 3;
/// An annex above this size is not one of ours.
const MAX_ANNEX: u64 = 16 << 20;

/// Told what happens.
pub trait Watch {
    /// So many checkpoints will be evaluated.
    fn begin(&self, checkpoints: u64);
    /// One was.
    fn checkpoint(&self, evaluation: &Evaluation);
}

/// The scores of one checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Step of the checkpoint.
    pub step: u64,
    /// Per source.
    pub scores: Vec<HeldOutScore>,
    /// Whether the scores were read from an annex of an earlier evaluation. An annex is unsigned: in a
    /// release of somebody else's it is a claim, not a measurement.
    pub cached: bool,
}

/// Evaluates the checkpoints at `steps` (all where empty) of the release in `dir`; with `again` also
/// those that an annex already holds scores of.
///
/// # Errors
/// When the release is damaged, a step has no checkpoint, or the disk refuses.
pub fn evaluate(
    dir: &Path,
    pool: Arc<Pool>,
    steps: &[u64],
    again: bool,
    program: &Program,
    watch: &dyn Watch,
) -> Result<Vec<Evaluation>, EvalError> {
    let there = layout::checkpoint_steps(dir)?;
    if there.is_empty() {
        return Err(EvalError::NoCheckpoints { path: dir.into() });
    }
    if let Some(&step) = steps.iter().find(|step| !there.contains(step)) {
        let there = there
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        return Err(EvalError::NoCheckpoint { step, there });
    }
    let steps = if steps.is_empty() { &there[..] } else { steps };
    watch.begin(steps.len() as u64);
    let mut evaluator = Evaluator::open(dir, pool, program.clone())?;
    let mut all = Vec::new();
    for &step in steps {
        let manifest = dir
            .join(layout::checkpoint_dir(step))
            .join(layout::MANIFEST);
        let state = CheckpointManifest::read(&manifest)?
            .state_digest
            .to_string();
        let earlier = if again {
            None
        } else {
            evaluator.cached(step, &state)
        };
        let cached = earlier.is_some();
        let scores = match earlier {
            Some(scores) => scores,
            None => evaluator.checkpoint(step, &state, there.last() == Some(&step))?,
        };
        all.push(Evaluation {
            step,
            scores,
            cached,
        });
        watch.checkpoint(&all[all.len() - 1]);
    }
    Ok(all)
}

struct Evaluator<'a> {
    dir: &'a Path,
    run: RunConfig,
    engine: Engine,
    tokenizer: Tokenizer,
    /// Held-out documents as tokens, prefixed by the end-of-text token.
    texts: Vec<(HeldOut, Vec<u32>)>,
    program: Program,
}

impl<'a> Evaluator<'a> {
    fn open(dir: &'a Path, pool: Arc<Pool>, program: Program) -> Result<Self, EvalError> {
        let run = RunConfig::load(&dir.join(layout::RUN))?;
        let tokenizer = Tokenizer::open(&dir.join(layout::TOKENIZER))?;
        let mut texts = Vec::new();
        for text in held_out(dir, run.split.eval_bytes)? {
            let mut tokens = vec![tokenizer.end_of_text()];
            tokens.extend(tokenizer.encode(&text.text));
            texts.push((text, tokens));
        }
        let engine = Engine::of_run(&run, pool)?;
        Ok(Self {
            dir,
            run,
            engine,
            tokenizer,
            texts,
            program,
        })
    }

    fn path(&self, step: u64, task: &str) -> Result<std::path::PathBuf, EvalError> {
        Ok(self.dir.join(layout::eval(step, task)?))
    }

    /// Scores that stand in the annexes for the same state by the same program.
    fn cached(&self, step: u64, state: &str) -> Option<Vec<HeldOutScore>> {
        let read = |task: &str| files::read(&self.path(step, task).ok()?, MAX_ANNEX).ok();
        let scores: HeldOutFile = serde_json::from_slice(&read("held_out")?).ok()?;
        let samples: SamplesFile = serde_json::from_slice(&read("samples")?).ok()?;
        let same = scores.subject.state_digest == state
            && samples.state_digest == state
            && scores.subject.program == self.program
            && samples.program == self.program;
        same.then(|| scores.scores())
    }

    fn checkpoint(
        &mut self,
        step: u64,
        state: &str,
        last: bool,
    ) -> Result<Vec<HeldOutScore>, EvalError> {
        let checkpoint = read_checkpoint(&self.dir.join(layout::checkpoint_dir(step)))?;
        let layout = Arc::clone(self.engine.layout());
        // Asked before memory is taken for what an untrusted configuration claims.
        let weights = checkpoint
            .manifest
            .tensors
            .iter()
            .filter(|t| !t.name.starts_with("optimizer."));
        let foreign = |problem| EvalError::Foreign {
            path: checkpoint.model.path().to_owned(),
            problem,
        };
        layout
            .expect(weights.map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice())))
            .map_err(foreign)?;
        let weights = Parameters::from_source(&layout, checkpoint.model.names(), |name| {
            checkpoint.model.f32(name).ok()
        })
        .map_err(foreign)?;
        self.engine.load(&weights, false);
        let scores = self.held_out(&weights)?;
        let (samples, verbatim) = self.samples(&weights, last)?;
        let held_out = HeldOutFile::new(step, state.to_owned(), self.program.clone(), &scores);
        self.write(step, "held_out", &held_out)?;
        let samples = SamplesFile {
            format: ANNEX_FORMAT,
            step,
            state_digest: state.to_owned(),
            program: self.program.clone(),
            decoding: "greedy".to_owned(),
            samples,
            verbatim,
        };
        self.write(step, "samples", &samples)?;
        Ok(scores)
    }

    fn write(&self, step: u64, task: &str, annex: &impl serde::Serialize) -> Result<(), EvalError> {
        let mut json = serde_json::to_vec_pretty(annex).expect("annexes are plain data");
        json.push(b'\n');
        Ok(atomic::write_inside(
            self.dir,
            &layout::eval(step, task)?,
            &json,
        )?)
    }

    /// Bits per byte per source: Σ −log₂ p over all tokens of its documents ÷ their UTF-8 bytes.
    fn held_out(&mut self, weights: &Parameters) -> Result<Vec<HeldOutScore>, EvalError> {
        let mut scores: BTreeMap<String, HeldOutScore> = BTreeMap::new();
        for (text, tokens) in &self.texts {
            let nats = document_nats(&mut self.engine, weights, tokens)?;
            let score = scores
                .entry(text.source.clone())
                .or_insert_with(|| HeldOutScore {
                    source: text.source.clone(),
                    bits_per_byte: 0.0,
                    bytes: 0,
                    tokens: 0,
                    documents: 0,
                });
            score.bits_per_byte += nats / std::f64::consts::LN_2;
            score.bytes += text.text.len() as u64;
            score.tokens += tokens.len() as u64 - 1;
            score.documents += 1;
        }
        let mut scores: Vec<_> = scores
            .into_values()
            .filter(|score| score.bytes > 0)
            .collect();
        for score in &mut scores {
            score.bits_per_byte /= score.bytes as f64;
        }
        Ok(scores)
    }

    fn samples(
        &mut self,
        weights: &Parameters,
        last: bool,
    ) -> Result<(Vec<Sample>, Option<Verbatim>), EvalError> {
        let mut samples = Vec::new();
        let mut stretches = Vec::new();
        let store = if last {
            Some(SequenceStore::open(self.dir)?)
        } else {
            None
        };
        for prompt in &self.run.evaluation.prompts.clone() {
            let end = self.tokenizer.end_of_text();
            let mut tokens = vec![end];
            tokens.extend(self.tokenizer.encode(prompt));
            let count = self.run.evaluation.sample_tokens;
            let continuation = continue_prompt(&mut self.engine, weights, &tokens, count, end)?;
            if let Some(store) = &store {
                let (batch, steps) = (self.run.training.batch, self.run.training.steps);
                let mut found = find_stretches(store, batch, steps, &continuation)?;
                found.truncate(LISTED_STRETCHES);
                for found in found {
                    stretches.push(self.stretch(samples.len(), &continuation, &found)?);
                }
            }
            samples.push(Sample {
                prompt: prompt.clone(),
                continuation: self.tokenizer.decode(&continuation),
                tokens: continuation.len() as u64,
            });
        }
        stretches.sort_by_key(|s| (std::cmp::Reverse(s.tokens), s.sample));
        let verbatim = last.then(|| Verbatim {
            method: "runs of tokens of a continuation that stand, token for token, in a row of the training sequence: \
                     the longest from each starting point, none inside another, three for each sample"
                .to_owned(),
            minimum_tokens: MINIMUM_TOKENS as u64,
            stretches,
        });
        Ok((samples, verbatim))
    }

    fn stretch(&self, sample: usize, tokens: &[u32], found: &Found) -> Result<Stretch, EvalError> {
        let text = self
            .tokenizer
            .decode(&tokens[found.start..found.start + found.length]);
        let before = self.tokenizer.decode(&tokens[..found.start]);
        let batch = self.run.training.batch as u64;
        let mut matches = Vec::new();
        for &(row, at) in found.places.iter().take(LISTED_MATCHES) {
            let (step, slot) = (row / batch + 1, row % batch);
            let segments = trace_step(self.dir, step)?;
            let segment = segments.into_iter().find(|segment| {
                u64::from(segment.slot) == slot
                    && (segment.seq_start as usize..segment.seq_end as usize).contains(&at)
            });
            if let Some(segment) = segment {
                matches.push(Match {
                    doc: segment.doc,
                    source: segment.source,
                    source_doc_id: segment.source_doc_id,
                    licence: segment.licence,
                    step,
                    slot,
                });
            }
        }
        Ok(Stretch {
            sample,
            start: before.len(),
            text,
            tokens: found.length as u64,
            match_count: found.places.len() as u64,
            matches,
        })
    }
}

/// Windows scored together; more would only grow the buffers.
const BATCH: usize = 8;

/// Sum of the document's losses (nats), every token after the prefix once.
fn document_nats(
    engine: &mut Engine,
    weights: &Parameters,
    tokens: &[u32],
) -> Result<f64, EvalError> {
    let cut = windows(tokens, engine.config().sequence);
    let mut nats = 0.0;
    // Only whole windows have one length: a document shorter than the context is its own batch.
    for batch in cut.chunk_by(|a, b| a.inputs.len() == b.inputs.len()) {
        for batch in batch.chunks(BATCH) {
            let length = batch[0].inputs.len();
            let inputs: Vec<u32> = batch.iter().flat_map(|w| w.inputs).copied().collect();
            let mut targets = Vec::with_capacity(inputs.len());
            for window in batch {
                let context = length - window.counted;
                targets.extend(std::iter::repeat_n(MASKED, context));
                targets.extend(&window.targets[context..]);
            }
            let mut losses = vec![0.0; inputs.len()];
            engine.score(weights, &inputs, &targets, length, &mut losses)?;
            nats += losses.iter().map(|&loss| f64::from(loss)).sum::<f64>();
        }
    }
    Ok(nats)
}
