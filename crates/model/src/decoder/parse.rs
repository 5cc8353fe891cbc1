//! From a Hugging Face `config.json` to a [`Decoder`].
//!
//! Missing keys have the defaults of `transformers`' configuration classes.

use super::keys::{Keys, narrows};
use super::{
    Activation, Architecture, Decoder, Factors, NormKind, Placement, Rotation, root_scale,
};
use crate::ModelError;
use glasswork_kernels::rope::Layout;
use serde_json::Value;

/// Bounds that keep products of sizes far from overflow; published models stay far below.
const MOST: usize = 1 << 24;
const MOST_LAYERS: usize = 4096;

impl Decoder {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// [`ModelError::UnknownArchitecture`]; [`ModelError::Config`] and [`ModelError::UnknownKey`] for
    /// whatever this program does not compute.
    pub fn from_hugging_face(config: &Value) -> Result<Self, ModelError> {
        let Value::Object(map) = config else {
            return Err(ModelError::Config {
                key: "the file".into(),
                problem: "is no object".into(),
            });
        };
        let keys = Keys::new(map, "");
        let found = keys.get("model_type").and_then(Value::as_str);
        let found = found.ok_or_else(|| keys.fail("model_type", "is missing"))?;
        let architecture =
            Architecture::of_name(found).ok_or_else(|| ModelError::UnknownArchitecture {
                found: found.chars().take(80).collect(),
            })?;
        let decoder = match architecture {
            Architecture::Llama | Architecture::Olmo2 => llama_like(&keys, architecture)?,
            Architecture::GptNeox => gpt_neox(&keys)?,
            Architecture::Crystal => crystal(&keys)?,
        };
        keys.finish(architecture)?;
        decoder.checked(&keys)
    }

    /// What must hold between the sizes.
    fn checked(self, keys: &Keys) -> Result<Self, ModelError> {
        if !self.heads.is_multiple_of(self.kv_heads) {
            let problem = format!(
                "{} query heads do not share {} key-value heads evenly",
                self.heads, self.kv_heads
            );
            return Err(keys.fail("num_key_value_heads", problem));
        }
        let width = self.rotation.width;
        if width == 0 || !width.is_multiple_of(2) || width > self.head_width {
            let problem = format!(
                "{width} of {} elements cannot turn in pairs",
                self.head_width
            );
            return Err(keys.fail("rotary width", problem));
        }
        Ok(self)
    }
}

fn head_width(keys: &Keys, hidden: usize, heads: usize, key: &str) -> Result<usize, ModelError> {
    if hidden.is_multiple_of(heads) {
        Ok(hidden / heads)
    } else {
        Err(keys.fail(key, format!("{heads} heads do not divide {hidden} evenly")))
    }
}

/// Base of the frequencies, and the part of a head that turns, from the keys of old and new
/// `transformers`.
fn rotation(
    keys: &Keys,
    architecture: Architecture,
    (base, part): (&str, &str),
    usual_part: f64,
) -> Result<(f64, f64), ModelError> {
    let mut theta = keys.optional_number(base)?;
    let mut share = keys.optional_number(part)?;
    for (key, within) in [
        ("rope_parameters", "rope_parameters."),
        ("rope_scaling", "rope_scaling."),
    ] {
        let Some(inner) = keys.inner(key, within)? else {
            continue;
        };
        inner.word("rope_type", &[("default", ())])?;
        inner.word("type", &[("default", ())])?;
        for (value, name) in [
            (&mut theta, "rope_theta"),
            (&mut share, "partial_rotary_factor"),
        ] {
            let here = inner.optional_number(name)?;
            if value.is_some() && here.is_some() && *value != here {
                return Err(inner.fail(name, "is given twice, with different values"));
            }
            *value = value.or(here);
        }
        inner.finish(architecture)?;
    }
    let theta = theta.unwrap_or(10_000.0);
    let share = share.unwrap_or(usual_part);
    if share > 1.0 {
        return Err(keys.fail(part, format!("is {share}, more than the whole head")));
    }
    Ok((theta, share))
}

