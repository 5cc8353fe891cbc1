//! Reads results of evaluations: lm-evaluation-harness's files, and LLM360's of each checkpoint.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::inventory::{Evaluation, Score};
use crate::json;
use crate::names::CheckpointName;

/// Longest file that is read.
pub(crate) const MOST: u64 = json::MOST;
/// Longest text that stands where results are due.
const MOST_TEXT: usize = 200;
/// What a score is called that has no name.
const UNNAMED: &str = "score";

type Metrics = BTreeMap<String, Score>;

/// Reads a file. `checkpoint` is the one that it lies beside; a file may also hold several, by name.
///
/// # Errors
/// What holds no results.
pub(crate) fn parse(path: &str, bytes: &[u8], checkpoint: Option<&str>) -> Result<Vec<Evaluation>> {
    let fail = |problem: &str| Error::Content {
        path: path.into(),
        problem: problem.into(),
    };
    let one = |checkpoint: Option<&str>, results| Evaluation {
        path: path.into(),
        checkpoint: checkpoint.map(str::to_owned),
        results,
        shots: BTreeMap::new(),
        model: None,
    };
    let task = task_of(path);
    // A harness that writes "running…" where results come later leaves that when it dies.
    let value = match json::parse(bytes, path) {
        Ok(value) => value,
        Err(error) => match std::str::from_utf8(bytes).map(str::trim) {
            Ok(text) if is_a_word(text) => Value::String(text.to_owned()),
            _ => return Err(error),
        },
    };
    let top = match value {
        Value::Object(top) => top,
        Value::Null => return Ok(vec![one(checkpoint, alone(task, Score::Missing))]),
        Value::String(text) => {
            return Ok(vec![one(
                checkpoint,
                alone(task, Score::Failed(short(&text))),
            )]);
        }
        _ => return Err(fail("is no object of results")),
    };
    let named = |key: &String| CheckpointName::parse(key).is_some();
    if !top.is_empty() && top.keys().all(named) {
        let each = top.iter().map(|(name, value)| {
            let results = match value {
                Value::Object(results) => of_results(inner(results), task),
                other => alone(task, score(other)),
            };
            one(Some(name), results)
        });
        return Ok(each.collect());
    }
    match top.get("results") {
        Some(Value::Object(results)) => {
            let results = of_results(results, task);
            let shots = shots(&top, results.keys());
            Ok(vec![Evaluation {
                shots,
                model: model(&top, path),
                ..one(checkpoint, results)
            }])
        }
        Some(Value::Array(_)) => Err(fail("has `results` that are a list")),
        Some(other) => Ok(vec![one(checkpoint, alone(task, score(other)))]),
        None if looks_like_results(&top) => Ok(vec![one(checkpoint, of_results(&top, task))]),
        None => Err(fail("has no `results`")),
    }
}

/// Examples before each question: of each task (`n-shot`), or of all (`config.num_fewshot`, versions before 0.4).
fn shots<'t>(
    top: &Map<String, Value>,
    tasks: impl Iterator<Item = &'t String>,
) -> BTreeMap<String, u64> {
    let each = top.get("n-shot");
    let all = top
        .get("config")
        .and_then(|config| config.get("num_fewshot"));
    let of = |task: &String| {
        let own = each.and_then(|each| each.get(task)).or(all);
        Some((task.clone(), own?.as_u64()?))
    };
    tasks.filter_map(of).collect()
}

/// The model that a file is of: `model_name`, `config.model_args`, or the harness's folder `owner__name`.
fn model(top: &Map<String, Value>, path: &str) -> Option<String> {
    let text = |value: Option<&Value>| Some(value?.as_str()?.to_owned());
    let named = || text(top.get("model_name"));
    let arguments = || {
        let arguments = text(top.get("config")?.get("model_args"))?;
        let mut each = arguments.split(',').map(str::trim);
        Some(
            each.find_map(|one| one.strip_prefix("pretrained="))?
                .to_owned(),
        )
    };
    let folder = || {
        let part = path.rsplit('/').nth(1)?;
        part.contains("__").then(|| part.replacen("__", "/", 1))
    };
    let model: String = named()
        .or_else(arguments)
        .or_else(folder)?
        .chars()
        .take(MOST_TEXT)
        .collect();
    (!model.is_empty()).then_some(model)
}

/// `results` where an object has them, else itself.
fn inner(object: &Map<String, Value>) -> &Map<String, Value> {
    match object.get("results") {
        Some(Value::Object(results)) => results,
        _ => object,
    }
}

