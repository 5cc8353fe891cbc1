//! Two models on the same documents: differences in pairs, since that is where the power is.

use super::json;
use super::node::Node;
use super::python::{exp, ln};
use super::stderr::{deviation, mean};
use crate::EvalError;
use std::collections::BTreeMap;

/// Most samples that are compared.
const MOST: usize = 10_000_000;

/// Counts of right and wrong answers in pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Binary {
    /// Right by the first alone.
    pub first_only: usize,
    /// Right by the second alone.
    pub second_only: usize,
    /// Exact two-sided McNemar: how likely a split at least as uneven is, were both as good.
    pub p: f64,
}

/// A metric's difference, second minus first.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Name of the metric, with its filter.
    pub metric: String,
    /// Documents that both have.
    pub pairs: usize,
    /// Mean of the first, of the second.
    pub means: (f64, f64),
    /// Mean difference.
    pub mean: f64,
    /// Its paired standard error.
    pub standard_error: Option<f64>,
    /// Its 95 % interval: for right and wrong answers that of Agresti and Min 2005 (half a pair is added to each of the
    /// four cells, so that it says something of few pairs, too); else mean ± 1.96 standard errors, for some dozens of pairs.
    pub interval: Option<(f64, f64)>,
    /// Where all values are right or wrong.
    pub binary: Option<Binary>,
}

/// All that two sample files of a task have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// By metric.
    pub differences: Vec<Difference>,
    /// Documents that only one has.
    pub unpaired: usize,
    /// Documents whose text or prompt differ: not compared.
    pub different: usize,
}

impl Comparison {
    /// The p that a single McNemar test among `tests` must stay below for 5 % in all (Bonferroni).
    pub fn threshold(tests: usize) -> f64 {
        0.05 / tests.max(1) as f64
    }
}

/// Compares two `samples_….jsonl` of the same task.
///
/// # Errors
/// A file that holds no samples.
pub fn compare(first: &str, second: &str) -> Result<Comparison, EvalError> {
    let (first, second) = (samples(first)?, samples(second)?);
    let mut values: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    let (mut paired, mut different) = (0, 0);
    for (key, one) in &first {
        let Some(other) = second.get(key) else {
            continue;
        };
        paired += 1;
        let same = ["doc_hash", "prompt_hash", "target_hash"]
            .iter()
            .all(|hash| one.get(hash) == other.get(hash));
        if !same {
            different += 1;
            continue;
        }
        let metrics = one.get("metrics").and_then(Node::list).unwrap_or_default();
        for metric in metrics.iter().filter_map(Node::text) {
            let pair = |sample: &Node| sample.get(metric).and_then(Node::number);
            if let (Some(a), Some(b)) = (pair(one), pair(other)) {
                values
                    .entry(format!("{metric},{}", key.1))
                    .or_default()
                    .push((a, b));
            }
        }
    }
    Ok(Comparison {
        differences: values
            .into_iter()
            .map(|(metric, pairs)| difference(metric, &pairs))
            .collect(),
        unpaired: first.len() + second.len() - 2 * paired,
        different,
    })
}

fn samples(text: &str) -> Result<BTreeMap<(i64, String), Node>, EvalError> {
    let wrong = |reason: String| EvalError::Samples { reason };
    let lines = json::parse_lines(text).map_err(wrong)?;
    if lines.len() > MOST {
        return Err(wrong(format!("there are more than {MOST}")));
    }
    let mut samples = BTreeMap::new();
    for line in lines {
        let key = line
            .get("doc_id")
            .and_then(Node::int)
            .zip(line.get("filter").and_then(Node::text));
        let (number, filter) =
            key.ok_or_else(|| wrong("a line has no doc_id or no filter".to_owned()))?;
        let key = (number, filter.to_owned());
        samples.insert(key, line);
    }
    Ok(samples)
}

