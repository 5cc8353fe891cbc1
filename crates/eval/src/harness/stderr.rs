//! One number of many documents, and how far it may be off.

use super::metric::Aggregation;
use super::node::Node;
use super::python::{exp, ln};
use super::random::Random;

/// Resamples of a bootstrap, in chunks of a thousand with seeds from 0.
const RESAMPLES: u64 = 100_000;
const CHUNK: u64 = 1000;

/// A value of an aggregation, read once.
enum Items {
    Numbers(Vec<f64>),
    /// Sums and what they are divided by; gold and predicted classes.
    Pairs(Vec<(f64, f64)>),
    /// Gold classes and probabilities of all.
    Shares(Vec<(usize, Vec<f64>)>),
}

fn items(aggregation: Aggregation, values: &[&Node]) -> Option<Items> {
    let pair = |value: &Node| match value.list()? {
        [first, second] => Some((first.number()?, second.number()?)),
        _ => None,
    };
    let shares = |value: &Node| match value.list()? {
        [gold, shares] => {
            let shares = shares
                .list()?
                .iter()
                .map(Node::number)
                .collect::<Option<_>>()?;
            Some((usize::try_from(gold.int()?).ok()?, shares))
        }
        _ => None,
    };
    Some(match aggregation {
        Aggregation::Mean | Aggregation::Median | Aggregation::Perplexity => Items::Numbers(
            values
                .iter()
                .map(|value| value.number())
                .collect::<Option<_>>()?,
        ),
        Aggregation::Brier => Items::Shares(
            values
                .iter()
                .map(|value| shares(value))
                .collect::<Option<_>>()?,
        ),
        _ => Items::Pairs(
            values
                .iter()
                .map(|value| pair(value))
                .collect::<Option<_>>()?,
        ),
    })
}

/// The aggregated value; `None` where the values are not what the aggregation takes, or there are none.
pub(super) fn aggregate(aggregation: Aggregation, values: &[&Node]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    Some(match items(aggregation, values)? {
        Items::Numbers(numbers) => of_numbers(aggregation, &numbers),
        Items::Pairs(pairs) => of_pairs(aggregation, &pairs),
        Items::Shares(shares) => {
            let score = |(gold, shares): &(usize, Vec<f64>)| -> f64 {
                let off =
                    |(class, share): (usize, &f64)| share - f64::from(u8::from(class == *gold));
                shares
                    .iter()
                    .enumerate()
                    .map(off)
                    .map(|off| off * off)
                    .sum()
            };
            mean(&shares.iter().map(score).collect::<Vec<_>>())
        }
    })
}

/// The standard error of [`aggregate`]; `None` where the harness gives none.
pub(super) fn standard_error(aggregation: Aggregation, values: &[&Node]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    match (aggregation, items(aggregation, values)?) {
        (Aggregation::Mean, Items::Numbers(numbers)) => {
            Some(deviation(&numbers) / (numbers.len() as f64).sqrt())
        }
        (Aggregation::Median | Aggregation::Perplexity, Items::Numbers(numbers)) => {
            Some(bootstrap(&numbers, |drawn| of_numbers(aggregation, drawn)))
        }
        (Aggregation::F1 | Aggregation::Matthews, Items::Pairs(pairs)) => {
            Some(bootstrap(&pairs, |drawn| of_pairs(aggregation, drawn)))
        }
        _ => None,
    }
}

/// Σx / n, summed in order.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |sum, x| sum + x) / values.len() as f64
}

/// √(Σ(x − mean)² / (n − 1)).
pub(super) fn deviation(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares = values
        .iter()
        .fold(0.0, |sum, x| sum + (x - centre) * (x - centre));
    (squares / (values.len() as f64 - 1.0)).sqrt()
}

fn of_numbers(aggregation: Aggregation, numbers: &[f64]) -> f64 {
    match aggregation {
        Aggregation::Perplexity => exp(-mean(numbers)),
        Aggregation::Median => {
            let mut sorted = numbers.to_vec();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() / 2]
        }
        _ => mean(numbers),
    }
}

fn of_pairs(aggregation: Aggregation, pairs: &[(f64, f64)]) -> f64 {
    let (firsts, seconds) = pairs
        .iter()
        .fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    match aggregation {
        Aggregation::WeightedPerplexity => exp(-(firsts / seconds)),
        Aggregation::BitsPerByte => -(firsts / seconds) / ln(2.0),
        Aggregation::F1 => {
            let count = |gold: f64, predicted: f64| {
                pairs.iter().filter(|p| **p == (gold, predicted)).count() as f64
            };
            let twice = 2.0 * count(1.0, 1.0);
            let all = twice + count(0.0, 1.0) + count(1.0, 0.0);
            if all == 0.0 { 0.0 } else { twice / all }
        }
        _ => matthews(pairs),
    }
}

