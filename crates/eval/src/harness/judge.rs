//! The metrics of one document, of its filtered answers.

use super::builtin::{self, Metrics};
use super::metric::{argmax, softmax, words};
use super::node::Node;
use super::prompt::Prepared;
use super::python::text_of;
use super::task::Output;
use crate::EvalError;

impl Prepared {
    /// Metrics by name. `answers` are `[log-likelihood, greedy]`, a log-likelihood, or a text.
    pub(super) fn judge(&self, document: &Node, answers: &[Node]) -> Result<Metrics, EvalError> {
        let wrong = |reason: String| EvalError::Task {
            task: self.task.name.clone(),
            reason,
        };
        if let Some(function) = &self.task.process_results {
            return builtin::process_results(function, document, answers).map_err(wrong);
        }
        let wanted = |name: &str| self.task.metrics.iter().any(|metric| metric.name == name);
        let mut metrics = Metrics::new();
        let mut add = |name: &str, value: Node| {
            if wanted(name) {
                metrics.push((name.to_owned(), value));
            }
        };
        match self.task.output {
            Output::LogLikelihood => {
                let (likelihoods, greedy) = likelihoods(answers).map_err(wrong)?;
                add("perplexity", Node::Float(likelihoods[0]));
                add("acc", Node::Int(greedy[0].into()));
            }
            Output::Rolling => {
                let total = answers.first().and_then(Node::number);
                let total = total.ok_or_else(|| wrong("an answer is no number".to_owned()))?;
                let text = text_of(&self.target(document)?);
                let of =
                    |units: usize| Node::List(vec![Node::Float(total), Node::Int(units as i64)]);
                add("word_perplexity", of(words(&text)));
                add("byte_perplexity", of(text.len()));
                add("bits_per_byte", of(text.len()));
            }
            Output::MultipleChoice => {
                let (likelihoods, greedy) = likelihoods(answers).map_err(wrong)?;
                let choices = self.choices(document)?;
                if likelihoods.len() < choices.len() {
                    return Err(wrong("there are fewer answers than choices".to_owned()));
                }
                let (scores, alone) = likelihoods.split_at(choices.len());
                let divided = |by: &dyn Fn(&str) -> usize| -> usize {
                    let units = choices.iter().map(|choice| by(choice) as f64);
                    argmax(
                        &scores
                            .iter()
                            .zip(units)
                            .map(|(score, units)| score / units)
                            .collect::<Vec<_>>(),
                    )
                };
                let gold = if self.multiple_input {
                    self.text(document)?
                } else {
                    self.target(document)?
                };
                let golds = golds(&gold, &choices);
                let right = |predicted: usize| {
                    Node::Float(f64::from(u8::from(golds.contains(&Some(predicted)))))
                };
                let predicted = argmax(scores);
                // A gold answer that is none of the choices counts as class -100, which nobody predicts.
                let class = Node::Int(
                    golds
                        .first()
                        .copied()
                        .flatten()
                        .map_or(-100, |gold| gold as i64),
                );
                add("acc", right(predicted));
                add(
                    "f1",
                    Node::List(vec![class.clone(), Node::Int(predicted as i64)]),
                );
                add(
                    "mcc",
                    Node::List(vec![class.clone(), Node::Int(predicted as i64)]),
                );
                add("acc_norm", right(divided(&|choice| choice.chars().count())));
                add("acc_bytes", right(divided(&|choice| choice.len())));
                let taken = golds.iter().flatten().any(|&gold| greedy[gold]);
                add("exact_match", Node::Int(taken.into()));
                let shares = softmax(scores).into_iter().map(Node::Float).collect();
                add("brier_score", Node::List(vec![class, Node::List(shares)]));
                if alone.len() == scores.len() {
                    let gained: Vec<f64> = scores
                        .iter()
                        .zip(alone)
                        .map(|(with, without)| with - without)
                        .collect();
                    add("acc_mutual_info", right(argmax(&gained)));
                }
            }
            Output::Generate => {
                let answer = answers.first().map(text_of).unwrap_or_default();
                let target = self.target(document)?;
                let golds =
                    match (&self.task.choice, &target) {
                        (Some(_), target) => {
                            let choices = self.choices(document)?;
                            let gold = target
                                .int()
                                .and_then(|place| choices.get(usize::try_from(place).ok()?));
                            vec![gold.cloned().ok_or_else(|| {
                                wrong("the target is none of the choices".to_owned())
                            })?]
                        }
                        (None, Node::List(golds)) if self.multiple_target => {
                            golds.iter().map(text_of).collect()
                        }
                        (None, target) => vec![text_of(target)],
                    };
                for metric in &self.task.metrics {
                    let score = metric.exact_match(&golds, &answer).map_err(wrong)?;
                    let score = if self.multiple_target {
                        f64::from(u8::from(score > 0.0))
                    } else {
                        score
                    };
                    metrics.push((metric.name.clone(), Node::Float(score)));
                }
            }
        }
        Ok(metrics)
    }
}

fn likelihoods(answers: &[Node]) -> Result<(Vec<f64>, Vec<bool>), String> {
    let read = |answer: &Node| match answer.list()? {
        [value, Node::Bool(greedy)] => Some((value.number()?, *greedy)),
        _ => None,
    };
    let read: Option<Vec<(f64, bool)>> = answers.iter().map(read).collect();
    let (values, greedy): (Vec<f64>, Vec<bool>) = read
        .ok_or("an answer is no log-likelihood")?
        .into_iter()
        .unzip();
    if values.is_empty() {
        return Err("there is no answer".to_owned());
    }
    Ok((values, greedy))
}

/// Numbers of the right choices; what is none of them is `None`.
fn golds(gold: &Node, choices: &[String]) -> Vec<Option<usize>> {
    match gold {
        Node::Int(place) => vec![
            usize::try_from(*place)
                .ok()
                .filter(|&place| place < choices.len()),
        ],
        Node::Text(text) => vec![choices.iter().position(|choice| choice == text)],
        Node::List(several) => several
            .iter()
            .flat_map(|gold| golds(gold, choices))
            .collect(),
        _ => vec![None],
    }
}
