//! A configuration that does not fit the tensors beside it, or the step in the name.

use std::collections::BTreeSet;

use glasswork_published::{Checkpoint, StoredFile, Tensor};
use serde_json::Value;

use super::shards;
use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};

/// Keys that decide shapes, by meaning: a family's name for it first to last.
const VOCABULARY: &[&str] = &["embedding_size", "padded_vocab_size", "vocab_size"];
const HIDDEN: &[&str] = &["hidden_size", "n_embd", "d_model"];
const LAYERS: &[&str] = &["num_hidden_layers", "n_layer", "n_layers"];
const HEADS: &[&str] = &["num_attention_heads", "n_head", "n_heads"];
const INNER: &[&str] = &["intermediate_size", "n_inner"];

/// Names of tensors, by meaning, by their ends.
const EMBEDDING: &[&str] = &[
    "embed_tokens.weight",
    "embed_in.weight",
    "wte.weight",
    "word_embeddings.weight",
    "tok_embeddings.weight",
];
const HEAD: &[&str] = &["lm_head.weight", "embed_out.weight", "ff_out.weight"];

/// Keys of `config.json` that `transformers` writes, or that the families read here have.
const KNOWN: &[&str] = &[
    "_name_or_path",
    "activation_function",
    "architectures",
    "attention_bias",
    "attention_dropout",
    "attention_layer_norm",
    "attn_pdrop",
    "auto_map",
    "bos_token_id",
    "classifier_dropout",
    "clip_qkv",
    "d_model",
    "dtype",
    "embd_pdrop",
    "embedding_dropout",
    "embedding_size",
    "eos_token_id",
    "head_dim",
    "hidden_act",
    "hidden_dropout",
    "hidden_size",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "intermediate_size",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "layer_types",
    "max_position_embeddings",
    "max_sequence_length",
    "max_window_layers",
    "mlp_bias",
    "mlp_ratio",
    "model_type",
    "n_ctx",
    "n_embd",
    "n_head",
    "n_heads",
    "n_inner",
    "n_layer",
    "n_layers",
    "n_positions",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "pad_token_id",
    "padded_vocab_size",
    "partial_rotary_factor",
    "position_embedding_type",
    "pretraining_tp",
    "resid_pdrop",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "rotary_dim",
    "rotary_emb_base",
    "rotary_pct",
    "scale_attn_by_inverse_layer_idx",
    "scale_attn_weights",
    "sliding_window",
    "tie_word_embeddings",
    "torch_dtype",
    "transformers_version",
    "use_bias",
    "use_cache",
    "use_parallel_residual",
    "use_sliding_window",
    "vocab_size",
    "weight_tying",
    "mup_attn_scale",
    "mup_embeddings_scale",
    "mup_output_alpha",
    "mup_scale_qk_dot_by_d",
    "mup_width_scale",
    "reorder_and_upcast_attn",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "qk_norm",
    "tokenizer_class",
    "bias",
    "unk_token_id",
    "sep_token_id",
];