fn difference(metric: String, pairs: &[(f64, f64)]) -> Difference {
    let (first, second): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
    let centre = mean(&differences);
    let error = (pairs.len() > 1).then(|| deviation(&differences) / (pairs.len() as f64).sqrt());
    let right_or_wrong = |value: &f64| *value == 0.0 || *value == 1.0;
    let binary = first.iter().chain(&second).all(right_or_wrong).then(|| {
        let first_only = pairs.iter().filter(|(a, b)| a > b).count();
        let second_only = pairs.iter().filter(|(a, b)| a < b).count();
        Binary {
            first_only,
            second_only,
            p: mcnemar(first_only, second_only),
        }
    });
    Difference {
        metric,
        pairs: pairs.len(),
        means: (mean(&first), mean(&second)),
        mean: centre,
        standard_error: error,
        interval: match binary {
            Some(binary) => Some(of_pairs(binary, pairs.len())),
            None => error.map(|error| (centre - 1.96 * error, centre + 1.96 * error)),
        },
        binary,
    }
}

/// The 95 % interval of the difference of two shares in pairs (Agresti and Min 2005, adjusted Wald).
fn of_pairs(binary: Binary, pairs: usize) -> (f64, f64) {
    let n = pairs as f64 + 2.0;
    let first = binary.first_only as f64 + 0.5;
    let second = binary.second_only as f64 + 0.5;
    let centre = (second - first) / n;
    let error = (first + second - (second - first) * centre).sqrt() / n;
    (
        (centre - 1.96 * error).max(-1.0),
        (centre + 1.96 * error).min(1.0),
    )
}

