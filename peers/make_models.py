"""Writes the models that `cargo xtask bench score` scores with: known shapes, random weights, bf16.

    python peers/make_models.py target/bench/models 7b-2-layers 1b

One folder a model, as `transformers` saves it: `config.json` and one `model.safetensors`. A folder
that stands already, made by the same transformers with the same shape, is left alone: the weights
are a function of shape and seed, and their speed is that of any weights.
"""

import argparse
import json
import os
import shutil
from pathlib import Path

# Shapes of Llama 2 7B, cut to two of its 32 layers, and of TinyLlama 1.1B, whole.
SHAPES = {
    "7b-2-layers": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 2,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
    },
    "1b": {
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 22,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
    },
}
SEED = 1


def make(folder, shape):
    import torch
    import transformers

    stamp = folder / "made.json"
    made = json.dumps({"shape": shape, "seed": SEED, "transformers": transformers.__version__})
    if stamp.exists() and stamp.read_text(encoding="utf-8") == made:
        return "there already"
    # Written beside its place and renamed, so that an interrupted run leaves no half model.
    unfinished = folder.with_name(folder.name + ".unfinished")
    for old in (folder, unfinished):
        shutil.rmtree(old, ignore_errors=True)
    torch.manual_seed(SEED)
    torch.set_default_dtype(torch.bfloat16)
    config = transformers.LlamaConfig(
        vocab_size=32000,
        max_position_embeddings=2048,
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        dtype="bfloat16",
        **shape,
    )
    model = transformers.LlamaForCausalLM(config)
    model.save_pretrained(unfinished, max_shard_size="100GB")
    (unfinished / "made.json").write_text(made, encoding="utf-8")
    os.rename(unfinished, folder)
    return f"made, {model.num_parameters() / 1e6:.0f}M parameters"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="+", choices=sorted(SHAPES))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.models:
        print(f"{name}: {make(options.folder / name, SHAPES[name])}", flush=True)


if __name__ == "__main__":
    main()
