//! What is scored, and what comes of it.

use std::ops::Range;

/// Tokens to score: each one after the first is a target, predicted from all before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub(super) tokens: Vec<u32>,
    context: usize,
}

impl Sequence {
    /// Every token but the first counts.
    pub fn new(tokens: Vec<u32>) -> Self {
        Self { tokens, context: 0 }
    }

    /// Only the last `counted` targets count; the ones before are context.
    pub fn counting_last(tokens: Vec<u32>, counted: usize) -> Self {
        let targets = tokens.len().saturating_sub(1);
        let context = targets.saturating_sub(counted);
        Self { tokens, context }
    }

    /// Tokens that the model reads: all but the last.
    pub fn inputs(&self) -> &[u32] {
        &self.tokens[..self.tokens.len().saturating_sub(1)]
    }

    /// Targets that count, and the inputs that predict them.
    pub(super) fn counted(&self) -> Range<usize> {
        self.context..self.inputs().len()
    }

    pub(super) fn counted_targets(&self) -> &[u32] {
        let Range { start, end } = self.counted();
        // Nothing where there are no tokens at all.
        self.tokens.get(start + 1..end + 1).unwrap_or_default()
    }

    /// How many targets count.
    pub fn targets(&self) -> usize {
        self.counted().len()
    }
}

/// A text and what may follow it: a question and its answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Branches {
    /// What all continue. Its tokens are read, not counted.
    pub context: Vec<u32>,
    /// Tokens to score after it.
    pub continuations: Vec<Vec<u32>>,
}

impl Branches {
    /// The context with each of its continuations, whose tokens count; without a context, all but the first
    /// one, which nothing predicts.
    pub fn sequences(&self) -> impl Iterator<Item = Sequence> {
        self.continuations.iter().map(|continuation| {
            let tokens = [&self.context[..], continuation].concat();
            Sequence::counting_last(tokens, continuation.len())
        })
    }
}

/// What a sequence costs under the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Loss (nats) of each target that counts.
    pub losses: Vec<f32>,
    /// Minus their sum, a chain of f64 additions in order.
    pub log_likelihood: f64,
    /// Whether greedy choice would have taken every target that counts: each is the first largest of its
    /// logits, as `torch.argmax` says. True of none; false where logits are no numbers.
    pub greedy: bool,
}

impl Score {
    /// From each target's loss and whether it would have been taken.
    pub(super) fn new(targets: impl Iterator<Item = (f32, bool)>) -> Self {
        let (losses, greedy): (Vec<f32>, Vec<bool>) = targets.unzip();
        let sum: f64 = losses.iter().fold(0.0, |sum, &x| sum + f64::from(x));
        Self {
            losses,
            log_likelihood: -sum,
            greedy: greedy.into_iter().all(|taken| taken),
        }
    }
}
