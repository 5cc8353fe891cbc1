//! A small release that was never trained: every part is there and agrees with the rest.

use std::path::Path;

use glasswork_release::checkpoint::{CheckpointInputs, Commitment, write_checkpoint};
use glasswork_release::config::RunConfig;
use glasswork_release::ledger::{Event, Ledger};
use glasswork_release::metrics::{Metrics, SourceLoss, StepRow};
use glasswork_release::npy::{TokenFile, write_tokens};
use glasswork_release::safetensors::TensorView;
use glasswork_release::sequence::{batches_digest, sequence_digest_of};
use glasswork_release::state::{TensorEntry, state_digest};
use glasswork_release::{Digest, Dtype, FORMAT, atomic, batch_digest, layout, seal};

pub(crate) const RUN: &str = r#"format = 1
name = "small"
seed = 7

[model]
vocabulary = 300
hidden = 8
layers = 1
heads = 2
mlp = 16
sequence = 32

[[source]]
id = "code"
kind = "crate-code"
weight = 3
reference = "https://crates.io"
lock = "Cargo.lock"

[[source]]
id = "docs"
kind = "html-docs"
weight = 1
reference = "https://doc.rust-lang.org"
pins = "pins.txt"
licence = "MIT OR Apache-2.0"
licence_evidence = "COPYRIGHT.html"

[gate]
allow = ["MIT"]

[training]
steps = 4
batch = 2
checkpoint_steps = [0, 2, 4]

[optimizer]
learning_rate = 1e-3
"#;

/// The configuration of [`release`].
pub(crate) fn config() -> RunConfig {
    RunConfig::parse(RUN, Path::new("run.toml")).unwrap()
}

/// The state after `step` updates: two weights and their moments, different at every step.
pub(crate) struct State {
    pub(crate) tensors: Vec<(String, Vec<usize>, Vec<u8>)>,
}

impl State {
    pub(crate) fn at(step: u64) -> Self {
        let bytes = |salt: u64, n: u64| -> Vec<u8> {
            (0..n)
                .flat_map(|i| ((step * 1000 + salt * 100 + i) as f32).to_le_bytes())
                .collect()
        };
        let mut tensors = Vec::new();
        for (salt, (name, shape)) in [
            ("model.embed.weight", vec![3, 2]),
            ("model.norm.weight", vec![5]),
        ]
        .into_iter()
        .enumerate()
        {
            let n = shape.iter().product::<usize>() as u64;
            for (k, prefix) in ["", "optimizer.m.", "optimizer.v."].into_iter().enumerate() {
                tensors.push((
                    format!("{prefix}{name}"),
                    shape.clone(),
                    bytes((3 * salt + k) as u64, n),
                ));
            }
        }
        Self { tensors }
    }

    pub(crate) fn views(&self, optimizer: bool) -> Vec<TensorView<'_>> {
        let mine = |name: &str| name.starts_with("optimizer.") == optimizer;
        let tensors = self.tensors.iter().filter(|t| mine(&t.0));
        tensors
            .map(|(name, shape, bytes)| (name.as_str(), Dtype::F32, &shape[..], &bytes[..]))
            .collect()
    }

    pub(crate) fn digest(&self, step: u64) -> Digest {
        let entry = |(name, shape, bytes): &(String, Vec<usize>, Vec<u8>)| {
            TensorEntry::of(name, Dtype::F32, shape, bytes)
        };
        state_digest(step, &self.tensors.iter().map(entry).collect::<Vec<_>>())
    }
}

/// Makes a sealed release in `dir` and returns its root.
pub(crate) fn release(dir: &Path) -> Digest {
    let config = config();
    let (steps, batch) = (config.training.steps, config.training.batch);
    atomic::write_file(&dir.join(layout::RUN), config.to_toml().as_bytes()).unwrap();
    atomic::write_file(&dir.join(layout::CODE), b"{}").unwrap();
    atomic::write_file(&dir.join(layout::SOURCES), b"{}").unwrap();
    // Two chunks that cut a batch in two: five rows and three.
    let cols = config.model.sequence + 1;
    let tokens: Vec<u16> = (0..config.rows() as usize * cols)
        .map(|i| (i * 7 % 300) as u16)
        .collect();
    write_tokens(&dir.join(layout::chunk(0)), 5, cols, &tokens[..5 * cols]).unwrap();
    write_tokens(&dir.join(layout::chunk(1)), 3, cols, &tokens[5 * cols..]).unwrap();
    assert_eq!(
        TokenFile::open(&dir.join(layout::chunk(1))).unwrap().rows(),
        3
    );
    let mut metrics = Metrics::new(vec!["code".into(), "docs".into()]);
    for step in 1..=steps {
        let rows = (step as usize - 1) * batch * cols..step as usize * batch * cols;
        let raw: Vec<u8> = tokens[rows].iter().flat_map(|t| t.to_le_bytes()).collect();
        metrics.rows.push(StepRow {
            step,
            tokens: step * config.tokens_per_step(),
            loss: 5.0 / step as f64,
            grad_norm: 1.0,
            learning_rate: 1e-3,
            batch_digest: batch_digest(&raw),
            state_digest: State::at(step).digest(step),
            sources: vec![
                SourceLoss {
                    targets: 64,
                    loss: 5.0,
                },
                SourceLoss {
                    targets: 0,
                    loss: f64::NAN,
                },
            ],
        });
    }
    metrics.write(&dir.join(layout::STEPS)).unwrap();
    let sequence_digest = sequence_digest_of(dir).unwrap();
    let mut ledger = Ledger::open(&dir.join(layout::LEDGER)).unwrap();
    let run = Event::Run {
        format: FORMAT,
        config_digest: config.digest(),
        profile: config.profile.clone(),
        sequence_digest,
        name: config.name.clone(),
    };
    ledger.append(run).unwrap();
    let digest = Digest::of_file(&dir.join(layout::SOURCES)).unwrap();
    ledger
        .append(Event::Stage {
            stage: "sources".into(),
            digest,
        })
        .unwrap();
    let mut parent: Option<(u64, Digest)> = None;
    for &to in &config.training.checkpoint_steps {
        let from = parent.map_or(0, |p| p.0);
        let state = State::at(to);
        let commitment = Commitment {
            parent: parent.map(|p| p.1),
            config_digest: config.digest(),
            profile: config.profile.clone(),
            sequence_digest,
            batch_digests: metrics.batch_digests(from..to),
            metrics_digest: metrics.rows_digest(from..to).unwrap(),
            state_digest: state.digest(to),
        };
        let inputs = CheckpointInputs {
            step: to,
            tokens: to * config.tokens_per_step(),
            commitment,
        };
        let manifest =
            write_checkpoint(dir, &inputs, &state.views(false), &state.views(true), b"{}").unwrap();
        let segment = Event::Segment {
            from,
            to,
            tokens: manifest.tokens,
            commitment: manifest.commitment,
            state_digest: manifest.state_digest,
            metrics_digest: inputs.commitment.metrics_digest,
            batches_digest: batches_digest(&inputs.commitment.batch_digests),
        };
        ledger.append(segment).unwrap();
        parent = Some((to, manifest.commitment));
    }
    seal::seal(dir, "small").unwrap()
}
