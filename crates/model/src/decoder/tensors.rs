//! Where each family keeps its weights: names, shapes, and which stored rows make a product's outputs.

use super::{Architecture, Decoder, NormKind};
use std::collections::BTreeMap;

/// How a stored matrix lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orientation {
    /// `[out, in]`, as PyTorch's `Linear`.
    OutIn,
    /// `[in, out]`, as GPT-2's `Conv1D`.
    InOut,
}

/// Which of a stored matrix's outputs make this part's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Consecutive ones from this one on.
    From(usize),
    /// Heads of `width` outputs, each stored as `[q | k | v]`; this is the `part`-th of the three.
    Interleaved { width: usize, part: usize },
}

impl Rows {
    /// The stored output of this part's output `index`.
    pub(crate) fn stored(self, index: usize) -> usize {
        match self {
            Self::From(first) => first + index,
            Self::Interleaved { width, part } => (index / width * 3 + part) * width + index % width,
        }
    }
}

/// Outputs of a product that come from one stored matrix.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) weight: String,
    pub(crate) bias: Option<String>,
    pub(crate) orientation: Orientation,
    pub(crate) rows: Rows,
    pub(crate) outputs: usize,
}

/// A product: `y = x·Wᵀ + b`, its outputs from one matrix or several side by side.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub(crate) inputs: usize,
    pub(crate) parts: Vec<Part>,
}

impl Linear {
    pub(crate) fn outputs(&self) -> usize {
        self.parts.iter().map(|part| part.outputs).sum()
    }
}

/// Gain, and bias where there is one.
#[derive(Clone, Debug)]
pub(crate) struct NormTensors {
    pub(crate) gain: String,
    pub(crate) bias: Option<String>,
}

/// The tensors of one layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerTensors {
    /// Around attention, and around the second half.
    pub(crate) norms: [NormTensors; 2],
    /// Gains over all queries and over all keys.
    pub(crate) qk_norm: Option<[String; 2]>,
    /// Outputs `[queries | keys | values]`.
    pub(crate) qkv: Linear,
    pub(crate) o: Linear,
    /// Outputs `[gate | up]`, or what GELU takes.
    pub(crate) mlp_in: Linear,
    pub(crate) down: Linear,
}

/// All tensors of a decoder.
#[derive(Debug)]
pub(crate) struct Tensors {
    pub(crate) embedding: String,
    pub(crate) layers: Vec<LayerTensors>,
    pub(crate) norm: NormTensors,
    pub(crate) head: Linear,
    /// Shape of each tensor that must be there.
    pub(crate) shapes: BTreeMap<String, Vec<usize>>,
    /// A head that some programs store although it is tied.
    pub(crate) stored_tied_head: Option<String>,
}

/// Ends of names that old programs saved beside the weights: masks and frequencies, no parameters.
const IGNORED: [&str; 4] = [
    ".rotary_emb.inv_freq",
    ".attention.bias",
    ".attention.masked_bias",
    ".attn.masked_bias",
];

impl Tensors {
    pub(crate) fn new(decoder: &Decoder) -> Self {
        let mut list = List {
            decoder,
            shapes: BTreeMap::new(),
        };
        let (embedding, norm, head) = match decoder.architecture {
            Architecture::Llama | Architecture::Olmo2 => {
                ("model.embed_tokens.weight", "model.norm", "lm_head.weight")
            }
            Architecture::GptNeox => (
                "gpt_neox.embed_in.weight",
                "gpt_neox.final_layer_norm",
                "embed_out.weight",
            ),
            Architecture::Crystal => (
                "transformer.wte.weight",
                "transformer.ln_f",
                "lm_head.weight",
            ),
        };
        let (d, vocabulary) = (decoder.hidden, decoder.vocabulary);
        list.shapes.insert(embedding.into(), vec![vocabulary, d]);
        let head_name = if decoder.tied_head { embedding } else { head };
        let head_part = list.whole(head_name, false, Orientation::OutIn, (d, vocabulary));
        let layers = (0..decoder.layers).map(|layer| match decoder.architecture {
            Architecture::Llama | Architecture::Olmo2 => list.llama(layer),
            Architecture::GptNeox => list.gpt_neox(layer),
            Architecture::Crystal => list.crystal(layer),
        });
        let layers = layers.collect();
        let norm = list.norm(norm.into());
        Self {
            embedding: embedding.into(),
            layers,
            norm,
            head: Linear {
                inputs: d,
                parts: vec![head_part],
            },
            shapes: list.shapes,
            stored_tied_head: decoder.tied_head.then(|| head.into()),
        }
    }

    /// Whether a tensor that no product reads may lie in the file.
    pub(crate) fn ignorable(&self, name: &str) -> bool {
        // GPT-2's causal mask; the projections' biases end in `c_attn.bias` and `c_proj.bias`.
        name.ends_with(".attn.bias") || IGNORED.iter().any(|end| name.ends_with(end))
    }
}

