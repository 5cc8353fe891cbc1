//! A sound publication, drawn from a seed: every detector must leave it alone.

use std::collections::BTreeMap;

use glasswork_audit::publication::Severity;
use glasswork_audit::publication::{Finding, Samples, Sampling, Subject, detectors, usual_use};
use glasswork_published::{
    Card, Checkpoint, DataFile, DataKind, Evaluation, FrontMatter, Inventory, Layout, MetricKind,
    MetricSeries, Score, StoredFile, Tensor,
};
use serde_json::json;

use crate::draw::{Draw, Planted, Schedule, bf16, loss, trajectory};

/// A publication with its weights.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) inventory: Inventory,
    pub(crate) weights: Planted,
    pub(crate) reachable: BTreeMap<String, bool>,
}

impl World {
    /// What one detector says that is more than a note.
    pub(crate) fn alarms(&self, detector: &str) -> Vec<Finding> {
        let sampling = Sampling {
            tensors: 4,
            values: 1024,
            checkpoints: 64,
        };
        let samples = Samples::draw(&self.inventory, &self.weights, sampling);
        let of = Subject {
            inventory: &self.inventory,
            samples: &samples,
            reachable: &self.reachable,
            intended: usual_use(),
        };
        let (_, detect) = detectors::DETECTORS
            .iter()
            .find(|(id, _)| *id == detector)
            .expect("is a detector");
        detect(&of)
            .into_iter()
            .filter(|finding| finding.severity > Severity::Note)
            .collect()
    }

    pub(crate) fn card(&mut self) -> &mut Card {
        &mut self.inventory.cards[0]
    }

    pub(crate) fn series(&mut self, kind: MetricKind) -> &mut Vec<(u64, f64)> {
        let found = self
            .inventory
            .metrics
            .iter_mut()
            .find(|series| series.kind == Some(kind));
        &mut found.expect("is drawn").points
    }
}

/// How steps are spaced.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Cadence {
    /// 0, d, 2d …
    Even,
    /// 0, 1, 2, 4 … 512, then even.
    Pythia,
    /// d, 2d … with a change of d half way.
    Changing,
}

/// Steps of a cadence with about `n` checkpoints.
fn steps(draw: &mut Draw, cadence: Cadence, n: usize) -> Vec<u64> {
    let d = [250, 500, 1000, 1500][draw.below(4)];
    let mut steps: Vec<u64> = match cadence {
        Cadence::Even => (0..n as u64).map(|i| i * d).collect(),
        Cadence::Pythia => [0]
            .into_iter()
            .chain((0..10).map(|power| 1 << power))
            .chain((1..=n as u64).map(|i| i * 1000))
            .collect(),
        Cadence::Changing => {
            let half = (n as u64 / 2) * d;
            (0..=n as u64 / 2)
                .map(|i| i * d)
                .chain((1..=n as u64 / 2).map(|i| half + i * 2 * d))
                .collect()
        }
    };
    // Trainings end where they end.
    if draw.chance(0.3) {
        let last = steps.last().copied().unwrap_or(0);
        steps.push(last + d / 3 + 1);
    }
    steps
}

/// Which names checkpoints have.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Naming {
    Pythia,
    Olmo,
}

/// A sound publication. `cadence` and `naming` may be fixed by a case that needs them.
pub(crate) fn sound(draw: &mut Draw, cadence: Option<Cadence>, naming: Option<Naming>) -> World {
    let cadence =
        cadence.unwrap_or([Cadence::Even, Cadence::Pythia, Cadence::Changing][draw.below(3)]);
    let naming = naming.unwrap_or([Naming::Pythia, Naming::Olmo][draw.below(2)]);
    let n = 12 + draw.below(14);
    let steps = steps(draw, cadence, n);
    let last = steps.last().copied().expect("at least twelve");
    let schedule = Schedule::ALL[draw.below(4)];
    let warm_up = [200_u64, 500, 1000][draw.below(3)].min(last / 10).max(20);
    let (mut values, mut norms) = trajectory(draw, &steps, schedule, warm_up as f64);
    let half = draw.chance(0.4);
    if half {
        for value in values.iter_mut().chain(&mut norms).flatten() {
            *value = bf16(*value);
        }
    }
    let shape = Shape::drawn(draw, if half { "BF16" } else { "F32" });
    let batch = [512_u64, 1024, 2048, 2240][draw.below(4)];
    let sequence = 2048_u64;
    let mut checkpoints: Vec<Checkpoint> = steps
        .iter()
        .map(|step| {
            let tokens = step * batch * sequence;
            let billions = tokens.div_ceil(1_000_000_000);
            let name = match naming {
                Naming::Pythia => format!("step{step}"),
                Naming::Olmo => format!("stage1-step{step}-tokens{billions}B"),
            };
            let mut one = shape.checkpoint(draw, &name);
            one.step = Some(*step);
            one.tokens = (naming == Naming::Olmo).then_some(billions * 1_000_000_000);
            one
        })
        .collect();
    // `main` is the last one, under another name.
    if draw.chance(0.5) {
        let mut main = checkpoints.last().expect("at least twelve").clone();
        main.name = "main".into();
        checkpoints.push(main);
        values.push(values.last().expect("as many").clone());
        norms.push(norms.last().expect("as many").clone());
    }
    let card = card(
        draw,
        &Statements {
            tokens: last * batch * sequence,
            steps: last,
            batch,
            sequence,
            warm_up,
            checkpoints: checkpoints.len() as u64,
        },
    );
    let evaluations = evaluations(draw, &checkpoints);
    let inventory = Inventory {
        place: "hf:owner/name".into(),
        layout: Layout::Pythia,
        cards: vec![card],
        checkpoints,
        data: vec![DataFile {
            path: "data/train_000.jsonl".into(),
            bytes: 1000,
            sha256: None,
            kind: DataKind::Jsonl,
            sampled: None,
        }],
        evaluations,
        metrics: metrics(draw, schedule, warm_up, last),
        code: vec![StoredFile {
            path: "train.py".into(),
            bytes: 100,
            sha256: None,
        }],
        ..Inventory::default()
    };
    let mut world = World {
        weights: Planted::of(&inventory, values, norms),
        reachable: BTreeMap::from([("owner/data".to_owned(), true)]),
        inventory,
    };
    crate::licences::license(&mut world);
    world
}

