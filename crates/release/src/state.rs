//! The state digest: one number for everything a training run would need to go on.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::safetensors::Dtype;

/// A tensor by name, type, shape and the digest of its raw little-endian bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorEntry {
    /// Its name; optimizer tensors are `optimizer.m.<name>` and `optimizer.v.<name>`.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<u64>,
    /// [`Digest::of`] its raw bytes.
    pub digest: Digest,
}

impl TensorEntry {
    /// The entry of a tensor in memory.
    #[must_use]
    pub fn of(name: &str, dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape: shape.iter().map(|&d| d as u64).collect(),
            digest: Digest::of(bytes),
        }
    }
}

/// The digest of the state after `step` updates (0: the initialisation): weights and optimizer state together.
///
/// `of_parts("glasswork/state/1", [json])` where json is the canonical JSON of
/// `[step, [[name, dtype, shape, digest], …]]`, sorted by the names' bytes. The order of `entries` does not matter.
#[must_use]
pub fn state_digest(step: u64, entries: &[TensorEntry]) -> Digest {
    let mut sorted: Vec<_> = entries
        .iter()
        .map(|e| (&e.name, e.dtype, &e.shape, e.digest))
        .collect();
    sorted.sort_by_key(|entry| entry.0.as_bytes());
    // Arrays, strings and integers only: here the compact form of serde_json is the canonical one.
    let json =
        serde_json::to_vec(&(step, sorted)).expect("strings and integers always become JSON");
    Digest::of_parts("glasswork/state/1", &[&json])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, shape: &[usize], bytes: &[u8]) -> TensorEntry {
        TensorEntry::of(name, Dtype::U8, shape, bytes)
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let (a, b) = (entry("a", &[2], b"xy"), entry("b", &[1], b"z"));
        let base = state_digest(3, &[a.clone(), b.clone()]);
        assert_eq!(state_digest(3, &[b.clone(), a.clone()]), base);
        assert_ne!(state_digest(4, &[a.clone(), b.clone()]), base);
        assert_ne!(state_digest(3, std::slice::from_ref(&a)), base);
        assert_ne!(
            state_digest(3, &[entry("a", &[1, 2], b"xy"), b.clone()]),
            base
        );
        assert_ne!(
            state_digest(
                3,
                &[
                    TensorEntry {
                        dtype: Dtype::I8,
                        ..a
                    },
                    b
                ]
            ),
            base
        );
    }

    #[test]
    fn the_hashed_text_is_the_one_in_the_documentation() {
        let digest = Digest::of(b"z");
        let json = format!("[7,[[\"b\",\"U8\",[1],\"{digest}\"]]]");
        let expected = Digest::of_parts("glasswork/state/1", &[json.as_bytes()]);
        assert_eq!(state_digest(7, &[entry("b", &[1], b"z")]), expected);
        let canonical = crate::canonical::to_canonical(
            &serde_json::from_str::<serde_json::Value>(&json).unwrap(),
        );
        assert_eq!(canonical.unwrap(), json.as_bytes());
    }
}
