//! Is data that a checkpoint has seen easier for it than data that comes later?
//!
//! After one pass over much text the gap is small, often nothing, and what a stretch of data is about can be larger
//! than it. So only a gap that is clearly above nothing says anything; later data that is clearly easier is a question
//! to ask (another kind of text, another order, weights of a later step), no contradiction.

use glasswork_audit::measured::{Agreement, Mean, SeenUnseen};

/// Standard errors of a 95% interval.
const NINETY_FIVE: f64 = 1.959_964;
/// Standard errors below zero at which the sign is believed.
const BELIEVED: f64 = 3.0;

/// Fewest rows of a side.
pub const FEWEST: usize = 8;

/// Mean losses of rows: the file that they are from, and one loss a row.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The file.
    pub data: &'a str,
    /// Nats a token.
    pub losses: &'a [f64],
}

/// The gap, or `None` where one side has fewer than [`FEWEST`] rows.
#[must_use]
pub fn compare(
    checkpoint: &str,
    step: u64,
    seen: Side<'_>,
    unseen: Side<'_>,
) -> Option<SeenUnseen> {
    if seen.losses.len().min(unseen.losses.len()) < FEWEST {
        return None;
    }
    let (before, after) = (Mean::of(seen.losses)?, Mean::of(unseen.losses)?);
    let error = before.standard_error?.hypot(after.standard_error?);
    let gap = after.mean - before.mean;
    let agreement = if gap < -BELIEVED * error {
        Agreement::Differs
    } else if gap > NINETY_FIVE * error {
        Agreement::Agrees
    } else {
        Agreement::NotEnough
    };
    Some(SeenUnseen {
        checkpoint: checkpoint.into(),
        step,
        seen: before,
        seen_data: seen.data.into(),
        unseen: after,
        unseen_data: unseen.data.into(),
        gap,
        interval: (gap - NINETY_FIVE * error, gap + NINETY_FIVE * error),
        agreement,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_sign_is_believed() {
        fn side(losses: &[f64]) -> Side<'_> {
            Side { data: "d", losses }
        }
        let low: Vec<f64> = (0..12).map(|i| 2.0 + f64::from(i % 3) * 0.1).collect();
        let high: Vec<f64> = low.iter().map(|loss| loss + 1.0).collect();
        let agreement =
            |seen, unseen| compare("c", 1, side(seen), side(unseen)).map(|one| one.agreement);
        assert_eq!(agreement(&low, &high), Some(Agreement::Agrees));
        assert_eq!(agreement(&high, &low), Some(Agreement::Differs));
        assert_eq!(agreement(&low, &low), Some(Agreement::NotEnough));
        assert_eq!(agreement(&low[..7], &high), None);
    }
}
