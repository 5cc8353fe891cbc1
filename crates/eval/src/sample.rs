//! Greedy continuation.

use crate::EvalError;
use glasswork_model::{Engine, Parameters};

/// Continues `prompt` by at most `count` tokens, always taking the likeliest (the lowest number
/// among equals), until `end_of_text`. The model sees the last `sequence` tokens.
///
/// # Errors
/// When the prompt holds a token outside the vocabulary.
pub fn continue_prompt(
    engine: &mut Engine,
    weights: &Parameters,
    prompt: &[u32],
    count: usize,
    end_of_text: u32,
) -> Result<Vec<u32>, EvalError> {
    let sequence = engine.config().sequence;
    let mut tokens = prompt.to_vec();
    for _ in 0..count {
        let seen = &tokens[tokens.len().saturating_sub(sequence)..];
        let next = argmax(engine.next_logits(weights, seen)?);
        if next == end_of_text {
            break;
        }
        tokens.push(next);
    }
    Ok(tokens.split_off(prompt.len()))
}

fn argmax(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (index, &value) in logits.iter().enumerate() {
        if value > logits[best] {
            best = index;
        }
    }
    best as u32
}
