//! Rotary position embedding (Su et al., arXiv 2104.09864) in the half-split layout of Llama:
//! element j of a head pairs with element j + d/2. [`rotate_heads`] also knows heads of which only the
//! first elements turn, and neighbours as pairs.

use crate::{Isa, Pool};
use rayon::prelude::*;

/// cos and sin of `position · θ^(−2j/d)`: f64 arithmetic (`libm`), rounded once to f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Angles {
    /// `[positions, d/2]`.
    pub cos: Vec<f32>,
    /// `[positions, d/2]`.
    pub sin: Vec<f32>,
    half: usize,
}

impl Angles {
    /// The table for heads of `head_width` elements (even).
    pub fn new(positions: usize, head_width: usize, theta: f64) -> Self {
        let half = head_width / 2;
        let mut cos = Vec::with_capacity(positions * half);
        let mut sin = Vec::with_capacity(positions * half);
        for position in 0..positions {
            for j in 0..half {
                let frequency = libm::pow(theta, -((2 * j) as f64) / head_width as f64);
                let angle = position as f64 * frequency;
                cos.push(libm::cos(angle) as f32);
                sin.push(libm::sin(angle) as f32);
            }
        }
        Self { cos, sin, half }
    }

    /// Number of positions in the table.
    pub fn positions(&self) -> usize {
        self.cos.len() / self.half
    }
}

per_isa! {
    fn rotate_row(row: &mut [f32], cos: &[f32], sin: &[f32], sign: f32) = rotate_text
}

#[inline(always)]
fn rotate_text(row: &mut [f32], cos: &[f32], sin: &[f32], sign: f32) {
    let half = cos.len();
    for head in row.chunks_exact_mut(2 * half) {
        let (first, second) = head.split_at_mut(half);
        for j in 0..half {
            let (a, b, s) = (first[j], second[j], sin[j] * sign);
            first[j] = a * cos[j] - b * s;
            second[j] = b * cos[j] + a * s;
        }
    }
}

/// Rotates the first `width` elements of rows `stride` apart, on the calling thread; row i has
/// position `(first + i) mod sequence`. See [`forward`].
pub fn rotate_rows(
    isa: Isa,
    rows: &mut [f32],
    (stride, width): (usize, usize),
    (first, sequence): (usize, usize),
    angles: &Angles,
    direction: Direction,
) {
    for (i, row) in rows.chunks_exact_mut(stride).enumerate() {
        let position = (first + i) % sequence;
        let range = position * angles.half..(position + 1) * angles.half;
        let (cos, sin) = (&angles.cos[range.clone()], &angles.sin[range]);
        rotate_row(isa, &mut row[..width], cos, sin, direction.sign());
    }
}

/// Which elements of a head turn together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// j and j + half of the rotated width.
    Halves,
    /// 2j and 2j + 1.
    Pairs,
}

/// The heads at the start of a row.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// How many turn.
    pub count: usize,
    /// Elements of one; the angles may cover only the first of them, the rest stays.
    pub width: usize,
    /// What turns together.
    pub layout: Layout,
}

per_isa! {
    fn rotate_heads_of(row: &mut [f32], heads: Heads, cos: &[f32], sin: &[f32]) = rotate_heads_text
}

#[inline(always)]
fn rotate_heads_text(row: &mut [f32], heads: Heads, cos: &[f32], sin: &[f32]) {
    let half = cos.len();
    let sin = &sin[..half];
    for head in row.chunks_exact_mut(heads.width).take(heads.count) {
        let turned = &mut head[..2 * half];
        match heads.layout {
            Layout::Halves => rotate_text(turned, cos, sin, 1.0),
            Layout::Pairs => {
                for ((pair, &cos), &sin) in turned.chunks_exact_mut(2).zip(cos).zip(sin) {
                    let (a, b) = (pair[0], pair[1]);
                    pair[0] = a * cos - b * sin;
                    pair[1] = b * cos + a * sin;
                }
            }
        }
    }
}

/// Rotates the first heads of rows `stride` apart, on the calling thread; row i has position
/// `positions[i]`.
///
/// # Panics
/// When the angles are too few.
pub fn rotate_heads(
    isa: Isa,
    rows: &mut [f32],
    stride: usize,
    heads: Heads,
    positions: &[u32],
    angles: &Angles,
) {
    for (row, &position) in rows.chunks_exact_mut(stride).zip(positions) {
        let at = position as usize * angles.half;
        let (cos, sin) = (&angles.cos[at..], &angles.sin[at..]);
        rotate_heads_of(isa, row, heads, &cos[..angles.half], &sin[..angles.half]);
    }
}

/// Which way to rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// As [`forward`].
    Forward,
    /// As [`backward`].
    Backward,
}

impl Direction {
    fn sign(self) -> f32 {
        match self {
            Self::Forward => 1.0,
            Self::Backward => -1.0,
        }
    }
}

/// Rotates every head of `x` `[n, width]` in place; row i has position `i mod sequence`.
/// `a' = a·cos − b·sin`, `b' = b·cos + a·sin`: two products and one sum, each rounded.
pub fn forward(pool: &Pool, x: &mut [f32], width: usize, sequence: usize, angles: &Angles) {
    rotate(
        pool,
        x,
        (width, width),
        sequence,
        angles,
        Direction::Forward,
    );
}

/// The transpose of [`forward`]: the same rotation with the sine negated.
pub fn backward(pool: &Pool, dx: &mut [f32], width: usize, sequence: usize, angles: &Angles) {
    rotate(
        pool,
        dx,
        (width, width),
        sequence,
        angles,
        Direction::Backward,
    );
}

/// Rotates the first `width` elements of every row of `x`, rows `stride` apart, on all threads.
///
/// # Panics
/// When the angles are too few.
pub fn rotate(
    pool: &Pool,
    x: &mut [f32],
    (stride, width): (usize, usize),
    sequence: usize,
    angles: &Angles,
    direction: Direction,
) {
    assert!(sequence <= angles.positions(), "more positions than angles");
    let block = pool.block(x.len() / stride);
    pool.run(|| {
        x.par_chunks_mut(block * stride)
            .enumerate()
            .for_each(|(task, rows)| {
                let at = (task * block, sequence);
                rotate_rows(pool.isa(), rows, (stride, width), at, angles, direction);
            });
    });
}
