//! Softmax cross-entropy over rows of logits.
//!
//! `m = max`, `p = exp(x − m)`, `l = lanes(p)`; `loss = ln l − (x_target − m)`;
//! `dx = (p ÷ l − onehot) · scale`, with `scale = f32(1 ÷ N)` for N counted targets of the step.

use crate::operand::Stored;
use crate::prefetch::{self, PART};
use crate::{Pool, lanes, math};
use rayon::prelude::*;

/// A target that is not counted: its loss and its gradient are +0.
pub const MASKED: u32 = u32::MAX;

per_isa! {
    /// Each row's loss (nats), with the bits of [`forward_backward_rows`], and no gradient; `logits` are used up.
    pub fn forward_rows(logits: &mut [f32], losses: &mut [f32], targets: &[u32], width: usize) = losses_text
}

per_isa! {
    /// [`forward_rows`] that also says of each row whether the target is its first largest logit (1, or 0): what
    /// greedy choice would have taken. Of logits with a NaN among them none is.
    pub fn forward_choice_rows(logits: &mut [f32], losses: &mut [f32], greedy: &mut [f32], targets: &[u32], width: usize) = choice_text
}

per_isa! {
    /// The first largest element's index; the first NaN's, if any is NaN (as `torch.argmax`). 0 of none.
    pub fn argmax(row: &[f32]) -> usize = argmax_text
}

per_isa! {
    /// [`forward_backward`] of some rows on the calling thread.
    pub fn forward_backward_rows(logits: &mut [f32], losses: &mut [f32], targets: &[u32], width: usize, scale: f32) = rows_text
}

per_isa! {
    /// [`forward_backward_rows`] whose gradient goes to rows of bf16 numbers; `logits` are used up.
    pub fn forward_backward_bf16(d: &mut [u16], logits: &mut [f32], losses: &mut [f32], targets: &[u32], width: usize, scale: f32) = bf16_text
}

/// Largest element, NaN if any is NaN.
#[inline(always)]
pub(crate) fn max(x: &[f32]) -> f32 {
    let mut lane = [f32::NEG_INFINITY; lanes::LANES];
    let mut nan = [false; lanes::LANES];
    let chunks = x.chunks_exact(lanes::LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for j in 0..lanes::LANES {
            lane[j] = if chunk[j] > lane[j] {
                chunk[j]
            } else {
                lane[j]
            };
            nan[j] |= chunk[j].is_nan();
        }
    }
    for (j, &value) in rest.iter().enumerate() {
        lane[j] = if value > lane[j] { value } else { lane[j] };
        nan[j] |= value.is_nan();
    }
    let mut best = lane[0];
    for &value in &lane[1..] {
        best = if value > best { value } else { best };
    }
    if nan.contains(&true) {
        f32::from_bits(crate::CANONICAL_NAN)
    } else {
        best
    }
}

/// Turns a row of logits into p and returns its loss and l.
#[inline(always)]
fn unnormalised(row: &mut [f32], target: u32) -> (f32, f32) {
    let m = max(row);
    unnormalised_below(m, row, target)
}

/// As [`unnormalised`], of a row whose maximum is known.
#[inline(always)]
fn unnormalised_below(m: f32, row: &mut [f32], target: u32) -> (f32, f32) {
    let at_target = row[target as usize] - m;
    let width = row.len();
    for part in row.chunks_mut(PART) {
        prefetch::elements(part.as_ptr().wrapping_add(width), part.len());
        for x in part {
            *x = math::exp(*x - m);
        }
    }
    let l = lanes::sum(row);
    (math::ln(l) - at_target, l)
}

#[inline(always)]
fn losses_text(logits: &mut [f32], losses: &mut [f32], targets: &[u32], width: usize) {
    for ((row, loss), &target) in logits.chunks_exact_mut(width).zip(losses).zip(targets) {
        *loss = match target {
            MASKED => 0.0,
            target => unnormalised(row, target).0,
        };
    }
}

#[inline(always)]
fn choice_text(
    logits: &mut [f32],
    losses: &mut [f32],
    greedy: &mut [f32],
    targets: &[u32],
    width: usize,
) {
    let rows = logits.chunks_exact_mut(width).zip(losses).zip(greedy);
    for (((row, loss), greedy), &target) in rows.zip(targets) {
        (*loss, *greedy) = (0.0, 0.0);
        if target == MASKED {
            continue;
        }
        let m = max(row);
        // Only where the target is a largest one must those before it be looked at.
        let (before, from) = row.split_at(target as usize);
        if from[0] == m && !before.contains(&m) {
            *greedy = 1.0;
        }
        *loss = unnormalised_below(m, row, target).0;
    }
}

#[inline(always)]
fn argmax_text(row: &[f32]) -> usize {
    let m = max(row);
    let is_it = |x: &f32| *x == m || x.is_nan();
    row.iter().position(is_it).unwrap_or(0)
}

#[inline(always)]
fn rows_text(logits: &mut [f32], losses: &mut [f32], targets: &[u32], width: usize, scale: f32) {
    for ((row, loss), &target) in logits.chunks_exact_mut(width).zip(losses).zip(targets) {
        if target == MASKED {
            row.fill(0.0);
            *loss = 0.0;
            continue;
        }
        let l;
        (*loss, l) = unnormalised(row, target);
        let p_target = row[target as usize];
        for p in row.iter_mut() {
            *p = (*p / l) * scale;
        }
        row[target as usize] = (p_target / l - 1.0) * scale;
    }
}

