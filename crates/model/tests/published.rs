//! Folders of published models: scores that depend on nothing but the model, and folders that lie.

mod folders;

use folders::*;
use glasswork_kernels::{Isa, Numerics, Pool, Profile, cross_entropy};
use glasswork_model::scoring::{Cut, Score, Sequence, Unwatched, Work};
use glasswork_model::{
    Checkpoint, Decoder, Engine, ModelConfig, ModelError, Parameters, config_json, initialise,
};
use glasswork_release::Dtype;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

fn sequences() -> Vec<Sequence> {
    let tokens = |length: u32, step: u32| (0..length).map(|i| (i * step + i * i) % 67).collect();
    let mut all: Vec<Sequence> = [
        (2, 3),
        (34, 5),
        (33, 7),
        (33, 11),
        (1, 1),
        (65, 13),
        (12, 17),
    ]
    .map(|(length, step)| Sequence::new(tokens(length, step)))
    .to_vec();
    all.push(Sequence::counting_last(tokens(40, 19), 9));
    all.push(Sequence::new(Vec::new()));
    all
}

fn bits(scores: &[Score]) -> Vec<(u64, Vec<u32>)> {
    let bits = |s: &Score| {
        let losses = s.losses.iter().map(|x| x.to_bits()).collect();
        (s.log_likelihood.to_bits(), losses)
    };
    scores.iter().map(bits).collect()
}

#[test]
fn a_sequence_scores_the_same_in_any_company() {
    let all = sequences();
    let whole = Cut {
        chunk_rows: 10_000,
        wave_rows: usize::MAX,
    };
    for config in configs() {
        let folder = folder(&config, &tensors(&config, Dtype::F32));
        for profile in Profile::ALL {
            let mut first = None;
            for isa in Isa::available() {
                for threads in [1, 3] {
                    let mut scorer = scorer(folder.path(), profile, threads, isa);
                    let mut score = |sequences: &[Sequence], cut| {
                        bits(
                            &scorer
                                .score(sequences, cut, &Unwatched)
                                .expect("tokens fit"),
                        )
                    };
                    let together = score(&all, whole);
                    let expected = first.get_or_insert_with(|| together.clone());
                    let context = format!("{}, {profile}, {isa:?}", config["model_type"]);
                    assert_eq!(*expected, together, "{context}: threads, instruction set");
                    for cut in [(1, usize::MAX), (50, 1), (70, 80)] {
                        let (chunk_rows, wave_rows) = cut;
                        let cut = Cut {
                            chunk_rows,
                            wave_rows,
                        };
                        assert_eq!(together, score(&all, cut), "{context}: {cut:?}");
                    }
                    if isa == Isa::best() {
                        let mut turned: Vec<Sequence> = all.iter().rev().cloned().collect();
                        let mut backwards = score(&turned, whole);
                        backwards.reverse();
                        assert_eq!(together, backwards, "{context}: order");
                        for (sequence, expected) in all.iter().zip(&together) {
                            let alone = score(std::slice::from_ref(sequence), whole);
                            assert_eq!(alone[0], *expected, "{context}: alone");
                        }
                        turned.clear();
                        assert!(score(&turned, whole).is_empty());
                    }
                }
            }
        }
    }
}

#[test]
fn a_llama_scores_as_the_training_engine_does() {
    let config = ModelConfig {
        vocabulary: 67,
        hidden: 48,
        layers: 3,
        heads: 4,
        kv_heads: 2,
        mlp: 72,
        sequence: 64,
        rope_theta: 10_000.0,
        norm_eps: 1e-5,
        initial_std: 0.2,
    };
    for profile in Profile::ALL {
        let pool = Arc::new(Pool::new(2, Isa::best()).expect("threads"));
        let mut engine = Engine::new(config.clone(), profile, Arc::clone(&pool));
        let weights: Parameters = initialise(&config, engine.layout(), 7);
        engine.load(&weights, false);
        let tensors: Tensors = weights
            .iter()
            .map(|(slot, values)| {
                let tensor = (Dtype::F32, slot.shape.clone(), bytes(values, Dtype::F32));
                (slot.name.clone(), tensor)
            })
            .collect();
        let json = config_json(&config, 0);
        let folder = folder(&json, &tensors);
        let mut described = Decoder::from_hugging_face(&json).expect("our own");
        described.first_token = None;
        assert_eq!(described, Decoder::of_config(&config));
        let mut scorer = scorer(folder.path(), profile, 2, Isa::best());
        for sequence in sequences().iter().filter(|s| s.targets() > 0) {
            let (inputs, length) = (sequence.inputs(), sequence.inputs().len());
            let skipped = length - sequence.targets();
            let mut targets = inputs[1..].to_vec();
            targets.push(3);
            targets[..skipped].fill(cross_entropy::MASKED);
            let mut losses = vec![0.0; length];
            engine
                .score(&weights, inputs, &targets, length, &mut losses)
                .expect("tokens fit");
            let mut tokens = inputs.to_vec();
            tokens.push(3);
            let same = Sequence::counting_last(tokens, sequence.targets());
            let cut = Cut {
                chunk_rows: 100,
                wave_rows: 100,
            };
            let ours = scorer.score(&[same], cut, &Unwatched).expect("tokens fit");
            assert_eq!(
                bits(&ours)[0].1,
                bits(&[Score {
                    losses: losses[skipped..].to_vec(),
                    log_likelihood: 0.0,
                    greedy: false,
                }])[0]
                    .1
            );
        }
    }
}

