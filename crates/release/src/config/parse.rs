//! From text to a checked configuration: format number, keys, types, values, in this order.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::document::Document;
use super::keys::{expect_known_keys, nearest};
use super::raw::{
    RawConfig, RawEvaluation, RawModel, RawOptimizer, RawSource, RawSplit, RawTraining,
};
use super::{
    Evaluation, Gate, Model, Optimizer, PROFILES, RunConfig, Source, SourceKind, Split, Tokenizer,
    Training,
};
use crate::canonical::MAX_INTEGER;
use crate::error::{Error, Result};
use crate::layout;

const DEFAULT_PROMPTS: [&str; 3] = ["The ", "fn main() {\n", "This function returns"];

pub(super) fn parse(text: &str, path: &Path) -> Result<RunConfig> {
    let document = Document::parse(text, path)?;
    expect_format(text, &document, path)?;
    expect_known_keys(&document)?;
    let raw: RawConfig = toml::from_str(text).map_err(|e| document.fail_at(&e))?;
    check(raw, &document)
}

/// The format number decides what the rest means, so it is looked at alone and first.
fn expect_format(text: &str, document: &Document<'_>, path: &Path) -> Result<()> {
    #[derive(Deserialize)]
    struct Only {
        format: Option<u64>,
    }
    let only: Only = toml::from_str(text).map_err(|e| document.fail_at(&e))?;
    match only.format {
        Some(crate::FORMAT) => Ok(()),
        Some(found) if found > crate::FORMAT => {
            let what = path.display().to_string();
            Err(Error::FutureFormat {
                what,
                found,
                supported: crate::FORMAT,
            })
        }
        Some(found) => Err(document.fail(
            "format",
            format!("{found} is not a format"),
            "write format = 1",
        )),
        None => Err(document.fail("format", "is missing", "write format = 1 as the first line")),
    }
}

fn check(raw: RawConfig, at: &Document<'_>) -> Result<RunConfig> {
    layout::valid_id("name", &raw.name).map_err(|e| {
        at.fail(
            "name",
            e.to_string(),
            "choose a short name such as \"demo\"",
        )
    })?;
    if raw.seed > i64::MAX as u64 {
        return Err(at.fail("seed", "is too large", "use a number below 2^63"));
    }
    let profile = raw.profile.unwrap_or_else(|| PROFILES[0].into());
    one_of(at, "profile", &profile, PROFILES)?;
    let model = check_model(raw.model, at)?;
    let kind = raw
        .tokenizer
        .and_then(|t| t.kind)
        .unwrap_or_else(|| "byte-bpe".into());
    one_of(at, "tokenizer.kind", &kind, &["byte-bpe"])?;
    let sources = check_sources(raw.source, at)?;
    if raw.gate.allow.is_empty() || raw.gate.allow.iter().any(|id| id.trim().is_empty()) {
        return Err(at.fail(
            "gate.allow",
            "names no licence",
            "list SPDX ids, such as [\"MIT\", \"Apache-2.0\"]",
        ));
    }
    let split = check_split(raw.split, at)?;
    let training = check_training(raw.training, &model, at)?;
    let optimizer = check_optimizer(raw.optimizer, &training, at)?;
    let evaluation = check_evaluation(raw.evaluation, &model, at)?;
    Ok(RunConfig {
        format: raw.format,
        name: raw.name,
        seed: raw.seed,
        profile,
        model,
        tokenizer: Tokenizer { kind },
        sources,
        gate: Gate {
            allow: raw.gate.allow,
        },
        split,
        training,
        optimizer,
        evaluation,
    })
}

fn one_of(at: &Document<'_>, key: &str, found: &str, allowed: &[&str]) -> Result<()> {
    if allowed.contains(&found) {
        return Ok(());
    }
    let hint = match nearest(found, allowed) {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None => format!("known: {}", allowed.join(", ")),
    };
    Err(at.fail(key, format!("{found:?} is not known"), hint))
}

fn between(at: &Document<'_>, key: &str, found: u64, low: u64, high: u64) -> Result<()> {
    if (low..=high).contains(&found) {
        return Ok(());
    }
    Err(at.fail(key, format!("is {found}; it must be {low} to {high}"), ""))
}

/// A finite number in `low..=high`, or above `low` where `open`.
fn real(at: &Document<'_>, key: &str, found: f64, low: f64, high: f64, open: bool) -> Result<f64> {
    if (low..=high).contains(&found) && !(open && found == low) {
        // −0 and +0 mean the same here and must not give two digests.
        return Ok(found + 0.0);
    }
    let than = if open { "above" } else { "at least" };
    Err(at.fail(
        key,
        format!("is {found}; it must be {than} {low} and at most {high}"),
        "",
    ))
}

