//! The gradient is the loss's gradient, and does not depend on how the batch is cut.

use glasswork_kernels::{Isa, Pool, Profile};
use glasswork_model::{Engine, ModelConfig, ModelError, Parameters, initialise};
use std::sync::Arc;

fn config() -> ModelConfig {
    ModelConfig {
        vocabulary: 67,
        hidden: 32,
        layers: 3,
        heads: 4,
        kv_heads: 2,
        mlp: 40,
        sequence: 32,
        rope_theta: 10_000.0,
        norm_eps: 1e-5,
        initial_std: 0.2,
    }
}

fn tokens(sequences: usize) -> Vec<u32> {
    let mut state = 12_345_u32;
    (0..sequences * 33)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % 67
        })
        .collect()
}

fn engine(threads: usize, isa: Isa) -> Engine {
    engine_of(Profile::F32V1, threads, isa)
}

fn engine_of(profile: Profile, threads: usize, isa: Isa) -> Engine {
    let pool = Arc::new(Pool::new(threads, isa).expect("threads"));
    Engine::new(config(), profile, pool)
}

/// Sum of losses ÷ N, and the gradient, of four sequences cut into micro-batches.
fn run(
    engine: &mut Engine,
    weights: &Parameters,
    micro_batch: usize,
) -> (f64, Vec<u32>, Parameters) {
    let tokens = tokens(4);
    engine.load(weights, true);
    let mut gradients = Parameters::zeros(engine.layout());
    let mut all = Vec::new();
    for part in tokens.chunks(micro_batch * 33) {
        let mut losses = vec![0.0; part.len() / 33 * 32];
        engine
            .accumulate(weights, part, 1.0 / 128.0, &mut gradients, &mut losses)
            .expect("tokens fit");
        all.extend(losses);
    }
    let loss = all.iter().map(|&x| f64::from(x)).sum::<f64>() / 128.0;
    let bits = all
        .iter()
        .chain(&gradients.data)
        .map(|x| x.to_bits())
        .collect();
    (loss, bits, gradients)
}

#[test]
fn gradient_predicts_the_change_of_the_loss_for_every_tensor() {
    let mut engine = engine(2, Isa::best());
    let weights = initialise(&config(), engine.layout(), 7);
    let (_, _, gradients) = run(&mut engine, &weights, 4);
    for slot in engine.layout().tensors().to_vec() {
        // Walk along the tensor's own gradient, both ways.
        let part = &gradients.data[slot.range.clone()];
        let square: f64 = part.iter().map(|&g| f64::from(g).powi(2)).sum();
        let step = 0.01 / square.sqrt().max(1e-3);
        let mut at = |sign: f64| {
            let mut moved = weights.clone();
            for (w, &g) in moved.data[slot.range.clone()].iter_mut().zip(part) {
                *w += (sign * step * f64::from(g)) as f32;
            }
            run(&mut engine, &moved, 4).0
        };
        let measured = (at(1.0) - at(-1.0)) / (2.0 * step);
        let relative = (measured - square).abs() / square;
        assert!(
            relative < 5e-3,
            "{}: predicted {square}, measured {measured}",
            slot.name
        );
    }
}

#[test]
fn bits_do_not_depend_on_micro_batch_threads_or_instruction_set() {
    Profile::ALL.into_iter().for_each(bits_of);
}

fn bits_of(profile: Profile) {
    let mut first = None;
    for isa in Isa::available() {
        for threads in [1, 2, 3] {
            let mut engine = engine_of(profile, threads, isa);
            let weights = initialise(&config(), engine.layout(), 7);
            for micro_batch in [1, 2, 3, 4] {
                let (_, bits, _) = run(&mut engine, &weights, micro_batch);
                let first = first.get_or_insert_with(|| bits.clone());
                assert!(
                    *first == bits,
                    "{profile}, {} × {threads} threads, micro-batch {micro_batch}",
                    isa.name()
                );
            }
        }
    }
}

#[test]
fn recomputed_layers_give_the_bits_of_kept_ones() {
    for profile in Profile::ALL {
        let mut first = None;
        let mut engine = engine_of(profile, 2, Isa::best());
        let weights = initialise(&config(), engine.layout(), 7);
        // Up and down again: what one setting leaves in a buffer must not serve the next.
        for recomputed in [0, 1, 2, 99, 1, 0] {
            engine.recompute(recomputed);
            let (_, bits, _) = run(&mut engine, &weights, 3);
            let first = first.get_or_insert_with(|| bits.clone());
            assert!(*first == bits, "{profile}, {recomputed} layers recomputed");
        }
    }
}

#[test]
fn score_gives_the_losses_of_training_alone_or_in_a_batch() {
    let mut engine = engine(2, Isa::best());
    let weights = initialise(&config(), engine.layout(), 7);
    engine.load(&weights, false);
    let (_, trained, _) = run(&mut engine, &weights, 4);
    let tokens = tokens(4);
    for (row, sequence) in tokens.chunks_exact(33).enumerate() {
        let mut losses = vec![0.0; 32];
        engine
            .score(&weights, &sequence[..32], &sequence[1..], 32, &mut losses)
            .expect("tokens fit");
        let bits: Vec<u32> = losses.iter().map(|x| x.to_bits()).collect();
        assert_eq!(bits, trained[row * 32..][..32]);
    }
}

#[test]
fn token_outside_the_vocabulary_is_an_error() {
    let mut engine = engine(1, Isa::Scalar);
    let weights = initialise(&config(), engine.layout(), 7);
    engine.load(&weights, false);
    let error = engine
        .next_logits(&weights, &[1, 67])
        .expect_err("67 rows only");
    assert!(matches!(
        error,
        ModelError::Token {
            token: 67,
            vocabulary: 67
        }
    ));
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let engine = engine(1, Isa::Scalar);
    let names: Vec<String> = engine
        .layout()
        .tensors()
        .iter()
        .map(|t| t.name.clone())
        .collect();
    let load = |names: &[&str], length: usize| {
        Parameters::from_source(engine.layout(), names.iter().copied(), |_| {
            Some(vec![0.0; length])
        })
        .expect_err("wrong tensors")
    };
    assert!(matches!(
        load(&["model.extra"], 1),
        ModelError::ExtraTensor(name) if name == "model.extra"
    ));
    let error = load(&names.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    assert_eq!(
        error.to_string(),
        "tensor `lm_head.weight` has 1 elements where the configuration needs 2144"
    );
}

/// Operands of 8 bits of fraction move a loss a little, never far.
#[test]
fn both_profiles_compute_nearly_the_same() {
    let losses = Profile::ALL.map(|profile| {
        let mut engine = engine_of(profile, 2, Isa::best());
        let weights = initialise(&config(), engine.layout(), 7);
        run(&mut engine, &weights, 4).0
    });
    assert!(losses[0] != losses[1], "operands are rounded");
    assert!((losses[0] - losses[1]).abs() < 0.02, "{losses:?}");
}
