//! What is asked about a document, in text and in tokens.

use super::language_model::LanguageModel;
use super::node::Node;
use super::prompt::Prepared;
use super::python::is_space;
use super::random::Random;
use super::task::Output;
use crate::{EvalError, windows};

/// Most tokens that are generated where a task says nothing.
const USUAL_NEW: i64 = 256;

/// One request in text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    Likelihood {
        context: String,
        continuation: String,
    },
    Rolling {
        text: String,
    },
    Generate {
        context: String,
        how: Node,
    },
}

impl Ask {
    /// What of a document is asked, given its contexts.
    pub(super) fn of(
        prepared: &Prepared,
        document: &Node,
        random: &mut Random,
    ) -> Result<Vec<Self>, EvalError> {
        let task = &prepared.task;
        let contexts = prepared.contexts(document, random)?;
        let first = || contexts.first().cloned().unwrap_or_default();
        let target = || -> Result<String, EvalError> {
            match prepared.target(document)? {
                Node::Text(text) => Ok(text),
                _ => Err(EvalError::Task {
                    task: task.name.clone(),
                    reason: "doc_to_target makes no text".to_owned(),
                }),
            }
        };
        Ok(match task.output {
            Output::LogLikelihood => vec![Self::Likelihood {
                context: first(),
                continuation: target()?,
            }],
            Output::Rolling => vec![Self::Rolling { text: target()? }],
            Output::Generate => vec![Self::Generate {
                context: first(),
                how: task.generation.clone(),
            }],
            Output::MultipleChoice => {
                let delimiter = &task.target_delimiter;
                let choices = prepared.choices(document)?;
                let mut asked: Vec<Self> = if prepared.multiple_input {
                    let continuation = format!("{delimiter}{}", target()?);
                    contexts
                        .into_iter()
                        .map(|context| Self::Likelihood {
                            context,
                            continuation: continuation.clone(),
                        })
                        .collect()
                } else {
                    choices
                        .iter()
                        .map(|choice| Self::Likelihood {
                            context: first(),
                            continuation: format!("{delimiter}{choice}"),
                        })
                        .collect()
                };
                if task
                    .metrics
                    .iter()
                    .any(|metric| metric.name == "acc_mutual_info")
                {
                    asked.extend(choices.iter().map(|choice| Self::Likelihood {
                        context: String::new(),
                        continuation: format!("{delimiter}{choice}"),
                    }));
                }
                asked
            }
        })
    }

    /// As a result shows it.
    pub(super) fn arguments(&self) -> Vec<Node> {
        match self {
            Self::Likelihood {
                context,
                continuation,
            } => vec![context.as_str().into(), continuation.as_str().into()],
            Self::Rolling { text } => vec![text.as_str().into()],
            Self::Generate { context, how } => vec![context.as_str().into(), how.clone()],
        }
    }

    /// In tokens; what cannot be asked says why.
    pub(super) fn tokens(
        &self,
        model: &dyn LanguageModel,
    ) -> Result<Result<Tokens, String>, EvalError> {
        match self {
            Self::Likelihood {
                context,
                continuation,
            } => {
                let (context, continuation) = pair(model, context, continuation)?;
                Ok(branch(context, continuation, model.max_length())
                    .map(|b| Tokens::Branches(vec![b])))
            }
            Self::Rolling { text } => {
                let mut tokens = vec![model.prefix().0];
                tokens.extend(encode(model, text)?);
                let branches = windows(&tokens, model.max_length())
                    .into_iter()
                    .map(|window| {
                        let (context, first) = window
                            .inputs
                            .split_at(window.inputs.len() + 1 - window.counted);
                        let mut continuation = first.to_vec();
                        continuation.extend(window.targets.last());
                        (context.to_vec(), continuation)
                    });
                Ok(Ok(Tokens::Branches(branches.collect())))
            }
            Self::Generate { context, how } => {
                let most = new_tokens(how);
                let until = match how.get("until") {
                    Some(Node::Text(one)) => vec![one.clone()],
                    Some(Node::List(several)) => several
                        .iter()
                        .filter_map(|n| n.text().map(str::to_owned))
                        .collect(),
                    _ => Vec::new(),
                };
                let length = model.max_length();
                let room = usize::try_from(most)
                    .ok()
                    .filter(|&most| most > 0)
                    .and_then(|most| length.checked_sub(most));
                let Some(room) = room.filter(|&room| room > 0) else {
                    return Ok(Err(format!(
                        "{most} new tokens leave no room for a prompt in {length}"
                    )));
                };
                let tokens = encode(model, context)?;
                let prompt = tokens[tokens.len().saturating_sub(room)..].to_vec();
                if prompt.is_empty() {
                    return Ok(Err("a prompt without tokens cannot be continued".to_owned()));
                }
                Ok(Ok(Tokens::Prompt {
                    prompt,
                    most: most as usize,
                    until,
                }))
            }
        }
    }
}

