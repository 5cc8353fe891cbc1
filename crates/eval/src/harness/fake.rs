//! A model for tests: bytes are tokens, and likelihoods are made up of them.

use super::language_model::{LanguageModel, Likelihood, Request};
use crate::EvalError;

/// Token 0 begins texts, 1 ends them.
#[derive(Debug)]
pub(crate) struct Fake {
    /// Most inputs.
    pub(crate) length: usize,
    /// Continuations and tokens that were computed.
    pub(crate) computed: usize,
    /// After so many, computing fails.
    pub(crate) breaks_after: usize,
}

impl Fake {
    pub(crate) fn new(length: usize) -> Self {
        Self {
            length,
            computed: 0,
            breaks_after: usize::MAX,
        }
    }

    fn count(&mut self) -> Result<(), EvalError> {
        if self.computed == self.breaks_after {
            return Err(EvalError::Task {
                task: "fake".to_owned(),
                reason: "was switched off".to_owned(),
            });
        }
        self.computed += 1;
        Ok(())
    }
}

impl LanguageModel for Fake {
    fn identity(&self) -> String {
        "fake".to_owned()
    }

    fn max_length(&self) -> usize {
        self.length
    }

    fn prefix(&self) -> (u32, &str) {
        (0, "\0")
    }

    fn end_of_text(&self) -> Option<(u32, &str)> {
        Some((1, "\u{1}"))
    }

    fn encode(&self, text: &str, _special: bool) -> Result<Vec<u32>, EvalError> {
        Ok(text.bytes().map(u32::from).collect())
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, EvalError> {
        let bytes: Vec<u8> = tokens
            .iter()
            .filter(|&&t| t > 1)
            .map(|&t| t as u8)
            .collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn log_likelihoods(&mut self, requests: &[Request]) -> Result<Vec<Vec<Likelihood>>, EvalError> {
        let mut all = Vec::new();
        for request in requests {
            let mut scored = Vec::new();
            for continuation in &request.continuations {
                self.count()?;
                assert!(request.context.len() + continuation.len() <= self.length + 1);
                let last = request.context.last().copied().unwrap_or_default();
                let sum: u32 = continuation
                    .iter()
                    .map(|token| (token * 7 + last) % 13)
                    .sum();
                scored.push(Likelihood {
                    log_likelihood: -f64::from(sum) / 3.0,
                    greedy: sum.is_multiple_of(5),
                });
            }
            all.push(scored);
        }
        Ok(all)
    }

    /// Counts up from the last token of the prompt.
    fn generate(
        &mut self,
        prompts: &[Vec<u32>],
        most: usize,
        _until: &[String],
    ) -> Result<Vec<Vec<u32>>, EvalError> {
        let mut all = Vec::new();
        for prompt in prompts {
            self.count()?;
            let last = prompt.last().copied().unwrap_or_default();
            all.push((last + 1..).take(most).collect());
        }
        Ok(all)
    }
}
