//! Does a checkpoint lose on the logged batches what the log says? It needs no optimizer state, no order, no GPU.
//!
//! A trainer logs at update s + 1 the loss of that update's batch under the weights after s updates: the
//! checkpoint of step s. Where the very rows of update s + 1 are known, checkpoint and log must agree up to
//! arithmetic. Where only the stretch is known in which they lie (LLM360's chunks), rows of that stretch, not yet
//! seen by the checkpoint, must lose on average what the updates right after it lost on average. On the batches of its
//! last updates a checkpoint must not lose more than was logged before it was trained on them.

use crate::curve::LossCurve;
use crate::quantile::standard_errors;
use glasswork_audit::measured::{Agreement, LoggedLoss, Mean};

/// Difference that arithmetic may make: a trainer in bf16 mixed precision against ours, nats a token.
const ARITHMETIC: f64 = 0.02;
/// Updates whose logged losses are averaged where the very batch is not known.
pub const WINDOW: u64 = 50;
/// A bound above this share of a nat says nothing about the checkpoint.
const WIDEST: f64 = 0.5;
/// Exact comparisons that can show together that a log follows another convention.
const TELLING: usize = 3;
/// Standard deviation of normal values, by the median of their distances from their median.
const DEVIATION: f64 = 1.4826;
/// Standard deviations of batches beyond which a smoothed log cannot lie either.
const SPREADS: f64 = 3.0;

/// What is known of the rows that were scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Rows of update s + 1; `all` where none of its batch is missing.
    OfNextUpdate {
        /// Whether the whole batch was scored.
        all: bool,
    },
    /// Rows of the stretch after the checkpoint.
    OfStretch,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Probed<'a> {
    /// Name of the checkpoint.
    pub checkpoint: &'a str,
    /// Updates before it.
    pub step: u64,
    /// The file that the rows are from.
    pub data: &'a str,
    /// Comparisons that are made beside this one, itself among them.
    pub comparisons: usize,
}

/// Compares the mean losses of rows that come after the checkpoint with the log; `None` where the log or the rows say
/// nothing.
#[must_use]
pub fn compare(of: Probed<'_>, losses: &[f64], rows: Rows, log: &LossCurve) -> Option<LoggedLoss> {
    let step = of.step;
    let measured = Mean::of(losses)?;
    let sampling = |mean: &Mean| {
        let error = mean.standard_error.unwrap_or(f64::INFINITY);
        standard_errors(mean.count, of.comparisons) * error
    };
    let (logged, bound) = match (rows, log.at(step + 1)) {
        (Rows::OfNextUpdate { all }, Some(next)) => {
            let error = if all { 0.0 } else { sampling(&measured) };
            (Mean::of(&[next])?, error)
        }
        _ => {
            let window: Vec<f64> = log.within(step + 1..=step + WINDOW).collect();
            let logged = Mean::of(&window)?;
            // The weights go on learning in the window, the checkpoint does not.
            let (early, late) = window.split_at(window.len() / 2);
            let drift = match (Mean::of(early), Mean::of(late)) {
                (Some(early), Some(late)) => (early.mean - late.mean).abs(),
                _ => 0.0,
            };
            (logged, drift + sampling(&measured).hypot(sampling(&logged)))
        }
    };
    let exact = rows == Rows::OfNextUpdate { all: true } && log.at(step + 1).is_some();
    let bound = ARITHMETIC + log.rounding() + bound;
    let agreement = judged((measured.mean - logged.mean).abs(), bound);
    Some(result(of, measured, logged, bound, agreement, exact, log))
}

/// Compares the losses of the batches (update, loss of a row) that the checkpoint was trained on last.
#[must_use]
pub fn compare_last(of: Probed<'_>, rows: &[(u64, f64)], log: &LossCurve) -> Option<LoggedLoss> {
    let mut updates: Vec<u64> = rows.iter().map(|row| row.0).collect();
    updates.dedup();
    let of_update = |update: &u64| {
        let losses: Vec<f64> = rows
            .iter()
            .filter(|row| row.0 == *update)
            .map(|row| row.1)
            .collect();
        Some((Mean::of(&losses)?.mean, log.at(*update)?))
    };
    let pairs: Vec<(f64, f64)> = updates.iter().filter_map(of_update).collect();
    let (ours, theirs): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    let (measured, logged) = (Mean::of(&ours)?, Mean::of(&theirs)?);
    let bound = ARITHMETIC + log.rounding();
    // The same batches on both sides: what they have of their own falls out.
    let agreement = judged((measured.mean - logged.mean).max(0.0), bound);
    Some(LoggedLoss {
        trained_on: true,
        ..result(of, measured, logged, bound, agreement, false, log)
    })
}