/// Largest model of format 1: far above any published one, far below what would wrap a byte count.
const MOST_PARAMETERS: u128 = 1 << 40;
/// Most layers of a model.
const MOST_LAYERS: u128 = 4096;
/// Largest product of sequence length and head width: what the rotary tables take.
const MOST_POSITIONS: u128 = 1 << 28;

fn check_model(raw: RawModel, at: &Document<'_>) -> Result<Model> {
    let architecture = raw.architecture.unwrap_or_else(|| "llama".into());
    one_of(at, "model.architecture", &architecture, &["llama"])?;
    let kv_heads = raw.kv_heads.unwrap_or(raw.heads);
    if !(257..=65_536).contains(&raw.vocabulary) {
        let problem = format!("is {}; it must be 257 to 65536", raw.vocabulary);
        return Err(at.fail(
            "model.vocabulary",
            problem,
            "256 bytes and <|endoftext|> are the least; 4096 suits a small run",
        ));
    }
    for (key, value) in [
        ("model.hidden", raw.hidden),
        ("model.layers", raw.layers),
        ("model.heads", raw.heads),
        ("model.kv_heads", kv_heads),
        ("model.mlp", raw.mlp),
        ("model.sequence", raw.sequence),
    ] {
        between(at, key, value as u64, 1, 1 << 20)?;
    }
    // Each factor is at most 2²⁰, so nothing below wraps in 128 bits.
    let (layers, hidden, mlp) = (raw.layers as u128, raw.hidden as u128, raw.mlp as u128);
    let elements =
        layers * (4 * hidden * hidden + 3 * hidden * mlp) + 2 * raw.vocabulary as u128 * hidden;
    if elements > MOST_PARAMETERS
        || layers > MOST_LAYERS
        || raw.sequence as u128 * (hidden / raw.heads as u128) > MOST_POSITIONS
    {
        let problem = format!(
            "has about {elements} parameters in {layers} layers, sequences of {}",
            raw.sequence
        );
        return Err(at.fail("model", problem, "this format allows 2^40 parameters, 4096 layers, and 2^28 as sequence times head width"));
    }
    if !raw.hidden.is_multiple_of(raw.heads) || !(raw.hidden / raw.heads).is_multiple_of(2) {
        let problem = format!(
            "{} heads do not share a width of {} in even parts",
            raw.heads, raw.hidden
        );
        return Err(at.fail(
            "model.heads",
            problem,
            "hidden / heads must be a whole, even number, such as 64",
        ));
    }
    if !raw.heads.is_multiple_of(kv_heads) {
        let problem = format!(
            "{} query heads do not divide among {kv_heads} key-value heads",
            raw.heads
        );
        return Err(at.fail("model.kv_heads", problem, "choose a divisor of model.heads"));
    }
    if !raw.sequence.is_multiple_of(32) {
        let near = (raw.sequence / 32).max(1) * 32;
        let problem = format!("{} is not a multiple of 32", raw.sequence);
        return Err(at.fail(
            "model.sequence",
            problem,
            format!("use {near} or {}", near + 32),
        ));
    }
    Ok(Model {
        architecture,
        vocabulary: raw.vocabulary,
        hidden: raw.hidden,
        layers: raw.layers,
        heads: raw.heads,
        kv_heads,
        mlp: raw.mlp,
        sequence: raw.sequence,
        rope_theta: real(
            at,
            "model.rope_theta",
            raw.rope_theta.unwrap_or(10_000.0),
            1.0,
            1e12,
            false,
        )?,
        norm_eps: real(
            at,
            "model.norm_eps",
            raw.norm_eps.unwrap_or(1e-5),
            f64::from(f32::MIN_POSITIVE),
            1.0,
            false,
        )?,
        initial_std: real(
            at,
            "model.initial_std",
            raw.initial_std.unwrap_or(0.02),
            0.0,
            10.0,
            true,
        )?,
        tied_head: raw.tied_head.unwrap_or(false),
        licence: match raw.licence {
            Some(text) if text.trim().is_empty() || text.len() > 200 => {
                return Err(at.fail(
                    "model.licence",
                    "is no SPDX expression",
                    "write one such as \"Apache-2.0\", or leave the key out",
                ));
            }
            licence => licence,
        },
    })
}

