//! Reads logs of trainings: CSV, JSON lines, the Hugging Face trainer's state, Parquet.

mod csv;
mod json;
mod parquet;
mod rows;

use std::path::Path;

use crate::error::Result;
use crate::inventory::{MetricKind, MetricSeries, TrainerState};

/// Longest log that is read.
pub(crate) const MOST: u64 = 256 << 20;
/// Points of one log, of all keys together: a million steps of sixteen keys.
const MOST_POINTS: usize = 16 << 20;
/// Keys of one log, and bytes of one.
const MOST_KEYS: usize = 512;
const MOST_KEY: usize = 256;
/// Longest line.
const MOST_LINE: u64 = 1 << 20;
/// Names of the step, as loggers write them, in the order in which they are believed.
const STEPS: [&str; 9] = [
    "step",
    "_step",
    "global_step",
    "trainer/global_step",
    "iteration",
    "iter",
    "steps",
    "iterations",
    "train/global_step",
];

/// What a log holds, and what of it is no number.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) series: Vec<MetricSeries>,
    pub(crate) problem: Option<String>,
}

/// Reads the log at `local`, which the publication calls `path`.
///
/// # Errors
/// What is no log: without steps, or without numbers.
pub(crate) fn read(path: &str, local: &Path) -> Result<Log> {
    match path.rsplit('.').next() {
        Some("csv") => csv::read(path, local),
        Some("parquet") => parquet::read(path, local),
        _ => json::lines(path, local),
    }
}

/// What `trainer_state.json` says, and its log.
///
/// # Errors
/// What is no such file.
pub(crate) fn trainer_state(path: &str, bytes: &[u8]) -> Result<(TrainerState, Log)> {
    json::trainer_state(path, bytes)
}

/// Whether these keys are those of a log: a step, and something that trainers log.
pub(crate) fn is_log<'k>(keys: impl Iterator<Item = &'k str> + Clone) -> bool {
    step_key(keys.clone()).is_some() && keys.into_iter().any(|key| kind(key).is_some())
}

/// The key of the step.
fn step_key<'k>(keys: impl Iterator<Item = &'k str> + Clone) -> Option<&'k str> {
    STEPS
        .iter()
        .find_map(|step| keys.clone().find(|key| key.eq_ignore_ascii_case(step)))
}

/// What a key measures, by its name: its last part, without a run's name before it.
fn kind(key: &str) -> Option<MetricKind> {
    let key = key.rsplit(" - ").next().unwrap_or(key);
    let key = key.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    if key.ends_with("__min") || key.ends_with("__max") {
        return None;
    }
    let speeds = [
        "speed",
        "throughput",
        "tokens_per_s",
        "samples_per_s",
        "steps_per_s",
        "tokens/s",
        "tokens/sec",
        "tok/s",
    ];
    let last = key.rsplit('/').next().unwrap_or(&key);
    let last = last.rsplit('.').next().unwrap_or(last);
    let is = |names: &[&str]| names.contains(&last);
    if is(&[
        "tokens",
        "total_tokens",
        "num_tokens",
        "n_tokens",
        "tokens_seen",
        "num_input_tokens_seen",
        "consumed_tokens",
        "total_training_tokens",
        "global_train_tokens",
    ]) {
        return Some(MetricKind::Tokens);
    }
    if speeds
        .iter()
        .any(|speed| key.starts_with(speed) || last.contains(speed))
    {
        return Some(MetricKind::Speed);
    }
    if is(&["lr", "learning_rate", "learningrate"]) || last.starts_with("learning_rate") {
        return Some(MetricKind::LearningRate);
    }
    if last.contains("grad") && last.contains("norm") {
        return Some(MetricKind::GradNorm);
    }
    if is(&[
        "crossentropyloss",
        "cross_entropy_loss",
        "ce_loss",
        "cross_entropy",
    ]) || last == "loss"
        || [
            "lm_loss",
            "train_loss",
            "training_loss",
            "eval_loss",
            "val_loss",
            "valid_loss",
            "validation_loss",
            "test_loss",
        ]
        .contains(&last)
    {
        return Some(MetricKind::Loss);
    }
    None
}

/// A step as loggers write it: a whole number, or a float that is one.
fn step(value: f64) -> Option<u64> {
    let whole = value >= 0.0 && value <= (1_u64 << 53) as f64 && value.fract() == 0.0;
    whole.then_some(value as u64)
}

