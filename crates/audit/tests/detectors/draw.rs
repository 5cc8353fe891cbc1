//! Seeded draws: numbers, weights along a training, loss curves. Nothing here is measured on a real model.

use glasswork_audit::publication::Weights;
use glasswork_published::Inventory;

/// SplitMix64.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Below `n`, above 0 values.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(crate) fn chance(&mut self, of: f64) -> bool {
        self.unit() < of
    }

    /// Close to standard normal: the sum of twelve uniform numbers, less six. Its tails end at six deviations.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// Heavier tails: Student's t with about five degrees of freedom.
    pub(crate) fn heavy(&mut self) -> f64 {
        let spread = (0..5).map(|_| self.normal()).map(|x| x * x).sum::<f64>() / 5.0;
        self.normal() / spread.sqrt()
    }
}

/// Rounds to bf16, to the nearest.
pub(crate) fn bf16(value: f32) -> f32 {
    f32::from_bits(
        (value
            .to_bits()
            .wrapping_add(0x7FFF + ((value.to_bits() >> 16) & 1)))
            & 0xFFFF_0000,
    )
}

/// The learning rate at a share of the training, as part of its peak: warm-up, then one of the usual falls.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Schedule {
    Cosine,
    Linear,
    Constant,
    /// Constant, and a fall at the end.
    Stable,
}

impl Schedule {
    pub(crate) const ALL: [Self; 4] = [Self::Cosine, Self::Linear, Self::Constant, Self::Stable];

    /// `end` is the rate at the end as part of the peak.
    pub(crate) fn at(self, step: f64, warm_up: f64, last: f64, end: f64) -> f64 {
        if step < warm_up {
            return step / warm_up;
        }
        let p = ((step - warm_up) / (last - warm_up)).clamp(0.0, 1.0);
        match self {
            // Close to half a cosine.
            Self::Cosine => end + (1.0 - end) * (1.0 - p * p * (3.0 - 2.0 * p)),
            Self::Linear => end + (1.0 - end) * (1.0 - p),
            Self::Constant => 1.0,
            Self::Stable => 1.0 - (1.0 - end) * ((p - 0.85) / 0.15).max(0.0),
        }
    }
}

/// Matrices whose values are drawn.
const MATRICES: usize = 4;
/// Values of each.
pub(crate) const VALUES: usize = 1024;

/// Weights of checkpoints, held in memory.
#[derive(Clone)]
pub(crate) struct Planted {
    /// By checkpoint: all values of the sampled tensors.
    pub(crate) values: Vec<Vec<f32>>,
    /// By checkpoint: a norm's.
    pub(crate) norms: Vec<Vec<f32>>,
}

impl Planted {
    pub(crate) fn of(inventory: &Inventory, values: Vec<Vec<f32>>, norms: Vec<Vec<f32>>) -> Self {
        assert_eq!(inventory.checkpoints.len(), values.len());
        Self { values, norms }
    }
}

impl Weights for Planted {
    fn sample(&self, checkpoint: usize, tensor: &str, at_most: usize) -> Result<Vec<f32>, String> {
        if tensor.contains("norm") {
            return Ok(self.norms[checkpoint].clone());
        }
        // Whatever matrices are asked for: the name decides which of the drawn values they get.
        let at = tensor.bytes().map(usize::from).sum::<usize>() % MATRICES;
        let all = &self.values[checkpoint][at * VALUES..(at + 1) * VALUES];
        Ok(all.iter().copied().take(at_most).collect())
    }
}

/// Weights at `steps`: a normal start, a drift that turns slowly, noise, and decay, all driven by the rate.
pub(crate) fn trajectory(
    draw: &mut Draw,
    steps: &[u64],
    schedule: Schedule,
    warm_up: f64,
) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let n = MATRICES * VALUES;
    let last = steps.last().copied().unwrap_or(1) as f64;
    let start = draw.between(0.01, 0.03);
    // By peak rate and hundredth of the training.
    let drift = draw.between(0.0002, 0.002);
    let noise = draw.between(0.002, 0.004);
    let decay = draw.between(0.0, 0.02);
    let mut w: Vec<f64> = (0..n).map(|_| start * draw.normal()).collect();
    let mut direction: Vec<f64> = (0..n).map(|_| draw.normal()).collect();
    let mut norm: Vec<f64> = vec![1.0; 64];
    let mut values = Vec::new();
    let mut norms = Vec::new();
    let mut at = 0.0_f64;
    for step in steps {
        let to = *step as f64;
        // Long stretches in parts, so that the rate is about even in each.
        let parts = (((to - at) / last * 100.0).ceil() as usize).clamp(1, 100);
        if to > at {
            for part in 0..parts {
                let width = (to - at) / parts as f64;
                let middle = at + width * (part as f64 + 0.5);
                let rate = schedule.at(middle, warm_up, last, 0.1);
                let time = width / last * 100.0;
                for (value, direction) in w.iter_mut().zip(&mut direction) {
                    *value += rate
                        * (drift * time * *direction + noise * time.sqrt() * draw.normal()
                            - decay * time * *value);
                    let keep = (1.0 - 0.02 * time).max(0.0);
                    *direction = keep * *direction + (1.0 - keep * keep).sqrt() * draw.normal();
                }
                for value in &mut norm {
                    *value += rate * noise * time.sqrt() * draw.normal();
                }
            }
            at = to;
        }
        values.push(w.iter().map(|value| *value as f32).collect());
        norms.push(norm.iter().map(|value| *value as f32).collect());
    }
    (values, norms)
}

/// A loss curve with noise that depends on the value before, as batches' noise does not quite but logs' smoothing does.
pub(crate) fn loss(draw: &mut Draw, steps: &[u64]) -> Vec<(u64, f64)> {
    let floor = draw.between(1.6, 2.2);
    let height = draw.between(6.0, 9.0);
    let width = draw.between(0.01, 0.06);
    let keep = draw.between(0.0, 0.5);
    let heavy = draw.chance(0.3);
    let mut before = 0.0;
    steps
        .iter()
        .map(|step| {
            let fresh = if heavy {
                draw.heavy().clamp(-4.5, 4.5)
            } else {
                draw.normal()
            };
            before = keep * before + width * fresh;
            // A power law: (t + 20)^-1/4.
            let law = 1.0 / (*step as f64 + 20.0).sqrt().sqrt();
            (*step, floor + height * law + before)
        })
        .collect()
}
