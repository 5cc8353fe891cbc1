//! Rolling windows: every token of a document predicted once, as lm-evaluation-harness does it.

/// Inputs of one window, and how many targets at its end are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window<'a> {
    /// Tokens that the model sees.
    pub inputs: &'a [u32],
    /// The token after each input.
    pub targets: &'a [u32],
    /// The last so many targets count; the ones before are context.
    pub counted: usize,
}

/// Cuts `tokens` (a prefix token, then the document) into windows of at most `length` inputs.
///
/// Predictions are disjoint and cover every token after the prefix. A window after the first
/// begins with the last token predicted before; the last one is filled up with context from the left.
pub fn windows(tokens: &[u32], length: usize) -> Vec<Window<'_>> {
    let mut windows = Vec::new();
    // Targets start..end are predicted by this window; target i has input i − 1.
    let mut start = 1;
    while start < tokens.len() {
        let end = tokens.len().min(start + length);
        let first_input = (start - 1).min((end - 1).saturating_sub(length));
        windows.push(Window {
            inputs: &tokens[first_input..end - 1],
            targets: &tokens[first_input + 1..end],
            counted: end - start,
        });
        start = end;
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_tokens_in_windows_of_four() {
        // The example of the harness: prefix → 0–3, 3 → 4–7, (5, 6, 7 →) 8, 9.
        let tokens = [99, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        let cut = windows(&tokens, 4);
        assert_eq!(cut.len(), 3);
        assert_eq!((cut[0].inputs, cut[0].counted), (&[99, 0, 1, 2][..], 4));
        assert_eq!((cut[1].inputs, cut[1].counted), (&[3, 4, 5, 6][..], 4));
        assert_eq!((cut[2].inputs, cut[2].counted), (&[5, 6, 7, 8][..], 2));
        assert_eq!(cut[2].targets, [6, 7, 8, 9]);
    }

    #[test]
    fn short_and_empty_documents() {
        assert_eq!(
            windows(&[99, 5], 4),
            [Window {
                inputs: &[99],
                targets: &[5],
                counted: 1
            }]
        );
        assert!(windows(&[99], 4).is_empty());
    }

    #[test]
    fn every_token_is_predicted_once() {
        for count in 1..40_u32 {
            let tokens: Vec<u32> = (0..count).collect();
            for length in 1..9 {
                let predicted: Vec<u32> = windows(&tokens, length)
                    .iter()
                    .flat_map(|w| w.targets[w.targets.len() - w.counted..].to_vec())
                    .collect();
                assert_eq!(predicted, tokens[1..]);
            }
        }
    }
}
