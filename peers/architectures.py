"""Small random models of every architecture that Glasswork scores, with the logits that they give here.

    python peers/architectures.py DIRECTORY

Makes DIRECTORY/NAME, a folder as `transformers` saves it (crystal.py for Crystal, which it lacks), in
small shards, for all but Crystal the same as `.bin` files too (NAME-bin, NAME-old-bin), and
DIRECTORY/NAME.expected.safetensors: `tokens` (I32 [b, t]), `logits` (F32 [b, t, V]) and
`log_likelihood` (F64 [b], of every token after the first). The example `architectures` of
`glasswork-model` computes the same and compares.

Weights are drawn so that logits are of order one: with the usual small initialisation a wrong rotation
would hide below the tolerance.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import torch
from crystal import Crystal
from huggingface_hub import save_torch_state_dict
from safetensors.torch import load_file, save_file
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
)
from transformers.utils import logging

SIZES = {"vocab_size": 323, "num_hidden_layers": 3, "max_position_embeddings": 96}


def models():
    """(name, model, type that its weights are stored in)."""
    llama = {"hidden_size": 72, "intermediate_size": 136, "num_attention_heads": 6, **SIZES}
    neox = {"hidden_size": 64, "intermediate_size": 200, "num_attention_heads": 4, **SIZES}
    yield "llama", LlamaForCausalLM(LlamaConfig(**llama)), torch.float32
    grouped = LlamaConfig(**llama, num_key_value_heads=2, head_dim=20, rope_parameters={
        "rope_type": "default", "rope_theta": 500000.0})
    yield "llama-grouped", LlamaForCausalLM(grouped), torch.bfloat16
    yield "llama-tied", LlamaForCausalLM(LlamaConfig(**llama, tie_word_embeddings=True)), torch.float16
    yield "neox", GPTNeoXForCausalLM(GPTNeoXConfig(**neox)), torch.float32
    serial = GPTNeoXConfig(**neox, use_parallel_residual=False, rotary_pct=1.0, hidden_act="gelu_new")
    yield "neox-serial", GPTNeoXForCausalLM(serial), torch.bfloat16
    plain = GPTNeoXConfig(**neox, attention_bias=False)
    yield "neox-plain", GPTNeoXForCausalLM(plain), torch.float16
    yield "olmo2", Olmo2ForCausalLM(Olmo2Config(**llama, num_key_value_heads=3)), torch.float32
    sizes = {"n_embd": 64, "n_head": 4, "n_inner": 138, "n_layer": 3, "vocab_size": 323}
    sizes.update(rotary_dim=8, n_positions=96)
    yield "crystal", Crystal(**sizes), torch.float32
    yield "crystal-untied", Crystal(**sizes, tie_word_embeddings=False), torch.bfloat16


def draw(model, generator):
    """Matrices of unit gain, gains around one, biases around zero."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() == 2:
            parameter.data = noise * parameter.shape[-1] ** -0.5
        elif name.endswith("bias"):
            parameter.data = 0.2 * noise
        else:
            parameter.data = 1 + 0.2 * noise


def as_torch_saves(directory, name, expected):
    """The same weights as `.bin` files: in shards, and whole in the format from before PyTorch 1.6."""
    weights = {}
    for shard in sorted((directory / name).glob("*.safetensors")):
        weights.update(load_file(shard))
    for kind in ("bin", "old-bin"):
        folder = directory / f"{name}-{kind}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.copy(directory / name / "config.json", folder)
        if kind == "bin":
            save_torch_state_dict(
                weights, folder, filename_pattern="pytorch_model{suffix}.bin", max_shard_size="60KB",
                safe_serialization=False)
        else:
            torch.save(weights, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
        save_file(expected, directory / f"{name}-{kind}.expected.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(11111)
    directory.mkdir(parents=True, exist_ok=True)
    for name, model, stored in models():
        draw(model, generator)
        # What is stored is what is computed with: rounded by saving, widened by loading again.
        model = model.to(stored)
        if isinstance(model, Crystal):
            model.save(directory / name)
            model = model.float()
        else:
            model.save_pretrained(directory / name, max_shard_size="60KB")
            model = type(model).from_pretrained(directory / name, dtype=torch.float32)
        model.eval()
        tokens = torch.randint(323, (3, 45), generator=generator)
        with torch.no_grad():
            output = model(tokens)
        logits = output if isinstance(output, torch.Tensor) else output.logits
        if not 0.1 < logits.std() < 50:
            sys.exit(f"FAIL {name}: logits have a deviation of {logits.std():.3g}; draw other weights")
        loss = logits[:, :-1].double().log_softmax(-1).gather(-1, tokens[:, 1:, None])
        expected = {
            "tokens": tokens.int(),
            "logits": logits.contiguous(),
            "log_likelihood": loss.sum((1, 2)),
        }
        save_file(expected, directory / f"{name}.expected.safetensors")
        if not isinstance(model, Crystal):
            as_torch_saves(directory, name, expected)
        print(f"{name}: {stored}, deviation of the logits {logits.std():.3f}")
    print("PASS made")


if __name__ == "__main__":
    main()