/// Tasks and metrics, or the metrics of the one task that the file is named by.
fn of_results(results: &Map<String, Value>, task: &str) -> BTreeMap<String, Metrics> {
    let mut found: BTreeMap<String, Metrics> = BTreeMap::new();
    for (key, value) in results {
        match value {
            Value::Object(metrics) => {
                found.insert(key.clone(), of_metrics(metrics));
            }
            // A task without numbers, or a number without a task.
            Value::Number(_) => {
                let metrics = found.entry(task.to_owned()).or_default();
                metrics.insert(key.clone(), score(value));
            }
            Value::String(text) if !words_about_a_task(key, text) => {
                let metrics = found.entry(key.clone()).or_default();
                metrics.insert(UNNAMED.into(), score(value));
            }
            Value::Null => {
                let metrics = found.entry(key.clone()).or_default();
                metrics.insert(UNNAMED.into(), Score::Missing);
            }
            _ => {}
        }
    }
    found
}

fn of_metrics(metrics: &Map<String, Value>) -> Metrics {
    let about = |(key, value): &(&String, &Value)| {
        let text = value.as_str().unwrap_or_default();
        !(value.is_string() && words_about_a_task(key, text) || value.is_array())
    };
    let metrics = metrics.iter().filter(about);
    metrics
        .map(|(key, value)| (key.clone(), score(value)))
        .collect()
}

/// Texts that say what a task is called, not how it went.
fn words_about_a_task(key: &str, text: &str) -> bool {
    let name = key.split(',').next().unwrap_or(key);
    matches!(
        name,
        "alias" | "name" | "task" | "model" | "version" | "group" | "date"
    ) && !text.to_ascii_lowercase().starts_with("running")
}

fn score(value: &Value) -> Score {
    match (json::number(value), value) {
        (Some(number), _) => Score::Value(number),
        (None, Value::Null) => Score::Missing,
        (None, Value::String(text)) if text.trim().is_empty() => Score::Missing,
        (None, Value::String(text)) => Score::Failed(short(text)),
        (None, Value::Bool(value)) => Score::Value(f64::from(u8::from(*value))),
        (None, other) => Score::Failed(short(&other.to_string())),
    }
}

fn alone(task: &str, score: Score) -> BTreeMap<String, Metrics> {
    BTreeMap::from([(
        task.to_owned(),
        BTreeMap::from([(UNNAMED.to_owned(), score)]),
    )])
}

fn short(text: &str) -> String {
    text.trim().chars().take(MOST_TEXT).collect()
}

fn is_a_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= MOST_TEXT && !text.contains(['{', '[', '<'])
}

/// An object of objects that hold numbers, texts or nothing.
fn looks_like_results(top: &Map<String, Value>) -> bool {
    let task = |value: &Value| match value {
        Value::Object(metrics) => metrics
            .values()
            .any(|v| json::number(v).is_some() || v.is_null()),
        _ => false,
    };
    let flat = |key: &str| {
        [
            "acc",
            "ppl",
            "perplexity",
            "f1",
            "em",
            "mc1",
            "mc2",
            "exact_match",
            "score",
        ]
        .iter()
        .any(|metric| key.starts_with(metric))
    };
    top.values().any(task) || top.keys().any(|key| flat(key))
}

/// `eval_arc.json` is about `arc`.
fn task_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.strip_suffix(".json").unwrap_or(name);
    ["eval_", "evaluation_", "results_"]
        .iter()
        .find_map(|before| stem.strip_prefix(before))
        .unwrap_or(stem)
}

