//! Whether a score measured on some items agrees with one that is stated of all.

use crate::quantile::standard_errors;
use glasswork_audit::measured::Agreement;

/// What two evaluations of the same weights may differ by besides chance: other versions of the data and of the harness,
/// other number formats. An assumption, for shares; of a perplexity it is this part.
const TOLERANCE: f64 = 0.02;
/// A bound wider than this tells nothing, where no chance level is known.
const WIDE: f64 = 0.1;

/// Metrics that are shares of right answers.
const SHARES: [&str; 8] = [
    "acc",
    "acc_norm",
    "acc_bytes",
    "acc_mutual_info",
    "exact_match",
    "em",
    "f1",
    "pct_stereotype",
];

/// Whether a metric, with or without a filter, is a share.
pub(crate) fn is_share(metric: &str) -> bool {
    SHARES.contains(&metric.split(',').next().unwrap_or(metric))
}

/// A score measured here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) value: f64,
    /// Standard error of the value.
    pub(crate) error: Option<f64>,
    /// Of the difference from what all items would give: items were drawn from them, so that it is nothing where all are asked.
    pub(crate) drawn: Option<f64>,
    /// The same for a share s that is known, over s (1 − s), as a variance: where all drawn items are right, the drawn ones do
    /// not tell how far off they may be.
    pub(crate) of_share: f64,
    /// Items, and items that the task has.
    pub(crate) items: (u64, u64),
    /// Score of guessing.
    pub(crate) chance: Option<f64>,
    pub(crate) share: bool,
}

impl Measured {
    /// Against the score `stated` of all items, one of `comparisons` that are to be right together.
    ///
    /// With other `prompts` than the publisher's, or prompts of which that is not known, a difference says nothing.
    pub(crate) fn against(
        &self,
        stated: f64,
        comparisons: usize,
        prompts: bool,
    ) -> Option<Agreement> {
        // Some state per cent.
        let stated = if self.share && stated > 1.0 && stated <= 100.0 {
            stated / 100.0
        } else {
            stated
        };
        let tolerance = if self.share {
            TOLERANCE
        } else {
            TOLERANCE * stated.abs()
        };
        let expected = if self.share {
            (stated * (1.0 - stated) * self.of_share).max(0.0).sqrt()
        } else {
            0.0
        };
        let drawn = match self.drawn {
            Some(0.0) if expected == 0.0 => 0.0,
            Some(error) => standard_errors(self.items.0, comparisons) * error.max(expected),
            None => f64::INFINITY,
        };
        let bound = tolerance + drawn;
        let off = (self.value - stated).abs();
        if !off.is_finite() {
            return None;
        }
        let telling = match self.chance {
            Some(chance) => (stated - chance).abs() > bound,
            None if self.share => bound < WIDE,
            None => bound < WIDE * stated.abs(),
        };
        Some(match (off <= bound, telling) {
            (false, _) if prompts => Agreement::Differs,
            (true, true) => Agreement::Agrees,
            _ => Agreement::NotEnough,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of numbers between 0 and 1.
    fn stream(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// A task of 2,000 items and 4 choices, scored right with chance `skill`; stated as `shift` more than it is; asked again
    /// on `asked` of its items by a machine that decides 1 in 200 items otherwise.
    fn case(seed: u64, skill: f64, shift: f64, asked: usize) -> Agreement {
        let mut next = stream(seed);
        for _ in 0..20 {
            next();
        }
        let right: Vec<bool> = (0..2000).map(|_| next() < skill).collect();
        let share = right.iter().filter(|right| **right).count() as f64 / 2000.0;
        let some = right
            .iter()
            .step_by(2000 / asked)
            .map(|right| *right != (next() < 0.005));
        let some: Vec<f64> = some.map(|right| f64::from(u8::from(right))).collect();
        let n = some.len() as f64;
        let mean = some.iter().sum::<f64>() / n;
        let unseen = 1.0 - n / 2000.0;
        let error = (mean * (1.0 - mean) / (n - 1.0)).sqrt();
        let measured = Measured {
            value: mean,
            error: Some(error),
            drawn: Some(error * unseen.sqrt()),
            of_share: unseen / (n - 1.0),
            items: (some.len() as u64, 2000),
            chance: Some(0.25),
            share: true,
        };
        measured.against(share + shift, 8, true).expect("a number")
    }

    #[test]
    fn rates_of_published_scores() {
        let count = |skill: f64, shift: f64, asked: usize| {
            let all = (0..200).map(|seed| case(seed + 1, skill, shift, asked));
            let all: Vec<Agreement> = all.collect();
            let of = |what| all.iter().filter(|one| **one == what).count();
            println!(
                "skill {skill}, stated {shift:+}, {asked} of 2000 items: differs {}, agrees {}, not enough {} of 200",
                of(Agreement::Differs),
                of(Agreement::Agrees),
                of(Agreement::NotEnough)
            );
            (of(Agreement::Differs), of(Agreement::Agrees))
        };
        // Sound ones: one false alarm in a hundred runs of eight is allowed, beyond the tolerance.
        for skill in [0.03, 0.4, 0.55, 0.7, 0.85, 0.95, 0.97] {
            for asked in [50, 100, 400] {
                assert!(count(skill, 0.0, asked).0 <= 1, "{skill} {asked}");
            }
        }
        // Stated 15 points above what the weights score.
        for skill in [0.4, 0.55, 0.7] {
            assert!(count(skill, 0.15, 400).0 >= 190, "{skill}");
        }
        // Near chance nothing is confirmed.
        assert_eq!(count(0.27, 0.0, 400), (0, 0));
    }

    #[test]
    fn all_items_leave_the_tolerance_only() {
        let measured = Measured {
            value: 0.50,
            error: Some(0.02),
            drawn: Some(0.0),
            of_share: 0.0,
            items: (500, 500),
            chance: Some(0.25),
            share: true,
        };
        assert_eq!(measured.against(0.519, 1, true), Some(Agreement::Agrees));
        assert_eq!(measured.against(0.521, 1, true), Some(Agreement::Differs));
        assert_eq!(measured.against(51.9, 1, true), Some(Agreement::Agrees));
        // Who does not say how often it was shown how may have asked otherwise.
        assert_eq!(measured.against(0.6, 1, false), Some(Agreement::NotEnough));
        assert_eq!(measured.against(f64::NAN, 1, true), None);
        let perplexity = Measured {
            value: 12.0,
            error: None,
            chance: None,
            share: false,
            ..measured
        };
        assert_eq!(perplexity.against(12.2, 1, true), Some(Agreement::Agrees));
        assert_eq!(perplexity.against(13.0, 1, true), Some(Agreement::Differs));
        let some = Measured {
            items: (10, 500),
            drawn: None,
            ..perplexity
        };
        assert_eq!(some.against(13.0, 1, true), Some(Agreement::NotEnough));
    }
}
