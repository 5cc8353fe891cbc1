//! What a thread keeps for attention, known before anything runs.

use super::{continued, head};
use crate::Numerics;

/// Bytes that a thread keeps after [`forward`](super::forward) over sequences of `sequence` tokens and heads
/// of `width` elements. Threads keep their buffers, and heads fall to all of them sooner or later.
pub fn scratch_bytes(numerics: Numerics, sequence: usize, width: usize) -> usize {
    size_of::<f32>() * room(numerics, sequence, width).0
}

/// As [`scratch_bytes`], after [`continued`](super::continued()) over sequences of up to `sequence` tokens, those
/// before included.
pub fn continued_scratch_bytes(numerics: Numerics, sequence: usize, width: usize) -> usize {
    scratch_bytes(numerics, sequence, width) + size_of::<f32>() * continued::room(sequence, width)
}

/// As [`scratch_bytes`], after [`backward`](super::backward) too.
pub fn training_scratch_bytes(numerics: Numerics, sequence: usize, width: usize) -> usize {
    size_of::<f32>() * room(numerics, sequence, width).1
}

fn room(numerics: Numerics, sequence: usize, width: usize) -> (usize, usize) {
    #[cfg(target_arch = "x86_64")]
    if numerics.in_pairs() {
        return super::pairs::room(numerics, sequence, width);
    }
    head::room(numerics.profile, sequence, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::continued::GATHERED;
    use crate::attention::{SCRATCH, Saved, Shape, Siblings, backward, continued, forward};
    use crate::{Isa, Pool, Profile};

    /// Buffers are as long as was said, for every way to compute.
    #[test]
    fn threads_keep_what_was_foretold() {
        for isa in Isa::available() {
            for (profile, sequence, width) in [
                (Profile::F32V1, 96, 20),
                (Profile::Bf16V1, 96, 20),
                (Profile::Bf16V1, 608, 40),
            ] {
                let pool = Pool::new(1, isa).expect("threads");
                let numerics = pool.numerics(profile);
                let shape = Shape::new(sequence, 1, 1, width);
                let qkv = vec![0.5; sequence * shape.row()];
                let mut o = vec![0.0; sequence * width];
                let (mut m, mut l) = (vec![0.0; sequence], vec![0.0; sequence]);
                let held = || pool.run(|| SCRATCH.with_borrow(|s| size_of::<f32>() * s.held()));
                forward(&pool, profile, shape, &mut o, &mut m, &mut l, &qkv);
                let expected = scratch_bytes(numerics, sequence, width);
                assert_eq!(held(), expected, "{isa:?} {profile} {sequence}");
                let saved = Saved {
                    o: &o,
                    d_o: &o,
                    m: &m,
                    l: &l,
                    qkv: &qkv,
                };
                let mut d_qkv = qkv.clone();
                backward(&pool, profile, shape, &mut d_qkv, saved);
                let expected = training_scratch_bytes(numerics, sequence, width);
                assert_eq!(held(), expected, "{isa:?} {profile} {sequence}");
            }
        }
    }

    /// The same of sequences that continue others, whose tokens may begin and end anywhere.
    #[test]
    fn threads_keep_what_was_foretold_of_continued_sequences() {
        for isa in Isa::available() {
            for (profile, past, own, width) in [
                (Profile::F32V1, 0, 61, 20),
                (Profile::F32V1, 100, 7, 20),
                (Profile::Bf16V1, 31, 70, 40),
                (Profile::Bf16V1, 191, 1, 33),
            ] {
                let pool = Pool::new(1, isa).expect("threads");
                let shape = Shape::new(0, 1, 1, width);
                let qkv = vec![0.5; (past + own) * shape.row()];
                let mut o = vec![0.0; (past + own) * width];
                let siblings = Siblings {
                    past: std::iter::once(0..past).collect(),
                    rows: std::iter::once(past..past + own).collect(),
                };
                continued(&pool, profile, shape, &mut o, &qkv, &[siblings]);
                let held = pool.run(|| {
                    let floats = SCRATCH.with_borrow(|scratch| scratch.held());
                    size_of::<f32>() * (floats + GATHERED.with_borrow(|gathered| gathered.held()))
                });
                let numerics = pool.numerics(profile);
                let foretold = continued_scratch_bytes(numerics, past + own, width);
                assert!(held <= foretold, "{isa:?} {profile} {past} {own}");
            }
        }
    }
}
