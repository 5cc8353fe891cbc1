//! The files beside `model.safetensors` with which `transformers` loads a checkpoint.

use crate::ModelConfig;
use serde_json::{Value, json};

/// `config.json` of `LlamaForCausalLM`; `end_of_text` begins and ends texts.
pub fn config_json(config: &ModelConfig, end_of_text: u32) -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": false,
        "attention_dropout": 0.0,
        "bos_token_id": end_of_text,
        "dtype": "float32",
        "eos_token_id": end_of_text,
        "head_dim": config.head_width(),
        "hidden_act": "silu",
        "hidden_size": config.hidden,
        "initializer_range": config.initial_std,
        "intermediate_size": config.mlp,
        "max_position_embeddings": config.sequence,
        "mlp_bias": false,
        "model_type": "llama",
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
        "num_key_value_heads": config.kv_heads,
        // The f32 in use, printed so that reading it as f64 and rounding gives it back.
        "rms_norm_eps": f64::from(config.norm_eps),
        "rope_theta": config.rope_theta,
        "tie_word_embeddings": false,
        "use_cache": true,
        "vocab_size": config.vocabulary,
    })
}

/// `generation_config.json`: greedy, ending at the end of a text.
pub fn generation_config_json(end_of_text: u32) -> Value {
    json!({ "bos_token_id": end_of_text, "do_sample": false, "eos_token_id": end_of_text })
}
