//! How rows are shared among threads, and what threads keep for products, known before anything runs.

use super::{Blocking, EDGE, pack, tile, together};
use crate::Numerics;

/// Tasks a thread where many are: they even out what others do to the machine (`docs/log.md`).
const TASKS_A_THREAD: usize = 4;
/// Bytes of a right operand that stay in the second-level cache while tasks read it in turn.
const STAYS: usize = 1 << 20;

/// Bytes that each of `threads` threads keeps for products of at most so many rows, columns and terms: packed
/// blocks of the left operand, and a panel of C.
pub fn scratch_bytes(numerics: Numerics, shape: [usize; 3], threads: usize) -> usize {
    let blocking = Blocking::of(numerics);
    let mr = tile::rows(numerics);
    let rows = rows_a_task(numerics, blocking, shape, threads);
    let a = together(numerics) * pack::left_room(numerics, rows, blocking.depth, mr);
    let c = rows * blocking.panel.next_multiple_of(EDGE);
    size_of::<f32>() * (a + if numerics.in_pairs() { c } else { 0 })
}

/// Rows of C that one task computes: whole tiles. Each task reads the whole right operand, so that there are
/// few of them where that comes from memory each time.
pub(super) fn rows_a_task(
    numerics: Numerics,
    blocking: Blocking,
    [rows, columns, terms]: [usize; 3],
    threads: usize,
) -> usize {
    let mr = tile::rows(numerics);
    let right = size_of::<f32>() * numerics.words(terms) * columns;
    let tasks = if numerics.in_pairs() && right > STAYS {
        1
    } else {
        TASKS_A_THREAD
    };
    (rows / (tasks * threads.max(1)))
        .clamp(mr, blocking.rows.max(mr))
        .next_multiple_of(mr)
}

/// Bytes that each thread takes while [`Packed::pack_rows`](super::Packed::pack_rows) runs with rows of
/// `depth` terms.
pub fn pack_rows_bytes(numerics: Numerics, depth: usize) -> usize {
    size_of::<f32>() * Blocking::of(numerics).panel * depth
}