/// `bos_token_id`, else `eos_token_id` (the first of several).
fn first_token(keys: &Keys) -> Result<Option<u32>, ModelError> {
    let token = |key: &str| -> Result<Option<u32>, ModelError> {
        let Some(value) = keys.get(key) else {
            return Ok(None);
        };
        let several = value.as_array().map(Vec::as_slice);
        let several = several.unwrap_or(std::slice::from_ref(value));
        let ids = several
            .iter()
            .map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()));
        let ids: Option<Vec<u32>> = ids.collect();
        let ids = ids.ok_or_else(|| keys.fail(key, format!("is {value}, no token id")))?;
        Ok(ids.first().copied())
    };
    let (first, last) = (token("bos_token_id")?, token("eos_token_id")?);
    Ok(first.or(last))
}

fn llama_like(keys: &Keys, architecture: Architecture) -> Result<Decoder, ModelError> {
    let olmo = architecture == Architecture::Olmo2;
    let hidden = keys.count("hidden_size", None, MOST)?;
    let heads = keys.count("num_attention_heads", None, MOST)?;
    let head_width = match keys.get("head_dim") {
        Some(_) => keys.count("head_dim", None, MOST)?,
        None => head_width(keys, hidden, heads, "num_attention_heads")?,
    };
    let rope = ("rope_theta", "partial_rotary_factor");
    let (theta, share) = rotation(keys, architecture, rope, 1.0)?;
    if share != 1.0 {
        return Err(keys.not_computed(
            "partial_rotary_factor",
            format!("is {share}; computed is 1"),
        ));
    }
    keys.must_be("attention_bias", false)?;
    keys.must_be("mlp_bias", false)?;
    Ok(Decoder {
        architecture,
        vocabulary: keys.count("vocab_size", None, MOST)?,
        hidden,
        layers: keys.count("num_hidden_layers", None, MOST_LAYERS)?,
        heads,
        kv_heads: keys.count("num_key_value_heads", Some(heads), MOST)?,
        head_width,
        mlp: keys.count("intermediate_size", None, MOST)?,
        positions: keys.count("max_position_embeddings", Some(2048), MOST)?,
        norm: NormKind::Rms,
        epsilon: keys.number("rms_norm_eps", if olmo { 1e-5 } else { 1e-6 })? as f32,
        placement: if olmo {
            Placement::After
        } else {
            Placement::Before
        },
        qk_norm: olmo,
        attention_bias: false,
        mlp_bias: false,
        activation: keys.word("hidden_act", &[("silu", Activation::SwiGlu)])?,
        rotation: Rotation {
            theta,
            width: head_width,
            layout: Layout::Halves,
        },
        tied_head: keys.flag("tie_word_embeddings", false)?,
        factors: Factors {
            embedding: 1.0,
            attention: root_scale(head_width),
            logits: 1.0,
        },
        first_token: first_token(keys)?,
    })
}