/// The 95 % interval of a mean over `count` documents, `error` being its standard error: Wilson's for a share of right
/// answers (Wilson 1927), which also says something where all or none are right; else mean ± 1.96 standard errors.
pub fn interval(mean: f64, error: Option<f64>, count: usize) -> Option<(f64, f64)> {
    let error = error.filter(|error| error.is_finite())?;
    let n = count as f64;
    // Values that are 0 or 1 have this standard error and no other.
    let of_share = (mean * (1.0 - mean) / (n - 1.0)).sqrt();
    if count > 1 && (0.0..=1.0).contains(&mean) && (error - of_share).abs() < 1e-9 {
        let z2 = 1.96f64 * 1.96;
        let centre = (mean + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = 1.96 * (mean * (1.0 - mean) / n + z2 / (4.0 * n * n)).sqrt() / (1.0 + z2 / n);
        return Some(((centre - half).max(0.0), (centre + half).min(1.0)));
    }
    Some((mean - 1.96 * error, mean + 1.96 * error))
}

/// Exact two-sided McNemar test (McNemar 1947; binomial form): of `a + b` disagreements, each way is as likely.
fn mcnemar(a: usize, b: usize) -> f64 {
    (2.0 * binomial_tail(a + b, a.max(b), 0.5)).min(1.0)
}

/// Probability of at least `successes` of `trials`, each with probability `p`.
pub fn binomial_tail(trials: usize, successes: usize, p: f64) -> f64 {
    if successes == 0 || p >= 1.0 {
        return 1.0;
    }
    if p <= 0.0 || successes > trials {
        return 0.0;
    }
    // Terms from their logarithms, summed from the smallest.
    let factorial = |n: usize| (2..=n).map(|i| ln(i as f64)).sum::<f64>();
    let mut term = factorial(trials) - factorial(successes) - factorial(trials - successes)
        + successes as f64 * ln(p)
        + (trials - successes) as f64 * ln(1.0 - p);
    let mut terms = Vec::with_capacity(trials - successes + 1);
    for k in successes..=trials {
        terms.push(exp(term));
        term += ln((trials - k) as f64 / (k as f64 + 1.0)) + ln(p / (1.0 - p));
    }
    terms.sort_by(f64::total_cmp);
    terms.iter().sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_exact() {
        // Sums of binomial coefficients by hand.
        let cases = [
            (10, 8, 0.5, 56.0 / 1024.0),
            (4, 4, 0.25, 1.0 / 256.0),
            (5, 1, 0.5, 31.0 / 32.0),
            (3, 0, 0.1, 1.0),
            (3, 4, 0.5, 0.0),
        ];
        for (trials, successes, p, expected) in cases {
            let found = binomial_tail(trials, successes, p);
            assert!(
                (found - expected).abs() < 1e-12,
                "{found} is not {expected}"
            );
        }
        assert!((binomial_tail(20_000, 10_000, 0.5) - 0.502_820_905).abs() < 1e-6);
        assert!((mcnemar(1, 9) - 22.0 / 1024.0).abs() < 1e-12);
        assert_eq!((mcnemar(3, 3), mcnemar(0, 0)), (1.0, 1.0));
    }

    #[test]
    fn intervals_are_wilsons_for_shares() {
        // Agresti and Coull 1998, formula (2), by hand: 8 of 10.
        let error = (0.8f64 * 0.2 / 9.0).sqrt();
        let (low, high) = interval(0.8, Some(error), 10).expect("has one");
        assert!(
            (low - 0.4902).abs() < 1e-4 && (high - 0.9433).abs() < 1e-4,
            "{low} {high}"
        );
        let (low, high) = interval(1.0, Some(0.0), 100).expect("has one");
        assert!(
            (low - 0.9630).abs() < 1e-4 && (high - 1.0).abs() < 1e-9,
            "{low} {high}"
        );
        let (low, high) = interval(12.0, Some(0.5), 100).expect("has one");
        assert!((low - 11.02).abs() < 1e-12 && (high - 12.98).abs() < 1e-12);
        assert_eq!(interval(0.5, None, 100), None);
    }

    fn lines(values: &[f64], hash: &str) -> String {
        let line = |(i, v): (usize, &f64)| {
            format!(
                "{{\"doc_id\": {i}, \"filter\": \"none\", \"metrics\": [\"acc\"], \"doc_hash\": \"{hash}{i}\", \"prompt_hash\": \"p\", \"target_hash\": \"t\", \"acc\": {v:?}}}\n"
            )
        };
        values.iter().enumerate().map(line).collect()
    }

    #[test]
    fn documents_are_paired() {
        let compared = compare(
            &lines(&[1.0, 0.0, 0.0, 1.0], "h"),
            &lines(&[1.0, 1.0, 1.0], "h"),
        )
        .expect("compares");
        assert_eq!((compared.unpaired, compared.different), (1, 0));
        let acc = &compared.differences[0];
        assert_eq!(
            (acc.pairs, acc.means, acc.binary),
            (
                3,
                (1.0 / 3.0, 1.0),
                Some(Binary {
                    first_only: 0,
                    second_only: 2,
                    p: 0.5
                })
            )
        );
        let error = acc.standard_error.expect("has one");
        assert!((error - 1.0 / 3.0).abs() < 1e-12, "{error}");
        // By hand: (2.5 − 0.5) / 5 ± 1.96 · √(3 − 4 / 5) / 5.
        let (low, high) = acc.interval.expect("has one");
        assert!(
            (low + 0.181_430).abs() < 1e-5 && (high - 0.981_430).abs() < 1e-5,
            "{low} {high}"
        );
        let same = compare(&lines(&[1.0, 1.0], "h"), &lines(&[1.0, 1.0], "h")).expect("compares");
        let (low, high) = same.differences[0].interval.expect("has one");
        assert!(
            (low + 0.49).abs() < 1e-9 && (high - 0.49).abs() < 1e-9,
            "two pairs tell little"
        );
        let shares = compare(&lines(&[0.2, 0.4], "h"), &lines(&[0.3, 0.5], "h")).expect("compares");
        assert!(shares.differences[0].binary.is_none());
    }

    #[test]
    fn other_documents_are_not_compared() {
        let compared = compare(&lines(&[1.0], "h"), &lines(&[1.0], "other")).expect("compares");
        assert_eq!((compared.different, compared.differences.len()), (1, 0));
        assert!(compare("{}", "").is_err());
        assert!(compare("[", "").is_err());
    }
}
