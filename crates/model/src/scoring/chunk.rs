//! Rows that go through a layer together: sequences, what they begin with in common only once.
//!
//! A text that several sequences begin with (the question before its answers, the examples before all
//! questions) need not be computed for each: its rows depend on nothing after them. In the order of their
//! tokens, what a sequence shares with any before it is what it shares with the one right before. A chunk
//! is built sequence by sequence: the first adds all its rows, each further one those after what it shares,
//! and where it leaves its predecessor a segment is cut in two. So a segment that several sequences
//! share holds nothing of what only one of them has.

use glasswork_kernels::attention::Siblings;
use std::collections::BTreeMap;
use std::ops::Range;

/// Tokens that sequences must share before it is worth computing them once.
pub(super) const LEAST_SHARED: usize = 8;

/// Rows of sequences that lie one below the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    /// Its first row in the residual stream.
    pub(super) first: usize,
    /// Token of each row.
    pub(super) tokens: Vec<u32>,
    /// Position of each row in the sequences that it belongs to.
    pub(super) positions: Vec<u32>,
    /// Rows that attend to the same rows before them, and to themselves.
    pub(super) siblings: Vec<Siblings>,
    /// Where the sequences are.
    pub(super) placed: Vec<Placed>,
}

/// A sequence's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Which sequence.
    pub(super) sequence: usize,
    /// Its rows within the chunk, piece after piece.
    pub(super) path: Vec<Range<usize>>,
}

impl Placed {
    /// Rows of its inputs from number `from` on, in order.
    pub(super) fn rows(&self, from: usize) -> impl Iterator<Item = usize> {
        self.path.iter().cloned().flatten().skip(from)
    }

    /// How many inputs it has.
    pub(super) fn inputs(&self) -> usize {
        self.path.iter().map(ExactSizeIterator::len).sum()
    }
}

impl Chunk {
    /// Rows that are computed.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Its rows in the residual stream.
    pub(super) fn rows(&self) -> Range<usize> {
        self.first..self.first + self.len()
    }

    /// Inputs of its sequences, which is what it would have of rows if they shared nothing.
    pub(super) fn inputs(&self) -> usize {
        self.placed.iter().map(Placed::inputs).sum()
    }
}

/// Consecutive rows that every sequence has which has one of them.
struct Segment {
    /// The rows before them, piece after piece.
    past: Vec<Range<usize>>,
    rows: Range<usize>,
}

/// A chunk that is being built.
#[derive(Default)]
pub(super) struct Builder<'s> {
    chunk: Chunk,
    segments: Vec<Segment>,
    /// The last sequence, and its segments.
    last: &'s [u32],
    open: Vec<usize>,
}

impl<'s> Builder<'s> {
    /// Tokens of `inputs` that need no rows of their own: those that the last sequence begins with too.
    pub(super) fn shared(&self, inputs: &[u32]) -> usize {
        shared(self.last, inputs)
    }

    /// Rows so far.
    pub(super) fn rows(&self) -> usize {
        self.chunk.len()
    }

    /// Rows of the open segments, those that touch joined.
    fn path(&self) -> Vec<Range<usize>> {
        let mut path: Vec<Range<usize>> = Vec::new();
        for &segment in &self.open {
            let rows = self.segments[segment].rows.clone();
            match path.last_mut() {
                Some(last) if last.end == rows.start => last.end = rows.end,
                _ => path.push(rows),
            }
        }
        path
    }

    /// Cuts the open segment number `at` in two before the row `cut`; only what is above stays open.
    fn split(&mut self, at: usize, cut: usize) {
        self.open.truncate(at + 1);
        let upper = &mut self.segments[self.open[at]].rows;
        let rows = cut..upper.end;
        upper.end = cut;
        let past = self.path();
        self.segments.push(Segment { past, rows });
    }

    /// Adds a sequence, which comes after the last one in the order of inputs.
    pub(super) fn add(&mut self, sequence: usize, inputs: &'s [u32]) {
        let shared = self.shared(inputs);
        let (mut kept, mut depth) = (0, 0);
        while depth < shared {
            let rows = self.segments[self.open[kept]].rows.clone();
            let cut = rows.end.min(rows.start + shared - depth);
            if cut < rows.end {
                self.split(kept, cut);
            }
            (kept, depth) = (kept + 1, depth + cut - rows.start);
        }
        self.open.truncate(kept);
        let rows = self.chunk.len()..self.chunk.len() + inputs.len() - shared;
        if !rows.is_empty() {
            let past = self.path();
            self.open.push(self.segments.len());
            self.segments.push(Segment { past, rows });
            self.chunk.tokens.extend_from_slice(&inputs[shared..]);
            let positions = shared as u32..inputs.len() as u32;
            self.chunk.positions.extend(positions);
        }
        let path = self.path();
        self.chunk.placed.push(Placed { sequence, path });
        self.last = inputs;
    }

    /// The chunk, with the segments that continue the same rows together.
    pub(super) fn finish(self) -> Chunk {
        let mut chunk = self.chunk;
        let mut by_past: BTreeMap<Vec<(usize, usize)>, Vec<Range<usize>>> = BTreeMap::new();
        for Segment { past, rows } in self.segments {
            let past = past.iter().map(|rows| (rows.start, rows.end)).collect();
            by_past.entry(past).or_default().push(rows);
        }
        for (past, all) in by_past {
            let past: Vec<Range<usize>> = past.into_iter().map(|(a, b)| a..b).collect();
            let before: usize = past.iter().map(ExactSizeIterator::len).sum();
            // Together, so that what they continue is packed once, but no longer than that is the greater
            // part of the work: each is a task for one thread.
            let mut room = 0;
            for rows in all {
                match chunk.siblings.last_mut() {
                    Some(siblings) if rows.len() <= room => {
                        room -= rows.len();
                        siblings.rows.push(rows);
                    }
                    _ => {
                        room = before.saturating_sub(rows.len());
                        let (past, rows) = (past.clone(), vec![rows]);
                        chunk.siblings.push(Siblings { past, rows });
                    }
                }
            }
        }
        chunk
    }
}

/// Tokens that two sequences begin with, if they are worth sharing.
pub(super) fn shared(a: &[u32], b: &[u32]) -> usize {
    let shared = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    if shared < LEAST_SHARED { 0 } else { shared }
}
