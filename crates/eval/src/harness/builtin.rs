//! `!function`s of the harness's task files that are replaced by name; all others are refused, since nothing
//! of a task is executed. A name is the folder of the task file, its Python file and the function.

use super::node::{Node, map};
use super::python::{exp, is_space, literal};
use super::template::{capitalize, regex};

/// What a request was answered with, for functions that make metrics of answers.
pub(super) type Metrics = Vec<(String, Node)>;

fn field<'d>(document: &'d Node, key: &str) -> Result<&'d Node, String> {
    document
        .get(key)
        .ok_or_else(|| format!("a document has no field {key}"))
}

fn text<'d>(document: &'d Node, key: &str) -> Result<&'d str, String> {
    field(document, key)?
        .text()
        .ok_or_else(|| format!("field {key} of a document is no text"))
}

fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Whether a function is one of these.
pub(super) fn is_known(name: &str) -> bool {
    const KNOWN: [&str; 13] = [
        "hellaswag/utils.process_docs",
        "winogrande/preprocess_winogrande.doc_to_text",
        "winogrande/preprocess_winogrande.doc_to_target",
        "winogrande/preprocess_winogrande.doc_to_choice",
        "wikitext/preprocess_wikitext.wikitext_detokenizer",
        "wikitext/preprocess_wikitext.process_results",
        "truthfulqa/utils.process_results_mc2",
        "crows_pairs/utils.doc_to_choice",
        "crows_pairs/utils.process_results",
        "race/preprocess_race.doc_to_text",
        "race/preprocess_race.doc_to_target",
        "race/preprocess_race.doc_to_choice",
        "japanese_leaderboard/ja_leaderboard_jcommonsenseqa.process_docs",
    ];
    KNOWN.contains(&name) || name.starts_with("crows_pairs/utils.filter_")
}

fn unknown(name: &str) -> String {
    format!("!function {name} is not one of the built-in ones, and nothing of a task is executed")
}

/// `process_docs`: the documents of a split as the task wants them. Columns that stay keep their place.
pub(super) fn process_docs(name: &str, documents: Vec<Node>) -> Result<Vec<Node>, String> {
    let each = |documents: Vec<Node>, change: fn(&mut Node) -> Result<(), String>| {
        let changed = documents
            .into_iter()
            .map(|mut document| change(&mut document).map(|()| document));
        changed.collect()
    };
    match name {
        "hellaswag/utils.process_docs" => each(documents, hellaswag),
        "japanese_leaderboard/ja_leaderboard_jcommonsenseqa.process_docs" => {
            each(documents, |document| {
                let choices = (0..5).map(|i| field(document, &format!("choice{i}")).cloned());
                let choices = choices.collect::<Result<_, _>>()?;
                document.set("choices", Node::List(choices));
                Ok(())
            })
        }
        _ => {
            let kind = match name.strip_prefix("crows_pairs/utils.filter_") {
                Some("race_color") => "race-color",
                Some("socio") => "socioeconomic",
                Some("orientation") => "sexual-orientation",
                Some("appearance") => "physical-appearance",
                Some(
                    kind @ ("gender" | "age" | "religion" | "disability" | "nationality" | "autre"),
                ) => kind,
                _ => return Err(unknown(name)),
            };
            let mut kept = Vec::new();
            for document in documents {
                if text(&document, "bias_type")?.starts_with(kind) {
                    kept.push(document);
                }
            }
            Ok(kept)
        }
    }
}

fn hellaswag(document: &mut Node) -> Result<(), String> {
    let brackets = regex("\\[.*?\\]")?;
    let clean = |text: &str| {
        let text = strip(text).replace(" [title]", ". ");
        brackets.replace_all(&text, "").replace("  ", " ")
    };
    let context = format!(
        "{} {}",
        text(document, "ctx_a")?,
        capitalize(text(document, "ctx_b")?)
    );
    let query = clean(&format!("{}: {context}", text(document, "activity_label")?));
    let endings = field(document, "endings")?
        .list()
        .ok_or("endings are no list")?;
    let endings = endings
        .iter()
        .map(|ending| Some(clean(ending.text()?).into()));
    let endings = endings
        .collect::<Option<Vec<Node>>>()
        .ok_or("an ending is no text")?;
    let gold = match field(document, "label")? {
        Node::Text(label) => label.trim().parse().map_err(|_| "label is no number")?,
        label => label.int().ok_or("label is no number")?,
    };
    document.set("query", query.into());
    document.set("choices", Node::List(endings));
    document.set("gold", Node::Int(gold));
    Ok(())
}