#[inline(always)]
fn bf16_text(
    d: &mut [u16],
    logits: &mut [f32],
    losses: &mut [f32],
    targets: &[u32],
    width: usize,
    scale: f32,
) {
    let rows = d.chunks_exact_mut(u16::stride(width));
    let rows = rows.zip(logits.chunks_exact_mut(width));
    for (((d, row), loss), &target) in rows.zip(losses).zip(targets) {
        if target == MASKED {
            d.fill(0);
            *loss = 0.0;
            continue;
        }
        let l;
        (*loss, l) = unnormalised(row, target);
        for (d, &p) in d.iter_mut().zip(&*row) {
            *d = u16::of((p / l) * scale);
        }
        d[target as usize] = u16::of((row[target as usize] / l - 1.0) * scale);
    }
}

/// Turns `logits` `[n, width]` into their gradient in place and writes each row's loss (nats).
/// Rows whose target is [`MASKED`] become +0.
///
/// # Panics
/// When a target that is not masked is ≥ `width`.
pub fn forward_backward(
    pool: &Pool,
    logits: &mut [f32],
    losses: &mut [f32],
    targets: &[u32],
    width: usize,
    scale: f32,
) {
    let block = targets.len().div_ceil(pool.threads() * 4).max(1);
    pool.run(|| {
        logits
            .par_chunks_mut(block * width)
            .zip(losses.par_chunks_mut(block))
            .zip(targets.par_chunks(block))
            .for_each(|((logits, losses), targets)| {
                forward_backward_rows(pool.isa(), logits, losses, targets, width, scale);
            });
    });
}

/// Each row's loss (nats); `logits` are used up.
///
/// # Panics
/// As [`forward_backward`].
pub fn forward(pool: &Pool, logits: &mut [f32], losses: &mut [f32], targets: &[u32], width: usize) {
    forward_backward(pool, logits, losses, targets, width, 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn uniform_logits_cost_ln_of_the_vocabulary() {
        let pool = Pool::new(1, Isa::Scalar).expect("threads");
        let mut logits = vec![3.0; 2 * 50];
        let mut losses = vec![0.0; 2];
        forward_backward(&pool, &mut logits, &mut losses, &[7, MASKED], 50, 0.5);
        assert!((losses[0] - libm::logf(50.0)).abs() < 1e-6);
        assert_eq!(losses[1].to_bits(), 0);
        assert!((logits[7] - (0.02 - 1.0) * 0.5).abs() < 1e-7);
        assert!(logits[50..].iter().all(|x| x.to_bits() == 0));
    }

    #[test]
    fn losses_alone_have_the_same_bits() {
        let width = 83;
        let logits: Vec<f32> = (0..5 * width)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0)
            .collect();
        let targets = [0, 82, MASKED, 17, 40];
        for isa in Isa::available() {
            let bits = |losses: &[f32]| losses.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let (mut both, mut alone) = ([1.0; 5], [1.0; 5]);
            forward_backward_rows(isa, &mut logits.clone(), &mut both, &targets, width, 1.0);
            forward_rows(isa, &mut logits.clone(), &mut alone, &targets, width);
            assert_eq!(bits(&both), bits(&alone), "{isa:?}");
            let (mut chosen, mut greedy) = ([1.0; 5], [1.0; 5]);
            let logits = &mut logits.clone();
            forward_choice_rows(isa, logits, &mut chosen, &mut greedy, &targets, width);
            assert_eq!(bits(&both), bits(&chosen), "{isa:?}");
            assert_eq!(greedy[2], 0.0);
        }
    }

    #[test]
    fn the_first_of_equal_logits_is_chosen() {
        let width = 40;
        let mut row = vec![-1.0_f32; width];
        for (at, value) in [(5, 2.0), (7, 2.0), (38, 2.0)] {
            row[at] = value;
        }
        let mut zeros = vec![-1.0_f32; width];
        (zeros[3], zeros[9]) = (-0.0, 0.0);
        let mut broken = row.clone();
        broken[20] = f32::NAN;
        for isa in Isa::available() {
            let greedy = |row: &[f32], target: u32| {
                let (mut loss, mut greedy) = ([9.0], [9.0]);
                let logits = &mut row.to_vec();
                forward_choice_rows(isa, logits, &mut loss, &mut greedy, &[target], width);
                greedy[0]
            };
            let chosen = [5, 7, 38, 0].map(|target| greedy(&row, target));
            assert_eq!((argmax(isa, &row), chosen), (5, [1.0, 0.0, 0.0, 0.0]));
            let chosen = [3, 9].map(|target| greedy(&zeros, target));
            assert_eq!((argmax(isa, &zeros), chosen), (3, [1.0, 0.0]));
            let chosen = [5, 20].map(|target| greedy(&broken, target));
            assert_eq!((argmax(isa, &broken), chosen), (20, [0.0, 0.0]));
            assert_eq!(argmax(isa, &[f32::NEG_INFINITY; 3]), 0);
        }
    }

    #[test]
    fn nan_wins_the_maximum() {
        let mut row = vec![0.0; 40];
        row[35] = f32::NAN;
        assert!(max(&row).is_nan());
        row[35] = 2.0;
        assert_eq!(max(&row), 2.0);
    }
}