fn check_sources(raw: Vec<RawSource>, at: &Document<'_>) -> Result<Vec<Source>> {
    if raw.is_empty() || raw.len() > 256 {
        return Err(at.fail(
            "source",
            format!("{} sources; there must be 1 to 256", raw.len()),
            "add a [[source]] section",
        ));
    }
    let mut ids = BTreeSet::new();
    let mut sources = Vec::new();
    for (i, source) in raw.into_iter().enumerate() {
        let key = |name: &str| format!("source.{}.{name}", i + 1);
        layout::valid_id("source id", &source.id).map_err(|e| {
            at.fail(
                &key("id"),
                e.to_string(),
                "choose a short id such as \"code\"",
            )
        })?;
        if !ids.insert(source.id.clone()) {
            return Err(at.fail(
                &key("id"),
                format!("{:?} occurs twice", source.id),
                "give every source an id of its own",
            ));
        }
        between(at, &key("weight"), source.weight, 1, u32::MAX.into())?;
        let (needed, foreign) = match source.kind {
            SourceKind::CrateCode | SourceKind::CrateProse => {
                (vec![("lock", &source.lock)], vec![("pins", &source.pins)])
            }
            SourceKind::HtmlDocs => (
                vec![
                    ("pins", &source.pins),
                    ("licence", &source.licence),
                    ("licence_evidence", &source.licence_evidence),
                ],
                vec![("lock", &source.lock)],
            ),
        };
        for (name, value) in needed {
            if value.as_ref().is_none_or(|v| v.is_empty()) {
                return Err(at.fail(&key(name), "is missing", "a source of this kind needs it"));
            }
        }
        if let Some((name, _)) = foreign.into_iter().find(|(_, value)| value.is_some()) {
            return Err(at.fail(
                &key(name),
                "means nothing for a source of this kind",
                "remove the line",
            ));
        }
        for (name, path) in [
            ("lock", &source.lock),
            ("pins", &source.pins),
            ("licence_evidence", &source.licence_evidence),
        ] {
            if path.as_ref().is_some_and(|p| !stays_inside(p)) {
                return Err(at.fail(
                    &key(name),
                    "leaves its directory",
                    "use a relative path without `..`",
                ));
            }
        }
        let RawSource {
            id,
            kind,
            weight,
            reference,
            lock,
            pins,
            licence,
            licence_evidence,
            attribution,
        } = source;
        sources.push(Source {
            id,
            kind,
            weight,
            reference,
            lock,
            pins,
            licence,
            licence_evidence,
            attribution,
        });
    }
    Ok(sources)
}

fn stays_inside(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.split('/').all(plain) && !path.contains(['\\', ':', '\0'])
}

fn check_split(raw: Option<RawSplit>, at: &Document<'_>) -> Result<Split> {
    let (held_out, eval_bytes) = raw.map_or((None, None), |s| (s.held_out, s.eval_bytes));
    let split = Split {
        held_out: real(
            at,
            "split.held_out",
            held_out.unwrap_or(0.01),
            0.0,
            0.5,
            false,
        )?,
        eval_bytes: eval_bytes.unwrap_or(262_144),
    };
    between(at, "split.eval_bytes", split.eval_bytes, 1, MAX_INTEGER)?;
    Ok(split)
}

