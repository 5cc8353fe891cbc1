//! A published model as an evaluation asks it.

use super::language_model::{LanguageModel, Likelihood, Request};
use super::task_files::sha256;
use crate::EvalError;
use glasswork_data::PublishedTokenizer;
use glasswork_kernels::Pool;
use glasswork_model::Scorer;
use glasswork_model::scoring::{Branches, Cut, Keep, Unwatched, Work};
use std::sync::Arc;

/// What computing may take.
#[derive(Debug, Clone)]
pub struct Room {
    /// Bytes of memory.
    pub memory: u64,
    /// The threads that the scorer was made with.
    pub pool: Arc<Pool>,
}

/// A model and its tokenizer.
#[derive(Debug)]
pub struct Published {
    scorer: Scorer,
    tokenizer: PublishedTokenizer,
    prefix: (u32, String),
    identity: String,
    room: Room,
}

impl Published {
    /// `digests` name the weights and the tokenizer; the numerics profile is added to them.
    ///
    /// # Errors
    /// A tokenizer that names neither what begins nor what ends a text.
    pub fn new(
        scorer: Scorer,
        tokenizer: PublishedTokenizer,
        digests: [&str; 2],
        room: Room,
    ) -> Result<Self, EvalError> {
        let prefix = tokenizer.begin_of_text().or(tokenizer.end_of_text());
        let prefix = prefix.ok_or(EvalError::NoPrefix)?.clone();
        let [weights, tokens] = digests;
        let identity = sha256(format!("{weights}\n{tokens}\n{}\n", scorer.profile()).as_bytes());
        Ok(Self {
            scorer,
            tokenizer,
            prefix,
            identity,
            room,
        })
    }

    fn work(&self, lengths: impl IntoIterator<Item = usize>) -> Work {
        let numerics = self.room.pool.numerics(self.scorer.profile());
        Work::new((numerics, self.room.pool.threads()), lengths)
    }
}

impl LanguageModel for Published {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn max_length(&self) -> usize {
        self.scorer.checkpoint().decoder().positions
    }

    fn prefix(&self) -> (u32, &str) {
        (self.prefix.0, &self.prefix.1)
    }

    fn end_of_text(&self) -> Option<(u32, &str)> {
        let end = self.tokenizer.end_of_text();
        end.map(|(token, text)| (*token, text.as_str()))
    }

    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, EvalError> {
        Ok(match special {
            true => self.tokenizer.encode_with_special(text)?,
            false => self.tokenizer.encode(text)?,
        })
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, EvalError> {
        Ok(self.tokenizer.decode(tokens)?)
    }

    fn log_likelihoods(&mut self, requests: &[Request]) -> Result<Vec<Vec<Likelihood>>, EvalError> {
        let branches = requests.iter().map(|request| Branches {
            context: request.context.clone(),
            continuations: request.continuations.clone(),
        });
        let branches: Vec<Branches> = branches.collect();
        let sequences = branches.iter().flat_map(Branches::sequences);
        let work = self.work(sequences.map(|sequence| sequence.inputs().len()));
        let cut = Cut::fit(self.scorer.checkpoint(), work, self.room.memory)?;
        let scores = self.scorer.score_branches(&branches, cut, &Unwatched)?;
        let likelihood = |score: glasswork_model::scoring::Score| Likelihood {
            log_likelihood: score.log_likelihood,
            greedy: score.greedy,
        };
        let scores = scores
            .into_iter()
            .map(|scores| scores.into_iter().map(likelihood).collect());
        Ok(scores.collect())
    }

    fn generate(
        &mut self,
        prompts: &[Vec<u32>],
        most: usize,
        until: &[String],
    ) -> Result<Vec<Vec<u32>>, EvalError> {
        let work = self.work(prompts.iter().map(|prompt| prompt.len() + most));
        let checkpoint = self.scorer.checkpoint();
        let cut = Cut::fit(checkpoint, work, self.room.memory)?;
        let keep = Keep::within(checkpoint, work, cut, self.room.memory);
        let tokenizer = &self.tokenizer;
        let end = tokenizer.end_of_text().map(|(token, _)| *token);
        // A text of so many bytes comes of at most as many tokens; the first of them may be cut into.
        let longest = until.iter().map(String::len).max().unwrap_or(0) + 8;
        let mut stop = |_: usize, new: &[u32]| {
            if end.is_some() && new.last().copied() == end {
                return true;
            }
            let tail = &new[new.len().saturating_sub(longest)..];
            // What cannot be decoded yet has not ended; at the end the whole is decoded and cut.
            tokenizer
                .decode(tail)
                .is_ok_and(|text| until.iter().any(|stop| text.contains(stop.as_str())))
        };
        Ok(self
            .scorer
            .generate(prompts, most, (cut, keep), &mut stop, &Unwatched)?)
    }
}
