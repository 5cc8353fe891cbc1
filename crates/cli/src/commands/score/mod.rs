//! `score`: log-likelihoods under a published model.

mod inputs;

use crate::args::ScoreArgs;
use crate::failure::Failure;
use crate::machine;
use crate::output::{Output, bytes, duration, grouped};
use crate::progress::Tokens;
use glasswork_kernels::Profile;
use glasswork_model::scoring::{Cut, Sequence, Work};
use glasswork_model::{Checkpoint, Scorer};
use glasswork_release::{Digest, Dtype};
use inputs::Inputs;
use serde::Serialize;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Serialize)]
struct Scored {
    /// Of this program.
    version: &'static str,
    model: String,
    /// BLAKE3 of config.json, and of the file that was scored.
    config_digest: Digest,
    input_digest: Digest,
    architecture: &'static str,
    parameters: u64,
    stored_as: &'static str,
    profile: &'static str,
    threads: usize,
    isa: &'static str,
    /// Sequences, or windows of text.
    sequences: usize,
    /// Inputs of the longest.
    length: usize,
    /// Passes over the files.
    waves: usize,
    chunk_rows: usize,
    /// Targets that were counted.
    tokens: u64,
    log_likelihood: f64,
    /// Nats a token.
    mean_loss: f64,
    perplexity: f64,
    /// Of text.
    bytes: Option<u64>,
    bits_per_byte: Option<f64>,
    seconds: f64,
    tokens_per_second: f64,
    peak_memory_bytes: Option<u64>,
    /// Of each sequence, or each document of text.
    log_likelihoods: Vec<f64>,
}

/// The profile that a person asked for, or the one that goes with the stored weights.
pub(super) fn profile(asked: Option<Profile>, checkpoint: &Checkpoint) -> Profile {
    asked.unwrap_or(match checkpoint.stored_type() {
        Dtype::Bf16 => Profile::Bf16V1,
        // bf16-v1 would round f16 weights, which have more digits, before it computes.
        _ => Profile::F32V1,
    })
}

/// Bytes that scoring may take: as asked, or most of what is free.
pub(super) fn budget(asked: Option<bytesize::ByteSize>) -> u64 {
    let free = || machine::free_memory().map_or(u64::MAX, |free| free / 5 * 4);
    asked.map_or_else(free, |size| size.as_u64())
}

/// Inputs of a sequence where nobody asks for another number, and the model has as many positions.
const USUAL_LENGTH: usize = 2048;

/// Inputs of a sequence, at most the model's positions.
pub(super) fn usual_length(asked: Option<u32>, checkpoint: &Checkpoint) -> Result<usize, Failure> {
    let positions = checkpoint.decoder().positions;
    match asked.map(|length| length as usize) {
        None => Ok(positions.min(USUAL_LENGTH)),
        Some(length) if length <= positions => Ok(length),
        Some(length) => Err(Failure::new(
            format!("--length {length} is more than the model has positions ({positions})"),
            Some(format!("ask for {positions} or fewer")),
        )),
    }
}

/// Refuses scores that are no numbers: of a document, the place is named.
fn check_finite(inputs: &Inputs, log_likelihoods: &[f64]) -> Result<(), Failure> {
    let of = log_likelihoods.iter().position(|x| !x.is_finite());
    of.map_or(Ok(()), |document| {
        Err(Failure::new(
            format!(
                "{}: the log-likelihood is {}: the model's logits there are no finite numbers",
                inputs.place(document),
                log_likelihoods[document],
            ),
            Some(
                "a weight is NaN, infinite or far too large: compare the model's files with where they came from"
                    .to_owned(),
            ),
        ))
    })
}