fn gpt_neox(keys: &Keys) -> Result<Decoder, ModelError> {
    let hidden = keys.count("hidden_size", None, MOST)?;
    let heads = keys.count("num_attention_heads", None, MOST)?;
    let head_width = head_width(keys, hidden, heads, "num_attention_heads")?;
    let rope = ("rotary_emb_base", "rotary_pct");
    let (theta, share) = rotation(keys, Architecture::GptNeox, rope, 0.25)?;
    Ok(Decoder {
        architecture: Architecture::GptNeox,
        vocabulary: keys.count("vocab_size", None, MOST)?,
        hidden,
        layers: keys.count("num_hidden_layers", None, MOST_LAYERS)?,
        heads,
        kv_heads: heads,
        head_width,
        mlp: keys.count("intermediate_size", None, MOST)?,
        positions: keys.count("max_position_embeddings", Some(2048), MOST)?,
        norm: NormKind::Layer,
        epsilon: keys.number("layer_norm_eps", 1e-5)? as f32,
        placement: if keys.flag("use_parallel_residual", true)? {
            Placement::Parallel
        } else {
            Placement::Before
        },
        qk_norm: false,
        attention_bias: keys.flag("attention_bias", true)?,
        mlp_bias: true,
        activation: keys.word(
            "hidden_act",
            &[
                ("gelu", Activation::GeluErf),
                ("gelu_new", Activation::GeluTanh),
                ("gelu_fast", Activation::GeluTanh),
                ("gelu_pytorch_tanh", Activation::GeluTanh),
            ],
        )?,
        rotation: Rotation {
            theta,
            width: (head_width as f64 * share) as usize,
            layout: Layout::Halves,
        },
        tied_head: keys.flag("tie_word_embeddings", false)?,
        factors: Factors {
            embedding: 1.0,
            attention: root_scale(head_width),
            logits: 1.0,
        },
        first_token: first_token(keys)?,
    })
}

/// Crystal. Read: its published `config.json`, the weight converters and the muP model of LLM360's
/// fine-tuning code (`LLM360/crystalcoder-train`, `finetune/Megatron-LM`): embeddings times
/// `mup_embeddings_scale`; logits times `mup_output_alpha · mup_width_scale`; `q·k` over the head's width;
/// `--rotary-percent 0.25 --rotary-interleave-repeat`, base 10000 (neighbours turn together);
/// `silu(c_fc2) · c_fc`; tied head. Not read: the model's own Python file, which is not public there.
fn crystal(keys: &Keys) -> Result<Decoder, ModelError> {
    let hidden = keys.count("n_embd", None, MOST)?;
    let heads = keys.count("n_head", None, MOST)?;
    let head_width = head_width(keys, hidden, heads, "n_head")?;
    keys.require("position_embedding_type")?;
    keys.word("position_embedding_type", &[("rotary", ())])?;
    keys.require("activation_function")?;
    keys.must_be("scale_attn_weights", true)?;
    keys.must_be("scale_attn_by_inverse_layer_idx", false)?;
    let alpha = keys.number("mup_output_alpha", 1.0)?;
    let logits = alpha * keys.number("mup_width_scale", 1.0)?;
    if !narrows(logits) {
        let problem = format!("times mup_output_alpha is {logits}, not a positive number of f32");
        return Err(keys.fail("mup_width_scale", problem));
    }
    let attention = if keys.flag("mup_scale_qk_dot_by_d", false)? {
        (1.0 / head_width as f64) as f32
    } else {
        root_scale(head_width)
    };
    Ok(Decoder {
        architecture: Architecture::Crystal,
        vocabulary: keys.count("vocab_size", None, MOST)?,
        hidden,
        layers: keys.count("n_layer", None, MOST_LAYERS)?,
        heads,
        kv_heads: heads,
        head_width,
        mlp: keys.count("n_inner", Some(4 * hidden), MOST)?,
        positions: keys.count("n_positions", Some(1024), MOST)?,
        norm: NormKind::Layer,
        epsilon: keys.number("layer_norm_epsilon", 1e-5)? as f32,
        placement: Placement::Before,
        qk_norm: false,
        attention_bias: true,
        mlp_bias: true,
        activation: keys.word("activation_function", &[("swiglu", Activation::SwiGlu)])?,
        rotation: Rotation {
            theta: 10_000.0,
            width: keys.count("rotary_dim", None, MOST)?,
            layout: Layout::Pairs,
        },
        tied_head: keys.flag("tie_word_embeddings", true)?,
        factors: Factors {
            embedding: keys.number("mup_embeddings_scale", 1.0)? as f32,
            attention,
            logits: logits as f32,
        },
        first_token: first_token(keys)?,
    })
}
