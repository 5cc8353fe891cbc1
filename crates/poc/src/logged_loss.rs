//! Does a checkpoint lose on the logged batches what the log says? It needs no optimizer state, no order, no GPU.
//!
//! A trainer logs at update s + 1 the loss of that update's batch under the weights after s updates: the
//! checkpoint of step s. Where the very rows of update s + 1 are known, checkpoint and log must agree up to
//! arithmetic. Where only the stretch is known in which they lie (LLM360's chunks), rows of that stretch, not yet
//! seen by the checkpoint, must lose on average what the updates right after it lost on average.

use crate::curve::LossCurve;
use glasswork_audit::measured::{Agreement, LoggedLoss, Mean};

/// Difference that arithmetic may make: a trainer in bf16 mixed precision against ours, nats a token.
const ARITHMETIC: f64 = 0.02;
/// Standard errors within which two means agree: three leave one false alarm in 370.
const ERRORS: f64 = 3.0;
/// Updates after the checkpoint whose logged losses are averaged where the very batch is not known.
pub const WINDOW: u64 = 50;
/// A bound above this share of a nat says nothing about the checkpoint.
const WIDEST: f64 = 0.5;

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

/// Compares the mean losses of `rows` under the checkpoint of `step` with the log; `None` where the log or the rows
/// say nothing.
#[must_use]
pub fn compare(
    checkpoint: &str,
    step: u64,
    data: &str,
    losses: &[f64],
    rows: Rows,
    log: &LossCurve,
) -> Option<LoggedLoss> {
    let measured = Mean::of(losses)?;
    let sampling = |mean: &Mean| mean.standard_error.unwrap_or(f64::INFINITY);
    let exact = rows == Rows::OfNextUpdate { all: true };
    let (logged, bound) = match (rows, log.at(step + 1)) {
        (Rows::OfNextUpdate { all }, Some(next)) => {
            let logged = Mean::of(&[next])?;
            let error = if all { 0.0 } else { sampling(&measured) };
            (logged, ARITHMETIC + ERRORS * error)
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
            let error = sampling(&measured).hypot(sampling(&logged));
            (logged, ARITHMETIC + drift + ERRORS * error)
        }
    };
    let agreement = if (measured.mean - logged.mean).abs() > bound {
        Agreement::Differs
    } else if bound > WIDEST {
        Agreement::NotEnough
    } else {
        Agreement::Agrees
    };
    Some(LoggedLoss {
        checkpoint: checkpoint.into(),
        step,
        data: data.into(),
        measured,
        logged,
        exact: exact && log.at(step + 1).is_some(),
        bound,
        agreement,
        indistinguishable: log.indistinguishable(step, bound, WINDOW as usize),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> LossCurve {
        let points: Vec<_> = (1..=1000)
            .map(|step| (step, 2.0 + 6.0 / (step as f64).sqrt()))
            .collect();
        LossCurve::new(&points)
    }

    #[test]
    fn the_very_batch_must_agree_up_to_arithmetic() {
        let logged = log().at(101).expect("logged");
        let whole = Rows::OfNextUpdate { all: true };
        let spread = [logged - 0.5, logged + 0.5];
        let found = compare("c", 100, "d", &spread, whole, &log()).expect("a comparison");
        assert_eq!(found.agreement, Agreement::Agrees);
        assert!(found.exact && found.bound == ARITHMETIC);
        // The weights of another step.
        let other = log().at(121).expect("logged");
        let spread = [other - 0.5, other + 0.5];
        let found = compare("c", 100, "d", &spread, whole, &log()).expect("a comparison");
        assert_eq!(found.agreement, Agreement::Differs);
    }

    #[test]
    fn few_scattered_rows_are_not_enough() {
        let found = compare("c", 100, "d", &[1.0, 4.0], Rows::OfStretch, &log()).expect("one");
        assert_eq!(found.agreement, Agreement::NotEnough);
        assert_eq!(compare("c", 100, "d", &[], Rows::OfStretch, &log()), None);
        assert_eq!(
            compare("c", 2000, "d", &[2.0; 9], Rows::OfStretch, &log()),
            None
        );
    }
}