pub(super) fn run(args: &ScoreArgs, output: &Output) -> Result<ExitCode, Failure> {
    let checkpoint = Checkpoint::open(&args.model)?;
    let pool = machine::pool(args.threads)?;
    let profile = profile(args.profile, &checkpoint);
    let inputs = Inputs::read(args, &checkpoint)?;
    let lengths = inputs.sequences.iter().map(|s| s.inputs().len());
    let work = Work::new((pool.numerics(profile), pool.threads()), lengths);
    let cut = Cut::fit(&checkpoint, work, budget(args.memory))?;
    let decoder = checkpoint.decoder();
    let (architecture, parameters) = (decoder.architecture.name(), checkpoint.parameters());
    let (stored_as, isa, threads) = (
        checkpoint.stored_type().name(),
        pool.isa().name(),
        pool.threads(),
    );
    let tokens: u64 = inputs.sequences.iter().map(|s| s.targets() as u64).sum();
    let config_digest = checkpoint.config_digest();
    let waves = cut.waves(&inputs.sequences);
    let bar = Tokens::new("score", tokens);
    let start = Instant::now();
    let mut scorer = Scorer::new(checkpoint, profile, pool);
    let scores = scorer.score(&inputs.sequences, cut, &bar);
    bar.finish();
    let scores = scores?;
    let seconds = start.elapsed().as_secs_f64();
    let mut log_likelihoods = vec![0.0; inputs.documents];
    for (score, &document) in scores.iter().zip(&inputs.document_of) {
        log_likelihoods[document] += score.log_likelihood;
    }
    check_finite(&inputs, &log_likelihoods)?;
    let log_likelihood: f64 = log_likelihoods.iter().sum();
    let mean_loss = -log_likelihood / tokens as f64;
    let scored = Scored {
        version: env!("CARGO_PKG_VERSION"),
        model: args.model.display().to_string(),
        config_digest,
        input_digest: inputs.digest,
        architecture,
        parameters,
        stored_as,
        profile: profile.name(),
        threads,
        isa,
        sequences: inputs.sequences.len(),
        length: work.longest,
        waves,
        chunk_rows: cut.chunk_rows,
        tokens,
        log_likelihood,
        mean_loss,
        perplexity: libm::exp(mean_loss),
        bytes: inputs.bytes,
        bits_per_byte: inputs
            .bytes
            .map(|bytes| -log_likelihood / std::f64::consts::LN_2 / bytes as f64),
        seconds,
        tokens_per_second: tokens as f64 / seconds,
        peak_memory_bytes: machine::peak_memory(),
        log_likelihoods,
    };
    output.result(&scored, || text(&scored));
    Ok(ExitCode::SUCCESS)
}

fn text(scored: &Scored) -> String {
    let of_text = match (scored.bits_per_byte, scored.bytes) {
        (Some(bits), Some(bytes)) => {
            format!("bits per byte  {bits:.4} over {} bytes\n", grouped(bytes))
        }
        _ => String::new(),
    };
    let memory = scored.peak_memory_bytes;
    format!(
        "model          {}: {}, {} parameters stored as {}\n\
         config.json    {}\n\
         input          {}\n\
         profile        {} (glasswork {})\n\
         tokens         {} in {} of at most {} inputs\n\
         passes         {}, {} rows at a time\n\
         mean loss      {:.4} nats a token, perplexity {:.3}\n\
         {of_text}\
         time           {}, {:.1} tokens/s ({} threads, {})\n\
         memory         {}\n",
        scored.model,
        scored.architecture,
        grouped(scored.parameters),
        scored.stored_as,
        scored.config_digest,
        scored.input_digest,
        scored.profile,
        scored.version,
        grouped(scored.tokens),
        match scored.sequences {
            1 => "1 sequence".to_owned(),
            count => format!("{} sequences", grouped(count as u64)),
        },
        grouped(scored.length as u64),
        grouped(scored.waves as u64),
        grouped(scored.chunk_rows as u64),
        scored.mean_loss,
        scored.perplexity,
        duration(scored.seconds),
        scored.tokens_per_second,
        scored.threads,
        scored.isa,
        memory.map_or("not known on this system".to_owned(), |peak| format!(
            "{} at the peak",
            bytes(peak)
        )),
    )
}
