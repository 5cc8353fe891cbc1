//! How rows are shared among threads, and what threads keep for products, known before anything runs.

use super::{Blocking, EDGE, pack, tile, together};
use crate::Numerics;

/// Tasks a thread where many are: they even out what others do to the machine (`docs/log.md`).
const TASKS_A_THREAD: usize = 4;
/// Bytes of a right operand that stay in the second-level cache while tasks read it in turn.
const STAYS: usize = 1 << 20;

/// Bytes that each of `threads` threads keeps for products of at most so many rows, columns and terms: packed
/// blocks of the left operand, and a panel of C.
pub fn scratch_bytes(
    numerics: Numerics,
    [rows, columns, terms]: [usize; 3],
    threads: usize,
) -> usize {
    let blocking = Blocking::of(numerics);
    let mr = tile::rows(numerics);
    let of = |rows| rows_a_task(numerics, blocking, [rows, columns, terms], threads);
    // Fewer rows may make larger tasks, one for each thread.
    let rows = of(rows).max(of(rows.min(blocking.rows * threads)));
    let a = together(numerics) * pack::left_room(numerics, rows, blocking.depth, mr);
    let c = rows * blocking.panel.next_multiple_of(EDGE);
    size_of::<f32>() * (a + if numerics.in_pairs() { c } else { 0 })
}

/// Rows of C that one task computes: whole tiles. Each task reads the whole right operand: where that comes
/// from memory each time (AMX; tiles of fma are slower than memory), there is one task a thread, or as many as
/// keep to the most rows.
pub(super) fn rows_a_task(
    numerics: Numerics,
    blocking: Blocking,
    [rows, columns, terms]: [usize; 3],
    threads: usize,
) -> usize {
    let mr = tile::rows(numerics);
    let right = size_of::<f32>() * numerics.words(terms) * columns;
    let (most, threads) = (blocking.rows.max(mr), threads.max(1));
    let tasks = if numerics.in_pairs() && right > STAYS {
        // Rounds in which every thread has a task.
        rows.div_ceil(threads * most).max(1)
    } else {
        TASKS_A_THREAD
    };
    rows.div_ceil(tasks * threads)
        .clamp(mr, most)
        .next_multiple_of(mr)
}

/// Bytes that each thread takes while [`Packed::pack_rows`](super::Packed::pack_rows) runs with rows of
/// `depth` terms.
pub fn pack_rows_bytes(numerics: Numerics, depth: usize) -> usize {
    size_of::<f32>() * Blocking::of(numerics).panel * depth
}
