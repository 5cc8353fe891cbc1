//! How the inner length of a product is cut into cache blocks.

/// One cache block over k.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// First term, in the operands as they are given.
    pub(super) first: usize,
    /// Terms of the operands.
    pub(super) terms: usize,
    /// Terms with the profile's padding.
    pub(super) padded: usize,
    /// Padded terms of all blocks before this one.
    pub(super) before: usize,
}

/// The blocks of at most `depth` terms of an inner length made of `segments`, each padded for itself
/// to a multiple of `unit`.
pub(super) fn blocks(
    segments: &[usize],
    depth: usize,
    unit: usize,
) -> impl Iterator<Item = Block> + '_ {
    assert!(
        depth > 0 && depth.is_multiple_of(unit),
        "a block is whole units"
    );
    let (mut first, mut before) = (0, 0);
    segments.iter().flat_map(move |&length| {
        let (start, padded_start) = (first, before);
        first += length;
        before += length.next_multiple_of(unit);
        (0..length).step_by(depth).map(move |offset| {
            let terms = depth.min(length - offset);
            Block {
                first: start + offset,
                terms,
                padded: terms.next_multiple_of(unit),
                before: padded_start + offset,
            }
        })
    })
}

/// Padded terms of all `segments`.
pub(super) fn padded(segments: &[usize], unit: usize) -> usize {
    segments
        .iter()
        .map(|length| length.next_multiple_of(unit))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_segment_is_padded_for_itself() {
        let all: Vec<Block> = blocks(&[40, 70], 64, 32).collect();
        let block = |first, terms, padded, before| Block {
            first,
            terms,
            padded,
            before,
        };
        assert_eq!(
            all,
            [
                block(0, 40, 64, 0),
                block(40, 64, 64, 64),
                block(104, 6, 32, 128)
            ]
        );
        assert_eq!(padded(&[40, 70], 32), 160);
    }
}
