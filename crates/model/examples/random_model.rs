//! Writes the files of a model with random weights: `random_model DIRECTORY [--layers N] [--shape amber|k2|small]`.
//!
//! Amber's shape by default (hidden 4096, 32 layers, 32 heads, mlp 11008, vocabulary 32000), bf16, in shards
//! named as Hugging Face names them, with their index: 13.5 GB, of which no more than a row is held in memory.
//! K2's has 80 layers and 131 GB; `--layers 2` of it shows what one layer costs.

use glasswork_kernels::bf16;
use glasswork_model::Decoder;
use serde_json::json;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Most bytes of a shard.
const SHARD: u64 = 5 << 30;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str, default: &str| {
        let at = arguments.iter().position(|a| a == name);
        let value = at.and_then(|i| arguments.get(i + 1));
        value.map_or(default.to_owned(), Clone::clone)
    };
    let directory = PathBuf::from(arguments.first().ok_or("random_model DIRECTORY")?);
    let [hidden, layers, heads, mlp, vocabulary] = match option("--shape", "amber").as_str() {
        "amber" => [4096, 32, 32, 11008, 32000],
        "k2" => [8192, 80, 64, 22016, 32032],
        "small" => [512, 8, 8, 1376, 8192],
        other => return Err(format!("no shape `{other}`").into()),
    };
    let layers = option("--layers", &layers.to_string()).parse::<usize>()?;
    let config = json!({
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "intermediate_size": mlp,
        "max_position_embeddings": 2048,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": heads,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": false,
        "torch_dtype": "bfloat16",
        "vocab_size": vocabulary,
    });
    let shapes = Decoder::from_hugging_face(&config)?.tensor_shapes();
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join("config.json"), format!("{config:#}\n"))?;
    let bytes = |shape: &[usize]| 2 * shape.iter().product::<usize>() as u64;
    let (mut shards, mut room) = (Vec::<Vec<&str>>::new(), 0);
    for (name, shape) in &shapes {
        let needed = bytes(shape);
        if needed > room {
            shards.push(Vec::new());
            room = SHARD;
        }
        room = room.saturating_sub(needed);
        shards.last_mut().ok_or("no shard")?.push(name);
    }
    let (mut places, mut total) = (serde_json::Map::new(), 0);
    for (index, names) in shards.iter().enumerate() {
        let file = format!("model-{:05}-of-{:05}.safetensors", index + 1, shards.len());
        total += write(&directory.join(&file), names, &shapes)?;
        places.extend(names.iter().map(|name| ((*name).to_owned(), json!(file))));
        eprintln!("{file}");
    }
    let index = json!({ "metadata": { "total_size": total }, "weight_map": places });
    let path = directory.join("model.safetensors.index.json");
    Ok(std::fs::write(path, format!("{index:#}\n"))?)
}

/// Writes one shard; gains are 1, matrices of a standard deviation near 0.02.
fn write(
    path: &Path,
    names: &[&str],
    shapes: &BTreeMap<String, Vec<usize>>,
) -> Result<u64, Box<dyn Error>> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut end = 0;
    for name in names {
        let shape = &shapes[*name];
        let start = end;
        end += 2 * shape.iter().product::<usize>() as u64;
        let entry = json!({ "dtype": "BF16", "shape": shape, "data_offsets": [start, end] });
        header.insert((*name).to_owned(), entry);
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for name in names {
        let shape = &shapes[*name];
        let mut row = vec![0_u8; 2 * shape.last().copied().unwrap_or(1)];
        for _ in 0..shape[..shape.len() - 1].iter().product::<usize>() {
            for element in row.as_chunks_mut::<2>().0 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                // Two uniform numbers make a triangle of standard deviation 0.41.
                let (a, b) = ((state >> 48) as i32, (state >> 32 & 0xffff) as i32);
                let value = (a - b) as f32 / 65536.0 * 0.049;
                let value = if shape.len() == 1 { 1.0 } else { value };
                *element = bf16::round(value).to_le_bytes();
            }
            file.write_all(&row)?;
        }
    }
    file.flush()?;
    Ok(end)
}
