//! Training data, looked at without being read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A file of training data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// Where it lies.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, where the listing says it.
    pub sha256: Option<String>,
    /// Its format, by its name.
    pub kind: DataKind,
    /// What its first lines are, where they were read.
    pub sampled: Option<DataSample>,
}

/// Formats of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataKind {
    /// A JSON document a line.
    Jsonl,
    /// The same, compressed.
    CompressedJsonl,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow.
    Arrow,
    /// HDF5.
    Hdf5,
    /// Token ids without a header, or an index to them; NumPy's format.
    Tokens,
    /// Plain text.
    Text,
    /// An archive.
    Archive,
}

/// What the first lines of a file of documents are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSample {
    /// Documents that were looked at.
    pub documents: u64,
    /// Fewest and most token ids of a document, where documents are token ids.
    pub tokens_per_document: Option<(u64, u64)>,
    /// Keys of the documents.
    pub keys: Vec<String>,
    /// How many documents say that they come from which source.
    pub sources: BTreeMap<String, u64>,
}
