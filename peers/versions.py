"""Prints one JSON object: the versions that decide how fast the peers are."""

import json
import re
from importlib.metadata import version

import torch


def found(pattern):
    match = re.search(pattern, torch.__config__.show())
    return match.group(1) if match else "none"


print(
    json.dumps(
        {
            "torch": torch.__version__,
            "mkl": found(r"Math Kernel Library Version (\S+?)(?:-Product)? "),
            "onednn": found(r"MKL-DNN v(\S+)"),
            "transformers": version("transformers"),
        }
    )
)
