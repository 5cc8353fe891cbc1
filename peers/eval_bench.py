"""lm-evaluation-harness with `transformers`, timed: the other side of the example `eval_rate`.

    python peers/eval_bench.py --eval DIRECTORY --models 1b --batch 1          told what to do on stdin

DIRECTORY is made by eval_tasks.py. Tasks are read once, the harness and torch are imported once; each line `go N`
makes it evaluate all tasks N times on every checkpoint below the named folder, each opened anew, and print one JSON
line. It exits with 0 when stdin ends.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

SCRATCH = tempfile.TemporaryDirectory()
os.environ.update(
    HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HOME=SCRATCH.name, HF_DATASETS_CACHE=SCRATCH.name,
    TOKENIZERS_PARALLELISM="false", DISABLE_MULTIPROC="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1", TQDM_DISABLE="1")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--eval", type=Path, required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    # What is said goes where the other programs say it; the harness prints much.
    said, sys.stdout = sys.stdout, sys.stderr

    def say(**fields):
        print(json.dumps(fields), file=said, flush=True)

    import torch
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    # The harness finds data files from where it runs.
    os.chdir(options.eval)
    folder = Path(options.models)
    models = [folder] if (folder / "config.json").exists() else sorted(folder.iterdir())
    manager = TaskManager(include_path="tasks", include_defaults=False)
    names = sorted(path.stem for path in Path("tasks").iterdir())

    def evaluate(model, limit=None):
        # dtype as stored, which is the harness's default.
        opened = HFLM(pretrained=str(model), device="cpu", batch_size=options.batch)
        results = simple_evaluate(
            model=opened, tasks=names, task_manager=manager, limit=limit, bootstrap_iters=0, log_samples=True)
        return sum(results["n-samples"][name]["effective"] for name in names)

    evaluate(models[0], limit=1)
    say(event="ready")
    for line in sys.stdin:
        count = int(line.removeprefix("go "))
        start = time.perf_counter()
        documents = sum(evaluate(model) for _ in range(count) for model in models)
        elapsed = time.perf_counter() - start
        say(
            event="evaluated", documents=documents, seconds=round(elapsed, 3),
            documents_per_minute=round(60 * documents / elapsed, 2),
            # ru_maxrss is in KiB on Linux.
            peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()