fn check_training(raw: RawTraining, model: &Model, at: &Document<'_>) -> Result<Training> {
    between(at, "training.steps", raw.steps, 1, 1 << 32)?;
    between(at, "training.batch", raw.batch as u64, 1, 1 << 20)?;
    let groups = raw.reduction_groups.unwrap_or(1);
    if !groups.is_power_of_two() || groups > raw.batch {
        let problem = format!(
            "is {groups}; it must be a power of two of at most {} (the batch)",
            raw.batch
        );
        return Err(at.fail(
            "training.reduction_groups",
            problem,
            "1 is right for one machine",
        ));
    }
    if raw.batch.div_ceil(groups) * model.sequence > 1 << 19 {
        let problem = format!(
            "{groups} groups of {} sequences exceed 524288 tokens each",
            raw.batch.div_ceil(groups)
        );
        return Err(at.fail(
            "training.reduction_groups",
            problem,
            "use more groups: longer sums lose precision",
        ));
    }
    let tokens = u128::from(raw.steps) * raw.batch as u128 * model.sequence as u128;
    if tokens > u128::from(MAX_INTEGER) {
        return Err(at.fail(
            "training.steps",
            format!("{tokens} tokens in all exceed 2^53-1"),
            "",
        ));
    }
    let mut steps = match (raw.checkpoint_steps, raw.checkpoint_every) {
        (Some(_), Some(_)) => {
            let hint = "keep either checkpoint_steps or checkpoint_every";
            return Err(at.fail("training.checkpoint_every", "is given twice over", hint));
        }
        (Some(steps), None) => {
            if let Some(pair) = steps.windows(2).find(|pair| pair[0] >= pair[1]) {
                let problem = format!("{} does not come after {}", pair[1], pair[0]);
                return Err(at.fail(
                    "training.checkpoint_steps",
                    problem,
                    "list steps in ascending order",
                ));
            }
            steps
        }
        (None, Some(every)) => {
            between(at, "training.checkpoint_every", every, 1, 1 << 32)?;
            if raw.steps / every > 100_000 {
                return Err(at.fail(
                    "training.checkpoint_every",
                    "gives more than 100000 checkpoints",
                    "save less often",
                ));
            }
            (0..=raw.steps)
                .step_by(usize::try_from(every).unwrap_or(usize::MAX))
                .collect()
        }
        (None, None) => vec![],
    };
    if let Some(step) = steps.iter().find(|&&s| s > raw.steps) {
        let problem = format!("step {step} lies after the last one, {}", raw.steps);
        return Err(at.fail(
            "training.checkpoint_steps",
            problem,
            "remove it, or train longer",
        ));
    }
    if steps.first() != Some(&0) {
        steps.insert(0, 0);
    }
    if steps.last() != Some(&raw.steps) {
        steps.push(raw.steps);
    }
    Ok(Training {
        steps: raw.steps,
        batch: raw.batch,
        reduction_groups: groups,
        checkpoint_steps: steps,
    })
}

fn check_optimizer(raw: RawOptimizer, training: &Training, at: &Document<'_>) -> Result<Optimizer> {
    let kind = raw.kind.unwrap_or_else(|| "adamw".into());
    one_of(at, "optimizer.kind", &kind, &["adamw"])?;
    let rate = real(
        at,
        "optimizer.learning_rate",
        raw.learning_rate,
        0.0,
        10.0,
        true,
    )?;
    let last = raw.final_learning_rate.unwrap_or(rate / 10.0);
    let warm_up_steps = raw.warm_up_steps.unwrap_or(0);
    if warm_up_steps > training.steps {
        let problem = format!(
            "{warm_up_steps} steps of warm-up exceed the {} steps of training",
            training.steps
        );
        return Err(at.fail(
            "optimizer.warm_up_steps",
            problem,
            "a twentieth of training.steps is common",
        ));
    }
    let below_one = |key, value| {
        if value == 1.0 {
            return Err(at.fail(key, "must be below 1", ""));
        }
        real(at, key, value, 0.0, 1.0, false)
    };
    Ok(Optimizer {
        kind,
        learning_rate: rate,
        final_learning_rate: real(at, "optimizer.final_learning_rate", last, 0.0, rate, false)?,
        warm_up_steps,
        beta1: below_one("optimizer.beta1", raw.beta1.unwrap_or(0.9))?,
        beta2: below_one("optimizer.beta2", raw.beta2.unwrap_or(0.95))?,
        epsilon: real(
            at,
            "optimizer.epsilon",
            raw.epsilon.unwrap_or(1e-8),
            f64::from(f32::MIN_POSITIVE),
            1.0,
            false,
        )?,
        weight_decay: real(
            at,
            "optimizer.weight_decay",
            raw.weight_decay.unwrap_or(0.1),
            0.0,
            10.0,
            false,
        )?,
        clip: real(
            at,
            "optimizer.clip",
            raw.clip.unwrap_or(1.0),
            0.0,
            1e6,
            true,
        )?,
    })
}

fn check_evaluation(
    raw: Option<RawEvaluation>,
    model: &Model,
    at: &Document<'_>,
) -> Result<Evaluation> {
    let (prompts, sample_tokens) = raw.map_or((None, None), |e| (e.prompts, e.sample_tokens));
    let prompts = prompts.unwrap_or_else(|| DEFAULT_PROMPTS.map(str::to_owned).into());
    if prompts.len() > 64 || prompts.iter().any(|p| p.is_empty() || p.len() > 4096) {
        let problem = "there may be at most 64 prompts, each of 1 to 4096 bytes";
        return Err(at.fail("evaluation.prompts", problem, ""));
    }
    let sample_tokens = sample_tokens.unwrap_or_else(|| (model.sequence / 2).min(64));
    between(
        at,
        "evaluation.sample_tokens",
        sample_tokens as u64,
        1,
        model.sequence as u64,
    )?;
    Ok(Evaluation {
        prompts,
        sample_tokens,
    })
}
