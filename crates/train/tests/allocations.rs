//! A step finds every buffer where the step before left it.

use glasswork_data::Batch;
use glasswork_kernels::{Isa, Pool};
use glasswork_model::{Engine, ModelConfig};
use glasswork_release::{Digest, config::RunConfig};
use glasswork_train::{Stepper, TrainState};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::path::Path;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn gradient_of_a_step_allocates_nothing() {
    let run = RunConfig::parse(RUN, Path::new("tiny")).expect("the configuration below is whole");
    let pool = Arc::new(Pool::new(2, Isa::best()).expect("threads"));
    let model = ModelConfig::from_run(&run).expect("a Llama");
    let profile = run.profile.parse().expect("a profile");
    let mut engine = Engine::new(model, profile, pool);
    engine.recompute(1);
    let mut state = TrainState::initial(engine.config(), engine.layout(), run.seed);
    let mut stepper = Stepper::new(run.clone(), engine, 1, 2);
    let batch = Batch {
        tokens: (0..6 * 33).map(|i| i * 7919 % 300).collect(),
        source: vec![0; 6],
        digest: Digest([0; 32]),
    };
    for _ in 0..2 {
        stepper.step(&mut state, &batch).expect("tokens fit");
    }
    // The least of several: the thread pool's queues now and then take memory of their own.
    let mut least = |work: &mut dyn FnMut(&mut TrainState)| {
        let count = |_| {
            let region = Region::new(ALLOCATOR);
            work(&mut state);
            region.change().allocations
        };
        (0..5).map(count).min()
    };
    let step = least(&mut |state| {
        stepper.step(state, &batch).expect("tokens fit");
    });
    // The digest names its tensors, the row that is returned lists the sources, and the threads are told once to
    // stay awake.
    let digest = least(&mut |state| {
        state.digest(stepper.engine());
    });
    assert_eq!(
        step,
        digest.map(|count| count + 2),
        "allocations of a step, and of its digest, its row and what keeps threads awake"
    );
}

const RUN: &str = r#"format = 1
name = "tiny"
seed = 7
profile = "f32-v1"
[model]
architecture = "llama"
vocabulary = 320
hidden = 32
layers = 3
heads = 4
kv_heads = 2
mlp = 48
sequence = 32
[tokenizer]
kind = "byte-bpe"
[[source]]
id = "none"
kind = "crate-code"
weight = 1
reference = "none"
lock = "Cargo.lock"
[gate]
allow = ["MIT"]
[split]
held_out = 0.01
eval_bytes = 1000
[training]
steps = 3
batch = 6
reduction_groups = 2
checkpoint_steps = [0, 3]
[optimizer]
kind = "adamw"
learning_rate = 1e-3
final_learning_rate = 1e-3
warm_up_steps = 1
[evaluation]
prompts = ["a"]
sample_tokens = 1
"#;
