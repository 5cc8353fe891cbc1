//! Asks the model what the log does not know yet: equal contexts together, neighbours in their beginning side
//! by side, in portions that are kept as soon as they are there.

use super::language_model::{LanguageModel, Request};
use super::log::{Kept, Log};
use super::request::Tokens;
use super::task_files::hex;
use crate::EvalError;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Digest of a part of a request and of what its answer depends on.
type Key = String;

/// A request whose answer is looked up or computed.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Keys of its parts.
    keys: Vec<Key>,
    tokens: Tokens,
}

impl Wanted {
    /// `under` names weights, tokenizer, task and code.
    pub(super) fn new(tokens: Tokens, under: &str) -> Self {
        let begin = |kind: u8| {
            let mut digest = Sha256::new();
            digest.update(under.as_bytes());
            digest.update([0, kind]);
            digest
        };
        let tokens_of = |digest: &mut Sha256, tokens: &[u32]| {
            digest.update((tokens.len() as u64).to_le_bytes());
            tokens
                .iter()
                .for_each(|token| digest.update(token.to_le_bytes()));
        };
        let keys = match &tokens {
            Tokens::Branches(branches) => branches
                .iter()
                .map(|(context, continuation)| {
                    let mut digest = begin(1);
                    tokens_of(&mut digest, context);
                    tokens_of(&mut digest, continuation);
                    hex(&digest.finalize())
                })
                .collect(),
            Tokens::Prompt {
                prompt,
                most,
                until,
            } => {
                let mut digest = begin(2);
                tokens_of(&mut digest, prompt);
                digest.update((*most as u64).to_le_bytes());
                for text in until {
                    digest.update((text.len() as u64).to_le_bytes());
                    digest.update(text);
                }
                vec![hex(&digest.finalize())]
            }
        };
        Self { keys, tokens }
    }

    /// The answer, where the log has it.
    pub(super) fn answer(&self, log: &Log) -> Option<Kept> {
        let mut parts = self.keys.iter().map(|key| log.get(key));
        if let Tokens::Prompt { .. } = self.tokens {
            return parts.next()?.cloned();
        }
        let (mut total, mut all) = (0.0, true);
        for part in parts {
            let Kept::Likelihood(value, greedy) = part? else {
                return None;
            };
            total += value;
            all &= greedy;
        }
        Some(Kept::Likelihood(total, all))
    }
}

/// How many parts of requests were computed, and how many were known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Computed now.
    pub computed: usize,
    /// Known from before.
    pub known: usize,
}

/// Told how answering goes on.
pub trait Progress {
    /// So many parts of requests will be computed, so many are known.
    fn begin(&self, effort: Effort);
    /// So many more are answered.
    fn advance(&self, parts: usize);
}

/// Nobody watches.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Progress for Unwatched {
    fn begin(&self, _effort: Effort) {}
    fn advance(&self, _parts: usize) {}
}

/// Requests of one kind that wait, by tokens in order, so that what begins alike stands side by side. Two tasks
/// may ask the same under keys of their own.
type Waiting<'w> = BTreeMap<&'w [u32], Vec<&'w Key>>;

