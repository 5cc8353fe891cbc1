//! What sequences begin with in common is computed once, and changes no bit.

mod folders;

use folders::{configs, folder, scorer, tensors};
use glasswork_kernels::{Isa, Profile};
use glasswork_model::Scorer;
use glasswork_model::scoring::{Branches, Cut, Score, Sequence, Unwatched, Watch};
use glasswork_release::Dtype;
use std::cell::Cell;

fn tokens(length: u32, step: u32) -> Vec<u32> {
    (0..length).map(|i| (i * step + i * i) % 67).collect()
}

/// Contexts of odd lengths with continuations of none, one and several tokens.
fn branches() -> Vec<Branches> {
    let examples = tokens(21, 3);
    let question = |length, step| [&examples[..], &tokens(length, step)].concat();
    let of = |context: Vec<u32>, continuations: &[&[u32]]| Branches {
        context,
        continuations: continuations.iter().map(|c| c.to_vec()).collect(),
    };
    vec![
        of(
            question(12, 5),
            &[&[1, 2, 3], &[4], &[1, 2, 5, 6, 7], &[], &[1, 2, 3]],
        ),
        of(question(11, 7), &[&[9; 20], &[9; 11]]),
        // The same examples end in the middle of a block of 32, and nothing else follows them.
        of(examples.clone(), &[&[8]]),
        of(tokens(31, 13), &[&[1], &[2], &[3], &[4]]),
        of(tokens(1, 9), &[&[3, 4], &[5]]),
        of(
            Vec::new(),
            &[&[7, 8, 9, 10, 11, 12, 13, 14, 15, 16], &[7], &[]],
        ),
        of(tokens(40, 17), &[]),
        // The last token is only a target.
        of(tokens(60, 19), &[&[1, 2, 3, 4, 5], &[1, 2]]),
    ]
}

fn cut(chunk_rows: usize, wave_rows: usize) -> Cut {
    Cut {
        chunk_rows,
        wave_rows,
    }
}

fn bits(score: &Score) -> (u64, Vec<u32>, bool) {
    let losses = score.losses.iter().map(|x| x.to_bits()).collect();
    (score.log_likelihood.to_bits(), losses, score.greedy)
}

/// Each sequence in a pass of its own.
fn alone(scorer: &mut Scorer, sequence: Sequence) -> Score {
    let scores = scorer.score(&[sequence], cut(10_000, usize::MAX), &Unwatched);
    scores.expect("tokens fit").remove(0)
}

#[test]
fn branches_have_the_bits_of_separate_sequences() {
    let all = branches();
    for config in configs() {
        let folder = folder(&config, &tensors(&config, Dtype::F32));
        for profile in Profile::ALL {
            let mut first = None;
            for (isa, threads) in Isa::available()
                .into_iter()
                .zip([1, 2, 3, 8].into_iter().cycle())
            {
                let mut scorer = scorer(folder.path(), profile, threads, isa);
                let expected = first.get_or_insert_with(|| {
                    let of = |branches: &Branches| {
                        let scores = branches.sequences().map(|s| bits(&alone(&mut scorer, s)));
                        scores.collect()
                    };
                    all.iter().map(of).collect::<Vec<Vec<_>>>()
                });
                for (chunk_rows, wave_rows) in [
                    (10_000, usize::MAX),
                    (1, 1),
                    (40, 50),
                    (70, usize::MAX),
                    (90, 200),
                ] {
                    let scores =
                        scorer.score_branches(&all, cut(chunk_rows, wave_rows), &Unwatched);
                    let scores = scores.expect("tokens fit");
                    let got: Vec<Vec<_>> = scores
                        .iter()
                        .map(|s| s.iter().map(bits).collect())
                        .collect();
                    assert_eq!(
                        got, *expected,
                        "{} {profile} {isa:?} {chunk_rows} {wave_rows}",
                        config["model_type"]
                    );
                }
            }
        }
    }
}

#[test]
fn what_counts_are_the_continuations() {
    let config = &configs()[0];
    let folder = folder(config, &tensors(config, Dtype::F32));
    let mut scorer = scorer(folder.path(), Profile::F32V1, 2, Isa::best());
    let all = branches();
    let scores = scorer.score_branches(&all, cut(100, usize::MAX), &Unwatched);
    let scores = scores.expect("tokens fit");
    for (branches, scores) in all.iter().zip(&scores) {
        let lengths = branches.continuations.iter().map(Vec::len);
        let unpredicted = usize::from(branches.context.is_empty());
        let expected: Vec<usize> = lengths.map(|n| n.saturating_sub(unpredicted)).collect();
        let counted: Vec<usize> = scores.iter().map(|score| score.losses.len()).collect();
        assert_eq!(counted, expected);
    }
    assert!(
        scores[0][3].greedy && scores[0][3].log_likelihood == 0.0,
        "nothing to take"
    );
}