#[test]
fn stored_types_are_widened_and_a_budget_is_kept() {
    let config = &configs()[0];
    let folder = folder(config, &tensors(config, Dtype::Bf16));
    let checkpoint = Checkpoint::open(folder.path()).expect("opens");
    assert_eq!(checkpoint.stored_type(), Dtype::Bf16);
    assert_eq!(checkpoint.stored_bytes(), 2 * checkpoint.parameters());
    let numerics = Numerics {
        profile: Profile::F32V1,
        isa: Isa::best(),
    };
    let work = Work::new((numerics, 1), [60, 60, 20]);
    let free = Cut::fit(&checkpoint, work, u64::MAX).expect("fits");
    assert_eq!((free.chunk_rows, free.wave_rows), (140, 140));
    let error = Cut::fit(&checkpoint, work, 1000).expect_err("too little");
    let ModelError::Memory { least, .. } = error else {
        panic!("{error}");
    };
    let tight = Cut::fit(&checkpoint, work, least).expect("fits");
    assert!(tight.wave_rows < 140, "{tight:?}");
}

/// Factors that are numbers, but none of f32.
#[test]
fn attack_factors_that_leave_f32() {
    let refused = |key: &str, value: f64| {
        let mut config = configs().pop().expect("crystal");
        config[key] = json!(value);
        let error = Decoder::from_hugging_face(&config).expect_err("refused");
        assert!(matches!(error, ModelError::Config { .. }), "{error}");
        error.to_string()
    };
    let said = refused("mup_embeddings_scale", 1e300);
    assert!(said.contains("mup_embeddings_scale: is 1e+300"), "{said}");
    // Each of the two is one of f32, their product is none.
    let mut config = configs().pop().expect("crystal");
    config["mup_output_alpha"] = json!(1e30);
    config["mup_width_scale"] = json!(1e30);
    let error = Decoder::from_hugging_face(&config).expect_err("refused");
    let said = error.to_string();
    assert!(
        said.contains("mup_width_scale: times mup_output_alpha is"),
        "{said}"
    );
}