/// Names under way to a table.
struct List<'a> {
    decoder: &'a Decoder,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl List<'_> {
    /// Every output of a matrix.
    fn whole(
        &mut self,
        weight: &str,
        bias: bool,
        orientation: Orientation,
        (inputs, outputs): (usize, usize),
    ) -> Part {
        let shape = match orientation {
            Orientation::OutIn => vec![outputs, inputs],
            Orientation::InOut => vec![inputs, outputs],
        };
        self.shapes.insert(weight.to_owned(), shape);
        let bias = bias.then(|| {
            let name = format!("{}bias", weight.strip_suffix("weight").unwrap_or(weight));
            self.shapes.insert(name.clone(), vec![outputs]);
            name
        });
        Part {
            weight: weight.to_owned(),
            bias,
            orientation,
            rows: Rows::From(0),
            outputs,
        }
    }

    fn norm(&mut self, prefix: String) -> NormTensors {
        let d = self.decoder.hidden;
        let gain = format!("{prefix}.weight");
        self.shapes.insert(gain.clone(), vec![d]);
        let bias = (self.decoder.norm == NormKind::Layer).then(|| {
            let name = format!("{prefix}.bias");
            self.shapes.insert(name.clone(), vec![d]);
            name
        });
        NormTensors { gain, bias }
    }

    fn llama(&mut self, layer: usize) -> LayerTensors {
        let decoder = self.decoder;
        let (d, q, kv, mlp) = (
            decoder.hidden,
            decoder.query_width(),
            decoder.kv_width(),
            decoder.mlp,
        );
        let at = |name: &str| format!("model.layers.{layer}.{name}");
        let norms = if decoder.architecture == Architecture::Olmo2 {
            ["post_attention_layernorm", "post_feedforward_layernorm"]
        } else {
            ["input_layernorm", "post_attention_layernorm"]
        };
        let qk_norm = decoder.qk_norm.then(|| {
            let gains = [
                ("self_attn.q_norm.weight", q),
                ("self_attn.k_norm.weight", kv),
            ];
            gains.map(|(name, width)| {
                self.shapes.insert(at(name), vec![width]);
                at(name)
            })
        });
        let mut linear = |inputs, parts: &[(&str, bool, usize)]| Linear {
            inputs,
            parts: parts
                .iter()
                .map(|&(name, bias, outputs)| {
                    let name = at(&format!("{name}.weight"));
                    self.whole(&name, bias, Orientation::OutIn, (inputs, outputs))
                })
                .collect(),
        };
        let (attention, second) = (decoder.attention_bias, decoder.mlp_bias);
        LayerTensors {
            qkv: linear(
                d,
                &[
                    ("self_attn.q_proj", attention, q),
                    ("self_attn.k_proj", attention, kv),
                    ("self_attn.v_proj", attention, kv),
                ],
            ),
            o: linear(q, &[("self_attn.o_proj", attention, d)]),
            mlp_in: linear(
                d,
                &[("mlp.gate_proj", second, mlp), ("mlp.up_proj", second, mlp)],
            ),
            down: linear(mlp, &[("mlp.down_proj", second, d)]),
            qk_norm,
            norms: norms.map(|name| self.norm(at(name))),
        }
    }

    fn gpt_neox(&mut self, layer: usize) -> LayerTensors {
        let decoder = self.decoder;
        let (d, q, mlp) = (decoder.hidden, decoder.query_width(), decoder.mlp);
        let at = |name: &str| format!("gpt_neox.layers.{layer}.{name}");
        let mut one = |name: &str, bias, inputs, outputs| {
            let part = self.whole(&at(name), bias, Orientation::OutIn, (inputs, outputs));
            Linear {
                inputs,
                parts: vec![part],
            }
        };
        let (attention, second) = (decoder.attention_bias, decoder.mlp_bias);
        let fused = one("attention.query_key_value.weight", attention, d, 3 * q);
        let part = |part| Part {
            rows: Rows::Interleaved {
                width: decoder.head_width,
                part,
            },
            outputs: q,
            ..fused.parts[0].clone()
        };
        LayerTensors {
            qkv: Linear {
                inputs: d,
                parts: vec![part(0), part(1), part(2)],
            },
            o: one("attention.dense.weight", attention, q, d),
            mlp_in: one("mlp.dense_h_to_4h.weight", second, d, mlp),
            down: one("mlp.dense_4h_to_h.weight", second, mlp, d),
            qk_norm: None,
            norms: ["input_layernorm", "post_attention_layernorm"].map(|name| self.norm(at(name))),
        }
    }

    fn crystal(&mut self, layer: usize) -> LayerTensors {
        let decoder = self.decoder;
        let (d, q, mlp) = (decoder.hidden, decoder.query_width(), decoder.mlp);
        let at = |name: &str| format!("transformer.h.{layer}.{name}");
        let mut linear = |inputs, parts: &[(&str, usize)]| Linear {
            inputs,
            parts: parts
                .iter()
                .map(|&(name, outputs)| {
                    let name = at(&format!("{name}.weight"));
                    self.whole(&name, true, Orientation::InOut, (inputs, outputs))
                })
                .collect(),
        };
        LayerTensors {
            // `[q | k | v]` already.
            qkv: linear(d, &[("attn.c_attn", 3 * q)]),
            o: linear(q, &[("attn.c_proj", d)]),
            // `silu(c_fc2) · c_fc`: the second is the gate.
            mlp_in: linear(d, &[("mlp.c_fc2", mlp), ("mlp.c_fc", mlp)]),
            down: linear(mlp, &[("mlp.c_proj", d)]),
            qk_norm: None,
            norms: ["ln_1", "ln_2"].map(|name| self.norm(at(name))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_heads_come_apart() {
        // Two heads of three: stored q0 k0 v0 q1 k1 v1, three rows each.
        let rows = |part| Rows::Interleaved { width: 3, part };
        let stored = |part| (0..6).map(|i| rows(part).stored(i)).collect::<Vec<_>>();
        assert_eq!(stored(0), [0, 1, 2, 9, 10, 11]);
        assert_eq!(stored(1), [3, 4, 5, 12, 13, 14]);
        assert_eq!(stored(2), [6, 7, 8, 15, 16, 17]);
    }
}
