//! The outcome of a replay, and the statement that records it.

use crate::Segment;
use glasswork_kernels::Pool;
use glasswork_release::Digest;
use glasswork_release::annex::{
    Divergence, Program, REPLAY_PREDICATE, Replay, ReplayVerdict, Statement,
};

/// What the replay of a segment found.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The segment.
    pub segment: Segment,
    /// Every difference, in the order of training; none means bitwise equal.
    pub differences: Vec<Divergence>,
    /// State digest at the end that the ledger records.
    pub expected: Digest,
    /// State digest at the end that the replay computed.
    pub computed: Digest,
    /// Target tokens recomputed; 0 where the start was damaged and nothing was.
    pub tokens: u64,
}

impl Outcome {
    /// Whether every compared bit agreed.
    pub fn bitwise_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// An unsigned in-toto statement of what was recomputed, with what, and what came out. `chosen`
/// says who picked the segment: `named` by a person or `random`.
#[allow(
    clippy::too_many_arguments,
    reason = "one argument per fact that the statement records"
)]
pub fn statement(
    outcome: &Outcome,
    root: &Digest,
    profile: &str,
    pool: &Pool,
    micro_batch: usize,
    seconds: f64,
    chosen: &str,
    program: &Program,
) -> Statement<Replay> {
    let Segment { from, to, .. } = outcome.segment;
    let equal = outcome.bitwise_equal();
    let replay = Replay {
        from,
        to,
        steps: if outcome.tokens > 0 { to - from } else { 0 },
        verdict: if equal {
            ReplayVerdict::BitwiseEqual
        } else {
            ReplayVerdict::Diverged
        },
        bound: None,
        first_divergence: outcome.differences.first().cloned(),
        expected_state_digest: outcome.expected.to_string(),
        state_digest: outcome.computed.to_string(),
        profile: profile.to_owned(),
        threads: pool.threads() as u64,
        micro_batch: micro_batch as u64,
        isa: pool.isa().name().to_owned(),
        seconds,
        tokens: outcome.tokens,
        tokens_per_second: outcome.tokens as f64 / seconds.max(1e-9),
        chosen: chosen.to_owned(),
        program: program.clone(),
    };
    Statement::about_release(&root.to_string(), REPLAY_PREDICATE, replay)
}
