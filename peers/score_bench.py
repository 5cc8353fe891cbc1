"""Scoring with `transformers`, timed: the other side of the example `score_rate`.

    python peers/score_bench.py --model DIRECTORY --threads 2              told what to do on stdin
    python peers/score_bench.py --model DIRECTORY --threads 2 --steps 3    three batches, then exits

Loads a model folder, in bf16 by default, and scores batches of random tokens: forward, log-softmax in
f32, gather. After one batch to warm up it prints one JSON line with "event": "ready"; each line `go N` on
stdin makes it score N batches and print one JSON line with "event": "steps". It exits with 0 when stdin
ends.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--steps", type=int, help="score so many batches and exit")
    return parser.parse_args()


def say(**fields):
    print(json.dumps(fields), flush=True)


def main():
    options = arguments()
    # Read when torch is loaded, so it comes before the import.
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(
        options.model, dtype=getattr(torch, options.dtype), local_files_only=True
    ).eval()

    def score():
        tokens = torch.randint(model.config.vocab_size, (options.batch, options.length + 1))
        start = time.perf_counter()
        with torch.no_grad():
            logits = model(input_ids=tokens[:, :-1], use_cache=False).logits
            chosen = logits.float().log_softmax(-1).gather(-1, tokens[:, 1:, None])
            total = chosen.sum((1, 2)).tolist()
        elapsed = time.perf_counter() - start
        if any(value != value for value in total):
            sys.exit("a log-likelihood became NaN")
        return elapsed

    def report(count):
        seconds = [score() for _ in range(count)]
        median = statistics.median(seconds)
        say(
            event="steps",
            steps=count,
            milliseconds=[round(1e3 * each, 2) for each in seconds],
            median_ms=round(1e3 * median, 2),
            tokens_per_second=round(options.batch * options.length / median, 1),
            # ru_maxrss is in KiB on Linux.
            peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        )

    start = time.perf_counter()
    score()
    say(
        event="ready",
        engine=f"transformers, torch {torch.__version__}",
        dtype=options.dtype,
        threads=options.threads,
        warm_up_seconds=round(time.perf_counter() - start, 1),
    )
    if options.steps:
        report(options.steps)
        return
    for line in sys.stdin:
        match line.split():
            case ["go", count] if count.isdigit() and int(count) > 0:
                report(int(count))
            case []:
                continue
            case _:
                sys.exit(f"expected `go N`, got {line.strip()!r}")


if __name__ == "__main__":
    main()
