//! Which data file a training read when.
//!
//! Where rows say the update that read them, their own word counts. Else, where checkpoints count chunks (LLM360:
//! checkpoint k was saved after chunk k, all chunks as long as one another), the file's place in the list.

use crate::Result;
use crate::rows::{Chunk, Row};

/// How files of data and steps belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// First update that read a row of each file, ascending with the files.
    ByRow(Vec<u64>),
    /// File k holds what updates `k·steps + 1 ..= (k + 1)·steps` read.
    ByChunk {
        /// Updates a file.
        steps: u64,
        /// Files.
        files: usize,
    },
}

impl Order {
    /// Asks the first row of each of `chunks`, in their order; `None` where the rows do not say, or not ascending.
    ///
    /// # Errors
    /// What is no row, and what reading fails with.
    pub fn by_row(chunks: &[Chunk<'_>]) -> Result<Option<Self>> {
        let mut firsts = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            match chunk.head(1, |_| true)?.first() {
                Some(Row {
                    step: Some(step), ..
                }) => firsts.push(*step),
                _ => return Ok(None),
            }
        }
        let ascending = firsts.windows(2).all(|pair| pair[0] < pair[1]);
        Ok((ascending && !firsts.is_empty()).then_some(Self::ByRow(firsts)))
    }

    /// The file that holds rows of update `step`, from 1.
    #[must_use]
    pub fn file_of(&self, step: u64) -> Option<usize> {
        let step = step.checked_sub(1)?;
        match self {
            Self::ByRow(firsts) => firsts
                .partition_point(|&first| first <= step + 1)
                .checked_sub(1),
            Self::ByChunk { steps, files } => {
                let file = usize::try_from(step.checked_div(*steps)?).ok()?;
                (file < *files).then_some(file)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_their_step() {
        let order = Order::ByRow(vec![1, 5, 9]);
        let files: Vec<_> = [0, 1, 4, 5, 9, 100].map(|step| order.file_of(step)).into();
        assert_eq!(files, [None, Some(0), Some(0), Some(1), Some(2), Some(2)]);
    }

    #[test]
    fn ambers_chunks_are_762_updates_long() {
        let order = Order::ByChunk {
            steps: 762,
            files: 360,
        };
        assert_eq!(order.file_of(762), Some(0));
        assert_eq!(order.file_of(763), Some(1));
        assert_eq!(order.file_of(274_320), Some(359));
        assert_eq!(order.file_of(274_321), None);
        let nothing = Order::ByChunk { steps: 0, files: 1 };
        assert_eq!(nothing.file_of(1), None);
    }

    #[test]
    fn files_in_another_order_than_their_steps_are_no_order() {
        let texts = [
            "{\"token_ids\":[1,2],\"step\":5}",
            "{\"token_ids\":[1,2],\"step\":1}",
        ];
        let read = |text: &'static str| {
            move |r: std::ops::Range<u64>| {
                Ok(text.as_bytes()[r.start as usize..r.end as usize].to_vec())
            }
        };
        let (one, two) = (read(texts[0]), read(texts[1]));
        let chunk = |path, text: &str, read| Chunk {
            path,
            bytes: text.len() as u64,
            read,
        };
        let falling = [chunk("a", texts[0], &one), chunk("b", texts[1], &two)];
        assert_eq!(Order::by_row(&falling).expect("rows"), None);
        let rising = [chunk("b", texts[1], &two), chunk("a", texts[0], &one)];
        assert_eq!(
            Order::by_row(&rising).expect("rows"),
            Some(Order::ByRow(vec![1, 5]))
        );
    }
}
