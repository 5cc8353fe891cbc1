//! Every layout is recognised without being told, over folders that other programs wrote (`peers/publications.py`).

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use glasswork_published::{
    Checkpoint, DataKind, Door, Inventory, Layout, MetricKind, Place, Publication, Score,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn open(path: &Path) -> Publication {
    Publication::open(&Place::Folder(path.into()), &Door::default()).unwrap()
}

fn names(inventory: &Inventory) -> Vec<&str> {
    let names = inventory.checkpoints.iter().map(|one| one.name.as_str());
    names.collect()
}

/// Names of a checkpoint's tensors, their places read and the bytes there as its shape says.
fn tensors(checkpoint: &Checkpoint) -> Vec<&str> {
    for tensor in &checkpoint.tensors {
        let size = if tensor.dtype == "F32" { 4 } else { 2 };
        let bytes = tensor.shape.iter().product::<u64>() * size;
        assert_eq!(
            tensor.end.unwrap() - tensor.start.unwrap(),
            bytes,
            "{tensor:?}"
        );
    }
    checkpoint
        .tensors
        .iter()
        .map(|one| one.name.as_str())
        .collect()
}

#[test]
fn amber() {
    let publication = open(&fixture("amber"));
    let inventory = publication.inventory();
    assert_eq!(inventory.layout, Layout::Llm360);
    assert_eq!(
        names(inventory),
        ["ckpt_000", "ckpt_001", "ckpt_002", "main"]
    );
    let chunks: Vec<_> = inventory.checkpoints.iter().map(|one| one.chunk).collect();
    assert_eq!(chunks, [Some(0), Some(1), Some(2), Some(3)]);
    for checkpoint in &inventory.checkpoints {
        assert_eq!(tensors(checkpoint).len(), 12, "{}", checkpoint.name);
        assert_eq!(checkpoint.weights.len(), 3);
        assert!(checkpoint.optimizer.is_empty());
        assert_eq!(checkpoint.config.as_ref().unwrap()["hidden_size"], 8);
    }
    assert_eq!(inventory.evaluations.len(), 12);
    let of = |checkpoint: &str, task: &str| {
        let found = inventory.evaluations.iter().find(|one| {
            one.checkpoint.as_deref() == Some(checkpoint) && one.results.contains_key(task)
        });
        found.unwrap().results[task].clone()
    };
    assert_eq!(of("ckpt_002", "arc_challenge")["acc"], Score::Value(0.27));
    assert_eq!(of("main", "truthfulqa_mc")["mc2"], Score::Missing);
    assert_eq!(
        of("ckpt_001", "mmlu")["score"],
        Score::Failed("running...".into())
    );
    let keys: Vec<_> = inventory
        .metrics
        .iter()
        .map(|one| (one.key.as_str(), one.points.len()))
        .collect();
    assert_eq!(
        keys,
        [
            ("grad_norm", 40),
            ("learning_rate", 40),
            ("loss", 40),
            ("speed(#tok/s/gpu)", 40)
        ]
    );
    assert_eq!(inventory.data.len(), 2);
    let sample = inventory.data[0].sampled.as_ref().unwrap();
    assert_eq!(sample.tokens_per_document, Some((2049, 2049)));
    assert_eq!(sample.keys, ["source", "token_ids"]);
    assert_eq!(sample.sources["invented_code"], 1);
    let card = &inventory.cards[0];
    assert_eq!(card.front_matter.license, ["apache-2.0"]);
    assert_eq!(card.links, ["train/", "metrics.csv"]);
    assert_eq!(inventory.problems, []);
}

#[test]
fn k2() {
    let publication = open(&fixture("k2"));
    let inventory = publication.inventory();
    assert_eq!(inventory.layout, Layout::Llm360);
    assert_eq!(
        names(inventory),
        ["ckpt_000", "ckpt_001", "spike_ckpt_001", "ckpt_002"]
    );
    for checkpoint in &inventory.checkpoints {
        assert_eq!(tensors(checkpoint).len(), 21, "{}", checkpoint.name);
        assert!(checkpoint.tensors.iter().all(|one| one.dtype == "BF16"));
    }
    let losses: Vec<_> = inventory
        .metrics
        .iter()
        .filter(|one| one.kind == Some(MetricKind::Loss))
        .collect();
    assert_eq!(losses.len(), 2);
    // The same log, as Parquet and as JSON lines.
    assert_eq!(losses[0].points, losses[1].points);
    assert_eq!(losses[0].path, "metrics/history.parquet");
    let sample = inventory.data[0].sampled.as_ref().unwrap();
    assert_eq!(inventory.data[0].kind, DataKind::Jsonl);
    assert_eq!(sample.tokens_per_document, Some((2048, 2048)));
    assert!(sample.keys.iter().any(|key| key == "tgt_mask"));
    assert_eq!(inventory.problems, []);
}

#[test]
fn crystal() {
    let publication = open(&fixture("crystal"));
    let inventory = publication.inventory();
    assert_eq!(inventory.layout, Layout::Llm360);
    let steps: Vec<_> = inventory
        .checkpoints
        .iter()
        .map(|one| one.step.unwrap())
        .collect();
    assert_eq!(steps, [1500, 3000, 79_721 + 1500, 79_721 + 214_387 + 1000]);
    for checkpoint in &inventory.checkpoints {
        let names = tensors(checkpoint);
        assert_eq!(names.len(), 17, "{names:?}");
        assert!(names.contains(&"transformer.h.0.mlp.c_fc2.weight"));
    }
    assert_eq!(inventory.problems, []);
}

#[test]
fn pythia() {
    let publication = open(&fixture("pythia"));
    let inventory = publication.inventory();
    assert_eq!(inventory.layout, Layout::Pythia);
    let steps: Vec<_> = inventory
        .checkpoints
        .iter()
        .map(|one| one.step.unwrap())
        .collect();
    assert_eq!(steps, [0, 1, 2, 4, 1000]);
    let both = &inventory.checkpoints[3];
    assert_eq!(both.weights.len(), 2);
    assert!(
        both.tensors
            .iter()
            .all(|one| one.file.ends_with(".safetensors"))
    );
    for checkpoint in &inventory.checkpoints {
        assert_eq!(tensors(checkpoint).len(), 16, "{}", checkpoint.name);
    }
    let evaluated: Vec<_> = inventory
        .evaluations
        .iter()
        .map(|one| one.checkpoint.as_deref().unwrap())
        .collect();
    assert_eq!(evaluated, ["step0", "step1", "step1000", "step2", "step4"]);
    assert_eq!(inventory.problems, []);
}

#[test]
fn olmo() {
    let publication = open(&fixture("olmo"));
    let inventory = publication.inventory();
    assert_eq!(inventory.layout, Layout::Olmo);
    let told: Vec<_> = inventory
        .checkpoints
        .iter()
        .map(|one| (one.step.unwrap(), one.tokens.unwrap() / 1_000_000_000))
        .collect();
    assert_eq!(told, [(0, 0), (1000, 5), (2000, 9), (1000, 3)]);
    for checkpoint in &inventory.checkpoints {
        let names = tensors(checkpoint);
        assert!(names.contains(&"model.layers.0.self_attn.q_norm.weight"));
    }
    assert_eq!(inventory.problems, []);
}

#[test]
fn a_trainers_folder() {
    let publication = open(&fixture("trainer"));
    let inventory = publication.inventory();
    assert_eq!(inventory.layout, Layout::HuggingFace);
    assert_eq!(names(inventory), ["checkpoint-10", "checkpoint-20", "main"]);
    let last = &inventory.checkpoints[1];
    let optimizer: Vec<_> = last.optimizer.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(
        optimizer,
        ["checkpoint-20/optimizer.pt", "checkpoint-20/scheduler.pt"]
    );
    let state = last.trainer_state.as_ref().unwrap();
    assert_eq!((state.global_step, last.tokens), (Some(20), Some(5120)));
    // The log of the first checkpoint is the beginning of the second one's.
    let losses = inventory.metrics.iter().filter(|one| one.key == "loss");
    let [loss] = losses.collect::<Vec<_>>()[..] else {
        panic!("one log");
    };
    assert_eq!(loss.path, "checkpoint-20/trainer_state.json");
    assert_eq!(loss.points, [(10, 3.4), (20, 3.3)]);
    assert_eq!(
        inventory.cards[0].front_matter.base_model,
        ["invented/base"]
    );
    assert_eq!(inventory.problems, []);
}

#[test]
fn one_checkpoint_of_many_named_by_its_folder() {
    let publication = open(&fixture("pythia/step1000"));
    let inventory = publication.inventory();
    assert_eq!(
        (names(inventory), inventory.layout),
        (vec!["step1000"], Layout::Pythia)
    );
    assert_eq!(inventory.checkpoints[0].step, Some(1000));
}

/// A folder of `huggingface_hub`'s cache: its files are links to `../../blobs`.
#[cfg(unix)]
#[test]
fn a_download_cache() {
    let cache = tempfile::tempdir().unwrap();
    let snapshot = cache.path().join("snapshots/0123");
    let blobs = cache.path().join("blobs");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(&blobs).unwrap();
    for entry in fs::read_dir(fixture("pythia/step4")).unwrap() {
        let entry = entry.unwrap();
        let blob = format!("blob-of-{}", entry.file_name().display());
        fs::copy(entry.path(), blobs.join(&blob)).unwrap();
        let target = Path::new("../../blobs").join(&blob);
        std::os::unix::fs::symlink(target, snapshot.join(entry.file_name())).unwrap();
    }
    let publication = open(&snapshot);
    let inventory = publication.inventory();
    assert_eq!(names(inventory), ["main"]);
    assert_eq!(inventory.layout, Layout::HuggingFace);
    assert_eq!(inventory.checkpoints[0].tensors.len(), 16);
    assert_eq!(inventory.problems, []);
}

#[test]
fn samples_are_the_same_values_in_every_form() {
    let publication = open(&fixture("pythia"));
    let inventory = publication.inventory();
    let name = "gpt_neox.embed_in.weight";
    let whole = publication.sample(3, name, 1 << 20).unwrap();
    assert_eq!(whole.len(), 32 * 8);
    assert!(whole.iter().all(|value| value.is_finite()) && whole.iter().any(|&value| value != 0.0));
    let few = publication.sample(3, name, 16).unwrap();
    assert_eq!((few.len(), few[0], few[15]), (16, whole[0], whole[255]));
    assert_ne!(few, publication.sample(4, name, 16).unwrap());
    // The same weights as PyTorch's file.
    let copy = tempfile::tempdir().unwrap();
    let step = fixture("pythia/step4");
    for file in ["config.json", "pytorch_model.bin"] {
        fs::copy(step.join(file), copy.path().join(file)).unwrap();
    }
    let torch = open(copy.path());
    let tensors = &torch.inventory().checkpoints[0].tensors;
    assert_eq!(tensors.len(), inventory.checkpoints[3].tensors.len());
    for tensor in tensors {
        assert_eq!(
            torch.sample(0, &tensor.name, 1 << 20).unwrap(),
            publication.sample(3, &tensor.name, 1 << 20).unwrap(),
            "{}",
            tensor.name
        );
    }
    assert!(publication.sample(3, "not.there", 16).is_err());
    assert!(publication.sample(99, name, 16).is_err());
}

#[test]
fn an_inventory_is_data() {
    for name in ["amber", "k2", "crystal", "pythia", "olmo", "trainer"] {
        let publication = open(&fixture(name));
        let text = serde_json::to_string(publication.inventory()).unwrap();
        let back: Inventory = serde_json::from_str(&text).unwrap();
        assert_eq!(back, *publication.inventory());
    }
}
