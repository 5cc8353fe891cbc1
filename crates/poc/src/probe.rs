//! One checkpoint against its data and its log.

use crate::curve::LossCurve;
use crate::logged_loss::Probed;
use crate::rows::{Chunk, Row};
use crate::seen_unseen::Side;
use crate::{Error, Result, logged_loss, seen_unseen};
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
    /// Comparisons that are made in this run.
    pub comparisons: usize,
}

/// Rows to score, read but not yet scored.
#[derive(Debug)]
pub struct Drawn {
    after: Vec<Row>,
    before: Vec<Row>,
    /// Where nothing came after: whole batches of the last updates.
    last: Vec<Row>,
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
    /// Reads at most `most` rows a side, of data seen only where `seen` asks for it. Of the next update's batch, where
    /// rows say their step, all that fit.
    ///
    /// # Errors
    /// What is no row, and what reading fails with.
    pub fn draw(subject: &Subject<'_>, most: usize, seen: bool) -> Result<Self> {
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
        let (mut before, mut last) = (Vec::new(), Vec::new());
        if let Some(chunk) = subject.before {
            if after.is_empty() {
                last = whole_updates(chunk.tail(most)?, most, subject.step);
            } else if seen {
                before = chunk.spread(most)?;
                before.retain(|row| row.step.is_none_or(|step| step <= subject.step));
            }
        }
        Ok(Self {
            after,
            before,
            last,
            known,
        })
    }

    /// Tokens that scoring them counts.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        let rows = self.after.iter().chain(&self.before).chain(&self.last);
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
        let (count, seen) = (self.after.len(), self.before.len());
        let updates: Vec<u64> = self.last.iter().filter_map(|row| row.step).collect();
        let rows = self.after.into_iter().chain(self.before).chain(self.last);
        let sequences: Vec<Sequence> = rows.map(|row| Sequence::new(row.token_ids)).collect();
        let lengths = sequences.iter().map(|sequence| sequence.inputs().len());
        let work = Work::new((pool.numerics(scorer.profile()), pool.threads()), lengths);
        let cut = Cut::fit(scorer.checkpoint(), work, memory)?;
        let scores = scorer.score(&sequences, cut, watch)?;
        let losses: Vec<f64> = scores
            .iter()
            .map(|score| -score.log_likelihood / score.losses.len() as f64)
            .collect();
        if let Some(loss) = losses.iter().find(|loss| !loss.is_finite()) {
            return Err(Error::NotFinite {
                checkpoint: subject.name.into(),
                loss: loss.to_string(),
            });
        }
        let (after, rest) = losses.split_at(count);
        let (before, last) = rest.split_at(seen);
        let next_data = subject.after.map_or("", |chunk| chunk.path);
        let last_data = subject.before.map_or("", |chunk| chunk.path);
        let probed = |data| Probed {
            checkpoint: subject.name,
            step: subject.step,
            data,
            comparisons: subject.comparisons,
        };
        let of_last: Vec<(u64, f64)> = updates.into_iter().zip(last.iter().copied()).collect();
        let logged = if of_last.is_empty() {
            logged_loss::compare(probed(next_data), after, self.known, log)
        } else {
            logged_loss::compare_last(probed(last_data), &of_last, log)
        };
        let side = |data, losses| Side { data, losses };
        let (seen, unseen) = (side(last_data, before), side(next_data, after));
        let found = Found {
            logged,
            seen: seen_unseen::compare(subject.name, subject.step, seen, unseen),
        };
        if found.logged.is_none() && found.seen.is_none() {
            return Err(Error::NothingToCompare {
                checkpoint: subject.name.into(),
            });
        }
        Ok(found)
    }
}

/// Of the last `most` rows those of updates all of whose rows are there, none after `step`: the first update may have
/// begun before these rows.
fn whole_updates(rows: Vec<Row>, most: usize, step: u64) -> Vec<Row> {
    let first = rows.first().and_then(|row| row.step);
    if rows.len() == most && rows.iter().all(|row| row.step == first) {
        // A part of one batch: what the rest of it was like is in the log, not here.
        return Vec::new();
    }
    let of_first = rows.iter().take_while(|row| row.step == first).count();
    let batch = rows
        .iter()
        .rev()
        .take_while(|row| row.step == rows.last().and_then(|r| r.step))
        .count();
    let cut = if of_first == batch { 0 } else { of_first };
    let told = |row: &Row| row.step.is_some_and(|update| update <= step);
    rows.into_iter().skip(cut).filter(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_batches_are_held_against_the_log() {
        let rows = |steps: &[u64]| -> Vec<Row> {
            let row = |&step: &u64| Row {
                token_ids: vec![1, 2],
                step: Some(step),
            };
            steps.iter().map(row).collect()
        };
        let kept = |steps: &[u64], most, step| -> Vec<u64> {
            let rows = whole_updates(rows(steps), most, step);
            rows.iter().filter_map(|row| row.step).collect()
        };
        assert_eq!(kept(&[7, 8, 8, 9, 9], 5, 9), [8, 8, 9, 9]);
        assert_eq!(kept(&[8, 8, 9, 9], 4, 9), [8, 8, 9, 9]);
        assert_eq!(kept(&[8, 8, 9, 9], 4, 8), [8, 8]);
        // Four rows of a batch that may have thousands.
        assert_eq!(kept(&[9, 9, 9, 9], 4, 9), [0; 0]);
        // All that the file has.
        assert_eq!(kept(&[9, 9, 9], 4, 9), [9, 9, 9]);
        assert_eq!(kept(&[], 4, 9), [0; 0]);
    }
}
