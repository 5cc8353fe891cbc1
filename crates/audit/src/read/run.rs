//! How the model was trained, as the release writes it down.

use std::path::Path;

use glasswork_release::config::RunConfig;
use glasswork_release::{canonical, files, layout};

use crate::dossier::{Dossier, FactGroup, Run};

/// The largest text file (run.toml, execution.toml) that is shown.
const MAX_TEXT: u64 = 1 << 20;

impl Dossier {
    pub(super) fn read_run(&mut self, dir: &Path, config: Option<&RunConfig>) {
        let text = |path: &str| {
            let bytes = files::read(&dir.join(path), MAX_TEXT).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let name = config.map_or_else(|| "?".to_owned(), |config| config.name.clone());
        self.release.name.clone_from(&name);
        self.run = Run {
            name,
            parameters: None,
            facts: config.map(facts).unwrap_or_default(),
            toml: text(layout::RUN).unwrap_or_default(),
            digest: config.map(|config| config.digest().to_string()),
            code: files::read(&dir.join(layout::CODE), MAX_TEXT)
                .and_then(|bytes| canonical::parse_value(&bytes, layout::CODE))
                .map(|value| flattened(&value))
                .unwrap_or_default(),
            execution: text(layout::EXECUTION),
        };
    }
}

/// The main values of a configuration, named as in run.toml.
fn facts(config: &RunConfig) -> Vec<FactGroup> {
    let group = |group: &str, values: &[(&str, String)]| FactGroup {
        group: group.into(),
        values: values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect(),
    };
    let (model, training, optimizer) = (&config.model, &config.training, &config.optimizer);
    let mut shape = vec![
        ("architecture", model.architecture.clone()),
        ("vocabulary", model.vocabulary.to_string()),
        ("hidden", model.hidden.to_string()),
        ("layers", model.layers.to_string()),
        ("heads", model.heads.to_string()),
        ("kv_heads", model.kv_heads.to_string()),
        ("mlp", model.mlp.to_string()),
        ("sequence", model.sequence.to_string()),
    ];
    shape.extend(model.licence.clone().map(|licence| ("licence", licence)));
    vec![
        group("model", &shape),
        group(
            "training",
            &[
                ("steps", training.steps.to_string()),
                ("batch", training.batch.to_string()),
                ("reduction_groups", training.reduction_groups.to_string()),
                ("profile", config.profile.clone()),
                ("seed", config.seed.to_string()),
            ],
        ),
        group(
            "optimizer",
            &[
                ("kind", optimizer.kind.clone()),
                ("learning_rate", optimizer.learning_rate.to_string()),
                (
                    "final_learning_rate",
                    optimizer.final_learning_rate.to_string(),
                ),
                ("warm_up_steps", optimizer.warm_up_steps.to_string()),
                ("beta1", optimizer.beta1.to_string()),
                ("beta2", optimizer.beta2.to_string()),
                ("epsilon", format!("{:e}", optimizer.epsilon)),
                ("weight_decay", optimizer.weight_decay.to_string()),
                ("clip", optimizer.clip.to_string()),
            ],
        ),
        group(
            "data",
            &[
                ("tokenizer", config.tokenizer.kind.clone()),
                ("held_out", config.split.held_out.to_string()),
                ("eval_bytes", config.split.eval_bytes.to_string()),
                ("allow", config.gate.allow.join(", ")),
            ],
        ),
    ]
}

/// A JSON object as lines of key and value, nested keys joined by dots.
fn flattened(value: &serde_json::Value) -> Vec<(String, String)> {
    fn descend(prefix: &str, value: &serde_json::Value, out: &mut Vec<(String, String)>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (key, value) in fields {
                    let name = if prefix.is_empty() {
                        key.clone()
                    } else {
                        format!("{prefix}.{key}")
                    };
                    descend(&name, value, out);
                }
            }
            serde_json::Value::String(text) => out.push((prefix.to_owned(), text.clone())),
            other => out.push((prefix.to_owned(), other.to_string())),
        }
    }
    let mut out = Vec::new();
    descend("", value, &mut out);
    out
}
