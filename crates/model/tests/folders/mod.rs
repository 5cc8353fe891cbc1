//! Small folders of every family, with made-up weights.

use glasswork_kernels::{Isa, Pool, Profile};
use glasswork_model::{Checkpoint, Decoder, Scorer};
use glasswork_release::Dtype;
use glasswork_release::safetensors::{self, TensorView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A configuration of every family, each with sizes that fill no vector.
pub(crate) fn configs() -> Vec<Value> {
    let rope = json!({ "rope_type": "default", "rope_theta": 10000.0 });
    vec![
        json!({ "model_type": "llama", "vocab_size": 67, "hidden_size": 40, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 56,
            "rms_norm_eps": 1e-5, "max_position_embeddings": 64, "rope_parameters": rope.clone() }),
        json!({ "model_type": "gpt_neox", "vocab_size": 67, "hidden_size": 40, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": 72, "max_position_embeddings": 64,
            "rotary_pct": 0.3, "hidden_act": "gelu" }),
        json!({ "model_type": "olmo2", "vocab_size": 67, "hidden_size": 40, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 56,
            "max_position_embeddings": 64, "rope_scaling": null, "rope_theta": 5e5 }),
        json!({ "model_type": "crystalcoder", "vocab_size": 67, "n_embd": 40, "n_layer": 2, "n_head": 2,
            "n_inner": 54, "n_positions": 64, "rotary_dim": 6, "position_embedding_type": "rotary",
            "activation_function": "swiglu", "mup_embeddings_scale": 14.6, "mup_output_alpha": 2.22,
            "mup_width_scale": 0.0625, "mup_scale_qk_dot_by_d": true, "tie_word_embeddings": true }),
    ]
}

/// Made-up values of a tensor: matrices small, gains around one.
pub(crate) fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let seed = name
        .bytes()
        .fold(17_u32, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
    let mut state = seed | 1;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let one = if shape.len() == 1 && name.ends_with("weight") {
        1.0
    } else {
        0.0
    };
    let count = shape.iter().product();
    (0..count).map(|_| one + 0.3 * draw()).collect()
}

pub(crate) fn bytes(values: &[f32], dtype: Dtype) -> Vec<u8> {
    let bf16 = |x: &f32| ((x.to_bits() >> 16) as u16).to_le_bytes();
    match dtype {
        Dtype::Bf16 => values.iter().flat_map(bf16).collect(),
        _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

pub(crate) type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

pub(crate) fn tensors(config: &Value, dtype: Dtype) -> Tensors {
    let decoder = Decoder::from_hugging_face(config).expect("a known configuration");
    let shapes = decoder.tensor_shapes().into_iter();
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let data = bytes(&values(&name, &shape), dtype);
        (name, (dtype, shape, data))
    };
    shapes.map(tensor).collect()
}

pub(crate) fn save(path: &Path, tensors: &Tensors) {
    let views: Vec<TensorView> = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name.as_str(), *dtype, &shape[..], &data[..]))
        .collect();
    safetensors::write(path, &views, &BTreeMap::new()).expect("written");
}

/// Writes a folder in two shards with their index.
pub(crate) fn folder(config: &Value, tensors: &Tensors) -> TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("config.json"), config.to_string()).expect("written");
    let mut parts = [Tensors::new(), Tensors::new()];
    let mut map = serde_json::Map::new();
    for (index, (name, tensor)) in tensors.iter().enumerate() {
        parts[index % 2].insert(name.clone(), tensor.clone());
        map.insert(name.clone(), json!(shard(index % 2)));
    }
    for (index, part) in parts.iter().enumerate() {
        save(&at(&shard(index)), part);
    }
    let index = json!({ "metadata": { "total_size": 1 }, "weight_map": map });
    std::fs::write(at(INDEX), index.to_string()).expect("written");
    folder
}

pub(crate) const INDEX: &str = "model.safetensors.index.json";

pub(crate) fn shard(index: usize) -> String {
    format!("model-0000{}-of-00002.safetensors", index + 1)
}

pub(crate) fn scorer(folder: &Path, profile: Profile, threads: usize, isa: Isa) -> Scorer {
    let pool = Arc::new(Pool::new(threads, isa).expect("threads"));
    Scorer::new(Checkpoint::open(folder).expect("opens"), profile, pool)
}
