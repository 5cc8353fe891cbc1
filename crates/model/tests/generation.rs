//! Generated tokens, and the logits that they were chosen by, are those of scoring the whole text anew.

mod folders;

use folders::{configs, folder, scorer, tensors};
use glasswork_kernels::{Isa, Profile};
use glasswork_model::scoring::{Cut, Keep, Next, Sequence, Unwatched, Watch};
use glasswork_model::{ModelError, Scorer};
use glasswork_release::Dtype;
use std::cell::Cell;
use tempfile::TempDir;

const VOCABULARY: usize = 67;
const POSITIONS: usize = 64;

fn tokens(length: u32, step: u32) -> Vec<u32> {
    (0..length).map(|i| (i * step + i * i) % 67).collect()
}

/// Different lengths, two that begin alike, one twice, one that fills all positions, and one of nothing.
fn prompts() -> Vec<Vec<u32>> {
    let alike = [&tokens(20, 3)[..], &[1, 2, 3]].concat();
    vec![
        tokens(20, 3),
        tokens(1, 5),
        Vec::new(),
        tokens(33, 7),
        alike,
        tokens(POSITIONS as u32, 11),
        tokens(20, 3),
        tokens(60, 2),
    ]
}

const WHOLE: Cut = Cut {
    chunk_rows: 10_000,
    wave_rows: usize::MAX,
};
const ROOM: Keep = Keep { bytes: 1 << 30 };

fn of_family(index: usize) -> TempDir {
    let config = &configs()[index];
    folder(config, &tensors(config, Dtype::F32))
}

fn best(folder: &TempDir, profile: Profile) -> Scorer {
    scorer(folder.path(), profile, 2, Isa::best())
}

fn generate(
    scorer: &mut Scorer,
    prompts: &[Vec<u32>],
    most: usize,
    cut: Cut,
    keep: Keep,
) -> Vec<Vec<u32>> {
    let mut never = |_: usize, _: &[u32]| false;
    let generated = scorer.generate(prompts, most, (cut, keep), &mut never, &Unwatched);
    generated.expect("tokens fit")
}

/// Chooses greedily and notes the bits of what it chose by.
#[derive(Default)]
struct Noting {
    logits: Vec<(usize, Vec<u32>)>,
}

impl Next for Noting {
    fn choose(&mut self, prompt: usize, logits: &[f32]) -> u32 {
        let bits = logits.iter().map(|x| x.to_bits()).collect();
        self.logits.push((prompt, bits));
        let largest = (0..logits.len())
            .rev()
            .max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        largest.expect("logits") as u32
    }

    fn done(&mut self, _prompt: usize, _tokens: &[u32]) -> bool {
        false
    }
}

#[test]
fn every_step_has_the_logits_of_the_whole_text() {
    let prompts = prompts();
    for family in 0..configs().len() {
        let folder = of_family(family);
        for profile in Profile::ALL {
            for (isa, threads) in Isa::available()
                .into_iter()
                .zip([1, 2, 3, 8].into_iter().cycle())
            {
                let mut scorer = scorer(folder.path(), profile, threads, isa);
                let mut noting = Noting::default();
                let limits = (WHOLE, ROOM);
                let new = scorer.generate_by(&prompts, 7, limits, &mut noting, &Unwatched);
                let new = new.expect("tokens fit");
                assert_eq!(new, generate(&mut scorer, &prompts, 7, WHOLE, ROOM));
                for (index, (prompt, new)) in prompts.iter().zip(&new).enumerate() {
                    // Where positions end, the last token that can be predicted is the last.
                    let expected = if prompt.is_empty() {
                        0
                    } else {
                        7.min(POSITIONS + 1 - prompt.len())
                    };
                    assert_eq!(new.len(), expected, "{index}");
                    if new.is_empty() {
                        continue;
                    }
                    let whole = [Sequence::new([&prompt[..], new].concat())];
                    let logits = scorer.logits(&whole, WHOLE).expect("tokens fit");
                    let logits: Vec<u32> = logits.iter().map(|x| x.to_bits()).collect();
                    let steps = logits.chunks(VOCABULARY).skip(prompt.len() - 1);
                    let noted = noting.logits.iter().filter(|(prompt, _)| *prompt == index);
                    let noted: Vec<&[u32]> = noted.map(|(_, bits)| &bits[..]).collect();
                    assert!(
                        steps.eq(noted),
                        "family {family} {profile} {isa:?} prompt {index}"
                    );
                }
            }
        }
    }
}