/// Contradictions for sizes, layers, heads and steps; doubts for what is missing or changes; a note for unknown keys.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut unknown = BTreeSet::new();
    let mut first: Option<(&Checkpoint, &Value)> = None;
    for checkpoint in &of.inventory.checkpoints {
        if let Some(step) = checkpoint.step
            && let Some(state) = &checkpoint.trainer_state
            && let Some(counted) = state.global_step
            && counted != step
        {
            findings.push(
                about(checkpoint, Severity::Contradiction, "step_differs")
                    .with("named", step)
                    .with("counted", counted),
            );
        }
        let Some(config) = &checkpoint.config else {
            // An adapter's configuration lies in a file of its own; its base has the model's.
            let adapter = |file: &StoredFile| file.path.ends_with("adapter_config.json");
            if !checkpoint.weights.is_empty()
                && !checkpoint
                    .other
                    .iter()
                    .chain(&of.inventory.other)
                    .any(adapter)
            {
                findings.push(about(checkpoint, Severity::Doubt, "configuration_missing"));
            }
            continue;
        };
        if let Value::Object(keys) = config {
            unknown.extend(keys.keys().filter(|key| !KNOWN.contains(&key.as_str())));
        }
        match first {
            None => first = Some((checkpoint, config)),
            Some((other, before)) => {
                for keys in [VOCABULARY, HIDDEN, LAYERS, HEADS, INNER] {
                    let (was, is) = (number(before, keys), number(config, keys));
                    if let (Some((_, was)), Some((key, is))) = (was, is)
                        && was != is
                    {
                        findings.push(
                            about(checkpoint, Severity::Doubt, "configuration_changes")
                                .with("key", key)
                                .with("value", is)
                                .with("other", other.name.as_str())
                                .with("other_value", was),
                        );
                    }
                }
            }
        }
        if let Some((other, before)) = first.filter(|(other, _)| other.name != checkpoint.name) {
            findings.extend(meaning_changes(checkpoint, config, other, before));
        }
        if comparable(checkpoint) {
            findings.extend(against_tensors(of, checkpoint, config));
        }
    }
    if !unknown.is_empty()
        && let Some((checkpoint, _)) = first
    {
        let keys: Vec<String> = unknown.into_iter().take(50).cloned().collect();
        let mut finding = about(checkpoint, Severity::Note, "keys_unknown").with("keys", keys);
        finding.ask = None;
        findings.push(finding);
    }
    findings
}

/// Keys that change what the same weights compute, though not their shapes.
const MEANING: &[&str] = &[
    "rope_theta",
    "rotary_emb_base",
    "rotary_pct",
    "rms_norm_eps",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "hidden_act",
    "activation_function",
    "num_key_value_heads",
    "tie_word_embeddings",
];

/// Keys of another value than in the first checkpoint, and a tokenizer that is another file.
fn meaning_changes(
    checkpoint: &Checkpoint,
    config: &Value,
    other: &Checkpoint,
    before: &Value,
) -> Vec<Finding> {
    let changes = |key: &str, value: String, was: String| {
        about(checkpoint, Severity::Doubt, "configuration_changes")
            .with("key", key)
            .with("value", value)
            .with("other", other.name.as_str())
            .with("other_value", was)
    };
    let mut found: Vec<Finding> = MEANING
        .iter()
        .filter_map(|key| {
            let (is, was) = (config.get(*key)?, before.get(*key)?);
            (!same(is, was)).then(|| changes(key, shown(is), shown(was)))
        })
        .collect();
    let tokenizer = |of: &Checkpoint| {
        let named = |file: &&StoredFile| file.path.rsplit('/').next() == Some("tokenizer.json");
        of.tokenizer.iter().find(named)?.sha256.clone()
    };
    if let (Some(is), Some(was)) = (tokenizer(checkpoint), tokenizer(other))
        && is != was
    {
        found.push(changes("tokenizer.json", is, was));
    }
    found
}

/// 10000 and 10000.0 are one number.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// A value as JSON, cut.
fn shown(value: &Value) -> String {
    value.to_string().chars().take(100).collect()
}

/// Whether tensors can be held against the configuration: packed weights have shapes of their own.
pub(crate) fn comparable(checkpoint: &Checkpoint) -> bool {
    let packed = |config: &Value| config.get("quantization_config").is_some();
    !checkpoint.tensors.is_empty() && checkpoint.config.as_ref().is_some_and(|one| !packed(one))
}

fn about(checkpoint: &Checkpoint, severity: Severity, reason: &str) -> Finding {
    Finding::new("configuration", severity, &checkpoint.name, reason)
        .on(evidence::weights(checkpoint))
        .asking("right_configuration")
}

fn number<'a>(config: &Value, keys: &[&'a str]) -> Option<(&'a str, u64)> {
    keys.iter()
        .find_map(|key| Some((*key, config.get(*key)?.as_u64()?)))
}

/// One size of the configuration against one dimension of a tensor.
struct Size<'a> {
    key: &'a str,
    configured: Option<u64>,
    tensor: Option<&'a Tensor>,
    dimension: usize,
}