/// Correlation of gold and predicted classes, of any number (Gorodkin 2004, equation 8).
fn matthews(pairs: &[(f64, f64)]) -> f64 {
    let mut classes: Vec<f64> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
    classes.sort_by(f64::total_cmp);
    classes.dedup();
    let total = pairs.len() as f64;
    let right = pairs
        .iter()
        .filter(|(gold, predicted)| gold == predicted)
        .count() as f64;
    let (mut both, mut golds, mut predictions) = (0.0, 0.0, 0.0);
    for class in classes {
        let gold = pairs.iter().filter(|pair| pair.0 == class).count() as f64;
        let predicted = pairs.iter().filter(|pair| pair.1 == class).count() as f64;
        both += gold * predicted;
        golds += gold * gold;
        predictions += predicted * predicted;
    }
    let spread = (total * total - predictions) * (total * total - golds);
    if spread == 0.0 {
        0.0
    } else {
        (right * total - both) / spread.sqrt()
    }
}

fn bootstrap<T: Clone>(items: &[T], of: impl Fn(&[T]) -> f64) -> f64 {
    let mut values = Vec::with_capacity(RESAMPLES as usize);
    let mut drawn = Vec::with_capacity(items.len());
    for seed in 0..RESAMPLES / CHUNK {
        let mut random = Random::new(seed);
        for _ in 0..CHUNK {
            drawn.clear();
            drawn.extend(
                random
                    .choices(items.len(), items.len())
                    .map(|place| items[place].clone()),
            );
            values.push(of(&drawn));
        }
    }
    deviation(&values)
}

/// A group's value of its tasks' values and sizes.
pub(super) fn of_group(values: &[f64], sizes: &[usize], by_size: bool) -> f64 {
    let weight = |size: &usize| if by_size { *size as f64 } else { 1.0 };
    let total: f64 = sizes.iter().map(weight).sum();
    let sum = values
        .iter()
        .zip(sizes)
        .fold(0.0, |sum, (value, size)| sum + value * weight(size));
    sum / total
}

/// A group's standard error: pooled over documents, or of the plain mean of its tasks.
pub(super) fn of_group_error(errors: &[f64], sizes: &[usize], by_size: bool) -> f64 {
    if !by_size {
        return errors.iter().fold(0.0, |sum, e| sum + e * e).sqrt() / errors.len() as f64;
    }
    let total: f64 = sizes.iter().map(|&size| size as f64).sum();
    let pooled = errors.iter().zip(sizes).fold(0.0, |sum, (error, &size)| {
        sum + (size as f64 - 1.0) * error * error * size as f64
    });
    (pooled / (total - sizes.len() as f64) / total).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        let found = found.expect("a number");
        assert!(
            (found - expected).abs() < 1e-12,
            "{found} is not {expected}"
        );
    }

    // Expected numbers were printed by lm-evaluation-harness 0.4.13.
    #[test]
    fn means_and_their_errors() {
        let values = [1.0, 0.0, 0.0, 1.0, 1.0].map(Node::Float);
        let values: Vec<&Node> = values.iter().collect();
        close(aggregate(Aggregation::Mean, &values), 0.6);
        close(
            standard_error(Aggregation::Mean, &values),
            0.244_948_974_278_317_8,
        );
        assert_eq!(standard_error(Aggregation::Mean, &values[..1]), None);
        assert_eq!(aggregate(Aggregation::Mean, &[]), None);
    }

    #[test]
    fn a_bootstrap_is_that_of_cpython() {
        let values = [-1.5, -0.25, -3.0, -2.0].map(Node::Float);
        let values: Vec<&Node> = values.iter().collect();
        close(aggregate(Aggregation::Perplexity, &values), PERPLEXITY);
        close(
            standard_error(Aggregation::Perplexity, &values),
            PERPLEXITY_ERROR,
        );
    }

    #[test]
    fn weighted_ones_have_no_error() {
        let pair = |sum: f64, units: i64| Node::List(vec![Node::Float(sum), Node::Int(units)]);
        let values = [pair(-10.0, 4), pair(-6.0, 4)];
        let values: Vec<&Node> = values.iter().collect();
        close(
            aggregate(Aggregation::WeightedPerplexity, &values),
            7.389_056_098_930_65,
        );
        close(
            aggregate(Aggregation::BitsPerByte, &values),
            2.885_390_081_777_927,
        );
        assert_eq!(standard_error(Aggregation::BitsPerByte, &values), None);
    }

    #[test]
    fn classes() {
        let pair =
            |gold: i64, predicted: i64| Node::List(vec![Node::Int(gold), Node::Int(predicted)]);
        let values = [pair(1, 1), pair(0, 1), pair(1, 0), pair(1, 1), pair(0, 0)];
        let values: Vec<&Node> = values.iter().collect();
        close(aggregate(Aggregation::F1, &values), 2.0 / 3.0);
        close(aggregate(Aggregation::Matthews, &values), 1.0 / 6.0);
    }

    #[test]
    fn groups() {
        close(Some(of_group(&[0.5, 1.0], &[10, 30], true)), 0.875);
        close(Some(of_group(&[0.5, 1.0], &[10, 30], false)), 0.75);
        close(Some(of_group_error(&[0.1, 0.05], &[10, 30], true)), POOLED);
        close(
            Some(of_group_error(&[0.1, 0.05], &[10, 30], false)),
            0.055_901_699_437_494_74,
        );
    }

    const PERPLEXITY: f64 = 5.405948925141167;
    const PERPLEXITY_ERROR: f64 = 3.0800494472557642;
    const POOLED: f64 = 0.04497806482930845;
}
