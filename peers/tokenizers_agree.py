"""Reads a release's data with other people's libraries, and checks that all of them agree.

    python peers/tokenizers_agree.py RELEASE ENCODINGS.json

- `tokenizers` loads data/tokenizer.json and encodes the texts of ENCODINGS.json, a list of
  {"text": …, "ids": […]} written by Glasswork: the same tokens, and decoding gives the text back.
- numpy reads data/sequence, pandas the Parquet tables, `safetensors` the first checkpoint.
- Segments lead back to the text: a stretch of a row is that stretch of the document, encoded here.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy
import pandas
from safetensors import safe_open
from tokenizers import Tokenizer

from release_reader import Release

END_OF_TEXT = "<|endoftext|>"


def compare_encodings(tokenizer, path):
    cases = json.loads(Path(path).read_text(encoding="utf-8"))
    tokens = size = 0
    for number, case in enumerate(cases):
        text, ours = case["text"], case["ids"]
        theirs = tokenizer.encode(text, add_special_tokens=False).ids
        if theirs != ours:
            at = next(
                (i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b),
                min(len(ours), len(theirs)),
            )
            sys.exit(
                f"FAIL text {number}, token {at} of {len(theirs)}: ours {ours[at:at + 5]}, theirs "
                f"{theirs[at:at + 5]}, after {tokenizer.decode(theirs[max(0, at - 8):at])!r}"
            )
        if tokenizer.decode(ours, skip_special_tokens=False) != text:
            sys.exit(f"FAIL text {number}: decoding its tokens does not give it back")
        tokens, size = tokens + len(ours), size + len(text.encode())
    if not tokens:
        sys.exit(f"FAIL {path}: holds no tokens to compare")
    print(f"encodings: {len(cases)} texts, {tokens:,} tokens equal, {size / tokens:.2f} bytes a token")


def read_sequence(release, tokenizer):
    run = release.run
    width, size = run["model"]["sequence"] + 1, tokenizer.get_vocab_size()
    if size > run["model"]["vocabulary"]:
        sys.exit(f"FAIL tokenizer has {size} tokens, run.toml allows {run['model']['vocabulary']}")
    rows = 0
    for number, chunk in enumerate(release.chunks()):
        if chunk.ndim != 2 or chunk.shape[1] != width or chunk.dtype not in ("<u2", "<u4"):
            sys.exit(f"FAIL chunk {number}: {chunk.dtype} {chunk.shape}, expected [rows, {width}]")
        if chunk.max() >= size:
            sys.exit(f"FAIL chunk {number}: token {chunk.max()} is not below {size}")
        rows += len(chunk)
    wanted = run["training"]["steps"] * run["training"]["batch"]
    if rows != wanted:
        sys.exit(f"FAIL sequence has {rows} rows, {wanted} are trained on")
    print(f"sequence: {rows:,} rows of {width} tokens, {chunk.dtype}")


def read_tables(release):
    documents, segments = release.documents(), release.segments()
    print(f"documents.parquet: {len(documents):,} rows: {', '.join(documents.columns)}")
    print(f"segments.parquet: {len(segments):,} rows: {', '.join(segments.columns)}")
    if release.path("metrics", "steps.parquet").is_file():
        metrics = release.metrics()
        print(f"steps.parquet: {len(metrics):,} rows: {', '.join(metrics.columns)}")
    directory = release.path("checkpoints", "step-000000")
    for name in ("model.safetensors", "optimizer.safetensors") if directory.is_dir() else ():
        with safe_open(directory / name, "numpy") as file:
            names = list(file.keys())
            count = sum(file.get_tensor(each).size for each in names)
        print(f"step-000000/{name}: {len(names)} tensors, {count:,} elements")


def follow_segments(release, tokenizer, limit):
    """Encodes the documents behind `limit` segments spread over the run, and compares the tokens."""
    texts = {}
    for path in sorted(release.path("data", "text").glob("*.parquet")):
        table = pandas.read_parquet(path, columns=["doc", "text"])
        texts.update(zip(table["doc"], table["text"]))
    segments = release.segments()
    batch, end = release.run["training"]["batch"], tokenizer.token_to_id(END_OF_TEXT)
    picked = numpy.unique(numpy.linspace(0, len(segments) - 1, limit).astype(int))
    followed = 0
    for segment in segments.iloc[picked].itertuples():
        if segment.doc not in texts:
            sys.exit(f"FAIL step {segment.step}: no text for document {segment.doc}")
        row_number = (segment.step - 1) * batch + segment.slot
        row = release.rows(row_number, row_number + 1)[0]
        found = row[segment.seq_start : segment.seq_end].tolist()
        document = tokenizer.encode(texts[segment.doc], add_special_tokens=False).ids + [end]
        first = segment.doc_tok_start
        if document[first : first + len(found)] != found:
            sys.exit(
                f"FAIL step {segment.step}, slot {segment.slot}: tokens {segment.seq_start} to "
                f"{segment.seq_end} are not document {segment.doc} from token {first} on"
            )
        followed += len(found)
    print(f"segments: {len(picked):,} followed to their documents, {followed:,} tokens equal")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release")
    parser.add_argument("encodings")
    parser.add_argument("--segments", type=int, default=500, help="how many to follow to the text")
    options = parser.parse_args()

    release = Release(options.release)
    tokenizer = Tokenizer.from_file(str(release.path("data", "tokenizer.json")))
    # A document that spells the end of text out is text; only the sequence marks ends.
    tokenizer.encode_special_tokens = True
    if tokenizer.token_to_id(END_OF_TEXT) != 0:
        sys.exit(f"FAIL {END_OF_TEXT} is token {tokenizer.token_to_id(END_OF_TEXT)}, not 0")
    compare_encodings(tokenizer, options.encodings)
    read_sequence(release, tokenizer)
    read_tables(release)
    follow_segments(release, tokenizer, options.segments)
    print("PASS data: every library reads the same")


if __name__ == "__main__":
    main()