fn judged(difference: f64, bound: f64) -> Agreement {
    // A wide bound of few scattered rows is no ground to accuse anybody either.
    if bound > WIDEST || bound.is_nan() {
        Agreement::NotEnough
    } else if difference > bound {
        Agreement::Differs
    } else {
        Agreement::Agrees
    }
}

fn result(
    of: Probed<'_>,
    measured: Mean,
    logged: Mean,
    bound: f64,
    agreement: Agreement,
    exact: bool,
    log: &LossCurve,
) -> LoggedLoss {
    LoggedLoss {
        checkpoint: of.checkpoint.into(),
        step: of.step,
        data: of.data.into(),
        measured,
        logged,
        exact,
        bound,
        agreement,
        indistinguishable: log.indistinguishable(of.step, bound, WINDOW as usize),
        trained_on: false,
        shift: 0,
    }
}

/// Logs follow conventions: some count updates from 0, some are smoothed. Where most exact comparisons differ, a count
/// that is off by one is tried on all of them; if that is not it, losses are held against those of the updates
/// around, within what the comparisons scatter by: that still tells checkpoints far from their step.
pub fn settle_convention(all: &mut [LoggedLoss], log: &LossCurve) {
    let exact: Vec<usize> = (0..all.len()).filter(|&i| all[i].exact).collect();
    let differ = |all: &[LoggedLoss]| {
        let of = exact
            .iter()
            .filter(|&&i| all[i].agreement == Agreement::Differs);
        of.count()
    };
    if exact.len() < TELLING || 2 * differ(all) <= exact.len() {
        return;
    }
    for shift in [-1_i64, 1] {
        let shifted: Vec<LoggedLoss> = exact
            .iter()
            .filter_map(|&i| with_shift(&all[i], shift, log))
            .collect();
        let agree = shifted
            .iter()
            .filter(|one| one.agreement == Agreement::Agrees)
            .count();
        // The first update may lie before the log, and a fault or two may be real.
        if shifted.len() + 1 >= exact.len() && 2 * agree > exact.len() {
            for one in shifted {
                if let Some(there) = all
                    .iter_mut()
                    .find(|there| there.exact && there.step == one.step)
                {
                    *there = one;
                }
            }
            return;
        }
    }
    let around = |one: &LoggedLoss| {
        let window: Vec<f64> = log.within(one.step + 1..=one.step + WINDOW).collect();
        Mean::of(&window)
    };
    let residuals: Vec<f64> = exact
        .iter()
        .filter_map(|&i| Some(all[i].measured.mean - around(&all[i])?.mean))
        .collect();
    // What batches differ by is read off the comparisons themselves: a smoothed log does not show it.
    let centre = median(residuals.clone());
    let spread = median(residuals.iter().map(|r| (r - centre).abs()).collect());
    let bound = ARITHMETIC + log.rounding() + centre.abs() + SPREADS * DEVIATION * spread;
    for &i in &exact {
        let Some(logged) = around(&all[i]) else {
            continue;
        };
        let one = &mut all[i];
        one.logged = logged;
        one.exact = false;
        one.bound = bound;
        one.agreement = judged((one.measured.mean - logged.mean).abs(), bound);
        one.indistinguishable = log.indistinguishable(one.step, bound, WINDOW as usize);
    }
}

