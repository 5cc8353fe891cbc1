"""Writes the files of `torch.save` that the tests of `glasswork-model` read: tiny, made here, no model's.

    python peers/torch_files.py crates/model/tests/torch

They are kept in the repository, so that tests need no Python; run it again with another version of PyTorch to add
its files.
"""

import sys
from collections import OrderedDict
from pathlib import Path

import torch


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    version = torch.__version__.split("+")[0]
    storage = torch.arange(12, dtype=torch.float32)
    weights = OrderedDict()
    weights["a.weight"] = storage[:6].view(2, 3)
    # The same storage, from its middle on, and a parameter.
    weights["b.weight"] = torch.nn.Parameter(storage[6:].view(3, 2))
    weights["c.bias"] = torch.tensor([1.0, -2.0, 0.5]).bfloat16()
    weights["d.half"] = torch.tensor([[0.25], [3.0]]).half()
    weights["e.scalar"] = torch.tensor(7)
    weights._metadata = OrderedDict({"": {"version": 1}})
    torch.save(weights, folder / f"{version}.bin")
    torch.save(weights, folder / f"{version}-stream.bin", _use_new_zipfile_serialization=False)
    # What is no row-major tensor, and what asks for code.
    torch.save({"a.weight": storage.view(3, 4).t()}, folder / f"{version}-turned.bin")
    torch.save({"a.weight": torch.nn.Linear(1, 1)}, folder / f"{version}-module.bin")


if __name__ == "__main__":
    main()
