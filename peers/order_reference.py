"""Recomputes the order of training with docs/order.py and compares it with the release's own record.

    python peers/order_reference.py RELEASE

A source's stream is its training documents in the order of their content hashes, each followed by
the end of text; a window is T + 1 tokens of it. For every row of the sequence the reference names
source, epoch and window, and with them the documents and the places in them; the segments must say
the same, row for row.
"""

import argparse
import importlib.util
import json
import sys
from itertools import accumulate
from pathlib import Path

from release_reader import Release


def load_reference():
    path = Path(__file__).resolve().parent.parent / "docs" / "order.py"
    spec = importlib.util.spec_from_file_location("order", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def streams(documents):
    """Per source: its length in tokens, and each training document's first token in it."""
    lengths, starts = {}, {}
    for source, table in documents[documents["split"] == "train"].groupby("source_id"):
        table = table.sort_values("content_hash")
        ends = list(accumulate(int(tokens) + 1 for tokens in table["n_tokens"]))
        starts.update(zip(table["doc"].tolist(), [0, *ends[:-1]]))
        lengths[source] = ends[-1]
    return lengths, starts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release")
    options = parser.parse_args()

    release = Release(options.release)
    mixture = json.loads(release.path("data", "mixture.json").read_text(encoding="utf-8"))
    order = load_reference().Order(mixture)
    width, batch = release.run["model"]["sequence"], release.run["training"]["batch"]
    documents = release.documents()
    source_of = dict(zip(documents["doc"].tolist(), documents["source_id"]))
    lengths, starts = streams(documents)
    for source in order.sources:
        windows = (lengths.get(source["id"], 0) - 1) // width
        if windows != source["windows"]:
            sys.exit(f"FAIL {source['id']}: mixture.json says {source['windows']} windows, not {windows}")

    # Plain integers: the columns are unsigned, and differences must not wrap.
    names = ["step", "slot", "seq_start", "seq_end", "doc", "doc_tok_start", "epoch"]
    segments = release.segments()[names].astype("int64").sort_values(["step", "slot", "seq_start"])
    row, covered = -1, width + 1
    for step, slot, first, end, doc, place, epoch in segments.itertuples(index=False):
        where = f"FAIL step {step}, slot {slot}, token {first}: "
        if (step - 1) * batch + slot != row:
            if covered != width + 1 or (step - 1) * batch + slot != row + 1:
                sys.exit(where + f"the segments before it end in row {row} at token {covered}")
            row, covered = row + 1, 0
            source, expected_epoch, window = order.window_at(row)
            identity = order.sources[source]["id"]
        if first != covered:
            sys.exit(where + f"the segments before it end at {covered}")
        if source_of[doc] != identity:
            sys.exit(where + f"document {doc} of {source_of[doc]}, the reference says {identity}")
        if epoch != expected_epoch:
            sys.exit(where + f"epoch {epoch}, the reference says {expected_epoch}")
        if doc not in starts or starts[doc] + place != window * width + first:
            sys.exit(
                where + f"token {place} of document {doc}, the reference says token "
                f"{window * width + first} of the stream, and the document starts at {starts.get(doc)}"
            )
        covered = end
    if covered != width + 1 or row + 1 != sum(len(chunk) for chunk in release.chunks()):
        sys.exit(f"FAIL the segments end in row {row} at token {covered}, the sequence does not")
    print(
        f"PASS order: {row + 1:,} rows, {len(segments):,} segments of {segments['doc'].nunique():,} "
        "documents are where docs/order.py says"
    )


if __name__ == "__main__":
    main()
