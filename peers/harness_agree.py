"""lm-evaluation-harness by itself, with our scorer as its model, and our own evaluation: the same tasks.

    python peers/harness_agree.py DIRECTORY [--programs target/release/examples]

DIRECTORY is made by harness_tasks.py. Compares documents, prompts, answers, decisions, log-likelihoods
(within 1e-4), metrics and standard errors; runs ours a second time, which must compute nothing. Prints a table.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SCRATCH = tempfile.TemporaryDirectory()
os.environ.update(
    HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HOME=SCRATCH.name, HF_DATASETS_CACHE=SCRATCH.name,
    TOKENIZERS_PARALLELISM="false", DISABLE_MULTIPROC="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1", TQDM_DISABLE="1")

import torch
from lm_eval import simple_evaluate
from lm_eval.api.model import TemplateLM
from lm_eval.loggers import EvaluationTracker
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

NAMES = ["peer_choice", "peer_rolling", "peer_generate", "peer_group", "peer_winogrande", "peer_japanese", "peer_last"]
TOLERANCE = 1e-4


class Served(TemplateLM):
    """Our scorer behind a pipe."""

    def __init__(self, program, model):
        super().__init__()
        self.process = subprocess.Popen(
            [program, "--model", model], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self.ask(about=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    @property
    def eot_token_id(self):
        return self.about["end"]

    @property
    def prefix_token_id(self):
        return self.about["prefix"]

    def tok_encode(self, string, add_special_tokens=None, **kwargs):
        special = not string.startswith(self.about["prefix_text"]) if add_special_tokens is None else add_special_tokens
        return self.ask(encode=string, special=special)

    def score(self, pairs):
        length = self.about["max_length"]
        cut = []
        for context, continuation in pairs:
            tokens = (context + continuation)[-(length + 1):]
            cut.append([tokens[: len(tokens) - len(continuation)], continuation])
        return self.ask(score=cut)

    def _loglikelihood_tokens(self, requests, disable_tqdm=False, **kwargs):
        return [tuple(answer) for answer in self.score([(c, t) for _, c, t in requests])]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        totals = []
        for request in requests:
            windows = get_rolling_token_windows(
                self.tok_encode(request.args[0]), self.prefix_token_id, self.about["max_length"], 1)
            pairs = [make_disjoint_window(window) for window in windows]
            totals.append(sum(value for value, _ in self.score(pairs)))
        return totals

    def generate_until(self, requests, disable_tqdm=False):
        texts = []
        for request in requests:
            context, how = request.args
            most, until = how["max_gen_toks"], [*how["until"], self.about["end_text"]]
            prompt = self.tok_encode(context)[-(self.about["max_length"] - most):]
            text = self.ask(decode=self.ask(generate=prompt, most=most, until=until))
            for stop in until:
                text = text.split(stop)[0]
            texts.append(text)
        return texts


def by_harness(model, directory, out):
    """Result and samples as the harness writes them into files."""
    tracker = EvaluationTracker(output_path=str(out))
    manager = TaskManager(include_path=str(directory / "tasks"), include_defaults=False)
    results = simple_evaluate(
        model=model, tasks=NAMES, task_manager=manager, log_samples=True, evaluation_tracker=tracker, batch_size=1)
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for name in results["configs"]:
        tracker.save_results_samples(task_name=name, samples=samples[name])
    (file,) = out.rglob("results_*.json")
    read = {name: lines(next(out.rglob(f"samples_{name}_*.jsonl"))) for name in results["configs"]}
    return json.loads(file.read_text()), read


def by_us(program, directory, out):
    command = [
        program, "--model", directory / "model", "--tasks", directory / "tasks", "--data", directory,
        "--names", ",".join(NAMES), "--out", out]
    said = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2)]
    results = json.loads((out / "results.json").read_text())
    samples = {name: lines(out / f"samples_{name}.jsonl") for name in results["configs"]}
    return results, samples, said[1].splitlines()[-1]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def numbers(answers):
    """All numbers of an answer, and what else it is."""
    if isinstance(answers, list):
        parts = [numbers(answer) for answer in answers]
        return [n for part in parts for n in part[0]], [o for part in parts for o in part[1]]
    if isinstance(answers, str) and answers.startswith("[") and answers.endswith("]"):
        # An array as NumPy prints it, where we write a list.
        with contextlib.suppress(ValueError):
            return [float(word) for word in answers[1:-1].split()], []
    try:
        return [float(answers)], []
    except (TypeError, ValueError):
        return [], [answers]


def same(ours, theirs):
    """The largest difference of two values of the same shape; None where they differ in more."""
    (a, b), (c, d) = numbers(ours), numbers(theirs)
    if b != d or len(a) != len(c):
        return None
    return max((abs(x - y) for x, y in zip(a, c, strict=True)), default=0.0)


def compare(name, ours, theirs, problems):
    """The largest difference of log-likelihoods and of documents' metrics."""
    (_, samples), (_, their_samples) = ours, theirs
    worst = 0.0
    key = lambda sample: (sample["filter"], sample["doc_id"])
    mine, others = sorted(samples[name], key=key), sorted(their_samples[name], key=key)
    if len(mine) != len(others):
        problems.append(f"{name}: {len(mine)} samples, not {len(others)}")
    for a, b in zip(mine, others, strict=False):
        where = f"{name} document {a['doc_id']}"
        for field in ("doc", "target", "arguments", "filter", "metrics", "doc_hash", "prompt_hash", "target_hash"):
            if a[field] != b[field]:
                problems.append(f"{where}: {field} {a[field]!r}, not {b[field]!r}")
        for field in ("resps", "filtered_resps", *b["metrics"]):
            off = same(a[field], b[field])
            if off is None or off > TOLERANCE:
                problems.append(f"{where}: {field} {a[field]!r}, not {b[field]!r}")
            worst = max(worst, off or 0.0)
    if list(a) != list(b):
        problems.append(f"{name}: keys of samples {list(a)}, not {list(b)}")
    return worst