/// A target is greedy where no logit is larger and none before it as large.
#[test]
fn greedy_is_the_first_largest_logit() {
    for config in configs() {
        let folder = folder(&config, &tensors(&config, Dtype::F32));
        let mut scorer = scorer(folder.path(), Profile::Bf16V1, 2, Isa::best());
        let context = tokens(20, 11);
        let whole = cut(100, usize::MAX);
        let read = [Sequence::new([&context[..], &[0]].concat())];
        let logits = scorer.logits(&read, whole).expect("tokens fit");
        let last = &logits[19 * 67..];
        let first_largest = (0..67).rev().max_by(|&a, &b| last[a].total_cmp(&last[b]));
        let all = [Branches {
            context,
            continuations: (0..67).map(|token| vec![token]).collect(),
        }];
        let scores = scorer
            .score_branches(&all, whole, &Unwatched)
            .expect("tokens fit");
        let greedy: Vec<usize> = (0..67).filter(|&token| scores[0][token].greedy).collect();
        assert_eq!(greedy, Vec::from_iter(first_largest));
        let likeliest = scores[0]
            .iter()
            .map(|s| s.log_likelihood)
            .fold(f64::NEG_INFINITY, f64::max);
        assert_eq!(scores[0][greedy[0]].log_likelihood, likeliest);
    }
}

/// An embedding that is no number: who has such a token has no score, and who only shares a context with
/// it has the score that it has alone.
#[test]
fn attack_a_token_without_a_finite_embedding() {
    for config in configs() {
        let mut tensors = tensors(&config, Dtype::F32);
        let embedding = tensors.iter_mut().find(|(name, _)| {
            ["embed_tokens.weight", "embed_in.weight", "wte.weight"]
                .iter()
                .any(|end| name.ends_with(end))
        });
        let (_, (_, shape, data)) = embedding.expect("an embedding");
        let (row, width) = (5, 4 * shape[1]);
        for element in data[row * width..][..width].as_chunks_mut::<4>().0 {
            *element = f32::INFINITY.to_le_bytes();
        }
        let folder = folder(&config, &tensors);
        // A head that is the embedding has such a logit everywhere.
        if config["tie_word_embeddings"] == true {
            continue;
        }
        let all = [Branches {
            context: tokens(20, 2).into_iter().map(|t| t.max(6)).collect(),
            continuations: vec![vec![6, 5, 7], vec![6, 7, 8], vec![7, 7]],
        }];
        for profile in Profile::ALL {
            let mut scorer = scorer(folder.path(), profile, 2, Isa::best());
            let scores = scorer.score_branches(&all, cut(100, usize::MAX), &Unwatched);
            let scores = scores.expect("tokens fit").remove(0);
            let separate: Vec<Score> = all[0].sequences().map(|s| alone(&mut scorer, s)).collect();
            assert!(!scores[0].log_likelihood.is_finite() && !scores[0].greedy);
            assert!(!separate[0].log_likelihood.is_finite());
            for (shared, separate) in scores[1..].iter().zip(&separate[1..]) {
                assert!(
                    shared.log_likelihood.is_finite(),
                    "{}",
                    config["model_type"]
                );
                assert_eq!(bits(shared), bits(separate));
            }
        }
    }
}

#[derive(Default)]
struct Counted {
    foretold: Cell<u64>,
    done: Cell<u64>,
}

impl Watch for Counted {
    fn begin(&self, units: u64) {
        self.foretold.set(units);
    }

    fn advance(&self, units: u64) {
        self.done.set(self.done.get() + units);
    }
}

#[test]
fn progress_ends_at_what_was_foretold() {
    let config = &configs()[0];
    let folder = folder(config, &tensors(config, Dtype::F32));
    let mut scorer = scorer(folder.path(), Profile::F32V1, 2, Isa::best());
    let watch = Counted::default();
    let scores = scorer.score_branches(&branches(), cut(70, 100), &watch);
    scores.expect("tokens fit");
    assert!(watch.foretold.get() > 0);
    assert_eq!(watch.foretold, watch.done);
}
