//! Matrix products in which every output element is one sum over k, in the order of the profile.
//!
//! In `f32-v1` that is `C[i][j] = fma(A[i][k], B[k][j], C[i][j])`, k = 0, 1, …, starting at +0 or
//! continuing what C holds; `bf16-v1` rounds the operands and takes k in blocks of 32 (`bf16`). Vector
//! lanes run over j, so no sum is ever split; cache blocks over k store C and load it again, which
//! changes nothing.
//!
//! Blocking follows Goto and van de Geijn (ACM TOMS 34, 2008), but for the left operand: its rows
//! are read where they lie when their strides allow. The right operand is packed into panels that all
//! threads share: for one product, or once for many ([`Packed`]). A task owns whole rows of C, so that
//! what follows a product row by row runs while they are in cache ([`gemm_then`]); where there are fewer such tasks
//! than threads, columns are shared out too.

#[cfg(target_arch = "x86_64")]
#[macro_use]
mod x86;

pub mod bf16;
mod blocks;
mod cover;
mod pack;
mod packed;
pub mod reference;
mod room;
mod target;
mod tile;
mod view;

pub(crate) use cover::{Left, Out, Panel, cover};
pub(crate) use pack::{transpose, words_of};
pub use packed::{Packed, Right};
pub use room::{pack_rows_bytes, scratch_bytes};
pub(crate) use view::Elements;
pub use view::View;

use crate::aligned::Aligned;
use crate::shared::Shared;
use crate::{Numerics, Pool, Profile};
use blocks::{Block, blocks};
use packed::{Along, panels, row_length};
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;
use target::{Own, Target};

/// Columns of the narrowest tile; every instruction set has it.
pub(crate) const EDGE: usize = 16;
/// Floats of a right operand that are packed at a time: 16 MiB.
const SPAN: usize = 4 << 20;

/// Cache blocks; any choice gives the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocking {
    /// Terms of k between two visits to C; a multiple of 32. A panel of `depth × panel` elements stays in
    /// the second-level cache; for AMX in the first, beside A's tiles on their way through it.
    pub depth: usize,
    /// Most rows of C that one task computes at a time.
    pub rows: usize,
    /// Columns of a packed panel of B; a multiple of 16.
    pub panel: usize,
}

impl Blocking {
    /// What was fastest (`docs/log.md`).
    pub(crate) fn of(numerics: Numerics) -> Self {
        if numerics.in_pairs() {
            return Self {
                depth: 256,
                rows: 256,
                panel: 32,
            };
        }
        Self {
            depth: 384,
            rows: 192,
            panel: 48,
        }
    }
}

/// What a sum begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// +0.
    Zero,
    /// The value that C holds.
    Continue,
}

/// Rows of a buffer that belongs beside C: row i of it goes with row i of C.
#[derive(Debug)]
pub struct Beside<'a> {
    data: &'a mut [f32],
    width: usize,
}

impl<'a> Beside<'a> {
    /// A buffer of rows of `width` elements.
    pub fn new(data: &'a mut [f32], width: usize) -> Self {
        Self { data, width }
    }
}

/// Most cache blocks of k that pass over a panel of C at one visit.
const MOST_TOGETHER: usize = 8;

/// Cache blocks of k that pass over a panel of C at one visit: as many as the second-level cache holds of A.
fn together(numerics: Numerics) -> usize {
    if numerics.in_pairs() {
        MOST_TOGETHER
    } else {
        4
    }
}