/// Most tokens that `generation_kwargs` ask for.
pub(super) fn new_tokens(how: &Node) -> i64 {
    let names = [
        "max_gen_toks",
        "max_new_tokens",
        "max_tokens",
        "max_completion_tokens",
    ];
    let given = names.iter().find_map(|key| how.get(key));
    given.and_then(Node::int).unwrap_or(USUAL_NEW)
}

/// One request in tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tokens {
    /// Contexts and continuations whose log-likelihoods are added.
    Branches(Vec<(Vec<u32>, Vec<u32>)>),
    /// What is continued, by how much, and until which texts.
    Prompt {
        prompt: Vec<u32>,
        most: usize,
        until: Vec<String>,
    },
}

/// Tokens of a text as the harness asks `transformers` for them: special ones unless it begins with them.
fn encode(model: &dyn LanguageModel, text: &str) -> Result<Vec<u32>, EvalError> {
    let (_, prefix) = model.prefix();
    let special = prefix.is_empty() || !text.starts_with(prefix);
    model.encode(text, special)
}

/// Tokens of a context and of what follows: split where the context's own tokens end.
pub(super) fn pair(
    model: &dyn LanguageModel,
    context: &str,
    continuation: &str,
) -> Result<(Vec<u32>, Vec<u32>), EvalError> {
    if context.is_empty() {
        let mut continuation = model.encode(continuation, false)?;
        let (prefix, _) = model.prefix();
        if continuation.first() == Some(&prefix) {
            let rest = continuation.split_off(1);
            return Ok((continuation, rest));
        }
        return Ok((vec![prefix], continuation));
    }
    let bare = context.trim_end_matches(is_space);
    let moved = format!("{}{continuation}", &context[bare.len()..]);
    let mut whole = encode(model, &format!("{bare}{moved}"))?;
    let context = encode(model, bare)?;
    let rest = whole.split_off(context.len().min(whole.len()));
    Ok((context, rest))
}

/// The last tokens that fit into a model of `length` inputs.
fn branch(
    mut context: Vec<u32>,
    continuation: Vec<u32>,
    length: usize,
) -> Result<(Vec<u32>, Vec<u32>), String> {
    if continuation.is_empty() {
        return Err("a continuation has no tokens of its own".to_owned());
    }
    if context.is_empty() {
        return Err("a context has no tokens".to_owned());
    }
    if continuation.len() > length {
        return Err(format!(
            "a continuation of {} tokens is longer than the {length} that the model reads",
            continuation.len()
        ));
    }
    let excess = (context.len() + continuation.len()).saturating_sub(length + 1);
    context.drain(..excess);
    Ok((context, continuation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::fake::Fake;

    #[test]
    fn white_space_moves_to_the_continuation() {
        let model = Fake::new(32);
        let bytes = |text: &str| text.bytes().map(u32::from).collect::<Vec<_>>();
        assert_eq!(
            pair(&model, "a b \n", "c").expect("encodes"),
            (bytes("a b"), bytes(" \nc"))
        );
        assert_eq!(
            pair(&model, "", "c").expect("encodes"),
            (vec![0], bytes("c"))
        );
        assert_eq!(
            pair(&model, "", "\0c").expect("encodes"),
            (vec![0], bytes("c"))
        );
    }

    #[test]
    fn contexts_are_cut_from_the_left() {
        assert_eq!(
            branch(vec![1, 2, 3, 4], vec![5, 6], 4),
            Ok((vec![2, 3, 4], vec![5, 6]))
        );
        assert_eq!(
            branch(vec![1, 2], vec![5, 6, 7, 8], 4),
            Ok((vec![2], vec![5, 6, 7, 8]))
        );
        assert!(branch(vec![1], vec![1; 5], 4).is_err());
        assert!(branch(vec![], vec![1], 4).is_err());
        assert!(branch(vec![1], vec![], 4).is_err());
    }

    #[test]
    fn a_text_is_scored_in_windows() {
        let model = Fake::new(4);
        let ask = Ask::Rolling {
            text: "abcdef".to_owned(),
        };
        let Ok(Tokens::Branches(branches)) = ask.tokens(&model).expect("encodes") else {
            panic!("has branches");
        };
        let bytes = |text: &str| text.bytes().map(u32::from).collect::<Vec<_>>();
        assert_eq!(
            branches,
            [(vec![0], bytes("abcd")), (bytes("bcd"), bytes("ef"))]
        );
    }

    #[test]
    fn prompts_leave_room_for_what_is_generated() {
        let model = Fake::new(8);
        let how = |most| {
            super::super::node::map([("max_gen_toks", Node::Int(most)), ("until", "\n".into())])
        };
        let ask = |most| Ask::Generate {
            context: "0123456789".to_owned(),
            how: how(most),
        };
        let Ok(Tokens::Prompt {
            prompt,
            most,
            until,
        }) = ask(5).tokens(&model).expect("encodes")
        else {
            panic!("has a prompt");
        };
        assert_eq!((prompt.len(), most, until), (3, 5, vec!["\n".to_owned()]));
        for most in [8, 0, -1] {
            assert!(
                ask(most).tokens(&model).expect("encodes").is_err(),
                "{most}"
            );
        }
    }
}