/// `doc_to_text`, `doc_to_target`, `doc_to_choice`.
pub(super) fn of_document(name: &str, document: &Node) -> Result<Node, String> {
    let blank = || -> Result<(&str, &str), String> {
        text(document, "sentence")?
            .split_once('_')
            .ok_or_else(|| "a sentence has no _".to_owned())
    };
    Ok(match name {
        "winogrande/preprocess_winogrande.doc_to_text" => match text(document, "answer")? {
            "1" => Node::Int(0),
            "2" => Node::Int(1),
            other => return Err(format!("answer {other:?} is neither 1 nor 2")),
        },
        "winogrande/preprocess_winogrande.doc_to_target" => strip(blank()?.1).into(),
        "winogrande/preprocess_winogrande.doc_to_choice" => {
            let before = blank()?.0;
            let option = |key| Ok(Node::Text(format!("{before}{}", text(document, key)?)));
            Node::List(
                ["option1", "option2"]
                    .into_iter()
                    .map(option)
                    .collect::<Result<_, String>>()?,
            )
        }
        "wikitext/preprocess_wikitext.wikitext_detokenizer" => {
            detokenized(text(document, "page")?)?.into()
        }
        "crows_pairs/utils.doc_to_choice" => Node::List(vec![
            text(document, "sent_more")?.into(),
            text(document, "sent_less")?.into(),
        ]),
        "race/preprocess_race.doc_to_text" => race_text(document)?.into(),
        "race/preprocess_race.doc_to_target" => {
            Node::Int(race_answer(&last_problem(document)?)? as i64)
        }
        "race/preprocess_race.doc_to_choice" => {
            let options = last_problem(document)?
                .get("options")
                .and_then(|o| Some(o.list()?.get(..4)?.to_vec()));
            Node::List(options.ok_or("a problem has no four options")?)
        }
        _ => return Err(unknown(name)),
    })
}

fn problems(document: &Node) -> Result<Vec<Node>, String> {
    match literal(text(document, "problems")?)? {
        Node::List(problems) if !problems.is_empty() => Ok(problems),
        _ => Err("problems of a document are no list".to_owned()),
    }
}

fn last_problem(document: &Node) -> Result<Node, String> {
    problems(document)?
        .pop()
        .ok_or_else(|| "there is no problem".to_owned())
}

fn race_answer(problem: &Node) -> Result<usize, String> {
    let letter = text(problem, "answer")?;
    ["A", "B", "C", "D"]
        .iter()
        .position(|l| *l == letter)
        .ok_or_else(|| format!("answer {letter:?} is no letter from A to D"))
}

fn race_text(document: &Node) -> Result<String, String> {
    let mut out = format!("Article: {}\n\n", text(document, "article")?);
    let problems = problems(document)?;
    let (last, earlier) = problems.split_last().ok_or("there is no problem")?;
    for problem in earlier {
        let question = text(problem, "question")?;
        let answer = field(problem, "options")?
            .list()
            .and_then(|o| o.get(race_answer(problem).ok()?)?.text());
        let answer = answer.ok_or("a problem has no option of its answer")?;
        match question.strip_suffix("  _  .") {
            // The harness cuts five characters of these six.
            Some(start) => out.push_str(&format!("{start} {answer}\n")),
            None => out.push_str(&format!("Question: {question}\nAnswer: {answer}\n")),
        }
    }
    out.push_str(text(last, "question")?);
    Ok(out)
}

fn detokenized(page: &str) -> Result<String, String> {
    let mut text = page.replace("s '", "s'");
    let sub = |text: &str, pattern: &str, with: &str| -> Result<String, String> {
        Ok(regex(pattern)?.replace_all(text, with).into_owned())
    };
    text = sub(&text, r"/' [0-9]/", "/'[0-9]/")?;
    let pairs = [
        (" @-@ ", "-"),
        (" @,@ ", ","),
        (" @.@ ", "."),
        (" : ", ": "),
        (" ; ", "; "),
        (" . ", ". "),
        (" ! ", "! "),
        (" ? ", "? "),
        (" , ", ", "),
    ];
    for (old, new) in pairs {
        text = text.replace(old, new);
    }
    text = sub(&text, r"\(\s*([^\)]*?)\s*\)", "($1)")?;
    text = sub(&text, r"\[\s*([^\]]*?)\s*\]", "[$1]")?;
    text = sub(&text, r"\{\s*([^}]*?)\s*\}", "{$1}")?;
    text = sub(&text, "\"\\s*([^\"]*?)\\s*\"", "\"$1\"")?;
    text = sub(&text, r"'\s*([^']*?)\s*'", "'$1'")?;
    let pairs = [
        ("= = = =", "===="),
        ("= = =", "==="),
        ("= =", "=="),
        (" \u{b0} ", "\u{b0}"),
        (" \n", "\n"),
        ("\n ", "\n"),
        (" N ", " 1 "),
        (" 's", "'s"),
    ];
    for (old, new) in pairs {
        text = text.replace(old, new);
    }
    Ok(text)
}