def compare_results(ours, theirs, problems):
    """Largest relative difference of each task's metrics."""
    off = {}
    for name, entry in theirs["results"].items():
        mine = ours["results"].get(name, {})
        if set(mine) != set(entry):
            problems.append(f"{name}: has {sorted(mine)}, not {sorted(entry)}")
        off[name] = 0.0
        for key, value in entry.items():
            other = mine.get(key)
            if isinstance(value, float) and isinstance(other, (int, float)):
                relative = abs(other - value) / max(abs(value), 1e-9)
                off[name] = max(off[name], relative)
                # To the digits that the harness prints, and for perplexities as near as likelihoods allow.
                if round(other, 4) != round(value, 4) and relative > 1e-5:
                    problems.append(f"{name}: {key} {other}, not {value}")
            elif other != value:
                problems.append(f"{name}: {key} {other!r}, not {value!r}")
    for part in ("groups", "group_subtasks", "versions", "n-shot", "higher_is_better", "n-samples"):
        mine, other = ours.get(part), theirs.get(part)
        if part == "groups":
            mine, other = sorted(mine or {}), sorted(other or {})
        if mine != other:
            problems.append(f"{part}: {mine}, not {other}")
    for part in theirs:
        if part not in ours and part not in NOT_OURS:
            problems.append(f"results lack {part}")
    for name, config in theirs["configs"].items():
        differing = {key for key, value in config.items() if ours["configs"][name].get(key) != value}
        # Functions are shown as source, and files by where they lie.
        if differing - {"doc_to_text", "doc_to_target", "doc_to_choice", "fewshot_config", "metadata", "process_docs"}:
            problems.append(f"{name}: configuration differs in {sorted(differing)}")
    if "task_hashes" in theirs and ours["task_hashes"] != theirs["task_hashes"]:
        problems.append(f"task_hashes: {ours['task_hashes']}, not {theirs['task_hashes']}")
    return off


# About the machine and the harness itself.
NOT_OURS = {
    "pretty_env_info", "transformers_version", "upper_git_hash", "tokenizer_pad_token", "tokenizer_eos_token",
    "tokenizer_bos_token", "eot_token_id", "max_length", "model_source", "model_name_sanitized", "system_instruction",
    "system_instruction_sha", "fewshot_as_multiturn", "chat_template", "chat_template_sha", "start_time", "end_time",
    "total_evaluation_time_seconds"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--programs", type=Path, default=Path("target/release/examples"))
    arguments = parser.parse_args()
    directory, programs = arguments.directory.resolve(), arguments.programs.resolve()
    # The harness finds data files from where it runs.
    os.chdir(directory)
    torch.set_num_threads(2)
    scratch = Path(SCRATCH.name)
    alone = HFLM(pretrained=str(directory / "model"), device="cpu", dtype="float32", batch_size=1)
    theirs = by_harness(alone, directory, scratch / "alone")
    served = by_harness(Served(programs / "harness_serve", directory / "model"), directory, scratch / "served")
    results, samples, again = by_us(programs / "harness_run", directory, scratch / "ours")
    problems = []
    print(f"{'task':16} {'samples':>7} {'ours':>10} {'served':>10} {'metrics':>10}")
    off = compare_results(results, theirs[0], problems)
    off_served = compare_results(served[0], theirs[0], problems)
    for name in theirs[0]["configs"]:
        ours = compare(name, (results, samples), theirs, problems)
        through = compare(name, served, theirs, problems)
        most = max(off[name], off_served[name])
        print(f"{name:16} {len(samples[name]):7} {ours:10.2e} {through:10.2e} {most:10.2e}")
    if not again.startswith("computed 0 "):
        problems.append(f"a second run: {again}")
    print(f"second run: {again}")
    for problem in problems[:20]:
        print(problem)
    if problems:
        sys.exit(f"FAIL: {len(problems)} differences")
    print("PASS: the same documents, prompts, answers, decisions, metrics and standard errors")


if __name__ == "__main__":
    main()