#[test]
fn memory_and_company_change_no_token() {
    let prompts = prompts();
    for family in 0..configs().len() {
        let folder = of_family(family);
        let mut scorer = best(&folder, Profile::Bf16V1);
        let expected = generate(&mut scorer, &prompts, 9, WHOLE, ROOM);
        for (chunk_rows, wave_rows, bytes) in [
            (1, 1, 41_000),
            (30, 70, 60_000),
            (70, usize::MAX, 200_000),
            (10_000, 100, 50_000),
        ] {
            let cut = Cut {
                chunk_rows,
                wave_rows,
            };
            let got = generate(&mut scorer, &prompts, 9, cut, Keep { bytes });
            assert_eq!(got, expected, "family {family} {cut:?} {bytes}");
        }
        for (prompt, expected) in prompts.iter().zip(&expected) {
            let alone = generate(&mut scorer, std::slice::from_ref(prompt), 9, WHOLE, ROOM);
            assert_eq!(alone[0], *expected, "family {family}");
        }
        assert!(generate(&mut scorer, &[], 9, WHOLE, ROOM).is_empty());
        assert_eq!(
            generate(&mut scorer, &prompts, 0, WHOLE, ROOM),
            vec![Vec::<u32>::new(); prompts.len()]
        );
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
fn a_prompt_ends_when_told_and_the_others_go_on() {
    let prompts = prompts();
    let mut scorer = best(&of_family(0), Profile::F32V1);
    let whole = generate(&mut scorer, &prompts, 8, WHOLE, ROOM);
    let mut asked = Vec::new();
    let mut stop = |prompt: usize, new: &[u32]| {
        asked.push((prompt, new.to_vec()));
        new.len() == prompt + 1
    };
    let watch = Counted::default();
    let got = scorer.generate(&prompts, 8, (WHOLE, ROOM), &mut stop, &watch);
    let got = got.expect("tokens fit");
    for (index, (got, whole)) in got.iter().zip(&whole).enumerate() {
        assert_eq!(got[..], whole[..whole.len().min(index + 1)]);
        let of = asked.iter().filter(|(prompt, _)| *prompt == index);
        let lengths: Vec<usize> = of.map(|(_, new)| new.len()).collect();
        assert_eq!(
            lengths,
            Vec::from_iter(1..=got.len()),
            "asked after every token"
        );
    }
    assert!(watch.foretold.get() > 0);
    assert_eq!(watch.foretold, watch.done);
}

#[test]
fn a_prompt_whose_keys_do_not_fit_is_refused() {
    let folder = of_family(0);
    let mut scorer = best(&folder, Profile::F32V1);
    // Two layers of 20 keys and 20 values.
    let token = Keep::token_bytes(scorer.checkpoint());
    assert_eq!(token, 2 * 40 * 4);
    let mut of = |bytes| {
        let limits = (WHOLE, Keep { bytes });
        let mut never = |_: usize, _: &[u32]| false;
        scorer.generate(&[tokens(10, 3)], 5, limits, &mut never, &Unwatched)
    };
    assert_eq!(of(14 * token).expect("fits")[0].len(), 5);
    let error = of(14 * token - 1).expect_err("refused");
    let ModelError::Memory { least, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(least, 14 * token);
}

#[test]
fn attack_prompts_and_tokens_that_do_not_fit() {
    struct Beyond;
    impl Next for Beyond {
        fn choose(&mut self, _prompt: usize, _logits: &[f32]) -> u32 {
            VOCABULARY as u32
        }
        fn done(&mut self, _prompt: usize, _tokens: &[u32]) -> bool {
            false
        }
    }
    let mut scorer = best(&of_family(1), Profile::F32V1);
    let limits = (WHOLE, ROOM);
    let mut refused = |prompt: Vec<u32>| {
        let result = scorer.generate_by(
            &[vec![1], prompt],
            usize::MAX,
            limits,
            &mut Beyond,
            &Unwatched,
        );
        result.expect_err("refused")
    };
    let error = refused(vec![1; POSITIONS + 1]);
    assert!(
        matches!(
            error,
            ModelError::TooLong {
                index: 1,
                found: 65,
                positions: 64
            }
        ),
        "{error}"
    );
    for prompt in [vec![VOCABULARY as u32], vec![1]] {
        let error = refused(prompt);
        assert!(
            matches!(error, ModelError::Token { token: 67, .. }),
            "{error}"
        );
    }
}
