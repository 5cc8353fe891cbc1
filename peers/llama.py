"""The Llama decoder that Glasswork trains, written a second time in plain PyTorch.

A peer, not the reference: it shares no code with the Rust engine and does not try to agree bit for
bit. Weights carry Hugging Face's names at the border. Inside, the query, key and value matrices lie
in one matrix, and so do gate and up: that is the quicker way to multiply, and the benchmark should
show PyTorch at its best.

Shapes: B batch, T positions, D hidden, H query heads, K key-value heads, W head width, F inner width
of the feed-forward part, V vocabulary.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The sizes of a model, under the names that run.toml gives them."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    mlp: int
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5
    tied_head: bool = False

    @property
    def head_width(self):
        return self.hidden // self.heads

    @classmethod
    def of_config(cls, path):
        """Reads a Hugging Face config.json; refuses what this file does not implement."""
        config = json.loads(Path(path).read_text(encoding="utf-8"))
        rope = config.get("rope_parameters") or {}
        unsupported = {
            "architecture": config.get("model_type") != "llama",
            "activation": config.get("hidden_act", "silu") != "silu",
            "bias": config.get("attention_bias", False) or config.get("mlp_bias", False),
            "rope scaling": bool(config.get("rope_scaling"))
            or rope.get("rope_type", "default") != "default",
        }
        if any(unsupported.values()):
            names = ", ".join(name for name, bad in unsupported.items() if bad)
            raise SystemExit(f"{path}: not a plain Llama ({names})")
        shape = cls(
            vocabulary=config["vocab_size"],
            hidden=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            kv_heads=config.get("num_key_value_heads", config["num_attention_heads"]),
            mlp=config["intermediate_size"],
            rope_theta=float(config.get("rope_theta") or rope.get("rope_theta", 10000.0)),
            norm_eps=config["rms_norm_eps"],
            tied_head=config.get("tie_word_embeddings", False),
        )
        if config.get("head_dim", shape.head_width) != shape.head_width:
            raise SystemExit(f"{path}: head_dim is not hidden_size / num_attention_heads")
        return shape


class Norm(nn.Module):
    """RMSNorm: x / sqrt(mean(x²) + eps) · weight (Zhang and Sennrich 2019)."""

    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return functional.rms_norm(x, self.weight.shape, self.weight, self.eps)


class Rotary(nn.Module):
    """Rotary positions over two halves: element i turns with element i + W/2."""

    def __init__(self, width, theta):
        super().__init__()
        self.width, self.theta = width, theta

    def tables(self, positions, like):
        exponents = torch.arange(0, self.width, 2, dtype=torch.float64) / self.width
        angles = torch.outer(torch.arange(positions, dtype=torch.float64), self.theta**-exponents)
        return angles.cos().to(like), angles.sin().to(like)

    @staticmethod
    def turn(x, cosine, sine):
        # Under autocast queries and keys come in bf16; f32 tables would lift the whole turn to f32.
        cosine, sine = cosine.to(x.dtype), sine.to(x.dtype)
        first, second = x.chunk(2, dim=-1)
        return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)


class Layer(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        packed_heads = shape.heads + 2 * shape.kv_heads
        self.attention_norm = Norm(shape.hidden, shape.norm_eps)
        self.qkv = nn.Linear(shape.hidden, packed_heads * shape.head_width, bias=False)
        self.output = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.mlp_norm = Norm(shape.hidden, shape.norm_eps)
        self.gate_up = nn.Linear(shape.hidden, 2 * shape.mlp, bias=False)
        self.down = nn.Linear(shape.mlp, shape.hidden, bias=False)

    def forward(self, x_BTD, cosine_TW, sine_TW):
        shape = self.shape
        batch, positions, _ = x_BTD.shape
        packed = self.qkv(self.attention_norm(x_BTD))
        packed = packed.view(batch, positions, -1, shape.head_width).transpose(1, 2)
        query, key, value = packed.split((shape.heads, shape.kv_heads, shape.kv_heads), dim=1)
        mixed = functional.scaled_dot_product_attention(
            Rotary.turn(query, cosine_TW, sine_TW),
            Rotary.turn(key, cosine_TW, sine_TW),
            value,
            is_causal=True,
            enable_gqa=shape.heads != shape.kv_heads,
        )
        x_BTD = x_BTD + self.output(mixed.transpose(1, 2).reshape(batch, positions, shape.hidden))
        gate, up = self.gate_up(self.mlp_norm(x_BTD)).chunk(2, dim=-1)
        return x_BTD + self.down(functional.silu(gate) * up)


class Llama(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.hidden, shape.norm_eps)
        self.head = nn.Linear(shape.hidden, shape.vocabulary, bias=False)
        if shape.tied_head:
            self.head.weight = self.embedding.weight
        self.rotary = Rotary(shape.head_width, shape.rope_theta)
        self._tables = None

    def tables(self, positions):
        """The angles' cosines and sines, [T, W/2], made once in f64 and rounded."""
        weight = self.embedding.weight
        if self._tables is None or self._tables[0].shape[0] != positions:
            self._tables = self.rotary.tables(positions, weight.detach())
        return self._tables

    def forward(self, ids_BT, targets_BT=None):
        """Logits [B, T, V]; with targets, the mean cross-entropy in nats."""
        cosine, sine = self.tables(ids_BT.shape[1])
        x_BTD = self.embedding(ids_BT)
        for layer in self.layers:
            x_BTD = layer(x_BTD, cosine, sine)
        logits_BTV = self.head(self.norm(x_BTD))
        if targets_BT is None:
            return logits_BTV
        # The loss is always taken in f32, whatever autocast gave the logits.
        return functional.cross_entropy(logits_BTV.flatten(0, 1).float(), targets_BT.flatten())

    def _places(self):
        """Yields (published name, our parameter, rows of it or None for all of it)."""
        shape = self.shape
        query, key = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
        yield "model.embed_tokens.weight", self.embedding.weight, None
        for index, layer in enumerate(self.layers):
            at = f"model.layers.{index}."
            yield at + "input_layernorm.weight", layer.attention_norm.weight, None
            yield at + "self_attn.q_proj.weight", layer.qkv.weight, slice(0, query)
            yield at + "self_attn.k_proj.weight", layer.qkv.weight, slice(query, query + key)
            yield at + "self_attn.v_proj.weight", layer.qkv.weight, slice(query + key, None)
            yield at + "self_attn.o_proj.weight", layer.output.weight, None
            yield at + "post_attention_layernorm.weight", layer.mlp_norm.weight, None
            yield at + "mlp.gate_proj.weight", layer.gate_up.weight, slice(0, shape.mlp)
            yield at + "mlp.up_proj.weight", layer.gate_up.weight, slice(shape.mlp, None)
            yield at + "mlp.down_proj.weight", layer.down.weight, None
        yield "model.norm.weight", self.norm.weight, None
        if not shape.tied_head:
            yield "lm_head.weight", self.head.weight, None

    def load(self, tensors):
        """Takes weights by their published names; every name must be there and no other."""
        places = list(self._places())
        wanted, given = {name for name, _, _ in places}, set(tensors)
        if wanted != given:
            raise SystemExit(
                f"weights do not fit: missing {sorted(wanted - given)}, unknown {sorted(given - wanted)}"
            )
        with torch.no_grad():
            for name, parameter, rows in places:
                target = parameter if rows is None else parameter[rows]
                if target.shape != tensors[name].shape:
                    raise SystemExit(
                        f"{name}: shape {list(tensors[name].shape)}, not {list(target.shape)}"
                    )
                target.copy_(tensors[name])

    def gradients(self):
        """The gradients after a backward pass, by published name."""
        return {
            name: parameter.grad if rows is None else parameter.grad[rows]
            for name, parameter, rows in self._places()
        }

    def adamw(self, rate, betas, epsilon, decay, fused=False):
        """AdamW whose decay spares the norms' vectors."""
        matrices = [p for p in self.parameters() if p.dim() >= 2]
        vectors = [p for p in self.parameters() if p.dim() < 2]
        return torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": decay},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=rate,
            betas=betas,
            eps=epsilon,
            fused=fused or None,
        )


def scheduled_rate(step, peak, final, warm_up, steps):
    """The learning rate of update `step` (from 1): linear to `peak`, then a cosine to `final`."""
    if step <= warm_up:
        return peak * step / warm_up
    share = (step - warm_up) / max(1, steps - warm_up)
    return final + 0.5 * (peak - final) * (1.0 + math.cos(math.pi * share))