/// Computes what `log` lacks, in portions of about `portion` tokens.
pub(super) fn answer_all(
    model: &mut dyn LanguageModel,
    wanted: &[Wanted],
    log: &mut Log,
    portion: usize,
    progress: &dyn Progress,
) -> Result<Effort, EvalError> {
    let mut branches: BTreeMap<&[u32], Waiting> = BTreeMap::new();
    let mut prompts: BTreeMap<(&[String], usize), Waiting> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for request in wanted {
        for (index, key) in request.keys.iter().enumerate() {
            if log.get(key).is_some() {
                known.insert(key);
                continue;
            }
            let (waiting, tokens) = match &request.tokens {
                Tokens::Branches(parts) => {
                    let (context, continuation) = &parts[index];
                    (branches.entry(context).or_default(), continuation)
                }
                Tokens::Prompt {
                    prompt,
                    most,
                    until,
                } => (prompts.entry((until, *most)).or_default(), prompt),
            };
            waiting.entry(tokens).or_default().push(key);
        }
    }
    let computed = branches
        .values()
        .chain(prompts.values())
        .map(BTreeMap::len)
        .sum();
    let effort = Effort {
        computed,
        known: known.len(),
    };
    progress.begin(effort);

    let mut portions: Vec<Vec<(&[u32], &Waiting)>> = Vec::new();
    let mut size = usize::MAX;
    for (context, continuations) in &branches {
        let cost = context.len() + continuations.keys().map(|c| c.len()).sum::<usize>();
        let (begins, filled) = fill(size, cost, portion);
        if begins {
            portions.push(Vec::new());
        }
        size = filled;
        portions.extend_last((*context, continuations));
    }
    for portion in portions {
        let requests: Vec<Request> = portion
            .iter()
            .map(|(context, continuations)| Request {
                context: context.to_vec(),
                continuations: continuations.keys().map(|c| c.to_vec()).collect(),
            })
            .collect();
        let scored = model.log_likelihoods(&requests)?.into_iter().flatten();
        let scored = scored.map(|score| Kept::Likelihood(score.log_likelihood, score.greedy));
        let keys = portion
            .iter()
            .flat_map(|(_, continuations)| continuations.values());
        keep(log, keys, scored, progress)?;
    }
    for ((until, most), waiting) in &prompts {
        let mut portions: Vec<Vec<&[u32]>> = Vec::new();
        let mut size = usize::MAX;
        for prompt in waiting.keys() {
            let (begins, filled) = fill(size, prompt.len() + most, portion);
            if begins {
                portions.push(Vec::new());
            }
            size = filled;
            portions.extend_last(*prompt);
        }
        for portion in portions {
            let tokens: Vec<Vec<u32>> = portion.iter().map(|prompt| prompt.to_vec()).collect();
            let texts = continuations(model, &tokens, until, *most)?;
            let keys = portion.iter().map(|prompt| &waiting[*prompt]);
            keep(log, keys, texts.into_iter().map(Kept::Text), progress)?;
        }
    }
    Ok(effort)
}

/// Whether something of `cost` begins a new portion, and how full the portion is then.
fn fill(size: usize, cost: usize, portion: usize) -> (bool, usize) {
    let filled = size.saturating_add(cost);
    if filled > portion {
        (true, cost)
    } else {
        (false, filled)
    }
}

/// Adds to the last portion.
trait ExtendLast<T> {
    fn extend_last(&mut self, item: T);
}

impl<T> ExtendLast<T> for Vec<Vec<T>> {
    fn extend_last(&mut self, item: T) {
        if let Some(last) = self.last_mut() {
            last.push(item);
        }
    }
}

fn keep<'k>(
    log: &mut Log,
    keys: impl Iterator<Item = &'k Vec<&'k Key>>,
    answers: impl Iterator<Item = Kept>,
    progress: &dyn Progress,
) -> Result<(), EvalError> {
    let mut new = Vec::new();
    let mut parts = 0;
    for (keys, answer) in keys.zip(answers) {
        parts += 1;
        new.extend(keys.iter().map(|key| ((*key).clone(), answer.clone())));
    }
    log.keep(new)?;
    progress.advance(parts);
    Ok(())
}

