//! Is data that a checkpoint has seen easier for it than data that comes later?
//!
//! After one pass over much text the gap is small, often nothing; its sign is what matters. A checkpoint that
//! finds *later* data significantly easier has probably seen it: it is of a later step than its name says, or the
//! order is not what is published.

use glasswork_audit::measured::{Agreement, Mean, SeenUnseen};

/// Standard errors of a 95% interval.
const NINETY_FIVE: f64 = 1.959_964;
/// Standard errors below zero at which the sign is believed.
const BELIEVED: f64 = 3.0;

/// Mean losses of rows: the file that they are from, and one loss a row.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The file.
    pub data: &'a str,
    /// Nats a token.
    pub losses: &'a [f64],
}

/// The gap, or `None` where one side has fewer than two rows.
#[must_use]
pub fn compare(
    checkpoint: &str,
    step: u64,
    seen: Side<'_>,
    unseen: Side<'_>,
) -> Option<SeenUnseen> {
    let (before, after) = (Mean::of(seen.losses)?, Mean::of(unseen.losses)?);
    let error = before.standard_error?.hypot(after.standard_error?);
    let gap = after.mean - before.mean;
    let agreement = if gap < -BELIEVED * error {
        Agreement::Differs
    } else {
        Agreement::Agrees
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
        let side = |losses| Side { data: "d", losses };
        let (low, high) = ([2.0, 2.1, 2.2, 2.1], [3.0, 3.1, 3.2, 3.1]);
        let sound = compare("c", 1, side(&low), side(&high)).expect("a gap");
        assert_eq!(sound.agreement, Agreement::Agrees);
        assert!((sound.gap - 1.0).abs() < 1e-12 && sound.interval.0 > 0.8);
        let planted = compare("c", 1, side(&high), side(&low)).expect("a gap");
        assert_eq!(planted.agreement, Agreement::Differs);
        let same = compare("c", 1, side(&low), side(&low)).expect("a gap");
        assert_eq!(same.agreement, Agreement::Agrees);
        assert!(compare("c", 1, side(&low[..1]), side(&high)).is_none());
    }
}
