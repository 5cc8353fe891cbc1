//! The folder that `transformers` loads, of one checkpoint.

use crate::failure::Failure;
use glasswork_data::END_OF_TEXT_ID;
use glasswork_model::{ModelConfig, config_json, generation_config_json};
use glasswork_release::checkpoint::read_checkpoint;
use glasswork_release::config::RunConfig;
use glasswork_release::{Digest, atomic, files, layout};
use glasswork_train::checkpoint_config;
use std::path::{Path, PathBuf};

/// More than any file copied here has; a release is not trusted to be small.
const MAX_TEXT: u64 = 64 << 20;

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
                copied(layout::TOKENIZER_CONFIG, "tokenizer_config.json")?,
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
