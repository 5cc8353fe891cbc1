"""Crystal (LLM360's CrystalCoder) in plain PyTorch: `transformers` does not have it.

Written from what LLM360 publishes: `config.json` of the model, and the fine-tuning code in
`LLM360/crystalcoder-train` (`finetune/Megatron-LM`: the weight converter, the muP model, its rotary
embedding and the launch script). From there: GPT-2's names with `Conv1D` matrices `[in, out]`;
embeddings times `mup_embeddings_scale`; `q·k` over the head's width instead of its root; neighbours turn
together in the first `rotary_dim` elements of a head, base 10000; `silu(c_fc2) * c_fc`; logits times
`mup_output_alpha * mup_width_scale`; head tied to the embedding. The model's own Python file and its
weights were not at hand, so this is a peer of that reading and not of the published program.

Shapes: B batch, T positions, D hidden, H heads, W head width.
"""

import json
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

CONFIG = {
    "architectures": ["CrystalCoderLMHeadModel"],
    "model_type": "crystalcoder",
    "activation_function": "swiglu",
    "attn_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "resid_pdrop": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "layer_norm_epsilon": 1e-05,
    "mup_embeddings_scale": 14.6,
    "mup_output_alpha": 2.22,
    "mup_scale_qk_dot_by_d": True,
    "mup_width_scale": 0.0625,
    "n_embd": 4096,
    "n_head": 32,
    "n_inner": 10922,
    "n_layer": 32,
    "n_positions": 2048,
    "position_embedding_type": "rotary",
    "rotary_dim": 32,
    "scale_attn_weights": True,
    "tie_word_embeddings": True,
    "use_cache": True,
    "vocab_size": 32032,
}


class Conv1D(nn.Module):
    """A linear layer whose matrix lies [in, out], as GPT-2 stores it."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * inputs**-0.5)
        self.bias = nn.Parameter(torch.randn(outputs) * 0.1)

    def forward(self, x):
        return x @ self.weight + self.bias


def turn(x_BHTW, rotary):
    """Turns the first `rotary` elements of every head, neighbours as pairs."""
    positions = torch.arange(x_BHTW.shape[2], dtype=torch.float32)
    frequencies = 10000.0 ** -(torch.arange(0, rotary, 2, dtype=torch.float32) / rotary)
    angle = torch.outer(positions, frequencies)
    cosine, sine = angle.cos(), angle.sin()
    first, second = x_BHTW[..., :rotary:2], x_BHTW[..., 1:rotary:2]
    pairs = (first * cosine - second * sine, second * cosine + first * sine)
    return torch.cat((torch.stack(pairs, dim=-1).flatten(-2), x_BHTW[..., rotary:]), dim=-1)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config["n_embd"]
        self.heads, self.rotary = config["n_head"], config["rotary_dim"]
        self.c_attn = Conv1D(width, 3 * width)
        self.c_proj = Conv1D(width, width)

    def forward(self, x_BTD):
        batch, positions, width = x_BTD.shape
        parts = self.c_attn(x_BTD).split(width, dim=-1)
        head = (batch, positions, self.heads, width // self.heads)
        query, key, value = (part.view(head).transpose(1, 2) for part in parts)
        query, key = turn(query, self.rotary), turn(key, self.rotary)
        scores = query @ key.transpose(-1, -2) / (width // self.heads)
        later = torch.ones(positions, positions, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(later, float("-inf")).softmax(-1) @ value
        return self.c_proj(mixed.transpose(1, 2).reshape(batch, positions, width))


class Mlp(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.c_fc = Conv1D(config["n_embd"], config["n_inner"])
        self.c_fc2 = Conv1D(config["n_embd"], config["n_inner"])
        self.c_proj = Conv1D(config["n_inner"], config["n_embd"])

    def forward(self, x):
        return self.c_proj(functional.silu(self.c_fc2(x)) * self.c_fc(x))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config["n_embd"], eps=config["layer_norm_epsilon"])
        self.attn = Attention(config)
        self.ln_2 = nn.LayerNorm(config["n_embd"], eps=config["layer_norm_epsilon"])
        self.mlp = Mlp(config)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.wte = nn.Embedding(config["vocab_size"], config["n_embd"])
        self.h = nn.ModuleList(Layer(config) for _ in range(config["n_layer"]))
        self.ln_f = nn.LayerNorm(config["n_embd"], eps=config["layer_norm_epsilon"])


class Crystal(nn.Module):
    def __init__(self, **changes):
        super().__init__()
        self.config = {**CONFIG, **changes}
        self.transformer = Transformer(self.config)
        if not self.config["tie_word_embeddings"]:
            self.lm_head = nn.Linear(self.config["n_embd"], self.config["vocab_size"], bias=False)

    def forward(self, tokens_BT):
        x = self.transformer.wte(tokens_BT) * self.config["mup_embeddings_scale"]
        for layer in self.transformer.h:
            x = layer(x)
        x = self.transformer.ln_f(x)
        tied = self.config["tie_word_embeddings"]
        head = self.transformer.wte.weight if tied else self.lm_head.weight
        scale = self.config["mup_output_alpha"] * self.config["mup_width_scale"]
        return functional.linear(x, head) * scale

    def save(self, folder, parts=3):
        """A folder as `transformers` would save it, in `parts` shards with their index."""
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(self.config, indent=2), encoding="utf-8")
        tensors = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        names = list(tensors)
        places = {}
        for part in range(parts):
            file = f"model-{part + 1:05}-of-{parts:05}.safetensors"
            mine = names[part::parts]
            save_file({name: tensors[name] for name in mine}, folder / file, {"format": "pt"})
            places.update(dict.fromkeys(mine, file))
        index = {"metadata": {}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