/// Sizes of a model.
struct Shape {
    vocabulary: u64,
    hidden: u64,
    inner: u64,
    layers: u64,
    heads: u64,
    groups: u64,
    tied: bool,
    dtype: &'static str,
}

impl Shape {
    fn drawn(draw: &mut Draw, dtype: &'static str) -> Self {
        let heads = [4, 8][draw.below(2)];
        Self {
            vocabulary: [32_000, 32_032, 50_304][draw.below(3)],
            hidden: [256, 512][draw.below(2)],
            inner: [688, 1376][draw.below(2)],
            layers: 2 + draw.below(3) as u64,
            heads,
            groups: if draw.chance(0.5) { heads } else { heads / 2 },
            tied: draw.chance(0.3),
            dtype,
        }
    }

    fn config(&self) -> serde_json::Value {
        json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": self.vocabulary,
            "hidden_size": self.hidden, "intermediate_size": self.inner, "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads, "num_key_value_heads": self.groups, "max_position_embeddings": 2048,
            "tie_word_embeddings": self.tied, "rms_norm_eps": 1e-6,
        })
    }

    fn tensors(&self, file: &str) -> Vec<Tensor> {
        let head_dim = self.hidden / self.heads;
        let mut shapes = vec![(
            "model.embed_tokens.weight".to_owned(),
            vec![self.vocabulary, self.hidden],
        )];
        for layer in 0..self.layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
            shapes.extend([
                (name("self_attn.q_proj"), vec![self.hidden, self.hidden]),
                (
                    name("self_attn.k_proj"),
                    vec![self.groups * head_dim, self.hidden],
                ),
                (
                    name("self_attn.v_proj"),
                    vec![self.groups * head_dim, self.hidden],
                ),
                (name("self_attn.o_proj"), vec![self.hidden, self.hidden]),
                (name("mlp.gate_proj"), vec![self.inner, self.hidden]),
                (name("mlp.up_proj"), vec![self.inner, self.hidden]),
                (name("mlp.down_proj"), vec![self.hidden, self.inner]),
                (name("input_layernorm"), vec![self.hidden]),
            ]);
        }
        if !self.tied {
            shapes.push(("lm_head.weight".into(), vec![self.vocabulary, self.hidden]));
        }
        let width = if self.dtype == "F32" { 4 } else { 2 };
        let mut at = 1000;
        shapes
            .into_iter()
            .map(|(name, shape)| {
                let bytes = width * shape.iter().product::<u64>();
                let tensor = tensor(name, shape, self.dtype, file, at, at + bytes);
                at += bytes;
                tensor
            })
            .collect()
    }

    fn checkpoint(&self, draw: &mut Draw, name: &str) -> Checkpoint {
        let file = format!("{name}/model-00001-of-00001.safetensors");
        let tensors = self.tensors(&file);
        let bytes = tensors
            .iter()
            .filter_map(|tensor| tensor.end)
            .max()
            .expect("has tensors");
        let stored = |path: String, bytes, draw: &mut Draw| StoredFile {
            path,
            bytes,
            sha256: Some(format!("{:016x}{:016x}", draw.next(), draw.next())),
        };
        Checkpoint {
            name: name.into(),
            folder: name.into(),
            config: Some(self.config()),
            tensors,
            weights: vec![stored(file, bytes, draw)],
            optimizer: vec![stored(format!("{name}/optimizer.pt"), 2 * bytes, draw)],
            ..Checkpoint::default()
        }
    }
}

