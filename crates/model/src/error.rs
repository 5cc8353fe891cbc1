//! The crate's errors: each variant is an invariant that did not hold, with the values that broke it.

use std::path::PathBuf;
use thiserror::Error;

/// A decoder that this crate cannot build, or weights that do not belong to it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A tensor of the architecture is not there.
    #[error("tensor `{0}` is missing")]
    MissingTensor(String),
    /// A tensor has another size than the configuration says.
    #[error("tensor `{name}` has {found} elements where the configuration needs {expected}")]
    TensorSize {
        /// Which tensor.
        name: String,
        /// Elements that the configuration asks for.
        expected: usize,
        /// Elements found.
        found: usize,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor `{name}` has the shape {found:?} where the configuration needs {expected:?}")]
    TensorShape {
        /// Which tensor.
        name: String,
        /// Shape that the configuration asks for.
        expected: Vec<usize>,
        /// Shape found.
        found: Vec<u64>,
    },
    /// A tensor that the architecture does not know.
    #[error("tensor `{0}` belongs to no part of this architecture")]
    ExtraTensor(String),
    /// A tensor whose elements are of a type that is not computed with.
    #[error("tensor `{name}` is stored as {found}; weights are F32, BF16 or F16")]
    TensorType {
        /// Which tensor.
        name: String,
        /// Its type.
        found: &'static str,
    },
    /// A tied head that is stored beside the embedding and differs from it.
    #[error("config.json ties the head to the embedding, but `{head}` differs from `{embedding}`")]
    TiedHeadDiffers {
        /// The head's tensor.
        head: String,
        /// The embedding's tensor.
        embedding: String,
    },
    /// A token number that the embedding table lacks.
    #[error("token {token} is outside the vocabulary of {vocabulary}")]
    Token {
        /// The token.
        token: u32,
        /// Rows of the embedding table.
        vocabulary: usize,
    },
    /// A sequence with more tokens than the model has positions.
    #[error("sequence {index} has {found} inputs; the model has {positions} positions")]
    TooLong {
        /// Which sequence, from 0.
        index: usize,
        /// Its inputs.
        found: usize,
        /// Positions of the model.
        positions: usize,
    },
    /// A run of another numerics profile.
    #[error("{0}")]
    Profile(#[from] glasswork_kernels::UnknownProfile),
    /// The head shares the embedding's weights, which this engine does not train.
    #[error("a head tied to the embedding is not supported by this engine")]
    TiedHead,
    /// A folder that is no model.
    #[error("{} holds no config.json", .0.display())]
    NoModel(PathBuf),
    /// A folder without weights.
    #[error("{} holds neither model.safetensors nor pytorch_model.bin, nor an index of shards", .0.display())]
    NoWeights(PathBuf),
    /// An architecture that this program does not know.
    #[error("config.json: model_type `{found}` is none of {}", crate::Architecture::NAMES.join(", "))]
    UnknownArchitecture {
        /// The name.
        found: String,
    },
    /// A key of `config.json` with a value that makes no sense.
    #[error("config.json: {key}: {problem}")]
    Config {
        /// The key.
        key: String,
        /// What is wrong with its value.
        problem: String,
    },
    /// A key of `config.json` with a value that this program does not compute.
    #[error("config.json: {key}: {problem}")]
    NotComputed {
        /// The key.
        key: String,
        /// Its value, and what is computed.
        problem: String,
    },
    /// A key of `config.json` that this program does not know for the architecture.
    #[error(
        "config.json: `{key}` is not a known key of `{architecture}`, and may change what the model computes"
    )]
    UnknownKey {
        /// The key.
        key: String,
        /// The `model_type`.
        architecture: &'static str,
    },
    /// An index of shards that does not describe the shards.
    #[error("{}: {problem}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// A file of `torch.save` that is not plain weights.
    #[error("{}: {problem}", path.display())]
    Torch {
        /// The file.
        path: PathBuf,
        /// What it holds instead.
        problem: String,
    },
    /// A file that breaks the format's rules or cannot be read.
    #[error(transparent)]
    File(#[from] glasswork_release::Error),
    /// A memory budget that even one sequence at a time exceeds.
    #[error("scoring takes at least {} of memory, more than the {} allowed", megabytes(*.least), megabytes(*.budget))]
    Memory {
        /// The least that it takes.
        least: u64,
        /// What was allowed.
        budget: u64,
    },
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// What to do about a file of a model's folder: no release, so that its remedies differ.
fn hint_of_file(error: &glasswork_release::Error) -> Option<String> {
    use glasswork_release::Error;
    let hint = match error {
        Error::Io { .. } => "check the path, and whether the file may be read",
        Error::NotAPlainFile { .. } => "put a plain file there, or a link to one",
        Error::TooLarge { .. }
        | Error::Tensors { .. }
        | Error::Tensor { .. }
        | Error::Json { .. }
        | Error::NotCanonical { .. } => {
            "the file is damaged or incomplete: fetch it again from where the model came"
        }
        _ => return error.hint(),
    };
    Some(hint.into())
}

impl ModelError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::MissingTensor(_) | Self::TensorShape { .. } | Self::ExtraTensor(_) => {
                "config.json and the weights are not of one model; fetch both again from where they came"
                    .into()
            }
            Self::TensorType { .. } => {
                "quantised weights are not read; take the model's original weights".into()
            }
            Self::TiedHeadDiffers { .. } => {
                "set \"tie_word_embeddings\" to false in config.json if the stored head is the right one"
                    .into()
            }
            Self::Token { .. } => {
                "tokens must come from this model's own tokenizer".into()
            }
            Self::TooLong { .. } => "cut it into shorter sequences".into(),
            Self::NoModel(_) | Self::NoWeights(_) => {
                "name a folder as `transformers` saves it: config.json and weights".into()
            }
            Self::UnknownArchitecture { .. } => {
                "other architectures are not computed yet".into()
            }
            Self::Config { .. } => {
                "the value cannot be right: fetch config.json again from where the model came".into()
            }
            Self::NotComputed { .. } | Self::UnknownKey { .. } => {
                "a score that ignored it could be wrong, so none is made; remove the key only if you know \
                 that it changes nothing"
                    .into()
            }
            Self::Index { .. } => {
                "fetch the folder again: index and shards belong together".into()
            }
            Self::Torch { .. } => {
                "nothing of it was executed, and nothing should be: take the model's safetensors; if it came \
                 from where you trust it, it may be damaged: fetch it again"
                    .into()
            }
            Self::File(error) => return hint_of_file(error),
            Self::Memory { .. } => {
                "give it more with --memory, or score shorter sequences on fewer --threads".into()
            }
            Self::TensorSize { .. } | Self::Profile(_) | Self::TiedHead => return None,
        })
    }
}
