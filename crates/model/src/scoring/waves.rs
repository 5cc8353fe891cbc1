//! Which sequences go through the layers together.

use super::chunk::{Builder, Chunk, shared};
use super::memory::Cut;

/// Cuts sequences into waves, and each of them into chunks.
pub(super) struct Waves<'s> {
    /// Sequences by their inputs, and which they are.
    sequences: Vec<(&'s [u32], usize)>,
    /// How many are in chunks.
    done: usize,
    cut: Cut,
    /// A chunk that did not fit into the last wave.
    next: Option<Chunk>,
}

impl<'s> Waves<'s> {
    /// Waves of the sequences with these inputs, numbered from 0; those without any are in none.
    pub(super) fn new(inputs: impl IntoIterator<Item = &'s [u32]>, cut: Cut) -> Self {
        let numbered = inputs.into_iter().zip(0..);
        let mut sequences: Vec<_> = numbered.filter(|(inputs, _)| !inputs.is_empty()).collect();
        sequences.sort_unstable();
        Self {
            sequences,
            done: 0,
            cut,
            next: None,
        }
    }

    /// Rows of the next sequence and of those after it that share more with the one before them than they
    /// add, if these are no more than `most`.
    fn family(&self, most: usize) -> Option<usize> {
        let rest = &self.sequences[self.done..];
        let mut rows = rest.first()?.0.len();
        for pair in rest.windows(2) {
            let (before, inputs) = (pair[0].0, pair[1].0);
            let shared = shared(before, inputs);
            if rows > most || shared <= inputs.len() - shared {
                break;
            }
            rows += inputs.len() - shared;
        }
        (rows <= most).then_some(rows)
    }

    /// The next chunk: of at most so many rows, or of one sequence.
    fn chunk(&mut self) -> Option<Chunk> {
        let most = self.cut.chunk_rows.min(self.cut.wave_rows);
        let mut builder = Builder::default();
        while let Some(&(inputs, sequence)) = self.sequences.get(self.done) {
            let (rows, shared) = (builder.rows(), builder.shared(inputs));
            let added = inputs.len() - shared;
            // What would fit into a chunk of its own is not torn: its second part would begin anew.
            let begins = added >= shared;
            let family = || self.family(most).is_some_and(|family| rows + family > most);
            if rows > 0 && (rows + added > most || begins && family()) {
                break;
            }
            builder.add(sequence, inputs);
            self.done += 1;
        }
        (builder.rows() > 0).then(|| builder.finish())
    }
}