/// The sizes and constants that the families publish, under the keys that they publish them with.
#[test]
fn published_configurations_are_understood() {
    let read = |config: Value| Decoder::from_hugging_face(&config).expect("understood");
    let amber = read(
        json!({ "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 11008,
        "max_position_embeddings": 2048, "max_sequence_length": 2048, "model_type": "llama",
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32, "pad_token_id": 0,
        "pretraining_tp": 1, "rms_norm_eps": 1e-6, "rope_scaling": null, "tie_word_embeddings": false,
        "torch_dtype": "float32", "transformers_version": "4.33.1", "use_cache": true, "vocab_size": 32000 }),
    );
    assert_eq!(
        (amber.head_width, amber.rotation.width, amber.first_token),
        (128, 128, Some(1))
    );
    let elements = |decoder: &Decoder| -> usize {
        decoder
            .tensor_shapes()
            .values()
            .map(|shape| shape.iter().product::<usize>())
            .sum()
    };
    assert_eq!(elements(&amber), 6_738_415_616);
    let pythia = read(
        json!({ "architectures": ["GPTNeoXForCausalLM"], "bos_token_id": 0, "eos_token_id": 0,
        "hidden_act": "gelu", "hidden_size": 512, "initializer_range": 0.02, "intermediate_size": 2048,
        "layer_norm_eps": 1e-5, "max_position_embeddings": 2048, "model_type": "gpt_neox",
        "num_attention_heads": 8, "num_hidden_layers": 6, "rotary_emb_base": 10000, "rotary_pct": 0.25,
        "tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.24.0",
        "use_cache": true, "use_parallel_residual": true, "vocab_size": 50304 }),
    );
    assert_eq!(
        (
            pythia.rotation.width,
            pythia.mlp_bias,
            pythia.attention_bias
        ),
        (16, true, true)
    );
    assert_eq!(elements(&pythia), 70_426_624);
    let crystal = read(
        json!({ "attn_pdrop": 0.0, "scale_attn_weights": true, "resid_pdrop": 0.0,
        "mup_embeddings_scale": 14.6, "n_inner": 10922, "n_embd": 4096, "layer_norm_epsilon": 1e-5,
        "n_positions": 2048, "activation_function": "swiglu", "n_head": 32, "n_layer": 32,
        "mup_output_alpha": 2.22, "mup_width_scale": 0.0625, "position_embedding_type": "rotary",
        "rotary_dim": 32, "mup_scale_qk_dot_by_d": true, "tie_word_embeddings": true, "vocab_size": 32032,
        "embd_pdrop": 0.0, "model_type": "crystalcoder", "use_cache": true, "bos_token_id": 1,
        "eos_token_id": 2, "architectures": ["CrystalCoderLMHeadModel"], "auto_map": {} }),
    );
    assert_eq!((crystal.rotation.width, crystal.head_width), (32, 128));
    assert_eq!(crystal.factors.attention, 1.0 / 128.0);
    assert_eq!(crystal.factors.embedding, 14.6);
    assert_eq!(crystal.factors.logits, 0.13875);
    // The published index counts its bytes of f32: with the tied head stored once more, and of each layer a
    // mask of a byte a pair of positions and one number.
    let masks = 32 * (2048 * 2048 + 4);
    let stored = 4 * (elements(&crystal) + 32032 * 4096) + masks;
    assert_eq!(stored, 26_960_145_024);
}

/// What opening says of a folder that `change` has changed.
fn refused(change: impl FnOnce(&Path, &mut Value)) -> String {
    let mut config = configs()[0].clone();
    let folder = folder(&config, &tensors(&config, Dtype::F32));
    change(folder.path(), &mut config);
    std::fs::write(folder.path().join("config.json"), config.to_string()).expect("written");
    let error = Checkpoint::open(folder.path()).expect_err("refused");
    assert!(error.hint().is_some(), "{error} has no hint");
    let here = format!("{}/", folder.path().display());
    error.to_string().replace(&here, "")
}

fn change_index(folder: &Path, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let path = folder.join(INDEX);
    let text = std::fs::read(&path).expect("there");
    let mut index: Value = serde_json::from_slice(&text).expect("JSON");
    change(index["weight_map"].as_object_mut().expect("an object"));
    std::fs::write(path, index.to_string()).expect("written");
}

