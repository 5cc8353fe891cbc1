//! How rows are shared among threads, and what threads keep for products, known before anything runs.

use super::{Blocking, EDGE, TOGETHER, pack, tile};
use crate::Numerics;

/// More tasks than threads even out what others do to the machine (`docs/log.md`).
const TASKS_A_THREAD: usize = 4;

/// Bytes that each of `threads` threads keeps for products with at most `rows` rows: packed blocks of the
/// left operand, and a panel of C.
pub fn scratch_bytes(numerics: Numerics, rows: usize, threads: usize) -> usize {
    let blocking = Blocking::of(numerics);
    let mr = tile::rows(numerics);
    let rows = rows_a_task(numerics, blocking, rows, threads);
    let a = TOGETHER * pack::left_room(numerics, rows, blocking.depth, mr);
    let c = rows * blocking.panel.next_multiple_of(EDGE);
    size_of::<f32>() * (a + if numerics.in_pairs() { c } else { 0 })
}

/// Rows of C that one task computes: whole tiles.
pub(super) fn rows_a_task(
    numerics: Numerics,
    blocking: Blocking,
    rows: usize,
    threads: usize,
) -> usize {
    let mr = tile::rows(numerics);
    (rows / (TASKS_A_THREAD * threads.max(1)))
        .clamp(mr, blocking.rows.max(mr))
        .next_multiple_of(mr)
}

/// Bytes that each thread takes while [`Packed::pack_rows`](super::Packed::pack_rows) runs with rows of
/// `depth` terms.
pub fn pack_rows_bytes(numerics: Numerics, depth: usize) -> usize {
    size_of::<f32>() * Blocking::of(numerics).panel * depth
}