/// A thread's buffers: packed blocks of A, and a panel of C.
#[derive(Default)]
struct Scratch {
    a: Aligned,
    c: Aligned,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Bytes that a pool keeps for products whose right operand is a [`View`] of `rows` and `cols`: a copy of
/// so much of it as is packed at a time.
pub fn view_bytes(numerics: Numerics, rows: usize, cols: usize) -> usize {
    let row = row_length(cols);
    let all = numerics.words(rows.next_multiple_of(numerics.profile.depth_unit()));
    let block = numerics.words(Blocking::of(numerics).depth);
    size_of::<f32>() * row * all.min(block * blocks_in_span(block * row))
}

/// Blocks of k of so many words that are packed at a time.
fn blocks_in_span(words: usize) -> usize {
    (SPAN / words).max(1)
}

/// `C = A·B` or `C += A·B`, on all threads of `pool`. C is row-major, `A.rows × B.cols`, its rows
/// `c_stride` elements apart.
///
/// # Panics
/// When the shapes do not fit each other or `c`.
pub fn gemm<'b>(
    pool: &Pool,
    profile: Profile,
    c: &mut [f32],
    c_stride: usize,
    a: View,
    b: impl Into<Right<'b>>,
    start: Start,
) {
    Product::new(pool, profile, c_stride, a, b.into(), start).run(&mut [c], &|_, _| {});
}

/// [`gemm`] with the rows of C in several buffers, one after the other: gradients of weights that
/// read the same input.
///
/// # Panics
/// As [`gemm`], and when a buffer is no whole number of rows.
pub fn gemm_stacked<'b>(
    pool: &Pool,
    profile: Profile,
    c: &mut [&mut [f32]],
    c_stride: usize,
    a: View,
    b: impl Into<Right<'b>>,
    start: Start,
) {
    Product::new(pool, profile, c_stride, a, b.into(), start).run(c, &|_, _| {});
}

/// `C = A·B` into whole rows, then `then(first row, rows of C, the same rows of each buffer beside)` for
/// every block of rows as soon as it is done, on the thread that did it; where columns were shared out, after the product.
///
/// # Panics
/// As [`gemm`], and when a buffer beside has too few rows.
pub fn gemm_then<'b, const N: usize>(
    pool: &Pool,
    profile: Profile,
    c: &mut [f32],
    a: View,
    b: impl Into<Right<'b>>,
    beside: [Beside; N],
    then: impl Fn(usize, &mut [f32], [&mut [f32]; N]) + Sync,
) {
    let b = b.into();
    let stride = b.cols();
    let beside = beside.map(|rows| (Shared::new(rows.data), rows.width));
    let then = |first: usize, c: &mut [f32]| {
        let rows = c.len() / stride;
        // SAFETY: tasks own disjoint rows of C, and so of every buffer beside it.
        let beside = beside
            .each_ref()
            .map(|(data, width)| unsafe { data.slice(first * width, rows * width) });
        then(first, c, beside);
    };
    Product::new(pool, profile, stride, a, b, Start::Zero).run(&mut [c], &then);
}

/// What is called with each finished block of rows: its first row and the rows.
type Then<'t> = &'t (dyn Fn(usize, &mut [f32]) + Sync);

/// One product under way.
struct Product<'a> {
    pool: &'a Pool,
    profile: Profile,
    c_stride: usize,
    a: View<'a>,
    b: Right<'a>,
    start: Start,
}

impl<'a> Product<'a> {
    fn new(
        pool: &'a Pool,
        profile: Profile,
        c_stride: usize,
        a: View<'a>,
        b: Right<'a>,
        start: Start,
    ) -> Self {
        assert_eq!(a.cols(), b.rows(), "inner dimensions of the product differ");
        assert!(c_stride >= b.cols(), "rows of the product overlap");
        Self {
            pool,
            profile,
            c_stride,
            a,
            b,
            start,
        }
    }

