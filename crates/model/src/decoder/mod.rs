//! What a decoder computes, whatever its family: one description for the blocks in `scoring`.
//!
//! A description comes from a Hugging Face `config.json` (`parse.rs`); where a family keeps its
//! weights stands in `tensors.rs`.

mod keys;
mod parse;
mod tensors;

pub(crate) use tensors::{LayerTensors, Linear, NormTensors, Orientation, Part, Rows, Tensors};

use crate::ModelConfig;
use glasswork_kernels::rope::Layout;
use std::collections::BTreeMap;

/// A family of decoders: how its files name the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Llama (Touvron et al., arXiv 2302.13971): Amber, K2.
    Llama,
    /// GPT-NeoX (Black et al., arXiv 2204.06745): Pythia.
    GptNeox,
    /// OLMo 2 (arXiv 2501.00656).
    Olmo2,
    /// CrystalCoder of LLM360: GPT-2's names, rotary positions, SwiGLU, muP.
    Crystal,
}

impl Architecture {
    /// Every `model_type`.
    pub const NAMES: [&'static str; 4] = ["llama", "gpt_neox", "olmo2", "crystalcoder"];

    /// The `model_type` of `config.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::GptNeox => "gpt_neox",
            Self::Olmo2 => "olmo2",
            Self::Crystal => "crystalcoder",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::Llama, Self::GptNeox, Self::Olmo2, Self::Crystal]
            .into_iter()
            .find(|architecture| architecture.name() == name)
    }
}

/// How rows are normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// By the root of the mean square, with a gain.
    Rms,
    /// By mean and variance, with a gain and a bias.
    Layer,
}

/// Where a layer's two norms stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Before each half: `x₂ = x + attention(norm(x))`, `y = x₂ + mlp(norm(x₂))`.
    Before,
    /// After each half: `x₂ = x + norm(attention(x))`, `y = x₂ + norm(mlp(x₂))`.
    After,
    /// Both halves read the layer's input: `y = x + attention(norm₁(x)) + mlp(norm₂(x))`.
    Parallel,
}

/// What stands between the two products of the second half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `silu(gate) · up`.
    SwiGlu,
    /// GELU by the error function.
    GeluErf,
    /// GELU by tanh.
    GeluTanh,
}

impl Activation {
    /// Columns of the first product for each column of the second one's input.
    pub fn widening(self) -> usize {
        match self {
            Self::SwiGlu => 2,
            Self::GeluErf | Self::GeluTanh => 1,
        }
    }
}

/// Rotary positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotation {
    /// Base of the frequencies.
    pub theta: f64,
    /// Elements at the start of each head that turn; even.
    pub width: usize,
    /// Which of them turn together.
    pub layout: Layout,
}

/// Constant factors: those of muP (Yang et al., arXiv 2203.03466), 1 where there are none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors {
    /// Of the embedding's rows.
    pub embedding: f32,
    /// Of `q·k`.
    pub attention: f32,
    /// Of the logits.
    pub logits: f32,
}

/// A decoder: shapes, blocks, constants.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoder {
    /// The family, for the tensors' names.
    pub architecture: Architecture,
    /// Rows of the embedding table and of the head.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads; divides `heads`.
    pub kv_heads: usize,
    /// Elements of a head.
    pub head_width: usize,
    /// Width between the two products of the second half.
    pub mlp: usize,
    /// Longest sequence, in tokens.
    pub positions: usize,
    /// Kind of every norm of the residual stream.
    pub norm: NormKind,
    /// ε of the norms.
    pub epsilon: f32,
    /// Where they stand.
    pub placement: Placement,
    /// Whether all queries and all keys of a row are each RMS-normed before they turn.
    pub qk_norm: bool,
    /// Whether attention's products have biases.
    pub attention_bias: bool,
    /// Whether the second half's products have biases.
    pub mlp_bias: bool,
    /// Between the second half's products.
    pub activation: Activation,
    /// Rotary positions.
    pub rotation: Rotation,
    /// Whether the head is the embedding table.
    pub tied_head: bool,
    /// Constant factors.
    pub factors: Factors,
    /// Token that texts begin with: `bos_token_id`, else the one that ends them.
    pub first_token: Option<u32>,
}

/// The usual factor of `q·k`.
pub(crate) fn root_scale(head_width: usize) -> f32 {
    (1.0 / (head_width as f64).sqrt()) as f32
}

impl Decoder {
    /// Elements of all query heads.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_width
    }

    /// Elements of all key heads, or all value heads.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_width
    }

    /// Elements of a row of queries, keys and values.
    pub fn qkv_width(&self) -> usize {
        self.query_width() + 2 * self.kv_width()
    }

    /// Weights of one layer's products.
    pub fn layer_matmul_parameters(&self) -> u64 {
        let (d, mlp) = (self.hidden as u64, self.mlp as u64);
        let attention = self.qkv_width() as u64 + self.query_width() as u64;
        d * (attention + (self.activation.widening() as u64 + 1) * mlp)
    }

    /// Floating-point operations of the forward pass over one token of a sequence of `length`: two per
    /// weight of a product, and causal attention.
    pub fn forward_flops_per_token(&self, length: usize) -> u64 {
        let layer = 2 * self.layer_matmul_parameters() + 2 * (self.query_width() * length) as u64;
        self.layers as u64 * layer + 2 * (self.hidden * self.vocabulary) as u64
    }

    /// Name and shape of every tensor that a folder of this decoder holds, by name.
    pub fn tensor_shapes(&self) -> BTreeMap<String, Vec<usize>> {
        Tensors::new(self).shapes
    }

    /// The description of a model that this crate trains.
    pub fn of_config(config: &ModelConfig) -> Self {
        let head_width = config.head_width();
        Self {
            architecture: Architecture::Llama,
            vocabulary: config.vocabulary,
            hidden: config.hidden,
            layers: config.layers,
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_width,
            mlp: config.mlp,
            positions: config.sequence,
            norm: NormKind::Rms,
            epsilon: config.norm_eps,
            placement: Placement::Before,
            qk_norm: false,
            attention_bias: false,
            mlp_bias: false,
            activation: Activation::SwiGlu,
            rotation: Rotation {
                theta: config.rope_theta,
                width: head_width,
                layout: Layout::Halves,
            },
            tied_head: false,
            factors: Factors {
                embedding: 1.0,
                attention: root_scale(head_width),
                logits: 1.0,
            },
            first_token: None,
        }
    }
}
