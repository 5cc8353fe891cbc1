//! The logged loss as a curve over steps.

use std::ops::RangeInclusive;

/// Logged losses in the order of their steps. Of a step that was logged twice, after a restart, the later
/// value counts: it belongs to the training that went on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossCurve {
    points: Vec<(u64, f64)>,
    rounding: f64,
}

impl LossCurve {
    /// From points in the order of the log; what is not finite is left out.
    #[must_use]
    pub fn new(logged: &[(u64, f64)]) -> Self {
        let mut points: Vec<(u64, f64)> = logged
            .iter()
            .copied()
            .filter(|(_, loss)| loss.is_finite())
            .collect();
        // Stable: equal steps stay in the order of the log.
        points.sort_by_key(|&(step, _)| step);
        let mut kept: Vec<(u64, f64)> = Vec::with_capacity(points.len());
        for point in points {
            match kept.last_mut() {
                Some(last) if last.0 == point.0 => *last = point,
                _ => kept.push(point),
            }
        }
        let rounding = rounding(&kept);
        Self {
            points: kept,
            rounding,
        }
    }

    /// How far rounding may have moved a logged value: half of the last decimal, where all of them have few.
    #[must_use]
    pub fn rounding(&self) -> f64 {
        self.rounding
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The last step that was logged.
    #[must_use]
    pub fn last_step(&self) -> Option<u64> {
        self.points.last().map(|point| point.0)
    }

    /// The loss logged at exactly this step.
    #[must_use]
    pub fn at(&self, step: u64) -> Option<f64> {
        let index = self.points.binary_search_by_key(&step, |point| point.0);
        index.ok().map(|index| self.points[index].1)
    }

    /// Losses logged at steps of the range, in order.
    pub fn within(&self, steps: RangeInclusive<u64>) -> impl Iterator<Item = f64> + '_ {
        let from = self
            .points
            .partition_point(|point| point.0 < *steps.start());
        let points = self.points[from..].iter();
        points
            .take_while(move |point| point.0 <= *steps.end())
            .map(|point| point.1)
    }

    /// First and last step, connected with `step`, at which the logged loss stays within `bound` of the one at `step`, by
    /// medians over neighbours (a quarter of the steps before, at most `window`): weights of those steps would have
    /// passed too.
    #[must_use]
    pub fn indistinguishable(&self, step: u64, bound: f64, window: usize) -> (u64, u64) {
        let here = self.points.partition_point(|point| point.0 < step);
        let Some(last) = self.points.len().checked_sub(1) else {
            return (step, step);
        };
        let here = here.min(last);
        let level = |index: usize| {
            // Early on the loss falls within few steps; the same reach on both sides, or the median is off.
            let reach = (index / 4).min(window / 2).min(last - index);
            let losses = &self.points[index - reach..=index + reach];
            let mut losses: Vec<f64> = losses.iter().map(|p| p.1).collect();
            losses.sort_by(f64::total_cmp);
            losses[losses.len() / 2]
        };
        let center = level(here);
        let close = |&index: &usize| (level(index) - center).abs() <= bound;
        let first = (0..here).rev().take_while(close).last().unwrap_or(here);
        let end = (here + 1..=last).take_while(close).last().unwrap_or(here);
        (self.points[first].0.min(step), self.points[end].0.max(step))
    }
}

/// Half of the last decimal that any value has, if none has more than four.
fn rounding(points: &[(u64, f64)]) -> f64 {
    let whole = |x: f64| (x - x.round()).abs() < 1e-6;
    let unit = [1.0, 10.0, 100.0, 1e3, 1e4]
        .into_iter()
        .find(|unit| points.iter().all(|point| whole(point.1 * unit)));
    match unit {
        Some(unit) if !points.is_empty() => 0.5 / unit,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_restart_the_later_value_counts() {
        let curve = LossCurve::new(&[(1, 9.0), (2, 8.0), (3, f64::NAN), (2, 7.5), (3, 7.0)]);
        assert_eq!(curve.at(2), Some(7.5));
        assert_eq!(curve.at(3), Some(7.0));
        assert_eq!(curve.at(4), None);
        assert_eq!(curve.within(2..=9).collect::<Vec<_>>(), [7.5, 7.0]);
    }

    #[test]
    fn a_flat_curve_tells_no_steps_apart() {
        let falling: Vec<_> = (1..=100)
            .map(|step| (step, 10.0 - step as f64 * 0.05))
            .collect();
        let curve = LossCurve::new(&falling);
        let (first, last) = curve.indistinguishable(50, 0.26, 1);
        assert_eq!((first, last), (45, 55));
        assert_eq!(LossCurve::new(&[(1, 2.5), (2, 2.4)]).rounding(), 0.05);
        assert_eq!(LossCurve::new(&[(1, 2.123_456), (2, 2.4)]).rounding(), 0.0);
        let flat: Vec<_> = (1..=100).map(|step| (step, 2.0)).collect();
        assert_eq!(
            LossCurve::new(&flat).indistinguishable(50, 0.01, 1),
            (1, 100)
        );
        assert_eq!(LossCurve::default().indistinguishable(7, 1.0, 3), (7, 7));
    }
}