/// `process_results`: metrics of a document's answers, each `[log-likelihood, greedy]` or a number.
pub(super) fn process_results(
    name: &str,
    document: &Node,
    answers: &[Node],
) -> Result<Metrics, String> {
    let likelihood = |answer: &Node| answer.list().and_then(|pair| pair.first()?.number());
    let likelihoods = || -> Result<Vec<f64>, String> {
        let all = answers.iter().map(likelihood).collect::<Option<_>>();
        all.ok_or_else(|| format!("{name} takes log-likelihoods"))
    };
    let metrics = match name {
        "wikitext/preprocess_wikitext.process_results" => {
            let total = answers
                .first()
                .and_then(Node::number)
                .ok_or("an answer is no number")?;
            let page = text(document, "page")?;
            let of = |units: usize| Node::List(vec![Node::Float(total), Node::Int(units as i64)]);
            map([
                ("word_perplexity", of(super::metric::words(page))),
                ("byte_perplexity", of(page.len())),
                ("bits_per_byte", of(page.len())),
            ])
        }
        "truthfulqa/utils.process_results_mc2" => {
            let labels = field(document, "mc2_targets")?
                .get("labels")
                .and_then(Node::list);
            let labels = labels.ok_or("mc2_targets have no labels")?;
            let probabilities: Vec<f64> = likelihoods()?.into_iter().map(exp).collect();
            if labels.len() != probabilities.len() {
                return Err("there are not as many labels as choices".to_owned());
            }
            let total: f64 = probabilities.iter().sum();
            let shares = probabilities.iter().map(|p| p / total).zip(labels);
            let of_true = shares
                .filter(|(_, label)| label.int() == Some(1))
                .map(|(share, _)| share);
            map([("acc", Node::Float(of_true.sum()))])
        }
        "crows_pairs/utils.process_results" => {
            let [more, less] = likelihoods()?[..] else {
                return Err("there are not two choices".to_owned());
            };
            map([
                ("likelihood_diff", Node::Float((more - less).abs())),
                (
                    "pct_stereotype",
                    Node::Float(if more > less { 1.0 } else { 0.0 }),
                ),
            ])
        }
        _ => return Err(unknown(name)),
    };
    match metrics {
        Node::Map(metrics) => Ok(metrics),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::json::parse;

    #[test]
    fn hellaswag_is_cleaned() {
        let document = parse(r#"{"ctx_a": "A man [header] sits.", "ctx_b": "he STANDS", "activity_label": "Sit", "endings": [" up [title] now", "x  y"], "label": "1"}"#).expect("parses");
        let docs = process_docs("hellaswag/utils.process_docs", vec![document]).expect("cleans");
        assert_eq!(
            docs[0].get("query"),
            Some(&"Sit: A man sits. He stands".into())
        );
        assert_eq!(
            docs[0].get("choices"),
            Some(&Node::List(vec![
                "up.  now".replace("  ", " ").as_str().into(),
                "x y".into()
            ]))
        );
        assert_eq!(docs[0].get("gold"), Some(&Node::Int(1)));
    }

    #[test]
    fn winogrande_puts_options_before_the_blank() {
        let document = parse(r#"{"sentence": "Ann gave Bo _ keys .", "option1": "her", "option2": "his", "answer": "2"}"#).expect("parses");
        let of = |f: &str| of_document(&format!("winogrande/preprocess_winogrande.{f}"), &document);
        assert_eq!(of("doc_to_text"), Ok(Node::Int(1)));
        assert_eq!(of("doc_to_target"), Ok("keys .".into()));
        assert_eq!(
            of("doc_to_choice"),
            Ok(Node::List(vec![
                "Ann gave Bo her".into(),
                "Ann gave Bo his".into()
            ]))
        );
    }

    #[test]
    fn wikitext_is_detokenized() {
        assert_eq!(
            detokenized(" = = A = = \n ( b ) , \" c d \" 1 @,@ 000 's").expect("cleans"),
            " == A ==\n(b), \"c d\" 1,000's"
        );
    }

    #[test]
    fn attack_other_functions_are_refused_by_name() {
        for name in [
            "hellaswag/utils.other",
            "x/utils.process_docs",
            "crows_pairs/utils.filter_",
        ] {
            let refused = process_docs(name, Vec::new()).expect_err("refuses");
            assert!(refused.contains(name), "{refused}");
        }
        assert!(of_document("x/y.z", &Node::Null).is_err());
        assert!(process_results("x/y.z", &Node::Null, &[]).is_err());
    }
}