/// The middle value; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn with_shift(one: &LoggedLoss, shift: i64, log: &LossCurve) -> Option<LoggedLoss> {
    let logged = Mean::of(&[log.at((one.step + 1).checked_add_signed(shift)?)?])?;
    Some(LoggedLoss {
        logged,
        shift,
        agreement: judged((one.measured.mean - logged.mean).abs(), one.bound),
        ..one.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(step: u64) -> Probed<'static> {
        Probed {
            checkpoint: "c",
            step,
            data: "d",
            comparisons: 1,
        }
    }

    /// A batch's own easiness: what smoothing removes.
    fn easiness(update: u64) -> f64 {
        (update * 7919 % 101) as f64 / 250.0
    }

    fn loss(update: u64) -> f64 {
        2.0 + 6.0 / (update as f64).sqrt() - easiness(update)
    }

    fn log(of: impl Fn(u64) -> (u64, f64)) -> LossCurve {
        LossCurve::new(&(1..=1000).map(of).collect::<Vec<_>>())
    }

    fn plain() -> LossCurve {
        log(|update| (update, loss(update)))
    }

    const WHOLE: Rows = Rows::OfNextUpdate { all: true };

    /// Exact comparisons of checkpoints whose weights are of `weights(step)`.
    fn all(log: &LossCurve, weights: impl Fn(u64) -> u64) -> Vec<LoggedLoss> {
        let steps = [50, 100, 150, 200, 300, 400, 600, 800];
        let mut all: Vec<LoggedLoss> = steps
            .iter()
            .filter_map(|&step| {
                // The next batch under weights of another step.
                let level = 2.0 + 6.0 / ((weights(step) + 1) as f64).sqrt() - easiness(step + 1);
                compare(probed(step), &[level - 0.5, level + 0.5], WHOLE, log)
            })
            .collect();
        settle_convention(&mut all, log);
        all
    }

    fn differing(all: &[LoggedLoss]) -> Vec<u64> {
        let of = all.iter().filter(|one| one.agreement == Agreement::Differs);
        of.map(|one| one.step).collect()
    }

    #[test]
    fn the_very_batch_must_agree_up_to_arithmetic() {
        let log = plain();
        assert_eq!(differing(&all(&log, |step| step)), [0; 0]);
        let exchanged = all(&log, |step| match step {
            100 => 300,
            300 => 100,
            step => step,
        });
        assert_eq!(differing(&exchanged), [100, 300]);
        assert!(exchanged.iter().all(|one| one.exact));
    }

    #[test]
    fn other_conventions_of_logs_are_no_contradiction() {
        // Counted from 0.
        let from_zero = log(|update| (update - 1, loss(update)));
        let found = all(&from_zero, |step| step);
        assert_eq!(differing(&found), [0; 0]);
        assert!(found.iter().all(|one| one.shift == -1));
        let exchanged = all(&from_zero, |step| if step == 100 { 400 } else { step });
        assert_eq!(differing(&exchanged), [100]);
        // Smoothed over all batches before, one decimal.
        let mut mean = loss(1);
        let smoothed: Vec<(u64, f64)> = (1..=1000)
            .map(|update| {
                mean = 0.9 * mean + 0.1 * loss(update);
                (update, mean)
            })
            .collect();
        assert_eq!(
            differing(&all(&LossCurve::new(&smoothed), |step| step)),
            [0; 0]
        );
        let rounded = log(|update| (update, (loss(update) * 10.0).round() / 10.0));
        assert_eq!(differing(&all(&rounded, |step| step)), [0; 0]);
    }

    #[test]
    fn few_scattered_rows_are_not_enough() {
        let found = compare(probed(100), &[1.0, 4.0], Rows::OfStretch, &plain()).expect("one");
        assert_eq!(found.agreement, Agreement::NotEnough);
        assert_eq!(compare(probed(100), &[], Rows::OfStretch, &plain()), None);
        assert_eq!(
            compare(probed(2000), &[2.0; 9], Rows::OfStretch, &plain()),
            None
        );
    }

    #[test]
    fn what_was_trained_on_last_must_not_be_harder_than_it_was() {
        let log = plain();
        let rows = |off: f64| -> Vec<(u64, f64)> {
            (997..=1000)
                .flat_map(|update| {
                    [
                        (update, loss(update) + off - 0.4),
                        (update, loss(update) + off + 0.4),
                    ]
                })
                .collect()
        };
        let agreement = |off| compare_last(probed(1000), &rows(off), &log).map(|one| one.agreement);
        assert_eq!(agreement(-0.05), Some(Agreement::Agrees));
        assert_eq!(agreement(0.1), Some(Agreement::Differs));
    }
}
