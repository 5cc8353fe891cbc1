"""A second reader: recomputes every digest of a release from docs/release-format.md alone.

    python docs/recompute.py RELEASE

Needs Python 3.11, numpy, pyarrow and blake3. Prints a line per kind of digest and exits with 1 if one
does not agree. It believes nothing about a hostile release; `glasswork check` does.
"""

import json
import pathlib
import struct
import sys
import tomllib

import numpy
import pyarrow.parquet
from blake3 import blake3

FLOATS = {
    "model": ("rope_theta", "norm_eps", "initial_std"),
    "split": ("held_out",),
    "optimizer": (
        "learning_rate", "final_learning_rate", "beta1", "beta2", "epsilon", "weight_decay", "clip",
    ),
}
TYPES = {"uint64": "u64", "uint32": "u32", "int64": "i64", "double": "f64", "float": "f32", "string": "utf8"}
PACKED = {"u64": "<Q", "u32": "<I", "i64": "<q", "f64": "<d", "f32": "<f"}


def digest(data):
    return blake3(data).digest()


def tagged(tag, *parts):
    """D(tag; part, part, ...) of section 2."""
    framed = (struct.pack("<Q", len(part)) + part for part in (tag.encode(), *parts))
    return digest(b"".join(framed))


def canonical(value):
    """Section 3; keys here are ASCII, so sorting characters is sorting UTF-16."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def cell(value, kind):
    if kind.endswith("?"):
        return b"\0" if value is None else b"\1" + cell(value, kind[:-1])
    if kind == "utf8":
        text = value.encode()
        return struct.pack("<Q", len(text)) + text
    return struct.pack(PACKED[kind], value)


def config_digest(config):
    config = json.loads(json.dumps(config))
    config["seed"] = str(config["seed"])
    for section, keys in FLOATS.items():
        for key in keys:
            config[section][key] = struct.pack(">d", float(config[section][key]) + 0.0).hex()
    return tagged("glasswork/config/1", canonical(config))


def state_digest(directory, step):
    """From the tensor files themselves, not from the manifest."""
    tensors = []
    for name in ("model", "optimizer"):
        raw = (directory / f"{name}.safetensors").read_bytes()
        start = 8 + struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8:start])
        header.pop("__metadata__", None)
        for tensor, info in header.items():
            first, end = info["data_offsets"]
            body = digest(raw[start + first : start + end]).hex()
            # The type is spelled as in the file: F32.
            tensors.append([tensor, info["dtype"], info["shape"], body])
    tensors.sort(key=lambda tensor: tensor[0].encode())
    return tagged("glasswork/state/1", canonical([step, tensors]))


def main(release):
    wrong = []

    def expect(what, found, recorded):
        if found.hex() != recorded:
            wrong.append(f"{what}: {found.hex()} is not {recorded}")

    lines = (release / "ledger.jsonl").read_bytes().splitlines()
    ledger = [json.loads(line) for line in lines]
    for before, event in zip([None, *lines], ledger):
        if event["previous"] != (digest(before).hex() if before is not None else None):
            wrong.append(f"ledger: {event['event']} does not follow the line before")
    run, segments = ledger[0], [event for event in ledger if event["event"] == "segment"]
    config = tomllib.loads((release / "run.toml").read_text())
    expect("configuration", config_digest(config), run["config_digest"])

    chunks = sorted((release / "data/sequence").glob("chunk-*.npy"))
    sequence = tagged("glasswork/sequence/1", *(digest(chunk.read_bytes()) for chunk in chunks))
    expect("sequence", sequence, run["sequence_digest"])
    tokens = numpy.concatenate([numpy.load(chunk) for chunk in chunks])

    table = pyarrow.parquet.read_table(release / "metrics/steps.parquet")
    kinds = [TYPES[str(field.type)] + ("?" if field.nullable else "") for field in table.schema]
    schema = canonical([list(pair) for pair in zip(table.column_names, kinds)])
    rows = table.to_pylist()
    cells = [b"".join(cell(row[name], kind) for name, kind in zip(table.column_names, kinds)) for row in rows]
    batch = config["training"]["batch"]
    batches = []
    for row in rows:
        first = (row["step"] - 1) * batch
        batches.append(tagged("glasswork/batch/1", tokens[first : first + batch].tobytes()))
        expect(f"batch of step {row['step']}", batches[-1], row["batch_digest"])

    parent = b""
    for segment in segments:
        first, last = segment["from"], segment["to"]
        directory = release / f"checkpoints/step-{last:06}"
        manifest = json.loads((directory / "manifest.json").read_bytes())
        state = state_digest(directory, last)
        metrics = tagged("glasswork/metrics-rows/1", schema, *cells[first:last])
        expect(f"state at {last}", state, segment["state_digest"])
        expect(f"metrics to {last}", metrics, segment["metrics_digest"])
        expect(f"batches to {last}", tagged("glasswork/batches/1", *batches[first:last]), segment["batches_digest"])
        parent = tagged(
            "glasswork/commitment/1", parent, bytes.fromhex(run["config_digest"]), run["profile"].encode(),
            sequence, b"".join(batches[first:last]), metrics, state,
        )
        expect(f"commitment at {last}", parent, segment["commitment"])
        expect(f"commitment at {last} in the manifest", parent, manifest["commitment"])

    core = (release / "core.json").read_bytes()
    for entry in json.loads(core)["entries"]:
        expect(entry["path"], digest((release / entry["path"]).read_bytes()), entry["stored_digest"])
    for line in wrong:
        print(f"FAIL {line}", file=sys.stderr)
    if not wrong:
        print(f"PASS recompute: {len(rows)} batches, {len(segments)} states and commitments, root {digest(core).hex()}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
