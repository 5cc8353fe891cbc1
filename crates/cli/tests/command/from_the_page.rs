//! `docs/recompute_step`, which is `docs/numerics.md` in C and shares nothing with this program, gives the
//! first step's bits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use glasswork_data::SequenceStore;
use glasswork_kernels::{Isa, Pool};
use glasswork_model::Engine;
use glasswork_release::config::RunConfig;
use glasswork_release::metrics::Metrics;
use glasswork_release::{Digest, layout};
use glasswork_train::{Stepper, TrainState};

use crate::corpus::{Answer, Corpus};

/// Widths that are no multiples of 16 or 32, so that every padding rule and every tail of lanes
/// enters; three query heads a key-value head; two blocks of 32 tokens; groups of two and three
/// sequences; a gradient that is clipped.
const SHAPE: [(&str, &str); 9] = [
    ("vocabulary = 320", "vocabulary = 299"),
    ("hidden = 32", "hidden = 36"),
    ("heads = 4", "heads = 6"),
    ("mlp = 48", "mlp = 50"),
    ("sequence = 32", "sequence = 64"),
    ("steps = 20", "steps = 2"),
    ("batch = 6", "batch = 5"),
    ("[0, 1, 5, 10, 15, 20]", "[0, 1, 2]"),
    ("warm_up_steps = 4", "warm_up_steps = 0\nclip = 0.5"),
];

/// The compiled program.
fn recompute_step(directory: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/recompute_step/main.c");
    let program = directory.join("recompute_step");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-O1", "-ffp-contract=off", "-o"])
        .args([&program, &source])
        .arg("-lm");
    Answer::of(&mut cc).exits(0);
    program
}

/// Scores that differ, so that attention is no mean and logits no constant.
const ORDINARY: &str = "0.3";
/// Gradients of the feed-forward part that are subnormal, or too small even for that.
const FAINT: &str = "2e-9";

/// What the C program prints, and what this one gives for the same words.
fn both(profile: &str, groups: usize, initial_std: &str) -> [BTreeMap<String, String>; 2] {
    let mut corpus = Corpus::new()
        .edit("f32-v1", profile)
        .edit(
            "heads = 4",
            &format!("initial_std = {initial_std}\nheads = 4"),
        )
        .edit(
            "reduction_groups = 1",
            &format!("reduction_groups = {groups}"),
        );
    for (from, to) in SHAPE {
        corpus = corpus.edit(from, to);
    }
    corpus.prep().exits(0);
    corpus.train(&["--micro-batch", "2"]).exits(0);
    let release = corpus.release();
    let program = recompute_step(corpus.path());
    let printed = Answer::of(Command::new(program).arg(&release)).exits(0).out;
    let from_the_page = printed
        .lines()
        .map(|line| line.rsplit_once(' ').expect("words and bits"))
        .map(|(what, bits)| (what.to_owned(), bits.to_owned()))
        .collect();
    [from_the_page, ours(&release)]
}

fn ours(release: &Path) -> BTreeMap<String, String> {
    let run = RunConfig::load(&release.join(layout::RUN)).expect("reads");
    let pool = Arc::new(Pool::new(2, Isa::best()).expect("threads"));
    let engine = Engine::of_run(&run, pool).expect("a model");
    let state = TrainState::initial(engine.config(), engine.layout(), run.seed);
    let store = SequenceStore::open(release).expect("opens");
    let batch = store.batch(1, run.training.batch).expect("reads");
    let elements = state.weights.data.len();
    let mut stepper = Stepper::new(run, engine, store.sources().len(), 2);
    let (loss, gradient) = stepper
        .loss_and_gradient(&state.weights, &batch)
        .expect("computes");
    let recorded = &Metrics::read(&release.join(layout::STEPS))
        .expect("reads")
        .rows[0];
    assert_eq!(loss.to_bits(), recorded.loss.to_bits());
    let mut all: BTreeMap<String, String> = gradient
        .iter()
        .map(|(slot, values)| {
            let digest = Digest::of(bytemuck::cast_slice(values)).to_string();
            (format!("gradient {}", slot.name), digest)
        })
        .collect();
    for (what, value) in [
        (
            format!("initial weights {elements} of"),
            elements.to_string(),
        ),
        ("loss".into(), format!("{:016x}", recorded.loss.to_bits())),
        (
            "grad_norm".into(),
            format!("{:016x}", recorded.grad_norm.to_bits()),
        ),
        (
            "learning_rate".into(),
            format!("{:08x}", recorded.learning_rate.to_bits()),
        ),
        ("state".into(), recorded.state_digest.to_string()),
    ] {
        all.insert(what, value);
    }
    all
}

fn agree(profile: &str, groups: usize, initial_std: &str) {
    let [from_the_page, ours] = both(profile, groups, initial_std);
    assert_eq!(ours.len(), 5 + 3 + 2 * 9, "every tensor of two layers");
    let what = format!("{profile}, {groups} groups, deviation {initial_std}");
    assert_eq!(from_the_page, ours, "{what}");
}

#[test]
fn f32_step_follows_from_the_page() {
    agree("f32-v1", 1, ORDINARY);
    agree("f32-v1", 2, ORDINARY);
    agree("f32-v1", 2, FAINT);
}

#[test]
fn bf16_step_follows_from_the_page() {
    agree("bf16-v1", 1, ORDINARY);
    agree("bf16-v1", 2, ORDINARY);
    agree("bf16-v1", 2, FAINT);
}
