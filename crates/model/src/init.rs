//! Initial weights: a pure function of (seed, tensor name, element).

use crate::{Layout, ModelConfig, Parameters};
use glasswork_release::digest::Digest;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::sync::Arc;

/// Draws the weights of checkpoint 0. Gains are 1; matrices are normal with `initial_std`, the two
/// that write to the residual stream with `initial_std ÷ sqrt(2 · layers)` (Radford et al., GPT-2).
///
/// The stream of a tensor is ChaCha12 keyed by `BLAKE3("glasswork/stream/1", seed,
/// "init/" + name)`.
pub fn initialise(config: &ModelConfig, layout: &Arc<Layout>, seed: u64) -> Parameters {
    let mut parameters = Parameters::zeros(layout);
    for slot in layout.tensors() {
        let values = &mut parameters.data[slot.range.clone()];
        if slot.shape.len() == 1 {
            values.fill(1.0);
            continue;
        }
        let into_residual =
            slot.name.ends_with("o_proj.weight") || slot.name.ends_with("down_proj.weight");
        let scale = if into_residual {
            1.0 / ((2 * config.layers) as f64).sqrt()
        } else {
            1.0
        };
        fill_normal(
            values,
            seed,
            &format!("init/{}", slot.name),
            config.initial_std * scale,
        );
    }
    parameters
}

/// Box and Muller's transform (1958) in f64 with `libm`, rounded once: each pair of 64-bit draws
/// (a, b) gives u = (⌊a ÷ 2¹¹⌋ + 1) · 2⁻⁵³ in (0, 1] and v = ⌊b ÷ 2¹¹⌋ · 2⁻⁵³ in [0, 1), then
/// `std · sqrt(−2 ln u) · cos 2πv` and the same with sin.
fn fill_normal(values: &mut [f32], seed: u64, stream: &str, std: f64) {
    let key = Digest::of_parts(
        "glasswork/stream/1",
        &[&seed.to_le_bytes(), stream.as_bytes()],
    );
    let mut rng = ChaCha12Rng::from_seed(key.0);
    let unit = 2.0_f64.powi(-53);
    for pair in values.chunks_mut(2) {
        let u = ((rng.next_u64() >> 11) + 1) as f64 * unit;
        let v = (rng.next_u64() >> 11) as f64 * unit;
        let radius = std * libm::sqrt(-2.0 * libm::log(u));
        let angle = 2.0 * std::f64::consts::PI * v;
        pair[0] = (radius * libm::cos(angle)) as f32;
        if let Some(second) = pair.get_mut(1) {
            *second = (radius * libm::sin(angle)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_asked_spread_and_depend_on_the_name() {
        let (mut a, mut b) = (vec![0.0; 10_001], vec![0.0; 10_001]);
        fill_normal(&mut a, 1, "init/a", 0.02);
        fill_normal(&mut b, 1, "init/b", 0.02);
        let mean = a.iter().map(|&x| f64::from(x)).sum::<f64>() / a.len() as f64;
        let spread = (a.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / a.len() as f64).sqrt();
        assert!(
            mean.abs() < 1e-3 && (spread - 0.02).abs() < 1e-3,
            "{mean} {spread}"
        );
        assert_ne!(a, b);
    }
}
