//! What an evaluation asks of a model: so little that a test can stand in for one.

use crate::EvalError;

/// A context and what may follow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Tokens that are read; at least one.
    pub context: Vec<u32>,
    /// Tokens to score after it; at least one each.
    pub continuations: Vec<Vec<u32>>,
}

/// How likely a continuation is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likelihood {
    /// Natural logarithm of its probability.
    pub log_likelihood: f64,
    /// Whether greedy choice would have taken each of its tokens.
    pub greedy: bool,
}

/// A model with its tokenizer.
pub trait LanguageModel {
    /// Digest of weights, tokenizer and how it computes: answers are kept under it.
    fn identity(&self) -> String;
    /// Most inputs.
    fn max_length(&self) -> usize;
    /// The token before a text without context, and how it is written.
    fn prefix(&self) -> (u32, &str);
    /// The token that ends a text, and how it is written.
    fn end_of_text(&self) -> Option<(u32, &str)>;
    /// Tokens of a text, with the ones that the tokenizer puts around it where `special`.
    ///
    /// # Errors
    /// A text that the tokenizer cannot take.
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, EvalError>;
    /// The text of tokens, without special ones.
    ///
    /// # Errors
    /// Tokens that the vocabulary lacks.
    fn decode(&self, tokens: &[u32]) -> Result<String, EvalError>;
    /// The likelihoods of all continuations of all requests, in their order.
    ///
    /// # Errors
    /// What the model cannot compute.
    fn log_likelihoods(&mut self, requests: &[Request]) -> Result<Vec<Vec<Likelihood>>, EvalError>;
    /// Greedy continuations of at most `most` tokens, each until its text has one of `until` in it or the text
    /// ends. Tokens beyond that are allowed: they are cut off.
    ///
    /// # Errors
    /// What the model cannot compute.
    fn generate(
        &mut self,
        prompts: &[Vec<u32>],
        most: usize,
        until: &[String],
    ) -> Result<Vec<Vec<u32>>, EvalError>;
}
