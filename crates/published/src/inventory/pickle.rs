//! What pickles name.

use serde::{Deserialize, Serialize};

/// A pickled file that names more than tensors need. Reading it with `pickle`, or with `torch.load` unless it is told
/// to take weights only, imports what is named and calls what the file wants called.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pickle {
    /// Where it lies.
    pub path: String,
    /// The revision that it was found at, on the Hub.
    pub revision: Option<String>,
    /// The checkpoint that it lies beside.
    pub checkpoint: Option<String>,
    /// Whether its name says that it holds weights; else a trainer's state or settings, which name classes.
    pub weights: bool,
    /// Whether the checkpoint's weights are there as safetensors, too, so that nobody needs this file.
    pub beside_safetensors: bool,
    /// `module.name` of everything it names beyond tensors, `module:a.b` where the name has dots; what runs code first, then ascending; at most 64. What it names by something that is
    /// no text in the file is `a name that is computed`.
    pub names: Vec<String>,
}

impl Pickle {
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (&self.path, &self.revision) == (&other.path, &other.revision)
    }
}
