//! A source's training tokens as one stream, and the documents under each stretch of it.

use std::ops::Range;

/// The training documents of a source in canonical order, each followed by the end of text.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    tokens: Vec<u16>,
    /// Where each document starts, and its number.
    documents: Vec<(usize, u64)>,
}

/// A stretch of one document in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Positions in the window, half-open.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The document's number.
    pub(crate) doc: u64,
    /// The document's token at `start`; its end of text counts as its last token.
    pub(crate) doc_token: u64,
}

impl Stream {
    /// Adds a document; its end of text is added here.
    pub(crate) fn push(&mut self, doc: u64, tokens: &[u16], end_of_text: u16) {
        self.documents.push((self.tokens.len(), doc));
        self.tokens.extend_from_slice(tokens);
        self.tokens.push(end_of_text);
    }

    /// Tokens, ends of text included.
    pub(crate) fn len(&self) -> u64 {
        self.tokens.len() as u64
    }

    /// How many windows of `length + 1` tokens there are; neighbours share one token.
    pub(crate) fn windows(&self, length: u64) -> u64 {
        self.len().saturating_sub(1) / length
    }

    fn range(&self, window: u64, length: u64) -> Range<usize> {
        let start = usize::try_from(window * length).expect("a window of a stream in memory");
        start..start + usize::try_from(length).expect("a window of a stream in memory") + 1
    }

    /// The tokens of a window.
    pub(crate) fn window(&self, window: u64, length: u64) -> &[u16] {
        &self.tokens[self.range(window, length)]
    }

    /// The documents of a window, in order; they cover it without gap or overlap.
    pub(crate) fn pieces(&self, window: u64, length: u64) -> impl Iterator<Item = Piece> + '_ {
        let range = self.range(window, length);
        let first = self
            .documents
            .partition_point(|(start, _)| *start <= range.start)
            - 1;
        let within = move |at: usize| u32::try_from(at - range.start).expect("a window is short");
        self.documents[first..]
            .iter()
            .enumerate()
            .map_while(move |(at, &(start, doc))| {
                let next = self
                    .documents
                    .get(first + at + 1)
                    .map_or(self.tokens.len(), |next| next.0);
                let from = start.max(range.start);
                (from < range.end).then(|| Piece {
                    start: within(from),
                    end: within(next.min(range.end)),
                    doc,
                    doc_token: (from - start) as u64,
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn windows_overlap_by_one_and_name_their_documents() {
        let mut stream = Stream::default();
        stream.push(7, &[1, 2, 3], 0);
        stream.push(9, &[4], 0);
        stream.push(8, &[5, 6], 0);
        assert_eq!(stream.len(), 9);
        assert_eq!(stream.windows(4), 2);
        assert_eq!(stream.window(0, 4), [1, 2, 3, 0, 4]);
        assert_eq!(stream.window(1, 4), [4, 0, 5, 6, 0]);
        let piece = |start, end, doc, doc_token| Piece {
            start,
            end,
            doc,
            doc_token,
        };
        assert_eq!(
            stream.pieces(0, 4).collect::<Vec<_>>(),
            [piece(0, 4, 7, 0), piece(4, 5, 9, 0)]
        );
        assert_eq!(
            stream.pieces(1, 4).collect::<Vec<_>>(),
            [piece(0, 2, 9, 0), piece(2, 5, 8, 0)]
        );
        assert_eq!(stream.windows(8), 1);
        assert_eq!(stream.windows(9), 0);
    }

    proptest! {
        #[test]
        fn pieces_cover_every_window(
            lengths in prop::collection::vec(0usize..20, 1..30), length in 1u64..16,
        ) {
            let mut stream = Stream::default();
            for (doc, &n) in (0u16..).zip(&lengths) {
                stream.push(u64::from(doc), &vec![doc + 1; n], 0);
            }
            for window in 0..stream.windows(length) {
                let tokens = stream.window(window, length);
                let mut at = 0;
                for piece in stream.pieces(window, length) {
                    prop_assert_eq!(piece.start, at);
                    prop_assert!(piece.end > piece.start);
                    let size = lengths[piece.doc as usize] as u64;
                    for position in piece.start..piece.end {
                        let token = piece.doc_token + u64::from(position - piece.start);
                        let expected = if token == size { 0 } else { piece.doc as u16 + 1 };
                        prop_assert_eq!(tokens[position as usize], expected);
                    }
                    at = piece.end;
                }
                prop_assert_eq!(u64::from(at), length + 1);
            }
        }
    }
}