/// The checkpoint that a path names, in a folder's name or within the file's own: `eval_step1000.json`.
pub(crate) fn checkpoint_in(path: &str) -> Option<String> {
    let stem = path.strip_suffix(".json").unwrap_or(path);
    let parts: Vec<&str> = stem.split('/').collect();
    if let Some(part) = parts
        .iter()
        .rev()
        .find(|part| CheckpointName::parse(part).is_some())
    {
        return Some((*part).to_owned());
    }
    let file = parts.last()?;
    // The longest end that is a name: `eval_arc_ckpt_012`, `pythia-70m-step1000`.
    let cuts = file.match_indices(['_', '-', '.']).map(|(at, _)| at + 1);
    let ends: Vec<&str> = cuts.filter_map(|at| file.get(at..)).collect();
    ends.into_iter()
        .find(|end| CheckpointName::parse(end).is_some())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(path: &str, text: &str) -> BTreeMap<String, Metrics> {
        let mut all = parse(path, text.as_bytes(), Some("ckpt_1")).unwrap();
        assert_eq!(
            (all.len(), all[0].checkpoint.as_deref()),
            (1, Some("ckpt_1"))
        );
        all.remove(0).results
    }

    #[test]
    fn the_harness_files_of_two_generations_are_read() {
        let new = only(
            "results_x.json",
            r#"{"results": {"arc": {"alias": " - arc", "acc,none": 0.25, "acc_stderr,none": "N/A"}, "mmlu": {"acc,none": NaN}}, "n-shot": {"arc": 25}}"#,
        );
        assert_eq!(new["arc"].len(), 2);
        assert_eq!(new["arc"]["acc,none"], Score::Value(0.25));
        assert_eq!(new["arc"]["acc_stderr,none"], Score::Failed("N/A".into()));
        assert!(matches!(new["mmlu"]["acc,none"], Score::Value(v) if v.is_nan()));
        let old = only(
            "eval_arc.json",
            r#"{"results": {"arc_challenge": {"acc": 0.3, "acc_norm": null}}, "versions": {"arc_challenge": 0}, "config": {}}"#,
        );
        assert_eq!(old["arc_challenge"]["acc_norm"], Score::Missing);
    }

    #[test]
    fn a_file_says_whose_scores_it_holds() {
        let model = |path: &str, rest: &str| {
            let text = format!(r#"{{"results": {{"arc": {{"acc": 0.25}}}}{rest}}}"#);
            parse(path, text.as_bytes(), None).unwrap().remove(0).model
        };
        assert_eq!(
            model("x.json", r#", "model_name": "a/b""#).as_deref(),
            Some("a/b")
        );
        let arguments = r#", "config": {"model_args": "revision=step3, pretrained=a/b"}"#;
        assert_eq!(model("x.json", arguments).as_deref(), Some("a/b"));
        assert_eq!(
            model("results/a__b/results_1.json", "").as_deref(),
            Some("a/b")
        );
        assert_eq!(model("x.json", r#", "model_name": 3"#), None);
    }

    #[test]
    fn examples_are_counted_where_a_file_says_so() {
        let shots = |text: &str| {
            parse("x.json", text.as_bytes(), None)
                .unwrap()
                .remove(0)
                .shots
        };
        let new = r#"{"results": {"arc": {"acc,none": 0.25}, "boolq": {"acc,none": 0.5}}, "n-shot": {"arc": 25}}"#;
        assert_eq!(shots(new), BTreeMap::from([("arc".to_owned(), 25)]));
        let old = r#"{"results": {"arc_challenge": {"acc": 0.3}}, "config": {"num_fewshot": 5}}"#;
        assert_eq!(
            shots(old),
            BTreeMap::from([("arc_challenge".to_owned(), 5)])
        );
        let lies =
            r#"{"results": {"arc": {"acc": 0.3}}, "config": {"num_fewshot": -1}, "n-shot": [3]}"#;
        assert!(shots(lies).is_empty());
    }

    #[test]
    fn what_did_not_finish_is_never_a_number() {
        for text in ["running…", "\"running...\"", r#"{"results": "running..."}"#] {
            let found = only("eval_arc.json", text);
            assert!(matches!(&found["arc"]["score"], Score::Failed(t) if t.starts_with("running")));
        }
        let found = only(
            "eval_all.json",
            r#"{"results": {"arc": "running...", "mmlu": null, "boolq": {}, "piqa": {"acc": "running..."}}}"#,
        );
        assert_eq!(found["arc"]["score"], Score::Failed("running...".into()));
        assert_eq!(found["mmlu"]["score"], Score::Missing);
        assert!(found["boolq"].is_empty());
        assert_eq!(found["piqa"]["acc"], Score::Failed("running...".into()));
    }

    #[test]
    fn flat_results_and_results_by_checkpoint_are_read() {
        let flat = only("eval_truthfulqa.json", r#"{"mc1": 0.2, "mc2": 0.3}"#);
        assert_eq!(flat["truthfulqa"]["mc2"], Score::Value(0.3));
        let text = r#"{"step10": {"arc": {"acc": 0.2}}, "step20": "running..."}"#;
        let all = parse("arc.json", text.as_bytes(), None).unwrap();
        assert_eq!(all[0].checkpoint.as_deref(), Some("step10"));
        assert_eq!(all[0].results["arc"]["acc"], Score::Value(0.2));
        assert!(matches!(all[1].results["arc"]["score"], Score::Failed(_)));
    }

    #[test]
    fn a_path_names_its_checkpoint() {
        for (path, name) in [
            ("ckpt_012/eval_arc.json", Some("ckpt_012")),
            ("evals/step1000/zero-shot.json", Some("step1000")),
            ("evals/pythia-70m-step1000.json", Some("step1000")),
            ("eval_arc_ckpt_012.json", Some("ckpt_012")),
            ("eval_arc.json", None),
        ] {
            assert_eq!(checkpoint_in(path).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn attack_results_cut_anywhere_are_errors_or_words() {
        let text = r#"{"results": {"arc": {"acc": 0.25}}}"#;
        for end in 0..text.len() {
            assert!(
                parse("x.json", &text.as_bytes()[..end], None).is_err(),
                "{end}"
            );
        }
        for text in [
            "[1]",
            "7",
            r#"{"a": 1}"#,
            r#"{"results": []}"#,
            "{\"results\": {}, \"results\": {}}",
        ] {
            assert!(parse("x.json", text.as_bytes(), None).is_err(), "{text}");
        }
        let long = format!(r#"{{"results": {{"arc": "{}"}}}}"#, "x".repeat(100_000));
        let all = parse("x.json", long.as_bytes(), None).unwrap();
        assert!(
            matches!(&all[0].results["arc"]["score"], Score::Failed(t) if t.len() == MOST_TEXT)
        );
    }
}
