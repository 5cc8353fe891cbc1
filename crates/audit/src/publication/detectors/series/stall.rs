//! A loss that stopped falling while the rate was still high.
//!
//! Loss falls about evenly with the logarithm of steps (a power law with a small exponent), so the fall per doubling in
//! the last stretch is held against the one before it. Both are slopes by Theil and Sen, which outliers do not move,
//! with the interval of Sen (1968) from the variance of Kendall's S. Only a fall that is *surely* a small part of
//! the earlier one is a stall: a log too short or too noisy to tell is none.

use glasswork_published::MetricKind;

use super::{Point, by_step, of_kind, rates, shown, subject};
use crate::publication::Subject;
use crate::publication::finding::{Finding, Severity};

/// Means that a stretch is reduced to: less noise, and 100²/2 pairs.
const MEANS: usize = 100;
/// The fewest values in a stretch.
const FEWEST: usize = 60;
/// Normal deviate of the interval's ends: 99% two-sided.
const Z: f64 = 2.576;
/// A fall per doubling that is surely below this part of the earlier one is a stall.
const PART: f64 = 0.5;
/// The rate at the end, as part of its peak, above which loss should fall.
const RATE: f64 = 0.2;

/// Theil–Sen slope with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// The lower end.
    pub low: f64,
    /// The median of all pairs' slopes.
    pub middle: f64,
    /// The upper end.
    pub high: f64,
}

/// The slope of `points`, whose first coordinates ascend; `None` for fewer than three.
#[must_use]
pub fn theil_sen(points: &[(f64, f64)]) -> Option<Slope> {
    let n = points.len();
    if n < 3 {
        return None;
    }
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    for (i, a) in points.iter().enumerate() {
        for b in &points[i + 1..] {
            slopes.push((b.1 - a.1) / (b.0 - a.0));
        }
    }
    slopes.sort_by(f64::total_cmp);
    let count = slopes.len() as f64;
    let variance = (n * (n - 1) * (2 * n + 5)) as f64 / 18.0;
    let half = Z * variance.sqrt();
    let at = |place: f64| slopes[(place.max(0.0) as usize).min(slopes.len() - 1)];
    Some(Slope {
        low: at((count - half) / 2.0),
        middle: slopes[slopes.len() / 2],
        high: at((count + half) / 2.0),
    })
}

/// Falls per step, times the step in the middle: about proportional to the fall per doubling.
fn fall(points: &[Point]) -> Option<(Slope, u64)> {
    if points.len() < FEWEST {
        return None;
    }
    let middle = points[points.len() / 2].0;
    let size = points.len().div_ceil(MEANS);
    let means: Vec<(f64, f64)> = points
        .chunks_exact(size)
        .map(|part| {
            let n = part.len() as f64;
            let x: f64 = part.iter().map(|(step, _)| *step as f64).sum();
            let y: f64 = part.iter().map(|(_, value)| *value).sum();
            (x / n, y / n)
        })
        .collect();
    let slope = theil_sen(&means)?;
    let times = middle as f64;
    let slope = Slope {
        low: -slope.high * times,
        middle: -slope.middle * times,
        high: -slope.low * times,
    };
    Some((slope, points[0].0))
}

/// The points from one share of the steps to another; the end belongs to the last stretch.
fn stretch(loss: &[Point], from: f64, to: f64) -> Option<&[Point]> {
    let (first, last) = (loss.first()?.0, loss.last()?.0);
    let place = |share: f64| {
        let step = first + ((last - first) as f64 * share) as u64;
        loss.partition_point(|(own, _)| *own < step)
    };
    let end = if to < 1.0 { place(to) } else { loss.len() };
    loss.get(place(from)..end)
}

fn earlier(loss: &[Point]) -> Option<Slope> {
    fall(stretch(loss, 0.3, 0.7)?).map(|(slope, _)| slope)
}

/// The part of the earlier fall that is left in the last stretch at most, and where that stretch begins, if it is a
/// stall. The last stretch is the last 30% of steps, the earlier one the 40% before it.
#[must_use]
pub fn stalled(loss: &[Point]) -> Option<(f64, u64)> {
    let earlier = earlier(loss)?;
    let (late, since) = fall(stretch(loss, 0.7, 1.0)?)?;
    if earlier.low <= 0.0 {
        return None;
    }
    let part = late.high / earlier.middle;
    (part < PART).then_some((part.max(0.0), since))
}

/// Equal values one after the other that no batches give.
const FLAT: usize = 100;

/// Where a loss begins to be one value over and over, or is none: a mean of −log p of many tokens is above 0.
#[must_use]
pub fn impossible(loss: &[Point]) -> Option<u64> {
    let bits = |(_, value): &Point| value.to_bits();
    let flat = loss
        .chunk_by(|a, b| bits(a) == bits(b))
        .find(|run| run.len() >= FLAT);
    let not_above = loss.iter().find(|(_, value)| *value <= 0.0);
    Some(flat.and_then(|run| run.first()).or(not_above)?.0)
}

/// Whether there is enough of a loss and of its rate to see a stall in it, were there one.
pub(crate) fn decidable(of: &Subject<'_>) -> bool {
    of_kind(of.inventory, MetricKind::Loss).any(|series| {
        let loss = by_step(&series.points);
        rates(of.inventory, &series.path).is_some()
            && earlier(&loss).is_some_and(|earlier| earlier.low > 0.0)
    })
}

/// A stall is a doubt where the rate is known to be above a fifth of its peak, else nothing is said. A loss that is none
/// is a doubt whatever the rate.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    of_kind(of.inventory, MetricKind::Loss)
        .filter_map(|series| {
            if let Some(since) = impossible(&by_step(&series.points)) {
                return Some(
                    Finding::new(
                        "stall",
                        Severity::Doubt,
                        &subject(series),
                        "loss_implausible",
                    )
                    .with("since", since)
                    .on(shown(series))
                    .asking("incident_report"),
                );
            }
            let rates = rates(of.inventory, &series.path)?;
            let peak = rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
            let (part, since) = stalled(&by_step(&series.points))?;
            let end = rates.last()?.1;
            (end > RATE * peak).then(|| {
                Finding::new("stall", Severity::Doubt, &subject(series), "loss_stalled")
                    .with("since", since)
                    .with("part", part)
                    .on(shown(series))
                    .asking("incident_report")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_a_line_is_found_among_outliers() {
        let mut line: Vec<(f64, f64)> = (0..50)
            .map(|i| (f64::from(i), 3.0 - 0.5 * f64::from(i)))
            .collect();
        for i in [3, 17, 30] {
            line[i].1 = 1e6;
        }
        let slope = theil_sen(&line).expect("fifty points");
        assert!((slope.middle + 0.5).abs() < 1e-9, "{slope:?}");
        assert!(slope.low <= slope.middle && slope.middle <= slope.high);
    }

    #[test]
    fn a_power_law_does_not_stall_and_a_constant_does() {
        // t^-1/4.
        let law = |t: u64| 2.0 + 4.0 / (t as f64).sqrt().sqrt();
        let falling: Vec<Point> = (1..2000).map(|t| (t, law(t))).collect();
        assert_eq!(stalled(&falling), None);
        let stuck: Vec<Point> = (1..2000).map(|t| (t, law(t.min(1390)))).collect();
        assert!(stalled(&stuck).is_some());
        assert_eq!(impossible(&falling), None);
        let flat: Vec<Point> = (1..400).map(|t| (t, law(t.min(90)))).collect();
        assert_eq!(impossible(&flat), Some(90));
        assert_eq!(impossible(&[(1, 2.0), (2, 0.0), (3, -1.0)]), Some(2));
    }
}
