"""PyTorch's matrix product, timed: the other side of `cargo xtask bench gemm`.

    python peers/torch_gemm.py --m 4096 --n 512 --k 1376 --threads 2 --precision f32

C = A·B with A of m × k and B of k × n, both row-major, into a C that is there already: what
`crates/kernels/examples/gemm_rate.rs` times on our side. It prints one JSON line with
"event": "ready"; each line `go N` on stdin makes it run N products and print one JSON line with
"event": "products". Between them it computes nothing. It exits with 0 when stdin ends.
"""

import argparse
import json
import os
import statistics
import sys
import time


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in "mnk":
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    return parser.parse_args()


def say(**fields):
    print(json.dumps(fields), flush=True)


def main():
    options = arguments()
    # Read when torch is loaded, so they come before the import.
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    kind = torch.bfloat16 if options.precision == "bf16" else torch.float32
    a = (torch.rand(options.m, options.k) - 0.5).to(kind)
    b = (torch.rand(options.k, options.n) - 0.5).to(kind)
    c = torch.empty(options.m, options.n, dtype=kind)

    def product():
        start = time.perf_counter()
        torch.mm(a, b, out=c)
        return time.perf_counter() - start

    # The first product chooses kernels and touches C's pages.
    for _ in range(2):
        product()
    work = 2 * options.m * options.n * options.k
    say(event="ready", engine=f"torch {torch.__version__} {options.precision}")
    for line in sys.stdin:
        match line.split():
            case ["go", count] if count.isdigit() and int(count) > 0:
                median = statistics.median(product() for _ in range(int(count)))
                say(
                    event="products",
                    products=int(count),
                    median_ms=round(1e3 * median, 4),
                    gflops=round(work / median / 1e9, 1),
                )
            case []:
                continue
            case _:
                sys.exit(f"expected `go N`, got {line.strip()!r}")


if __name__ == "__main__":
    main()
