"""Reads a Glasswork release with nothing but the field's usual libraries.

What a stranger would write after reading docs/release-format.md: it imports no Glasswork code.
"""

import tomllib
from pathlib import Path

import numpy
import pandas


class Release:
    def __init__(self, directory):
        self.directory = Path(directory)
        if not (self.directory / "run.toml").is_file():
            raise SystemExit(f"{directory}: no run.toml here, so this is not a release")
        self.run = tomllib.loads((self.directory / "run.toml").read_text(encoding="utf-8"))

    def path(self, *parts):
        return self.directory.joinpath(*parts)

    def chunks(self):
        """The sequence files in training order, each [rows, T + 1]."""
        paths = sorted(self.path("data", "sequence").glob("chunk-*.npy"))
        if not paths:
            raise SystemExit(f"{self.directory}: no data/sequence/chunk-*.npy")
        return [numpy.load(path, mmap_mode="r", allow_pickle=False) for path in paths]

    def rows(self, start, stop):
        """Rows `start` up to `stop` of the whole sequence, as int64 [stop - start, T + 1]."""
        parts, first = [], 0
        for chunk in self.chunks():
            low, high = max(start - first, 0), min(stop - first, len(chunk))
            if low < high:
                parts.append(chunk[low:high].astype(numpy.int64))
            first += len(chunk)
        if stop > first:
            raise SystemExit(f"rows {start}..{stop} asked for, the sequence has {first}")
        return numpy.concatenate(parts)

    def batch(self, step):
        """The rows that update `step` (counted from 1) learns from."""
        size = self.run["training"]["batch"]
        return self.rows((step - 1) * size, step * size)

    def segments(self):
        """All chunks' segments: which stretch of which document fills which part of a row."""
        paths = sorted(self.path("data", "sequence").glob("chunk-*.segments.parquet"))
        return pandas.concat([pandas.read_parquet(path) for path in paths], ignore_index=True)

    def documents(self):
        return pandas.read_parquet(self.path("data", "documents.parquet"))

    def metrics(self):
        return pandas.read_parquet(self.path("metrics", "steps.parquet")).set_index("step")

    def checkpoint(self, step):
        directory = self.path("checkpoints", f"step-{step:06}")
        if not directory.is_dir():
            raise SystemExit(f"{directory}: no such checkpoint")
        return directory

    def weights(self, step):
        # PyTorch takes seconds to load, and most readers of a release do not need it.
        from safetensors.torch import load_file

        return load_file(self.checkpoint(step) / "model.safetensors")