/// Greedy continuations as texts, each up to the first of `until` or the end of the text.
pub(super) fn continuations(
    model: &mut dyn LanguageModel,
    prompts: &[Vec<u32>],
    until: &[String],
    most: usize,
) -> Result<Vec<String>, EvalError> {
    let end = model
        .end_of_text()
        .map(|(token, text)| (token, text.to_owned()));
    let mut until = until.to_vec();
    until.extend(end.iter().map(|(_, text)| text.clone()));
    until.retain(|text| !text.is_empty());
    let mut texts = Vec::new();
    for mut tokens in model.generate(prompts, most, &until)? {
        let place = end
            .as_ref()
            .and_then(|(end, _)| tokens.iter().position(|token| token == end));
        tokens.truncate(place.unwrap_or(tokens.len()));
        let mut text = model.decode(&tokens)?;
        for stop in &until {
            let place = text.find(stop.as_str());
            text.truncate(place.unwrap_or(text.len()));
        }
        texts.push(text);
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::fake::Fake;

    fn wanted() -> Vec<Wanted> {
        let branches = (0..20_u32)
            .map(|i| Tokens::Branches(vec![(vec![i / 4, 5], vec![i]), (vec![9], vec![i % 3])]));
        let prompts = (0..5_u32).map(|i| Tokens::Prompt {
            prompt: vec![100 + i],
            most: 8,
            until: vec!["k".to_owned()],
        });
        branches
            .chain(prompts)
            .map(|tokens| Wanted::new(tokens, "w"))
            .collect()
    }

    #[test]
    fn a_second_run_costs_nothing() {
        let (wanted, mut log, mut model) = (wanted(), Log::default(), Fake::new(64));
        let first = answer_all(&mut model, &wanted, &mut log, 7, &Unwatched).expect("answers");
        assert_eq!(
            first,
            Effort {
                computed: 28,
                known: 0
            }
        );
        assert_eq!(model.computed, 28);
        let second = answer_all(&mut model, &wanted, &mut log, 7, &Unwatched).expect("answers");
        assert_eq!(
            second,
            Effort {
                computed: 0,
                known: 28
            }
        );
        assert_eq!(model.computed, 28);
        assert_eq!(wanted[20].answer(&log), Some(Kept::Text("efghij".into())));
        assert!(wanted.iter().all(|request| request.answer(&log).is_some()));
    }

    #[test]
    fn who_is_interrupted_goes_on_with_the_same_answers() {
        let (wanted, mut whole) = (wanted(), Log::default());
        answer_all(&mut Fake::new(64), &wanted, &mut whole, 1 << 20, &Unwatched).expect("answers");
        let folder = tempfile::tempdir().expect("a directory");
        for breaks_after in 0..28 {
            let path = folder.path().join(format!("{breaks_after}.jsonl"));
            let mut log = Log::open(Some(&path)).expect("begins");
            let mut model = Fake {
                breaks_after,
                ..Fake::new(64)
            };
            answer_all(&mut model, &wanted, &mut log, 7, &Unwatched).expect_err("breaks");
            drop(log);
            let mut log = Log::open(Some(&path)).expect("opens");
            let mut model = Fake::new(64);
            let effort = answer_all(&mut model, &wanted, &mut log, 7, &Unwatched).expect("answers");
            assert_eq!(effort.known + effort.computed, 28);
            // At most the portion that was being computed is lost.
            assert!(
                effort.known + 4 > breaks_after,
                "{breaks_after}: {effort:?}"
            );
            assert!(
                wanted
                    .iter()
                    .all(|request| request.answer(&log) == request.answer(&whole))
            );
        }
    }

    #[test]
    fn keys_differ_with_whatever_may_change_an_answer() {
        let key = |tokens: Tokens, under: &str| Wanted::new(tokens, under).keys[0].clone();
        let branch = |a: &[u32], b: &[u32]| Tokens::Branches(vec![(a.to_vec(), b.to_vec())]);
        let prompt = |most: usize, until: &str| Tokens::Prompt {
            prompt: vec![1],
            most,
            until: vec![until.to_owned()],
        };
        let keys = [
            key(branch(&[1, 2], &[3]), "w"),
            key(branch(&[1], &[2, 3]), "w"),
            key(branch(&[1, 2], &[3]), "v"),
            key(prompt(3, "a"), "w"),
            key(prompt(4, "a"), "w"),
            key(prompt(3, "b"), "w"),
        ];
        let different: BTreeSet<&String> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }
}
