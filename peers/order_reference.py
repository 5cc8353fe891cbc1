"""Recomputes the order of training with docs/order.py and compares it with the release's own record.

    python peers/order_reference.py RELEASE

For every row of the sequence the reference says which source, epoch and window stands there. A
window is T + 1 tokens of its source's stream, the training documents one after another; the segments
say which documents the row holds. Both must name the same stretch of the same stream.
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

from release_reader import Release


def load_reference():
    path = Path(__file__).resolve().parent.parent / "docs" / "order.py"
    spec = importlib.util.spec_from_file_location("order", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release")
    options = parser.parse_args()

    release = Release(options.release)
    mixture = json.loads(release.path("data", "mixture.json").read_text(encoding="utf-8"))
    order = load_reference().Order(mixture)
    length, batch = release.run["model"]["sequence"], release.run["training"]["batch"]
    source_of = release.documents().set_index("doc")["source_id"].to_dict()

    # A document's place in its source's stream shows itself in the first segment that names it;
    # every later one must agree.
    stream_start, rows = {}, 0
    by_row = release.segments().groupby(["step", "slot"], sort=True)
    for (step, slot), segments in by_row:
        row = (step - 1) * batch + slot
        if row != rows:
            sys.exit(f"FAIL segments jump from row {rows - 1} to row {row}")
        source, epoch, window = order.window_at(row)
        identity, covered = order.sources[source]["id"], 0
        for segment in segments.sort_values("seq_start").itertuples():
            where = f"FAIL row {row} (step {step}, slot {slot}), token {segment.seq_start}: "
            if segment.seq_start != covered:
                sys.exit(where + f"the segments before it end at {covered}")
            if source_of[segment.doc] != identity:
                sys.exit(where + f"{source_of[segment.doc]}, the reference says {identity}")
            if segment.epoch != epoch:
                sys.exit(where + f"epoch {segment.epoch}, the reference says {epoch}")
            start = window * length + segment.seq_start - segment.doc_tok_start
            if stream_start.setdefault(segment.doc, start) != start:
                sys.exit(
                    where + f"window {window} would put document {segment.doc} at token {start} of "
                    f"{identity}, other rows at {stream_start[segment.doc]}"
                )
            if segment.seq_start and segment.doc_tok_start:
                sys.exit(where + f"document {segment.doc} starts at its token {segment.doc_tok_start}")
            covered = segment.seq_end
        if covered != length + 1:
            sys.exit(f"FAIL row {row}: segments cover {covered} of {length + 1} tokens")
        rows += 1
    if rows != sum(len(chunk) for chunk in release.chunks()):
        sys.exit(f"FAIL segments describe {rows} rows, the sequence has more or fewer")

    # Documents of a source stand in ascending order in its stream.
    for source in {source_of[doc] for doc in stream_start}:
        starts = [stream_start[d] for d in sorted(stream_start) if source_of[d] == source]
        if starts != sorted(starts):
            sys.exit(f"FAIL the documents of {source} are not in order in its stream")
    print(f"PASS order: {rows:,} rows and {len(stream_start):,} documents are where docs/order.py says")


if __name__ == "__main__":
    main()
