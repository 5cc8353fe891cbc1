//! Numbers of one thing, a turn each.

/// What the turns gave, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Series(pub(super) Vec<f64>);

impl Series {
    /// The middle one, or the mean of the two in the middle; NaN of nothing.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            length if length % 2 == 0 => f64::midpoint(sorted[length / 2 - 1], sorted[length / 2]),
            length => sorted[length / 2],
        }
    }

    pub(super) fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    pub(super) fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }

    /// Turn by turn.
    pub(super) fn ratio(&self, to: &Self) -> Self {
        Self(self.0.iter().zip(&to.0).map(|(a, b)| a / b).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(Series(vec![3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(Series(vec![4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert!(Series::default().median().is_nan());
    }

    #[test]
    fn ratios_are_taken_within_a_turn() {
        let ratios = Series(vec![2.0, 9.0]).ratio(&Series(vec![1.0, 3.0]));
        assert_eq!(ratios, Series(vec![2.0, 3.0]));
        assert_eq!((ratios.least(), ratios.most()), (2.0, 3.0));
    }
}