    fn run(&self, c: &mut [&mut [f32]], then: Then) {
        let (m, n, k) = (self.a.rows(), self.b.cols(), self.a.cols());
        if m == 0 || n == 0 {
            return;
        }
        let parts = Parts::new(c, self.c_stride, m, n);
        if k == 0 {
            return self.empty_sum(&parts, then);
        }
        let numerics = self.pool.numerics(self.profile);
        let unit = self.profile.depth_unit();
        let start = self.start == Start::Zero;
        match self.b {
            Right::Packed(packed) => {
                let made = packed.made.expect("an operand was packed");
                assert_eq!(
                    made.numerics, numerics,
                    "an operand packed for another profile or instruction set"
                );
                let blocking = made.blocking;
                let all = || blocks(&packed.segments, blocking.depth, unit);
                self.rows_pass(&parts, &packed.data, blocking, all, start, then);
            }
            Right::View(b) => {
                let blocking = self.pool.blocking(self.profile);
                let row = row_length(n);
                let count = blocks_in_span(numerics.words(blocking.depth) * row);
                let inner = [k];
                let total = k.div_ceil(blocking.depth);
                let mut packed = self.pool.packed();
                for first in (0..total).step_by(count) {
                    let before = first * blocking.depth;
                    let some = || {
                        let all = blocks(&inner, blocking.depth, unit);
                        all.skip(first).take(count).map(move |block| Block {
                            before: block.before - before,
                            ..block
                        })
                    };
                    let words: usize = some().map(|b| numerics.words(b.padded) * row).sum();
                    packed.at_least(words);
                    panels(
                        (self.pool, numerics),
                        Along::of(&b),
                        &mut packed,
                        &some,
                        (n, blocking.panel),
                        &|block, column, width, out| {
                            let columns = column..column + width;
                            pack::panel(numerics, out, 0, &b, block, columns);
                        },
                    );
                    let last = first + count >= total;
                    let then: Then = if last { then } else { &|_, _| {} };
                    self.rows_pass(&parts, &packed, blocking, some, start && first == 0, then);
                }
            }
        }
    }

    /// Every row of C through some blocks of k.
    fn rows_pass<I: Iterator<Item = Block>>(
        &self,
        parts: &Parts,
        packed: &[f32],
        blocking: Blocking,
        blocks: impl Fn() -> I + Sync,
        first: bool,
        then: Then,
    ) {
        let n = self.b.cols();
        let numerics = self.pool.numerics(self.profile);
        let mr = tile::rows(numerics);
        let shape = [parts.rows, n, self.a.cols()];
        let rows_a_task = room::rows_a_task(numerics, blocking, shape, self.pool.threads());
        let together = together(numerics);
        let room = pack::left_room(numerics, rows_a_task, blocking.depth, mr);
        let tasks = parts.tasks(rows_a_task);
        // Few rows wait for B, which one thread alone does not get from memory as fast as several.
        let panels = n.div_ceil(blocking.panel);
        let shares = (self.pool.threads() / tasks).clamp(1, panels);
        let task = |number: usize| {
            let (part, rows, at) = parts.task(number / shares, rows_a_task);
            let share = number % shares;
            let first_panel = |share| share * panels / shares * blocking.panel;
            let columns = first_panel(share)..first_panel(share + 1).min(n);
            let range = at..at + rows.len();
            SCRATCH.with_borrow_mut(
                |Scratch {
                     a: scratch,
                     c: beside,
                 }| {
                    let mut blocks = blocks().peekable();
                    let mut first = first;
                    while blocks.peek().is_some() {
                        // As many as there are places.
                        let mut some = [None; MOST_TOGETHER];
                        let places = scratch.at_least(together * room).chunks_exact_mut(room);
                        for (kept, place) in some.iter_mut().zip(places) {
                            let Some(block) = blocks.next() else { break };
                            let a = pack::left(numerics, place, &self.a, range.clone(), block, mr);
                            *kept = Some((block, a));
                        }
                        for column in columns.clone().step_by(blocking.panel) {
                            let width = blocking.panel.min(n - column);
                            let start = rows.start * self.c_stride + column;
                            // SAFETY: this task alone owns these columns of these rows.
                            let c = unsafe {
                                Own::new(part, (start, self.c_stride), rows.len(), width)
                            };
                            // Summed at one visit, whole tiles may go where they belong.
                            let once = first && some[1].is_none();
                            let mut c = Target::new(numerics, c, beside, once);
                            // Tiles of fma ask for their rows themselves.
                            if numerics.in_pairs() {
                                c.expect_next(width);
                            }
                            if !first {
                                c.read();
                            }
                            let panel_of = |block: &Block, column: usize| {
                                let words = numerics.words(block.padded);
                                let before = numerics.words(block.before) * row_length(n);
                                &packed[before + column * words..]
                            };
                            for (index, (block, a)) in some.iter().flatten().enumerate() {
                                let words = numerics.words(block.padded);
                                let panel = &panel_of(block, column)[..row_length(width) * words];
                                let next = match some.get(index + 1) {
                                    Some(Some((block, _))) => panel_of(block, column),
                                    _ => panel_of(
                                        &some[0].as_ref().expect("a block").0,
                                        (column + width).min(n),
                                    ),
                                };
                                // SAFETY: the operands were packed for this shape, or their views
                                // checked against it.
                                unsafe {
                                    cover(
                                        numerics,
                                        (rows.len(), width, block.padded),
                                        *a,
                                        Panel {
                                            pointer: panel.as_ptr(),
                                            term: row_length(width),
                                            next: Some(next.as_ptr()),
                                        },
                                        c.out(),
                                        first && index == 0,
                                    );
                                }
                            }
                            c.write();
                        }
                        first = false;
                    }
                },
            );
            if shares == 1 {
                // SAFETY: this task alone owns these rows of C.
                then(at, unsafe { parts.rows_of(part, &rows, n) });
            }
        };
        let all = 0..tasks * shares;
        self.pool.run(|| all.into_par_iter().for_each(task));
        if shares > 1 {
            let done = |number: usize| {
                let (part, rows, at) = parts.task(number, rows_a_task);
                // SAFETY: the product is done, and rows of tasks are disjoint.
                then(at, unsafe { parts.rows_of(part, &rows, n) });
            };
            self.pool.run(|| (0..tasks).into_par_iter().for_each(done));
        }
    }

