//! How far checkpoints of one line lie apart, by sampled values.

use super::lines::Line;
use super::samples::Samples;

/// Sampled checkpoints of a line with their distances.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// Steps, ascending.
    pub steps: Vec<u64>,
    /// Indices in the inventory.
    pub indices: Vec<usize>,
    /// Values sampled of each.
    pub values: usize,
    /// Distances, row by row; each tensor's part is divided by its mean square in the last checkpoint.
    distances: Vec<f64>,
    /// How many values differ, row by row.
    changed: Vec<usize>,
}

impl Trajectory {
    /// The sampled members of `line`. Costs a pass over the values for each pair.
    #[must_use]
    pub fn of(line: &Line, samples: &Samples) -> Self {
        let there: Vec<(u64, usize, &[f32])> = line
            .members
            .iter()
            .filter_map(|(step, index)| {
                let values = samples.values.get(*index)?.as_deref()?;
                // Values that are no numbers have no distance; `weight_values` tells of the checkpoint.
                values
                    .iter()
                    .all(|value| value.is_finite())
                    .then_some((*step, *index, values))
            })
            .collect();
        let n = there.len();
        let mut distances = vec![0.0; n * n];
        let mut changed = vec![0; n * n];
        if let Some((_, _, last)) = there.last() {
            let scales: Vec<f64> = parts(last, &samples.lengths)
                .map(|part| mean_square(part, None).max(f64::MIN_POSITIVE))
                .collect();
            for i in 0..n {
                for j in i + 1..n {
                    let sum: f64 = parts(there[i].2, &samples.lengths)
                        .zip(parts(there[j].2, &samples.lengths))
                        .zip(&scales)
                        .map(|((a, b), scale)| mean_square(a, Some(b)) / scale)
                        .sum();
                    let distance = sum.sqrt();
                    distances[i * n + j] = distance;
                    distances[j * n + i] = distance;
                    let pairs = there[i].2.iter().zip(there[j].2);
                    let count = pairs.filter(|(a, b)| a != b).count();
                    changed[i * n + j] = count;
                    changed[j * n + i] = count;
                }
            }
        }
        Self {
            steps: there.iter().map(|(step, ..)| *step).collect(),
            indices: there.iter().map(|(_, index, _)| *index).collect(),
            values: there.first().map_or(0, |(.., values)| values.len()),
            distances,
            changed,
        }
    }

    /// Checkpoints in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether none was sampled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The distance of two, by place.
    #[must_use]
    pub fn distance(&self, i: usize, j: usize) -> f64 {
        self.distances[i * self.len() + j]
    }

    /// A line of these steps and distances, row by row, all of whose values move.
    #[cfg(test)]
    pub(crate) fn with(steps: &[u64], distances: &[f64]) -> Self {
        Self {
            steps: steps.to_vec(),
            indices: (0..steps.len()).collect(),
            values: 1,
            distances: distances.to_vec(),
            changed: vec![1; distances.len()],
        }
    }

    /// How many of the sampled values differ: rounding to bf16 hides all small movements.
    #[must_use]
    pub fn changed(&self, i: usize, j: usize) -> usize {
        self.changed[i * self.len() + j]
    }
}

/// The values of each tensor.
pub(crate) fn parts<'a>(
    values: &'a [f32],
    lengths: &'a [usize],
) -> impl Iterator<Item = &'a [f32]> {
    let mut rest = values;
    lengths.iter().map(move |length| {
        let (part, after) = rest.split_at((*length).min(rest.len()));
        rest = after;
        part
    })
}

/// Mean square of `a`, or of `a − b`.
fn mean_square(a: &[f32], b: Option<&[f32]>) -> f64 {
    let sum: f64 = match b {
        None => a.iter().map(|a| f64::from(*a) * f64::from(*a)).sum(),
        Some(b) => a
            .iter()
            .zip(b)
            .map(|(a, b)| {
                let difference = f64::from(*a) - f64::from(*b);
                difference * difference
            })
            .sum(),
    };
    sum / a.len().max(1) as f64
}

/// Pearson correlation of two samples of one tensor each; 0 where one of them is constant.
#[must_use]
pub fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let n = a.len().min(b.len());
    if n == 0 {
        return 0.0;
    }
    let mean = |values: &[f32]| values[..n].iter().map(|v| f64::from(*v)).sum::<f64>() / n as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a[..n].iter().zip(&b[..n]) {
        let (a, b) = (f64::from(*a) - mean_a, f64::from(*b) - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    if aa > 0.0 && bb > 0.0 {
        ab / (aa * bb).sqrt()
    } else {
        0.0
    }
}

/// Correlation of two samples: the mean over tensors.
#[must_use]
pub fn mean_correlation(a: &[f32], b: &[f32], lengths: &[usize]) -> f64 {
    let all: Vec<f64> = parts(a, lengths)
        .zip(parts(b, lengths))
        .filter(|(a, _)| !a.is_empty())
        .map(|(a, b)| correlation(a, b))
        .collect();
    all.iter().sum::<f64>() / all.len().max(1) as f64
}
