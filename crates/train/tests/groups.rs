//! Groups are what other workers may own: computed in any order, each on another machine with other
//! threads and micro-batches, their gradients give the step's bits once they are added in the tree.

use glasswork_data::Batch;
use glasswork_kernels::{Isa, Pool, Profile, elementwise};
use glasswork_model::{Engine, Parameters};
use glasswork_release::Digest;
use glasswork_release::config::RunConfig;
use glasswork_train::{Stepper, TrainState};
use std::path::Path;
use std::sync::Arc;

const SEQUENCE: usize = 32;
/// No group count divides it: groups are of unequal size.
const BATCH: usize = 11;

fn run(profile: Profile, groups: usize) -> RunConfig {
    let text = format!(
        r#"format = 1
name = "groups"
seed = 7
profile = "{profile}"
[model]
vocabulary = 300
hidden = 36
layers = 2
heads = 6
kv_heads = 2
mlp = 50
sequence = {SEQUENCE}
initial_std = 0.2
[[source]]
id = "code"
kind = "crate-code"
weight = 1
reference = "-"
lock = "Cargo.lock"
[gate]
allow = ["MIT"]
[training]
steps = 1
batch = {BATCH}
reduction_groups = {groups}
[optimizer]
learning_rate = 1e-3
"#
    );
    RunConfig::parse(&text, Path::new("groups")).expect("the configuration above is whole")
}

/// A worker: an engine of its own.
fn engine(run: &RunConfig, isa: Isa, threads: usize) -> Engine {
    let pool = Arc::new(Pool::new(threads, isa).expect("threads"));
    Engine::of_run(run, pool).expect("a model")
}

fn batch() -> Batch {
    let mut state = 1_u32;
    let mut token = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % 300
    };
    Batch {
        tokens: (0..BATCH * (SEQUENCE + 1)).map(|_| token()).collect(),
        source: vec![0; BATCH],
        digest: Digest([0; 32]),
    }
}

/// Gradient and sum of losses of one group.
type Part = (Parameters, f64);

fn of_group(
    worker: &mut Engine,
    weights: &Parameters,
    group: usize,
    groups: usize,
    micro: usize,
) -> Part {
    let (from, to) = (group * BATCH / groups, (group + 1) * BATCH / groups);
    let scale = (1.0 / (BATCH * SEQUENCE) as f64) as f32;
    let mut gradient = Parameters::zeros(worker.layout());
    let mut sum = 0.0;
    worker.load(weights, true);
    let tokens = &batch().tokens[from * (SEQUENCE + 1)..to * (SEQUENCE + 1)];
    for tokens in tokens.chunks(micro * (SEQUENCE + 1)) {
        let mut losses = vec![0.0; tokens.len() / (SEQUENCE + 1) * SEQUENCE];
        worker
            .accumulate(weights, tokens, scale, &mut gradient, &mut losses)
            .expect("tokens fit");
        sum = losses.iter().fold(sum, |sum, &loss| sum + f64::from(loss));
    }
    (gradient, sum)
}

/// `((g₀+g₁)+(g₂+g₃))+…` of parts in the order of their groups.
fn tree(pool: &Pool, mut parts: Vec<Part>) -> Part {
    while parts.len() > 1 {
        let mut next = Vec::new();
        let mut each = parts.into_iter();
        while let (Some(mut left), Some(right)) = (each.next(), each.next()) {
            elementwise::add(pool, &mut left.0.data, &right.0.data);
            next.push((left.0, left.1 + right.1));
        }
        parts = next;
    }
    parts.remove(0)
}

fn bits((gradient, loss): &Part) -> (Vec<u32>, u64) {
    (
        gradient.data.iter().map(|x| x.to_bits()).collect(),
        loss.to_bits(),
    )
}

#[test]
fn groups_in_any_order_on_any_worker_give_the_steps_gradient() {
    let isas = Isa::available();
    for profile in Profile::ALL {
        let mut steps = Vec::new();
        for groups in [1, 2, 4, 8] {
            let run = run(profile, groups);
            let mut stepper = Stepper::new(run.clone(), engine(&run, Isa::best(), 2), 1, 3);
            let layout = stepper.engine().layout();
            let weights = TrainState::initial(stepper.engine().config(), layout, run.seed).weights;
            let (loss, gradient) = stepper
                .loss_and_gradient(&weights, &batch())
                .expect("tokens fit");
            let step = (gradient, loss);
            // Backwards, and by a stride that visits every group: 5 and the powers of two share no factor.
            let backwards: Vec<usize> = (0..groups).rev().collect();
            let jumping: Vec<usize> = (0..groups).map(|index| index * 5 % groups).collect();
            for (round, order) in [backwards, jumping].into_iter().enumerate() {
                let mut parts: Vec<(usize, Part)> = order
                    .into_iter()
                    .map(|group| {
                        let isa = isas[(group + round) % isas.len()];
                        let mut worker = engine(&run, isa, [1, 2, 3, 8][(group + 2 * round) % 4]);
                        (
                            group,
                            of_group(&mut worker, &weights, group, groups, 1 + group % 3),
                        )
                    })
                    .collect();
                parts.sort_by_key(|(group, _)| *group);
                let parts = parts.into_iter().map(|(_, part)| part).collect();
                let mut all = tree(stepper.engine().pool(), parts);
                all.1 /= (BATCH * SEQUENCE) as f64;
                assert!(
                    bits(&all) == bits(&step),
                    "{profile}, {groups} groups, round {round}"
                );
            }
            steps.push(bits(&step).0);
        }
        // Another number of groups is another computation; a test that cannot tell would be none.
        steps.dedup();
        assert_eq!(steps.len(), 4, "{profile}");
    }
}
