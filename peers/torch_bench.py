"""PyTorch's training step, timed: the other side of `cargo xtask bench train`.

    python peers/torch_bench.py --size S --mode eager --threads 2              told what to do on stdin
    python peers/torch_bench.py --size S --mode eager --threads 2 --steps 10   ten steps, then exits
    python peers/torch_bench.py --size S --mode compile --precision bf16       under bf16 autocast

After warm-up it prints one JSON line with "event": "ready". Each line `go N` on stdin makes it run N
steps and print one JSON line with "event": "steps"; between them it waits and computes nothing, so
that a bench can let two programs take turns in one run. It exits with 0 when stdin ends.

One step: next-token loss of a batch of random tokens (weights and loss in f32; the products in bf16
where autocast says so), backward, clip to norm 1, fused AdamW. The clock covers all of it,
`loss.item()` included, but not the making of the batch.

Peak memory is told twice: of the whole process, and of the steps after warm-up alone, which leaves
out what compiling took.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

# hidden, layers, heads, inner width, vocabulary, sequence, batch
SIZES = {
    "S": (256, 6, 4, 688, 8192, 256, 16),
    "M": (512, 8, 8, 1376, 8192, 512, 8),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=sorted(SIZES), default="S")
    parser.add_argument("--mode", choices=("eager", "compile"), default="eager")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warm-up", type=int, default=3, help="steps before the first clock")
    parser.add_argument("--steps", type=int, help="run so many and exit, without reading stdin")
    return parser.parse_args()


def say(**fields):
    print(json.dumps(fields), flush=True)


def peak_mib():
    # ru_maxrss is in KiB on Linux.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def forget_peak():
    """Lets the kernel's high-water mark start again from what is held now, where it can."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def peak_since_mib():
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) // 1024 for line in file if line.startswith("VmHWM:"))
    except OSError:
        return peak_mib()


def main():
    options = arguments()
    # Both are read when torch is loaded, so they come before the import.
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = str(options.threads)
    import torch

    from llama import Llama, Shape

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    hidden, layers, heads, mlp, vocabulary, sequence, batch = SIZES[options.size]
    model = Llama(Shape(vocabulary, hidden, layers, heads, heads, mlp))
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.02)
    model.tables(sequence)
    optimizer = model.adamw(1e-3, (0.9, 0.95), 1e-8, 0.1, fused=True)
    loss_of = torch.compile(model) if options.mode == "compile" else model

    def step():
        tokens = torch.randint(vocabulary, (batch, sequence + 1))
        inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.precision == "bf16"):
            loss = loss_of(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        value = loss.item()
        elapsed = time.perf_counter() - start
        if value != value:
            sys.exit("the loss became NaN")
        return elapsed

    # Work of a token: 6 per weight of a product (the embedding is none), and causal attention.
    parameters = sum(p.numel() for p in model.parameters())
    products = sum(p.numel() for p in model.parameters() if p.dim() == 2) - vocabulary * hidden
    token_flops = 6 * products + 6 * layers * hidden * sequence

    def report(count):
        seconds = [step() for _ in range(count)]
        median = statistics.median(seconds)
        say(
            event="steps",
            steps=count,
            milliseconds=[round(1e3 * each, 2) for each in seconds],
            median_ms=round(1e3 * median, 2),
            tokens_per_second=round(batch * sequence / median, 1),
            gflops=round(token_flops * batch * sequence / median / 1e9, 1),
            peak_rss_mib=max(whole_peak, peak_mib()),
            step_peak_mib=peak_since_mib(),
        )

    start = time.perf_counter()
    for _ in range(max(1, options.warm_up)):
        step()
    whole_peak = peak_mib()
    forget_peak()
    say(
        event="ready",
        engine=f"torch {torch.__version__} {options.mode} {options.precision}",
        size=options.size,
        threads=options.threads,
        parameters=parameters,
        tokens_per_step=batch * sequence,
        token_flops=token_flops,
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
