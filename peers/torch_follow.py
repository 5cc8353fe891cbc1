"""Trains the first steps of a run a second time, in PyTorch, and compares the losses.

    python peers/torch_follow.py RELEASE [--steps 20]

Starts from the weights of checkpoint 0, takes the batches from data/sequence, and follows run.toml:
AdamW (decay on matrices only), warm-up and cosine, clipping by global norm. The loss of each step
must stay within the tolerance of metrics/steps.parquet, in absolute nats.
"""

import argparse
import sys

import torch

from llama import Llama, Shape, scheduled_rate
from release_reader import Release

TOLERANCE = 1e-3
RATE_TOLERANCE = 1e-6  # relative; run.toml is exact, metrics hold f32


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE)
    options = parser.parse_args()

    release = Release(options.release)
    settings, steps = release.run["optimizer"], release.run["training"]["steps"]
    metrics = release.metrics()
    model = Llama(Shape.of_config(release.checkpoint(0) / "config.json"))
    model.load(release.weights(0))
    optimizer = model.adamw(
        settings["learning_rate"],
        (settings["beta1"], settings["beta2"]),
        settings["epsilon"],
        settings["weight_decay"],
    )

    print(f"{'step':>4}  {'ours':>10}  {'PyTorch':>10}  {'difference':>10}  {'norm':>8}  {'rate':>9}")
    failures, worst = [], 0.0
    for step in range(1, min(options.steps, steps) + 1):
        if step not in metrics.index:
            sys.exit(f"FAIL {options.release}: metrics/steps.parquet ends before step {step}")
        row = metrics.loc[step]
        rate = scheduled_rate(
            step,
            settings["learning_rate"],
            settings["final_learning_rate"],
            settings["warm_up_steps"],
            steps,
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        tokens = torch.from_numpy(release.batch(step))
        loss = model(tokens[:, :-1], tokens[:, 1:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings["clip"])
        optimizer.step()

        difference = abs(loss.item() - row["loss"])
        worst = max(worst, difference)
        bad = not difference <= options.tolerance
        print(
            f"{step:>4}  {row['loss']:10.6f}  {loss.item():10.6f}  {difference:10.2e}  "
            f"{norm.item():8.4f}  {rate:9.3e}{'  FAIL' if bad else ''}"
        )
        if bad:
            failures.append(f"step {step}: losses differ by {difference:.2e} > {options.tolerance:g}")
        if not abs(row["learning_rate"] - rate) <= RATE_TOLERANCE * rate:
            failures.append(f"step {step}: learning rate {row['learning_rate']:.9g}, expected {rate:.9g}")
        if not abs(row["grad_norm"] - norm.item()) <= 1e-2 * norm.item():
            failures.append(f"step {step}: gradient norm {row['grad_norm']:.6g}, PyTorch {norm.item():.6g}")
    if failures:
        sys.exit("FAIL follow\n  " + "\n  ".join(failures))
    print(f"PASS follow: largest difference of a loss {worst:.2e}")


if __name__ == "__main__":
    main()
