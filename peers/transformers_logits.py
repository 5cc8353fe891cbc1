"""Loads an exported checkpoint with `transformers` and compares its logits with Glasswork's.

    python peers/transformers_logits.py EXPORT_DIR LOGITS.safetensors

LOGITS.safetensors holds `input_ids` (I32 [b, t]) and `logits` (F32 [b, t, V]).
"""

import argparse
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

TOLERANCE = 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export")
    parser.add_argument("logits")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    options = parser.parse_args()

    logging.disable_progress_bar()
    ours = load_file(options.logits)
    ids = ours["input_ids"].long()
    tokenizer = AutoTokenizer.from_pretrained(options.export, local_files_only=True)
    model, loading = AutoModelForCausalLM.from_pretrained(
        options.export, dtype=torch.float32, local_files_only=True, output_loading_info=True
    )
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if loading.get(what):
            sys.exit(f"FAIL {options.export}: {what.replace('_', ' ')}: {sorted(loading[what])}")
    if len(tokenizer) > model.config.vocab_size:
        sys.exit(f"FAIL tokenizer has {len(tokenizer)} tokens, the model {model.config.vocab_size}")

    with torch.no_grad():
        theirs = model.eval()(input_ids=ids).logits
    if theirs.shape != ours["logits"].shape:
        sys.exit(f"FAIL shapes: ours {list(ours['logits'].shape)}, theirs {list(theirs.shape)}")
    difference = (theirs.double() - ours["logits"].double()).abs()
    largest = difference.max().item()
    same = (theirs.argmax(-1) == ours["logits"].argmax(-1)).double().mean().item()
    print(f"{type(model).__name__}, {sum(p.numel() for p in model.parameters()):,} parameters")
    print(f"text of the first row: {tokenizer.decode(ids[0].tolist())[:60]!r}")
    print(f"logits {list(theirs.shape)}, largest |theirs| {theirs.abs().max().item():.3f}")
    print(f"mean difference {difference.mean().item():.2e}, same likeliest token {same:.2%}")
    if not largest <= options.tolerance:
        sys.exit(f"FAIL logits: largest difference {largest:.2e} > {options.tolerance:g}")
    print(f"PASS logits: largest difference {largest:.2e}")


if __name__ == "__main__":
    main()
