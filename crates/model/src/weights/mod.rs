//! Weights of a published model, read where they lie: mapped files, never held in memory as a whole.
//!
//! Names, shapes, types and places are checked against `config.json` before a byte of a tensor is
//! touched. A folder may be a download cache's, whose files are links: links that lead to plain files
//! are followed, names in the index never leave the folder. A file that is cut short by somebody else
//! while it is mapped ends the process (SIGBUS), as with every program that maps files.

mod shards;
mod stored;
mod torch;

use crate::ModelError;
use crate::decoder::{Decoder, Tensors};
use glasswork_release::safetensors::{Dtype, TensorInfo};
use glasswork_release::{Digest, canonical};
use memmap2::Mmap;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
pub(crate) use stored::Stored;
pub use torch::{Bytes, TorchTensor, torch_tensors};

/// Longest `config.json` that is read.
const MAX_CONFIG: u64 = 1 << 20;

/// A mapped file of weights.
#[derive(Debug)]
struct Shard {
    map: Mmap,
    /// Byte at which tensors' places count from.
    start: usize,
}

/// A model folder: what the decoder computes, and its weights.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    config_digest: Digest,
    decoder: Decoder,
    tensors: Tensors,
    shards: Vec<Shard>,
    /// Shard of each tensor, and what it is.
    places: BTreeMap<String, (usize, TensorInfo)>,
}

impl Checkpoint {
    /// Opens a folder as `transformers` saves it: `config.json` and `model.safetensors`, or shards with
    /// `model.safetensors.index.json`; where there is neither, `pytorch_model.bin` or its shards, of which
    /// nothing is executed.
    ///
    /// # Errors
    /// Whatever does not fit; see [`ModelError`].
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        if !path.exists() {
            return Err(ModelError::NoModel(folder.into()));
        }
        let config = shards::read_text(&path, MAX_CONFIG)?;
        let config_digest = Digest::of(&config);
        let config = canonical::parse_value(&config, &path.display().to_string())?;
        let decoder = Decoder::from_hugging_face(&config)?;
        let (shards, places) = shards::open(folder)?;
        let tensors = Tensors::new(&decoder);
        let checkpoint = Self {
            folder: folder.into(),
            config_digest,
            decoder,
            tensors,
            shards,
            places,
        };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// Every tensor of the decoder is there, of its shape, and no other.
    fn check(&self) -> Result<(), ModelError> {
        for (name, expected) in &self.tensors.shapes {
            let (_, info) = self
                .places
                .get(name)
                .ok_or_else(|| ModelError::MissingTensor(name.clone()))?;
            let dims = expected.iter().map(|&d| d as u64);
            if !info.shape.iter().copied().eq(dims) {
                return Err(ModelError::TensorShape {
                    name: name.clone(),
                    expected: expected.clone(),
                    found: info.shape.clone(),
                });
            }
            if !matches!(info.dtype, Dtype::F32 | Dtype::Bf16 | Dtype::F16) {
                return Err(ModelError::TensorType {
                    name: name.clone(),
                    found: info.dtype.name(),
                });
            }
        }
        let tied = self.tensors.stored_tied_head.as_deref();
        for name in self.places.keys() {
            let known = self.tensors.shapes.contains_key(name) || tied == Some(name);
            if !known && !self.tensors.ignorable(name) {
                return Err(ModelError::ExtraTensor(name.clone()));
            }
        }
        self.check_tied_head()
    }

    /// A tied head that is stored all the same must be the embedding.
    fn check_tied_head(&self) -> Result<(), ModelError> {
        let Some(head) = &self.tensors.stored_tied_head else {
            return Ok(());
        };
        let (Some((_, stored)), Some((_, table))) = (
            self.places.get(head),
            self.places.get(&self.tensors.embedding),
        ) else {
            return Ok(());
        };
        let embedding = &self.tensors.embedding;
        let same = stored.shape == table.shape
            && stored.dtype == table.dtype
            && self.bytes(head) == self.bytes(embedding);
        self.done_with([head.as_str(), embedding.as_str()]);
        if same {
            Ok(())
        } else {
            Err(ModelError::TiedHeadDiffers {
                head: head.clone(),
                embedding: embedding.clone(),
            })
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// BLAKE3 of `config.json`, as it lies there.
    pub fn config_digest(&self) -> Digest {
        self.config_digest
    }

    /// What the decoder computes.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    pub(crate) fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// Bytes of the tensors that the decoder reads.
    pub fn stored_bytes(&self) -> u64 {
        self.tensors.shapes.keys().map(|name| self.size(name)).sum()
    }

    /// Elements of the tensors that the decoder reads.
    pub fn parameters(&self) -> u64 {
        let elements = |shape: &Vec<usize>| shape.iter().map(|&d| d as u64).product::<u64>();
        self.tensors.shapes.values().map(elements).sum()
    }

    /// The type of the largest share of the weights, by bytes: `F32`, `BF16` or `F16`.
    pub fn stored_type(&self) -> Dtype {
        let mut bytes = BTreeMap::new();
        for name in self.tensors.shapes.keys() {
            if let Some((_, info)) = self.places.get(name) {
                *bytes.entry(info.dtype).or_insert(0) += self.size(name);
            }
        }
        let most = bytes.into_iter().max_by_key(|&(_, bytes)| bytes);
        most.map_or(Dtype::F32, |(dtype, _)| dtype)
    }

    /// Bytes of one tensor; 0 if it is not there.
    pub(crate) fn size(&self, name: &str) -> u64 {
        self.places
            .get(name)
            .map_or(0, |(_, info)| info.range.1 - info.range.0)
    }

    /// A tensor of the decoder.
    pub(crate) fn stored(&self, name: &str) -> Stored<'_> {
        let (_, info) = &self.places[name];
        Stored::new(self.bytes(name), info.dtype)
    }

    fn bytes(&self, name: &str) -> &[u8] {
        let (shard, info) = &self.places[name];
        let shard = &self.shards[*shard];
        // Both were checked against the file's length.
        &shard.map[shard.start + info.range.0 as usize..shard.start + info.range.1 as usize]
    }

    /// Has the system read these tensors ahead; only a hint.
    pub(crate) fn will_need<'n>(&self, names: impl IntoIterator<Item = &'n str>) {
        for name in names {
            if let Some((shard, start, length)) = self.span(name) {
                #[cfg(unix)]
                // A refused hint costs time, nothing else.
                drop(
                    shard
                        .map
                        .advise_range(memmap2::Advice::WillNeed, start, length),
                );
                let _ = (shard, start, length);
            }
        }
    }

    /// Takes these tensors' pages out of the process; they are read again when touched again.
    pub(crate) fn done_with<'n>(&self, names: impl IntoIterator<Item = &'n str>) {
        for name in names {
            if let Some((shard, start, length)) = self.span(name) {
                #[cfg(unix)]
                // SAFETY: the map is of a file and never written: a dropped page comes back with the
                // same content.
                drop(unsafe {
                    let advice = memmap2::UncheckedAdvice::DontNeed;
                    shard.map.unchecked_advise_range(advice, start, length)
                });
                let _ = (shard, start, length);
            }
        }
    }

    fn span(&self, name: &str) -> Option<(&Shard, usize, usize)> {
        let (shard, info) = self.places.get(name)?;
        let shard = &self.shards[*shard];
        let start = shard.start + info.range.0 as usize;
        Some((shard, start, (info.range.1 - info.range.0) as usize))
    }
}