impl Iterator for Waves<'_> {
    type Item = Vec<Chunk>;

    fn next(&mut self) -> Option<Vec<Chunk>> {
        let (mut wave, mut rows) = (Vec::new(), 0);
        while let Some(mut chunk) = self.next.take().or_else(|| self.chunk()) {
            if rows > 0 && chunk.len() > self.cut.wave_rows.saturating_sub(rows) {
                self.next = Some(chunk);
                break;
            }
            chunk.first = rows;
            rows += chunk.len();
            wave.push(chunk);
        }
        (!wave.is_empty()).then_some(wave)
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::LEAST_SHARED;
    use super::*;
    use glasswork_kernels::attention::Siblings;
    use std::ops::Range;

    const NO_WAVES: usize = usize::MAX;

    fn waves(sequences: &[Vec<u32>], chunk_rows: usize, wave_rows: usize) -> Vec<Vec<Chunk>> {
        let cut = Cut {
            chunk_rows,
            wave_rows,
        };
        Waves::new(sequences.iter().map(Vec::as_slice), cut).collect()
    }

    fn joined(parts: &[&[u32]]) -> Vec<u32> {
        parts.concat()
    }

    /// Whatever is shared and however it is cut, a sequence finds its own tokens at its own positions, and
    /// attends to the rows before each of its rows, in order.
    fn check(sequences: &[Vec<u32>], chunks: &[Chunk], most: usize) {
        let mut found = vec![0; sequences.len()];
        for chunk in chunks {
            assert!(chunk.len() <= most || chunk.placed.len() == 1);
            let mut past_of = vec![None; chunk.len()];
            for siblings in &chunk.siblings {
                for rows in &siblings.rows {
                    for row in rows.clone() {
                        let past: Vec<usize> = siblings.past.iter().cloned().flatten().collect();
                        let past = [past, (rows.start..row).collect()].concat();
                        assert!(
                            past_of[row].replace(past).is_none(),
                            "a row is in one segment"
                        );
                    }
                }
            }
            for placed in &chunk.placed {
                found[placed.sequence] += 1;
                let inputs = &sequences[placed.sequence];
                let rows: Vec<usize> = placed.rows(0).collect();
                assert_eq!(rows.len(), inputs.len());
                for (position, &row) in rows.iter().enumerate() {
                    assert_eq!(chunk.tokens[row], inputs[position]);
                    assert_eq!(chunk.positions[row] as usize, position);
                    assert_eq!(past_of[row].as_deref(), Some(&rows[..position]));
                }
            }
        }
        let expected: Vec<i32> = sequences.iter().map(|s| i32::from(!s.is_empty())).collect();
        assert_eq!(found, expected, "each is placed once");
    }

    fn made_up() -> Vec<Vec<u32>> {
        let examples: Vec<u32> = (100..140).collect();
        let mut all = vec![vec![], vec![5], examples.clone()];
        for question in 0..4 {
            let asked: Vec<u32> = (0..10 + question).map(|i| question * 20 + i).collect();
            for answer in 0..3 {
                let answer: Vec<u32> = (0..answer * 2).map(|i| 200 + answer * 10 + i).collect();
                all.push(joined(&[&examples, &asked, &answer]));
                all.push(joined(&[&asked, &answer, &asked]));
            }
        }
        all.push(examples[..20].to_vec());
        all
    }

    #[test]
    fn every_sequence_finds_its_tokens() {
        let sequences = made_up();
        for most in [1, 9, 60, 75, 130, 10_000] {
            let chunks = waves(&sequences, most, NO_WAVES).concat();
            check(&sequences, &chunks, most);
            let inputs: usize = chunks.iter().map(Chunk::inputs).sum();
            assert_eq!(inputs, sequences.iter().map(Vec::len).sum::<usize>());
        }
        let rows: usize = waves(&sequences, 10_000, NO_WAVES)[0]
            .iter()
            .map(Chunk::len)
            .sum();
        // The examples, four questions with two, four more tokens each; as much again with the question
        // again; one token.
        let own = 10 + 11 + 12 + 13;
        assert_eq!(rows, 40 + own + 4 * 6 + own + 4 * 6 + 3 * own + 1);
    }

    #[test]
    fn a_question_and_its_answers() {
        let question: Vec<u32> = (0..20).collect();
        let answers = [&[1, 2, 3][..], &[7], &[4, 5]];
        let sequences = answers.map(|answer| joined(&[&question, answer]));
        let chunks = waves(&sequences, 100, NO_WAVES).concat();
        let [chunk] = &chunks[..] else {
            panic!("one chunk")
        };
        let segments = |siblings: &Siblings| (siblings.past.clone(), siblings.rows.clone());
        let shown: Vec<_> = chunk.siblings.iter().map(segments).collect();
        let (none, all, asked) = (vec![], vec![0..20, 20..23], 0..20);
        let [ref whole, ref first] = all[..] else {
            panic!("two")
        };
        let answers = vec![first.clone(), 23..25, 25..26];
        assert_eq!(shown, [(none, vec![whole.clone()]), (vec![asked], answers)]);
    }

    #[test]
    fn a_question_is_not_torn_where_it_need_not_be() {
        let question = |first: u32| (first..first + 30).collect::<Vec<u32>>();
        let sequences: Vec<Vec<u32>> = [100, 200, 300]
            .into_iter()
            .flat_map(|first| (0..4).map(move |answer| joined(&[&question(first), &[answer; 5]])))
            .collect();
        // 50 rows a question: two would fill 100, but a third not 140.
        let lengths = |most| -> Vec<usize> {
            let chunks = waves(&sequences, most, NO_WAVES).concat();
            chunks.iter().map(Chunk::len).collect()
        };
        assert_eq!(lengths(140), [100, 50]);
        assert_eq!(lengths(40), [40, 40, 40, 40, 40, 40]);
    }

    #[test]
    fn few_common_tokens_are_not_shared() {
        let sequences = [vec![1; LEAST_SHARED - 1], vec![1; LEAST_SHARED - 1]];
        assert_eq!(
            waves(&sequences, 100, NO_WAVES)[0][0].len(),
            2 * (LEAST_SHARED - 1)
        );
    }

    #[test]
    fn waves_hold_whole_chunks() {
        let sequences: Vec<Vec<u32>> = (0..5).map(|i| vec![i; 10]).collect();
        let shape = |chunk_rows, wave_rows| -> Vec<Vec<Range<usize>>> {
            let waves = waves(&sequences, chunk_rows, wave_rows);
            waves
                .iter()
                .map(|wave| wave.iter().map(Chunk::rows).collect())
                .collect()
        };
        assert_eq!(
            shape(20, 35),
            [Vec::from_iter(std::iter::once(0..20)), vec![0..20, 20..30]]
        );
        assert_eq!(shape(20, 1).len(), 5);
        assert_eq!(shape(20, NO_WAVES).len(), 1);
    }
}