#[test]
fn attack_configurations_that_would_be_computed_wrongly() {
    let with = |key: &str, value: Value| refused(|_, config| config[key] = value);
    for (said, expected) in [
        (
            with("rope_scaling", json!({ "type": "linear", "factor": 2.0 })),
            "rope_scaling.type: is \"linear\"; computed is only default",
        ),
        (
            with("attention_bias", json!(true)),
            "attention_bias: is true, which is not computed",
        ),
        (
            with("hidden_act", json!("relu")),
            "hidden_act: is \"relu\"; computed is only silu",
        ),
        (
            with("sliding_window", json!(128)),
            "`sliding_window` is not a known key of `llama`",
        ),
        (
            with("rope_theta", json!(5e5)),
            "rope_parameters.rope_theta: is given twice",
        ),
        (
            with("num_attention_heads", json!(3)),
            "num_attention_heads: 3 heads do not divide 40",
        ),
        (
            with("num_key_value_heads", json!(3)),
            "num_key_value_heads: 4 query heads do not share 3",
        ),
        (
            with("hidden_size", json!(1e300)),
            "hidden_size: is 1e+300, not a number from 1",
        ),
        (
            with("hidden_size", json!(-1)),
            "hidden_size: is -1, not a number from 1",
        ),
        (
            with("rms_norm_eps", json!("small")),
            "rms_norm_eps: is \"small\", not a positive number",
        ),
        (
            with("rms_norm_eps", json!(1e-60)),
            "e-60, not a positive number of f32",
        ),
        (
            with("rope_parameters", json!({ "rope_theta": 1e-300 })),
            "e-300, not a positive number of f32",
        ),
        (
            with("bos_token_id", json!("first")),
            "bos_token_id: is \"first\", no token id",
        ),
        (
            with("eos_token_id", json!([2, -1])),
            "eos_token_id: is [2,-1], no token id",
        ),
        (
            with("model_type", json!("mamba")),
            "model_type `mamba` is none of llama, gpt_neox",
        ),
        (
            with("vocab_size", json!(68)),
            "has the shape [67, 40] where the configuration needs [68, 40]",
        ),
        (
            with("num_hidden_layers", json!(3)),
            "tensor `model.layers.2.",
        ),
        (
            with("tie_word_embeddings", json!(true)),
            "`lm_head.weight` differs from `model.embed_tokens.weight`",
        ),
    ] {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn attack_indexes_and_shards_that_lie() {
    let escape = refused(|folder, _| {
        change_index(folder, |map| {
            map.insert("lm_head.weight".into(), json!("../weights.safetensors"));
        });
    });
    assert!(
        escape.contains("\"../weights.safetensors\" is no name of a shard"),
        "{escape}"
    );
    let missing = refused(|folder, _| {
        std::fs::remove_file(folder.join(shard(1))).expect("there");
    });
    assert!(
        missing.contains(&format!("names {}, which is not there", shard(1))),
        "{missing}"
    );
    let misplaced = refused(|folder, _| {
        change_index(folder, |map| {
            map.insert("lm_head.weight".into(), json!(shard(1)));
        });
    });
    assert!(
        misplaced.contains("places `lm_head.weight` in"),
        "{misplaced}"
    );
    let unlisted = refused(|folder, _| {
        change_index(folder, |map| {
            map.remove("model.norm.weight");
        });
    });
    assert!(
        unlisted.contains("does not list `model.norm.weight`"),
        "{unlisted}"
    );
    let twice = refused(|folder, _| {
        let from = folder.join(shard(0));
        std::fs::copy(from, folder.join(shard(1))).expect("copied");
    });
    assert!(twice.contains("holds it too"), "{twice}");
    let short = refused(|folder, _| {
        let path = folder.join(shard(0));
        let whole = std::fs::read(&path).expect("there");
        std::fs::write(path, &whole[..whole.len() - 5]).expect("written");
    });
    assert!(short.contains("bytes follow the header"), "{short}");
    let without = refused(|folder, _| {
        std::fs::remove_file(folder.join(INDEX)).expect("there");
        std::fs::write(folder.join("pytorch_model-00001-of-00002.bin"), "x").expect("written");
    });
    assert!(without.contains("holds neither"), "{without}");
    let torch = refused(|folder, _| {
        std::fs::remove_file(folder.join(INDEX)).expect("there");
        std::fs::write(folder.join("pytorch_model.bin"), "x").expect("written");
    });
    assert!(torch.contains("is no file of `torch.save`"), "{torch}");
}

#[test]
fn attack_tensors_of_another_kind() {
    let with = |name: &str, tensor: (Dtype, Vec<usize>, Vec<u8>)| {
        let config = configs()[0].clone();
        let mut all = tensors(&config, Dtype::F32);
        all.insert(name.into(), tensor);
        let folder = folder(&config, &all);
        Checkpoint::open(folder.path()).map(drop)
    };
    let extra = with("model.extra.weight", (Dtype::F32, vec![1], vec![0; 4]));
    assert!(
        matches!(extra, Err(ModelError::ExtraTensor(_))),
        "{extra:?}"
    );
    let whole = with("model.norm.weight", (Dtype::I32, vec![40], vec![0; 160]));
    assert!(
        matches!(whole, Err(ModelError::TensorType { found: "I32", .. })),
        "{whole:?}"
    );
    let frequencies = "model.layers.0.self_attn.rotary_emb.inv_freq";
    with(frequencies, (Dtype::F32, vec![5], vec![0; 20])).expect("old files hold it");
}

#[test]
fn sequences_that_do_not_fit_are_named() {
    let config = &configs()[0];
    let folder = folder(config, &tensors(config, Dtype::F32));
    let mut scorer = scorer(folder.path(), Profile::F32V1, 1, Isa::best());
    let cut = Cut {
        chunk_rows: 8,
        wave_rows: 8,
    };
    let mut said = |tokens: Vec<u32>| {
        let all = [Sequence::new(vec![1, 2]), Sequence::new(tokens)];
        scorer
            .score(&all, cut, &Unwatched)
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(
        said(vec![1, 67]),
        "token 67 is outside the vocabulary of 67"
    );
    assert_eq!(
        said(vec![1; 66]),
        "sequence 1 has 65 inputs; the model has 64 positions"
    );
}
