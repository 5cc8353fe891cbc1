//! The folder that `transformers` loads, of one checkpoint.

use crate::failure::Failure;
use glasswork_data::END_OF_TEXT_ID;
use glasswork_model::{ModelConfig, config_json, generation_config_json};
use glasswork_release::checkpoint::read_checkpoint;
use glasswork_release::config::RunConfig;
use glasswork_release::{Digest, atomic, canonical, files, layout};
use glasswork_train::checkpoint_config;
use std::path::{Path, PathBuf};

/// More than any file copied here has; a release is not trusted to be small.
const MAX_TEXT: u64 = 64 << 20;

/// Keys of a tokenizer's configuration that name tokens and lengths. Others may ask a loader for code.
const TOKENIZER_KEYS: &[&str] = &[
    "add_bos_token",
    "add_eos_token",
    "add_prefix_space",
    "bos_token",
    "clean_up_tokenization_spaces",
    "eos_token",
    "model_max_length",
    "pad_token",
    "tokenizer_class",
    "unk_token",
];

/// The release's configuration of its tokenizer, without what would ask a loader for code.
fn tokenizer_config(release: &Path) -> Result<Vec<u8>, Failure> {
    let path = release.join(layout::TOKENIZER_CONFIG);
    let bytes = files::read(&path, MAX_TEXT)?;
    let value = canonical::parse_value(&bytes, &path.display().to_string())?;
    let mut config = value.as_object().cloned().unwrap_or_default();
    config.retain(|key, _| TOKENIZER_KEYS.contains(&key.as_str()));
    Ok(format!("{:#}\n", serde_json::Value::Object(config)).into_bytes())
}

/// What every checkpoint's folder holds besides the weights.
pub(super) struct ModelFolder {
    release: PathBuf,
    side_files: Vec<(&'static str, Vec<u8>)>,
}

impl ModelFolder {
    pub(super) fn of(release: &Path) -> Result<Self, Failure> {
        let copied = |from, name| -> Result<_, Failure> {
            Ok((name, files::read(&release.join(from), MAX_TEXT)?))
        };
        // Made anew from run.toml: what a release's own config.json asks a loader to do is not passed on.
        let model = ModelConfig::from_run(&RunConfig::load(&release.join(layout::RUN))?)?;
        let generation = format!("{:#}\n", generation_config_json(END_OF_TEXT_ID));
        Ok(Self {
            release: release.into(),
            side_files: vec![
                copied(layout::TOKENIZER, "tokenizer.json")?,
                ("tokenizer_config.json", tokenizer_config(release)?),
                (
                    layout::MODEL_CONFIG,
                    checkpoint_config(&config_json(&model, END_OF_TEXT_ID)),
                ),
                ("generation_config.json", generation.into_bytes()),
            ],
        })
    }

    /// Writes the checkpoint of `step` into the directory `to`; returns the digest of its state.
    pub(super) fn write(&self, step: u64, to: &Path) -> Result<Digest, Failure> {
        let directory = self.release.join(layout::checkpoint_dir(step));
        // Reading confirms every tensor's digest: nothing damaged is passed on.
        let checkpoint = read_checkpoint(&directory)?;
        let size = std::fs::metadata(checkpoint.model.path()).map_or(0, |m| m.len());
        atomic::expect_free(to, size + (1 << 20))?;
        let weights = files::read(checkpoint.model.path(), size)?;
        atomic::write_file(&to.join(layout::MODEL), &weights)?;
        for (name, bytes) in &self.side_files {
            atomic::write_file(&to.join(name), bytes)?;
        }
        Ok(checkpoint.manifest.state_digest)
    }
}