fn tensor(name: String, shape: Vec<u64>, dtype: &str, file: &str, start: u64, end: u64) -> Tensor {
    Tensor {
        name,
        shape,
        dtype: dtype.into(),
        file: file.into(),
        start: Some(start),
        end: Some(end),
    }
}

struct Statements {
    tokens: u64,
    steps: u64,
    batch: u64,
    sequence: u64,
    warm_up: u64,
    checkpoints: u64,
}

/// A card whose statements agree, rounded as people round, with lines that only look like statements.
fn card(draw: &mut Draw, says: &Statements) -> Card {
    let billions = says.tokens as f64 / 1e9;
    let total = match draw.below(3) {
        0 => format!("{billions:.0}B tokens"),
        1 => format!("{billions:.1} billion tokens"),
        _ => format!("approximately {billions:.1}B tokens"),
    };
    let mut text = format!(
        "# Model\n\nA decoder of 7B parameters, trained on {total} in {} intermediate checkpoints.\n\n\
         | Training steps | {} |\n| Batch size | {} |\n| Sequence length | {} |\n| Learning rate | 3e-4 |\n\
         | Warmup steps | {} |\n\nEach chunk holds 3.5B tokens. The data is in [train](data/train_000.jsonl); the report \
         is at [arXiv](https://arxiv.org/abs/0000.00000). Training code: [train.py](./train.py#L1).\n",
        says.checkpoints, says.steps, says.batch, says.sequence, says.warm_up
    );
    if draw.chance(0.3) {
        text.push_str("\nCompared with others trained on 2T tokens it does well. Total of 197.67B tokens per source.\n");
    }
    if draw.chance(0.3) {
        text.push_str("\nIt can be fine-tuned for your own use; contact mail@example.org.\n");
    }
    Card {
        path: "README.md".into(),
        front_matter: FrontMatter {
            license: vec!["apache-2.0".into()],
            datasets: vec!["owner/data".into()],
            ..FrontMatter::default()
        },
        links: vec![
            "data/train_000.jsonl".into(),
            "https://arxiv.org/abs/0000.00000".into(),
            "./train.py#L1".into(),
        ],
        text,
    }
}

fn evaluations(draw: &mut Draw, checkpoints: &[Checkpoint]) -> Vec<Evaluation> {
    let generation = draw.chance(0.5);
    checkpoints
        .iter()
        .filter(|one| one.name != "main")
        .enumerate()
        .map(|(i, one)| {
            let mut score = |floor: f64| Score::Value(floor + 0.01 * i as f64 + 0.01 * draw.unit());
            let mut results = BTreeMap::new();
            for (task, floor) in [
                ("arc_challenge", 0.2),
                ("hellaswag", 0.25),
                ("truthfulqa_mc2", 0.4),
            ] {
                let metrics = BTreeMap::from([
                    ("acc,none".to_owned(), score(floor)),
                    ("acc_norm,none".to_owned(), score(floor)),
                    ("acc_stderr,none".to_owned(), Score::Value(0.0)),
                ]);
                results.insert(task.to_owned(), metrics);
            }
            // No answer is right early on: 0 of a generation is a score.
            if generation {
                let exact = Score::Value(0.02 * (i as f64 - 5.0).max(0.0));
                let metrics = BTreeMap::from([
                    ("exact_match,strict-match".to_owned(), exact),
                    (
                        "exact_match_stderr,strict-match".to_owned(),
                        Score::Failed("N/A".into()),
                    ),
                ]);
                results.insert("gsm8k".to_owned(), metrics);
            }
            Evaluation {
                path: format!("{}/eval.json", one.name),
                checkpoint: Some(one.name.clone()),
                results,
                ..Evaluation::default()
            }
        })
        .collect()
}

fn metrics(draw: &mut Draw, schedule: Schedule, warm_up: u64, last: u64) -> Vec<MetricSeries> {
    let every = (last / (1500 + draw.below(2000) as u64)).max(1);
    let mut steps: Vec<u64> = (0..=last / every).map(|i| i * every).collect();
    // A few lines of a log get lost.
    if draw.chance(0.3) {
        let all = steps.len();
        for _ in 0..1 + draw.below(4) {
            steps.remove(1 + draw.below(all - 100));
        }
    }
    let series = |key: &str, kind, points| MetricSeries {
        path: "metrics.csv".into(),
        key: key.into(),
        kind: Some(kind),
        points,
    };
    let rate = |step: &u64| {
        (
            *step,
            3e-4 * schedule.at(*step as f64, warm_up as f64, last as f64, 0.1),
        )
    };
    let norm_noise = draw.between(0.05, 0.15);
    let norms = steps
        .iter()
        .map(|step| (*step, 0.4 * (1.0 + norm_noise * draw.normal())))
        .collect();
    let mut metrics = vec![
        series(
            "learning_rate",
            MetricKind::LearningRate,
            steps.iter().map(rate).collect(),
        ),
        series("grad_norm", MetricKind::GradNorm, norms),
    ];
    metrics.insert(0, series("loss", MetricKind::Loss, loss(draw, &steps)));
    metrics
}