/// A number as Python and spreadsheets print it.
fn number(text: &str) -> Option<f64> {
    // Rust reads `nan`, `inf` and `infinity` in any case, as Python prints them.
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn log(name: &str, text: &str) -> Result<Log> {
        let folder = tempfile::tempdir().unwrap();
        let local = folder.path().join("log");
        fs::write(&local, text).unwrap();
        read(name, &local)
    }

    #[test]
    fn kinds_are_known_by_the_names_that_loggers_use() {
        use MetricKind::{GradNorm, LearningRate, Loss, Speed, Tokens};
        for (key, expected) in [
            ("loss", Some(Loss)),
            ("train/loss", Some(Loss)),
            ("lm loss", Some(Loss)),
            ("train/CrossEntropyLoss", Some(Loss)),
            ("run-1 - train/loss", Some(Loss)),
            ("run-1 - train/loss__MIN", None),
            ("lr", Some(LearningRate)),
            ("optim/learning_rate_group0", Some(LearningRate)),
            ("grad_norm", Some(GradNorm)),
            ("optim/total_grad_norm", Some(GradNorm)),
            ("speed(#tok/s/gpu)", Some(Speed)),
            ("throughput/device/tokens_per_second", Some(Speed)),
            ("throughput/total_tokens", Some(Tokens)),
            ("loss_scale", None),
            ("epoch", None),
        ] {
            assert_eq!(kind(key), expected, "{key}");
        }
    }

    #[test]
    fn the_same_series_are_read_from_csv_and_json_lines() {
        let csv = "loss,learning_rate,step,speed(#tok/s/gpu),grad_norm\n10.5,0.0003,1,900,1.5\nnan,0.0003,2,901,inf\n9.5,0.0003,1,,1.4\n";
        let lines = r#"{"loss": 10.5, "learning_rate": 0.0003, "step": 1, "speed(#tok/s/gpu)": 900, "grad_norm": 1.5}
{"loss": NaN, "learning_rate": 0.0003, "step": 2, "speed(#tok/s/gpu)": 901, "grad_norm": Infinity}

{"loss": 9.5, "learning_rate": 0.0003, "step": 1, "grad_norm": 1.4, "note": "restart"}
"#;
        for (name, text) in [("metrics.csv", csv), ("metrics.jsonl", lines)] {
            let found = log(name, text).unwrap();
            assert!(found.problem.is_none(), "{:?}", found.problem);
            let keys: Vec<_> = found.series.iter().map(|one| one.key.as_str()).collect();
            assert_eq!(
                keys,
                ["grad_norm", "learning_rate", "loss", "speed(#tok/s/gpu)"]
            );
            let steps: Vec<u64> = found.series[2].points.iter().map(|(s, _)| *s).collect();
            assert_eq!(steps, [1, 2, 1], "{name}");
            assert!(found.series[2].points[1].1.is_nan());
            assert_eq!(found.series[0].points[1].1, f64::INFINITY);
            assert_eq!(found.series[3].points.len(), 2);
            assert_eq!(found.series[2].kind, Some(MetricKind::Loss));
        }
    }

    #[test]
    fn the_trainers_state_is_read() {
        let text = r#"{"global_step": 20, "max_steps": 100, "train_batch_size": 4, "num_input_tokens_seen": 40960,
            "log_history": [{"loss": 3.5, "learning_rate": 1e-4, "step": 10, "epoch": 0.1}, {"loss": NaN, "step": 20}]}"#;
        let (state, log) = trainer_state("x", text.as_bytes()).unwrap();
        assert_eq!((state.global_step, state.max_steps), (Some(20), Some(100)));
        assert_eq!(
            (state.train_batch_size, state.tokens_seen),
            (Some(4), Some(40_960))
        );
        let loss = log.series.iter().find(|one| one.key == "loss").unwrap();
        assert_eq!((loss.points.len(), loss.points[0]), (2, (10, 3.5)));
    }

    #[test]
    fn what_is_no_number_is_told() {
        let found = log("m.csv", "step,loss\n1,2.5\n2,oops\nx,2\n").unwrap();
        assert_eq!(found.series[0].points, [(1, 2.5)]);
        assert!(found.problem.unwrap().contains("2 values"));
        for text in ["", "loss\n1\n", "step,name\n1,a\n", "step,loss\n"] {
            assert!(log("m.csv", text).is_err(), "{text:?}");
        }
        for text in [
            "",
            "7\n",
            "{\"loss\": 1}\n",
            "{\"step\": 1, \"loss\": 1, \"loss\": 2}\n",
            "{\"step\"\n",
        ] {
            assert!(log("m.jsonl", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn attack_logs() {
        let wide: String = (0..100_000).map(|i| format!("c{i},")).collect();
        assert!(log("m.csv", &format!("{wide}step\n")).is_err());
        // The bound stands in the error, and no more than a line is ever held.
        let commas = ",".repeat(3 << 20);
        for text in [
            format!("step{commas}\n1,2\n"),
            format!("step,loss\n1,2\n{commas}\n"),
            format!("a,\"x\n\"{commas}\n"),
        ] {
            let told = log("m.csv", &text).unwrap_err().to_string();
            assert!(told.contains("has more than 1048576 bytes"), "{told}");
        }
        let keys: String = (0..2 * MOST_KEYS)
            .map(|i| format!(", \"k{i}\": 1"))
            .collect();
        let found = log("m.jsonl", &format!("{{\"step\": 1{keys}}}\n")).unwrap();
        assert_eq!(found.series.len(), MOST_KEYS);
        assert!(found.problem.unwrap().contains("more than 512 keys"));
        let long = format!(
            "{{\"step\": 1, \"loss\": 2, \"{}\": 3}}\n",
            "k".repeat(MOST_KEY + 1)
        );
        let found = log("m.jsonl", &long).unwrap();
        assert_eq!((found.series.len(), found.problem.is_some()), (1, true));
        let quote = format!("step,loss\n1,\"{}", "x".repeat(1 << 20));
        assert!(log("m.csv", &quote).is_err_and(|e| e.to_string().contains("no numbers")));
        for step in ["-1", "1e300", "0.5", "NaN", "99999999999999999999"] {
            let found = log("m.csv", &format!("step,loss\n{step},1\n7,1\n")).unwrap();
            assert_eq!(found.series[0].points, [(7, 1.0)], "{step}");
        }
        let deep = format!("{{\"step\": 1, \"loss\": {}1", "[".repeat(100_000));
        assert!(log("m.jsonl", &deep).is_err());
        let parquet = log("m.parquet", "PAR1\x00\x00\x00\x7fPAR1");
        assert!(parquet.is_err());
    }
}
