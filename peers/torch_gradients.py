"""Compares Glasswork's gradients of one batch with PyTorch's, tensor by tensor.

    python peers/torch_gradients.py STEP.safetensors RELEASE [--checkpoint 0 | --weights DIR]

STEP.safetensors holds `tokens` (I32 [B, T+1]), `loss` (one element) and `grad.<weight name>`, taken
at that checkpoint's weights before any clipping. Error of a tensor: ‖ours − theirs‖ / ‖theirs‖
against PyTorch in f32. Both are shown against PyTorch in f64 too, which tells rounding from mistakes.
"""

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from llama import Llama, Shape
from release_reader import Release

TOLERANCE = 1e-3
LOSS_TOLERANCE = 1e-4


def backward(directory, tokens, kind):
    model = Llama(Shape.of_config(directory / "config.json")).to(kind)
    model.load(load_file(directory / "model.safetensors"))
    loss = model(tokens[:, :-1], tokens[:, 1:])
    loss.backward()
    return loss.item(), {name: grad.double() for name, grad in model.gradients().items()}


def distance(a, b):
    """‖a − b‖ / ‖b‖; equal tensors have none, though they be zero."""
    difference, size = (a - b).norm().item(), b.norm().item()
    return difference / size if size else (0.0 if difference == 0.0 else float("inf"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step")
    parser.add_argument("release")
    parser.add_argument("--checkpoint", type=int, default=0, help="step whose weights were used")
    parser.add_argument("--weights", help="a checkpoint directory, instead of --checkpoint")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    options = parser.parse_args()

    if options.weights:
        directory = Path(options.weights)
    else:
        directory = Release(options.release).checkpoint(options.checkpoint)
    ours = load_file(options.step)
    tokens = ours["tokens"].long()
    loss32, grads32 = backward(directory, tokens, torch.float32)
    loss64, grads64 = backward(directory, tokens, torch.float64)
    loss = ours["loss"].double().item()

    names = {name.removeprefix("grad.") for name in ours if name.startswith("grad.")}
    if names != set(grads32):
        missing, unknown = sorted(set(grads32) - names), sorted(names - set(grads32))
        sys.exit(f"FAIL {options.step}: gradients missing {missing}, unknown {unknown}")

    print(f"batch {list(tokens.shape)}, loss: ours {loss:.7f}, PyTorch {loss32:.7f}, in f64 {loss64:.7f}")
    width = max(map(len, names))
    print(f"{'tensor':<{width}}  {'ours/f32':>9}  {'ours/f64':>9}  {'f32/f64':>9}")
    failures, worst = [], 0.0
    for name in sorted(names):
        mine = ours["grad." + name].double()
        if mine.shape != grads32[name].shape:
            failures.append(f"{name}: shape {list(mine.shape)}, not {list(grads32[name].shape)}")
            continue
        error = distance(mine, grads32[name])
        worst = max(worst, error) if error == error else float("nan")
        bad = not error <= options.tolerance  # NaN fails too
        print(
            f"{name:<{width}}  {error:9.2e}  {distance(mine, grads64[name]):9.2e}  "
            f"{distance(grads32[name], grads64[name]):9.2e}{'  FAIL' if bad else ''}"
        )
        if bad:
            failures.append(f"{name}: relative error {error:.2e} > {options.tolerance:g}")
    if not abs(loss - loss32) <= LOSS_TOLERANCE:
        failures.append(f"loss: ours {loss!r}, PyTorch {loss32!r}")
    if failures:
        sys.exit("FAIL gradients\n  " + "\n  ".join(failures))
    print(f"PASS gradients: {len(names)} tensors, largest relative error {worst:.2e}")


if __name__ == "__main__":
    main()