    /// A sum of no terms: +0, or what was there.
    fn empty_sum(&self, parts: &Parts, then: Then) {
        for task in 0..parts.tasks(1) {
            let (part, rows, at) = parts.task(task, 1);
            // SAFETY: nothing else runs.
            let c = unsafe { parts.rows_of(part, &rows, self.b.cols()) };
            if self.start == Start::Zero {
                c.fill(0.0);
            }
            then(at, c);
        }
    }
}

/// Most buffers that one product may fill.
const MOST_PARTS: usize = 3;

/// The buffers that hold C, one below the other.
struct Parts {
    data: [Option<(Shared, usize)>; MOST_PARTS],
    rows: usize,
    stride: usize,
}

impl Parts {
    fn new(c: &mut [&mut [f32]], stride: usize, m: usize, n: usize) -> Self {
        assert!(c.len() <= MOST_PARTS, "at most {MOST_PARTS} buffers");
        let mut data = [const { None }; MOST_PARTS];
        let mut left = m;
        let last = c.len() - 1;
        for (index, (part, place)) in c.iter_mut().zip(&mut data).enumerate() {
            let rows = if index == last {
                left
            } else {
                part.len() / stride
            };
            assert!(rows <= left, "the product has fewer rows than its buffers");
            assert!(
                rows == 0 || (rows - 1) * stride + n <= part.len(),
                "product out of range"
            );
            *place = Some((Shared::new(part), rows));
            left -= rows;
        }
        Self {
            data,
            rows: m,
            stride,
        }
    }

    fn tasks(&self, rows_a_task: usize) -> usize {
        let parts = self.data.iter().flatten();
        parts.map(|(_, rows)| rows.div_ceil(rows_a_task)).sum()
    }

    /// Buffer, rows of it, and the first row's number in C.
    fn task(&self, mut task: usize, rows_a_task: usize) -> (&Shared, Range<usize>, usize) {
        let mut before = 0;
        for (data, rows) in self.data.iter().flatten() {
            let here = rows.div_ceil(rows_a_task);
            if task < here {
                let first = task * rows_a_task;
                return (
                    data,
                    first..(first + rows_a_task).min(*rows),
                    before + first,
                );
            }
            task -= here;
            before += rows;
        }
        unreachable!("tasks are counted by `tasks`")
    }

    /// # Safety
    /// Nobody else may touch these rows.
    #[allow(clippy::mut_from_ref, reason = "as `Shared::slice`")]
    unsafe fn rows_of<'s>(&self, part: &'s Shared, rows: &Range<usize>, n: usize) -> &'s mut [f32] {
        let length = (rows.len() - 1) * self.stride + n;
        // SAFETY: by the caller's promise.
        unsafe { part.slice(rows.start * self.stride, length) }
    }
}
