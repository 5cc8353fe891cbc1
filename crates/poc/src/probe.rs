//! One checkpoint against its data and its log.

use crate::curve::LossCurve;
use crate::rows::{Chunk, Row};
use crate::seen_unseen::Side;
use crate::{Result, logged_loss, seen_unseen};
use glasswork_audit::measured::{LoggedLoss, SeenUnseen};
use glasswork_kernels::Pool;
use glasswork_model::Scorer;
use glasswork_model::scoring::{Cut, Sequence, Watch, Work};

/// A checkpoint and what training read around it.
pub struct Subject<'a> {
    /// Its name.
    pub name: &'a str,
    /// Updates before it.
    pub step: u64,
    /// The chunk that training read next.
    pub after: Option<&'a Chunk<'a>>,
    /// The chunk that training had read last.
    pub before: Option<&'a Chunk<'a>>,
}

/// Rows to score, read but not yet scored.
#[derive(Debug)]
pub struct Drawn {
    after: Vec<Row>,
    before: Vec<Row>,
    known: logged_loss::Rows,
}

/// What a checkpoint's probe found.
#[derive(Debug, Default)]
pub struct Found {
    /// Against the log.
    pub logged: Option<LoggedLoss>,
    /// Before against after.
    pub seen: Option<SeenUnseen>,
}

impl Drawn {
    /// Reads at most `most` rows a side. Of the next update's batch, where rows say their step, all that fit.
    ///
    /// # Errors
    /// What is no row, and what reading fails with.
    pub fn draw(subject: &Subject<'_>, most: usize) -> Result<Self> {
        let next = Some(subject.step + 1);
        let mut known = logged_loss::Rows::OfStretch;
        let mut after = Vec::new();
        if let Some(chunk) = subject.after {
            let head = chunk.head(most + 1, |_| true)?;
            let of_next = head.iter().take_while(|row| row.step == next).count();
            if of_next == 0 {
                after = chunk.spread(most)?;
                // A file may begin before the checkpoint does.
                after.retain(|row| row.step.is_none_or(|step| step > subject.step));
            } else {
                // The batch is whole where rows of another update, or none, come after it.
                let all = of_next <= most;
                after = head;
                after.truncate(of_next.min(most));
                known = logged_loss::Rows::OfNextUpdate { all };
            }
        }
        let mut before = Vec::new();
        if let Some(chunk) = subject.before {
            before = chunk.spread(most)?;
            before.retain(|row| row.step.is_none_or(|step| step <= subject.step));
        }
        Ok(Self {
            after,
            before,
            known,
        })
    }

    /// Tokens that scoring them counts.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        let rows = self.after.iter().chain(&self.before);
        rows.map(|row| row.token_ids.len() as u64 - 1).sum()
    }

    /// Scores the rows in one pass over the model, and compares.
    ///
    /// # Errors
    /// Tokens that the vocabulary lacks, rows longer than the model has positions, too little memory.
    pub fn score(
        self,
        subject: &Subject<'_>,
        scorer: &mut Scorer,
        pool: &Pool,
        memory: u64,
        log: &LossCurve,
        watch: &dyn Watch,
    ) -> Result<Found> {
        let count = self.after.len();
        let rows = self.after.into_iter().chain(self.before);
        let sequences: Vec<Sequence> = rows.map(|row| Sequence::new(row.token_ids)).collect();
        let lengths = sequences.iter().map(|sequence| sequence.inputs().len());
        let work = Work::new((pool.numerics(scorer.profile()), pool.threads()), lengths);
        let cut = Cut::fit(scorer.checkpoint(), work, memory)?;
        let scores = scorer.score(&sequences, cut, watch)?;
        let losses: Vec<f64> = scores
            .iter()
            .map(|score| -score.log_likelihood / score.losses.len() as f64)
            .collect();
        let (after, before) = losses.split_at(count);
        let data = |chunk: Option<&Chunk<'_>>| chunk.map_or(String::new(), |c| c.path.to_owned());
        let (next, last) = (data(subject.after), data(subject.before));
        let seen = Side {
            data: &last,
            losses: before,
        };
        let unseen = Side {
            data: &next,
            losses: after,
        };
        let (name, step) = (subject.name, subject.step);
        Ok(Found {
            logged: logged_loss::compare(name, step, &next, after, self.known, log),
            seen: seen_unseen::compare(name, step, seen, unseen),
        })
    }
}
