//! Named tensors in one flat buffer, ordered by name bytes.

use crate::{ModelConfig, ModelError};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// One tensor's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSlot {
    /// Hugging Face's name, such as `model.layers.0.mlp.up_proj.weight`.
    pub name: String,
    /// Shape; linear weights are `[out, in]`.
    pub shape: Vec<usize>,
    /// Elements of the flat buffer.
    pub range: Range<usize>,
}

/// Places of a decoder layer's tensors.
#[derive(Clone, Debug)]
pub(crate) struct LayerSlots {
    pub(crate) norm1: Range<usize>,
    pub(crate) q: Range<usize>,
    pub(crate) k: Range<usize>,
    pub(crate) v: Range<usize>,
    pub(crate) o: Range<usize>,
    pub(crate) norm2: Range<usize>,
    pub(crate) gate: Range<usize>,
    pub(crate) up: Range<usize>,
    pub(crate) down: Range<usize>,
}

/// Where every tensor of an architecture lies.
#[derive(Debug)]
pub struct Layout {
    tensors: Vec<TensorSlot>,
    pub(crate) embedding: Range<usize>,
    pub(crate) layers: Vec<LayerSlots>,
    pub(crate) norm: Range<usize>,
    pub(crate) head: Range<usize>,
}

impl Layout {
    /// The tensors of `config`, sorted by name bytes.
    pub fn new(config: &ModelConfig) -> Self {
        let (d, kv, mlp) = (config.hidden, config.kv_width(), config.mlp);
        let mut shapes = vec![
            ("lm_head.weight".to_owned(), vec![config.vocabulary, d]),
            (
                "model.embed_tokens.weight".to_owned(),
                vec![config.vocabulary, d],
            ),
            ("model.norm.weight".to_owned(), vec![d]),
        ];
        for layer in 0..config.layers {
            let mut add = |name: &str, shape: Vec<usize>| {
                shapes.push((format!("model.layers.{layer}.{name}.weight"), shape));
            };
            add("input_layernorm", vec![d]);
            add("self_attn.q_proj", vec![d, d]);
            add("self_attn.k_proj", vec![kv, d]);
            add("self_attn.v_proj", vec![kv, d]);
            add("self_attn.o_proj", vec![d, d]);
            add("post_attention_layernorm", vec![d]);
            add("mlp.gate_proj", vec![mlp, d]);
            add("mlp.up_proj", vec![mlp, d]);
            add("mlp.down_proj", vec![d, mlp]);
        }
        shapes.sort();
        let mut start = 0;
        let tensors: Vec<TensorSlot> = shapes
            .into_iter()
            .map(|(name, shape)| {
                let length: usize = shape.iter().product();
                let range = start..start + length;
                start += length;
                TensorSlot { name, shape, range }
            })
            .collect();
        let find = |name: &str| {
            let index = tensors.binary_search_by(|t| t.name.as_str().cmp(name));
            tensors[index.expect("every name below was listed above")]
                .range
                .clone()
        };
        let layers = (0..config.layers)
            .map(|layer| {
                let at = |name: &str| find(&format!("model.layers.{layer}.{name}.weight"));
                LayerSlots {
                    norm1: at("input_layernorm"),
                    q: at("self_attn.q_proj"),
                    k: at("self_attn.k_proj"),
                    v: at("self_attn.v_proj"),
                    o: at("self_attn.o_proj"),
                    norm2: at("post_attention_layernorm"),
                    gate: at("mlp.gate_proj"),
                    up: at("mlp.up_proj"),
                    down: at("mlp.down_proj"),
                }
            })
            .collect();
        Self {
            embedding: find("model.embed_tokens.weight"),
            norm: find("model.norm.weight"),
            head: find("lm_head.weight"),
            layers,
            tensors,
        }
    }

    /// All tensors in name byte order.
    pub fn tensors(&self) -> &[TensorSlot] {
        &self.tensors
    }

    /// Whether `found` (name and shape of each tensor) are the tensors of this layout. Asked before
    /// memory is taken for a layout that an untrusted configuration gives.
    ///
    /// # Errors
    /// The first tensor that is missing, extra or of another shape.
    pub fn expect<'n>(
        &self,
        found: impl IntoIterator<Item = (&'n str, &'n [u64])>,
    ) -> Result<(), ModelError> {
        let found: BTreeMap<&str, &[u64]> = found.into_iter().collect();
        for slot in &self.tensors {
            let shape = found
                .get(slot.name.as_str())
                .ok_or_else(|| ModelError::MissingTensor(slot.name.clone()))?;
            if !shape
                .iter()
                .copied()
                .eq(slot.shape.iter().map(|&size| size as u64))
            {
                return Err(ModelError::TensorShape {
                    name: slot.name.clone(),
                    expected: slot.shape.clone(),
                    found: shape.to_vec(),
                });
            }
        }
        match found.keys().find(|name| {
            self.tensors
                .binary_search_by(|t| t.name.as_str().cmp(name))
                .is_err()
        }) {
            Some(extra) => Err(ModelError::ExtraTensor((*extra).to_owned())),
            None => Ok(()),
        }
    }

    /// Number of elements of all tensors.
    pub fn elements(&self) -> usize {
        self.tensors.last().map_or(0, |t| t.range.end)
    }
}

/// A value (weight, gradient or moment) for every element of a [`Layout`].
#[derive(Clone, Debug)]
pub struct Parameters {
    /// Where each tensor lies.
    pub layout: Arc<Layout>,
    /// All elements, tensor after tensor in name byte order.
    pub data: Vec<f32>,
}

impl Parameters {
    /// All +0.
    pub fn zeros(layout: &Arc<Layout>) -> Self {
        Self {
            layout: Arc::clone(layout),
            data: vec![0.0; layout.elements()],
        }
    }

    /// Takes each tensor from `source(name)`; `names` are all that the source holds.
    ///
    /// # Errors
    /// When a tensor is missing, has another size, or is not of this architecture.
    pub fn from_source<'n>(
        layout: &Arc<Layout>,
        names: impl IntoIterator<Item = &'n str>,
        mut source: impl FnMut(&str) -> Option<Vec<f32>>,
    ) -> Result<Self, ModelError> {
        for name in names {
            if layout
                .tensors
                .binary_search_by(|t| t.name.as_str().cmp(name))
                .is_err()
            {
                return Err(ModelError::ExtraTensor(name.to_owned()));
            }
        }
        let mut parameters = Self::zeros(layout);
        for slot in &layout.tensors {
            let values =
                source(&slot.name).ok_or_else(|| ModelError::MissingTensor(slot.name.clone()))?;
            if values.len() != slot.range.len() {
                return Err(ModelError::TensorSize {
                    name: slot.name.clone(),
                    expected: slot.range.len(),
                    found: values.len(),
                });
            }
            parameters.data[slot.range.clone()].copy_from_slice(&values);
        }
        Ok(parameters)
    }

    /// Each tensor with its values, in name byte order.
    pub fn iter(&self) -> impl Iterator<Item = (&TensorSlot, &[f32])> {
        self.layout
            .tensors
            .iter()
            .map(|slot| (slot, &self.data[slot.range.clone()]))
    }
}