fn against_tensors(of: &Subject<'_>, checkpoint: &Checkpoint, config: &Value) -> Vec<Finding> {
    let named = |ends: &[&str]| {
        checkpoint
            .tensors
            .iter()
            .find(|tensor| ends.iter().any(|end| ends_with_part(&tensor.name, end)))
    };
    let (_, hidden) = number(config, HIDDEN).unzip();
    let (_, heads) = number(config, HEADS).unzip();
    let head_dim = number(config, &["head_dim"])
        .map(|(_, dim)| dim)
        .or_else(|| {
            heads
                .filter(|heads| *heads > 0)
                .and_then(|heads| Some(hidden? / heads))
        });
    let groups = number(config, &["num_key_value_heads"]).map_or(heads, |(_, groups)| Some(groups));
    let times = |a: Option<u64>, b: Option<u64>| a?.checked_mul(b?);
    let embedding = named(EMBEDDING);
    let (vocabulary_key, vocabulary) = number(config, VOCABULARY).unzip();
    let (inner_key, inner) = number(config, INNER).unzip();
    let experts = config
        .get("num_experts")
        .or(config.get("num_local_experts"))
        .is_some();
    let sizes = [
        Size {
            key: vocabulary_key.unwrap_or("vocab_size"),
            configured: vocabulary,
            tensor: embedding,
            dimension: 0,
        },
        Size {
            key: "hidden_size",
            configured: hidden,
            tensor: embedding,
            dimension: 1,
        },
        Size {
            key: "num_attention_heads",
            configured: times(heads, head_dim),
            tensor: named(&["self_attn.q_proj.weight"]),
            dimension: 0,
        },
        Size {
            key: "num_key_value_heads",
            configured: times(groups, head_dim),
            tensor: named(&["self_attn.k_proj.weight"]),
            dimension: 0,
        },
        Size {
            key: inner_key.unwrap_or("intermediate_size"),
            configured: inner.filter(|_| !experts),
            tensor: named(&["mlp.up_proj.weight", "mlp.dense_h_to_4h.weight"]),
            dimension: 0,
        },
    ];
    let mut findings: Vec<Finding> = sizes
        .iter()
        .filter_map(|size| {
            let tensor = size.tensor?;
            let found = *tensor.shape.get(size.dimension)?;
            let configured = size.configured?;
            (found != configured).then(|| {
                about(checkpoint, Severity::Contradiction, "size_differs")
                    .with("key", size.key)
                    .with("configured", configured)
                    .with("found", found)
                    .with("tensor", tensor.name.as_str())
            })
        })
        .collect();
    // What a missing file would have held is not missing from the configuration.
    if shards::incomplete(of, checkpoint) {
        return findings;
    }
    let layers: BTreeSet<u64> = checkpoint
        .tensors
        .iter()
        .filter_map(|tensor| layer(&tensor.name))
        .collect();
    if let Some((key, configured)) = number(config, LAYERS)
        && !layers.is_empty()
        && layers.len() as u64 != configured
    {
        findings.push(
            about(checkpoint, Severity::Contradiction, "layers_differ")
                .with("key", key)
                .with("configured", configured)
                .with("found", layers.len()),
        );
    }
    let tied = ["tie_word_embeddings", "weight_tying"]
        .iter()
        .find_map(|key| config.get(*key)?.as_bool());
    match (tied, named(HEAD), embedding) {
        (Some(false), None, Some(_)) => {
            findings.push(about(checkpoint, Severity::Contradiction, "head_missing"));
        }
        // Some programs store a tied head twice.
        (Some(true), Some(_), _) => {
            findings.push(about(checkpoint, Severity::Note, "head_stored_though_tied"));
        }
        _ => {}
    }
    findings
}

/// Whether a name ends with whole parts: `lm_head.weight`, but not `my_lm_head.weight`.
fn ends_with_part(name: &str, end: &str) -> bool {
    name.strip_suffix(end)
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// The layer that a tensor belongs to: `model.layers.7.…`, `transformer.h.7.…`.
fn layer(name: &str) -> Option<u64> {
    let mut parts = name.split('.');
    while let Some(part) = parts.next() {
        if ["layers", "h", "blocks", "layer"].contains(&part) {
            return parts.next()?.parse().ok();
        }
    }
    None
}
