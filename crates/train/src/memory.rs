//! What training keeps in memory, known before anything runs.

use glasswork_kernels::{Numerics, attention, gemm};
use glasswork_model::{Engine, Layout, ModelConfig};
use glasswork_release::config::RunConfig;

/// How the work of a step is cut. It changes memory and speed, never a bit of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Sequences computed at a time.
    pub micro_batch: usize,
    /// Layers whose activations the backward pass makes again instead of finding them kept.
    pub recomputed: usize,
}

/// Memory of a training process at its peak, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The weights.
    pub weights: u64,
    /// The weights once more, in the order in which the products read them.
    pub packed: u64,
    /// Both moments of AdamW.
    pub optimizer: u64,
    /// Gradients: one for each level of the reduction tree.
    pub gradients: u64,
    /// Activations of one micro-batch and their gradients.
    pub activations: u64,
    /// The program itself, its tokenizer, buffers of products and of threads.
    pub program: u64,
}

/// The program's pages and what the allocator keeps; and what reading a tokenizer leaves
/// behind for each of its tokens. Fitted to peaks that were measured (`docs/log.md`, 2026-11-24).
const PROGRAM: u64 = 13 << 20;
const TOKEN: u64 = 1300;

impl Memory {
    /// The memory of `run`, whose model is `model`, computed by `numerics` on so many threads and cut as `cut`.
    pub fn of(
        run: &RunConfig,
        model: &ModelConfig,
        (numerics, threads): (Numerics, usize),
        cut: Cut,
    ) -> Self {
        let parameters = 4 * Layout::new(model).elements() as u64;
        let sequences = cut.micro_batch.min(run.training.batch);
        let tokens = sequences * model.sequence;
        // A binary tree over G groups holds one partial gradient a level, and the one being made.
        let levels = u64::from(run.training.reduction_groups.ilog2()) + 1;
        // Gradients of weights are products whose right operand is an activation.
        let widest = model.hidden.max(model.mlp);
        let qkv = model.hidden + 2 * model.kv_width();
        let weights = [
            (qkv, model.hidden),
            (2 * model.mlp, model.hidden),
            (model.hidden, model.mlp),
            (model.vocabulary, model.hidden),
        ];
        // Outputs, and the gradients of weights and of inputs.
        let shapes = weights.into_iter().flat_map(|(outputs, inputs)| {
            [
                [tokens, outputs, inputs],
                [outputs, inputs, tokens],
                [tokens, inputs, outputs],
            ]
        });
        let products = shapes.map(|shape| gemm::scratch_bytes(numerics, shape, threads));
        let a_thread =
            attention::training_scratch_bytes(numerics, model.sequence, model.head_width())
                + products.max().unwrap_or(0);
        Self {
            weights: parameters,
            packed: Engine::packed_bytes(model, numerics),
            optimizer: 2 * parameters,
            gradients: levels * parameters,
            activations: Engine::activation_bytes(
                model,
                numerics.profile,
                sequences,
                cut.recomputed,
            ),
            program: PROGRAM
                + TOKEN * model.vocabulary as u64
                + gemm::view_bytes(numerics, tokens, widest) as u64
                + (threads * a_thread) as u64,
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        let Self {
            weights,
            packed,
            optimizer,
            gradients,
            activations,
            program,
        } = self;
        weights + packed + optimizer + gradients + activations + program
    }
}

/// The fastest cut of at most `micro_batch` sequences that stays within `budget` bytes: first smaller
/// micro-batches, which cost a few per cent of the speed, then layers made again, as few as are needed.
///
/// # Errors
/// The least memory that the run can do with, when that is more than `budget`.
pub fn fit(
    run: &RunConfig,
    model: &ModelConfig,
    computed: (Numerics, usize),
    micro_batch: usize,
    budget: u64,
) -> Result<Cut, Memory> {
    let whole = (1..=micro_batch).rev().map(|micro_batch| Cut {
        micro_batch,
        recomputed: 0,
    });
    let recomputing = (1..model.layers).map(|recomputed| Cut {
        micro_batch: 1,
        recomputed,
    });
    let mut least = None;
    for cut in whole.chain(recomputing) {
        let memory = Memory::of(run, model, computed, cut);
        if memory.total() <= budget {
            return Ok(cut);
        }
        least = Some(memory);
    }
    Err(least.expect("a micro-batch has at least one sequence"))
}
