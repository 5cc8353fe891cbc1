"""Tests the peers themselves: right files pass, and each kind of wrong one is caught.

    python peers/self_test.py

Builds a toy release without Glasswork: `tokenizers` trains the vocabulary, docs/order.py sets the
order, and a `transformers` Llama, with gradients and AdamW steps written out here by hand, stands in for
the engine. So peers/llama.py and its schedule are held against an implementation not their own.
"""

import hashlib
import json
import math
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import pandas
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from order_reference import load_reference

HERE = Path(__file__).resolve().parent
LENGTH, BATCH, STEPS, WARM_UP = 32, 4, 8, 3
PEAK, FINAL, BETAS, EPSILON, DECAY, CLIP = 3e-3, 3e-4, (0.9, 0.95), 1e-8, 0.1, 1.0
RUN = f"""
[model]
vocabulary = 400
sequence = {LENGTH}
[training]
steps = {STEPS}
batch = {BATCH}
[optimizer]
learning_rate = {PEAK}
final_learning_rate = {FINAL}
warm_up_steps = {WARM_UP}
beta1 = {BETAS[0]}
beta2 = {BETAS[1]}
epsilon = {EPSILON}
weight_decay = {DECAY}
clip = {CLIP}
"""


def make_tokenizer(texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return tokenizer


def make_data(root):
    """Data of two sources, these very programs' functions and comments, in the reference's order."""
    chunks = [part for path in sorted(HERE.glob("*.py")) for part in path.read_text().split("\n\n")]
    texts = [text for text in chunks if text.strip()]
    tokenizer = make_tokenizer(texts)
    tokenizer.save(str(root / "data" / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    samples = [*texts[:50], "naïve 日本\t\x00", "one<|endoftext|>two"]
    encodings = [{"text": text, "ids": tokenizer.encode(text).ids} for text in samples]
    (root / "encodings.json").write_text(json.dumps(encodings))

    half = len(texts) // 2
    documents = [("code", doc, text) for doc, text in enumerate(texts[:half])]
    documents += [("prose", half + doc, text) for doc, text in enumerate(texts[half:])]
    table = pandas.DataFrame(documents, columns=["source_id", "doc", "text"])
    table["content_hash"] = [hashlib.sha256(text.encode()).hexdigest() for text in table["text"]]
    table["n_tokens"] = [len(tokenizer.encode(text).ids) for text in table["text"]]
    table["split"] = ["held-out" if hash[0] == "0" else "train" for hash in table["content_hash"]]
    streams = {"code": [], "prose": []}  # (token, doc, place in doc)
    for row in table[table["split"] == "train"].sort_values("content_hash").itertuples():
        ids = tokenizer.encode(row.text).ids + [0]
        streams[row.source_id] += [(token, row.doc, place) for place, token in enumerate(ids)]
    sources = [
        {
            "id": source,
            "weight": weight,
            "windows": (len(streams[source]) - 1) // LENGTH,
            "permutation_key": f"{weight:032x}",
        }
        for source, weight in (("code", 1), ("prose", 3))
    ]
    (root / "data" / "mixture.json").write_text(json.dumps({"sources": sources}))
    order = load_reference().Order({"sources": sources})

    rows, segments = [], []
    for row in range(STEPS * BATCH):
        source, epoch, window = order.window_at(row)
        stretch = streams[sources[source]["id"]][window * LENGTH : window * LENGTH + LENGTH + 1]
        rows.append([token for token, _, _ in stretch])
        first = 0
        for at in range(1, len(stretch) + 1):
            if at == len(stretch) or stretch[at][1] != stretch[first][1]:
                step, slot = row // BATCH + 1, row % BATCH
                segments.append((step, slot, first, at, stretch[first][1], stretch[first][2], epoch))
                first = at
    numpy.save(root / "data/sequence/chunk-000.npy", numpy.array(rows, dtype="<u2"))
    names = ["step", "slot", "seq_start", "seq_end", "doc", "doc_tok_start", "epoch"]
    pandas.DataFrame(segments, columns=names, dtype="uint64").to_parquet(
        root / "data/sequence/chunk-000.segments.parquet"
    )
    table.drop(columns="text").astype({"doc": "uint64"}).to_parquet(root / "data/documents.parquet")
    for source, group in table.groupby("source_id"):
        group[["doc", "text"]].to_parquet(root / f"data/text/{source}.parquet")
    return tokenizer, torch.tensor(rows).view(STEPS, BATCH, LENGTH + 1)


def mean_loss(model, tokens):
    logs = torch.log_softmax(model(input_ids=tokens[:, :-1]).logits, dim=-1)
    return -logs.gather(-1, tokens[:, 1:, None]).mean()


def save_model(model, directory):
    save_file({n: p.detach().clone() for n, p in model.named_parameters()}, directory / "model.safetensors")


def make_training(root, tokenizer, batches):
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=400, hidden_size=48, intermediate_size=80, num_hidden_layers=2,
        num_attention_heads=6, num_key_value_heads=2, rms_norm_eps=1e-5, tie_word_embeddings=False,
        bos_token_id=0, eos_token_id=0, max_position_embeddings=LENGTH,
    )  # fmt: skip
    model = LlamaForCausalLM(config).float()
    checkpoint = root / "checkpoints" / "step-000000"
    config.save_pretrained(checkpoint)
    save_model(model, checkpoint)
    weights = dict(model.named_parameters())
    first = {n: torch.zeros_like(p) for n, p in weights.items()}
    second = {n: torch.zeros_like(p) for n, p in weights.items()}
    save_file(first, checkpoint / "optimizer.safetensors")

    # The export: the initial model and its logits.
    model.save_pretrained(root / "export")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(root / "export")
    ids = batches[0][:2, :-1].contiguous()
    with torch.no_grad():
        logits = model(input_ids=ids).logits
    save_file({"input_ids": ids.int(), "logits": logits}, root / "logits.safetensors")

    records = []
    for step, tokens in enumerate(batches, start=1):
        model.zero_grad()
        loss = mean_loss(model, tokens)
        loss.backward()
        if step == 1:
            grads = {"grad." + n: p.grad.clone() for n, p in weights.items()}
            save_file(
                {"tokens": tokens.int().contiguous(), "loss": loss.detach().view(1), **grads},
                root / "step.safetensors",
            )
        norm = math.sqrt(sum(p.grad.double().square().sum().item() for p in weights.values()))
        factor = CLIP / norm if norm > CLIP else 1.0
        if step <= WARM_UP:
            rate = PEAK * step / WARM_UP
        else:
            turn = math.pi * (step - WARM_UP) / (STEPS - WARM_UP)
            rate = FINAL + (PEAK - FINAL) * (1 + math.cos(turn)) / 2
        records.append((step, loss.item(), norm, numpy.float32(rate)))
        with torch.no_grad():
            for name, weight in weights.items():
                grad = weight.grad * factor
                first[name] = BETAS[0] * first[name] + (1 - BETAS[0]) * grad
                second[name] = BETAS[1] * second[name] + (1 - BETAS[1]) * grad * grad
                if weight.dim() == 2:
                    weight *= 1 - rate * DECAY
                size = (second[name] / (1 - BETAS[1] ** step)).sqrt() + EPSILON
                weight -= rate * first[name] / (1 - BETAS[0] ** step) / size
    pandas.DataFrame(records, columns=["step", "loss", "grad_norm", "learning_rate"]).to_parquet(
        root / "metrics/steps.parquet"
    )


def run(root, program, *names):
    command = [sys.executable, HERE / program, *(root / name for name in names)]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def change_tensor(path, name, edit):
    tensors = load_file(path)
    edit(tensors[name])
    save_file(tensors, path)


def change_table(path, edit):
    table = pandas.read_parquet(path)
    edit(table)
    table.to_parquet(path)


def swap_tokens(root):
    path = root / "data/sequence/chunk-000.npy"
    rows = numpy.load(path)
    rows[0, 1:4] = rows[0, 1:4] + 1
    numpy.save(path, rows)


def swap_ids(root):
    path = root / "encodings.json"
    cases = json.loads(path.read_text())
    cases[3]["ids"][0] += 1
    path.write_text(json.dumps(cases))


PROGRAMS = {
    "tokenizers_agree.py": ("", "encodings.json"),
    "order_reference.py": ("",),
    "transformers_logits.py": ("export", "logits.safetensors"),
    "torch_gradients.py": ("step.safetensors", ""),
    "torch_follow.py": ("",),
}
V_PROJ = "model.layers.1.self_attn.v_proj.weight"
# (program, what is wrong, how it is made wrong)
WRONGS = [
    ("tokenizers_agree.py", "a token in an encoding", swap_ids),
    ("tokenizers_agree.py", "tokens in the sequence", swap_tokens),
    ("order_reference.py", "an epoch", lambda root: change_table(
        root / "data/sequence/chunk-000.segments.parquet", lambda t: t.__setitem__("epoch", t["epoch"] + 1))),
    ("order_reference.py", "a document's place", lambda root: change_table(
        root / "data/sequence/chunk-000.segments.parquet",
        lambda t: t.__setitem__("doc_tok_start", t["doc_tok_start"] + (t.index == 7)))),
    ("order_reference.py", "a document's length", lambda root: change_table(
        root / "data/documents.parquet", lambda t: t.__setitem__("n_tokens", t["n_tokens"] + 1))),
    ("transformers_logits.py", "a logit", lambda root: change_tensor(
        root / "logits.safetensors", "logits", lambda t: t[0, 0, 0].add_(2e-4))),
    ("transformers_logits.py", "a missing logit", lambda root: change_tensor(
        root / "logits.safetensors", "logits", lambda t: t[0, 0, 0].fill_(float("nan")))),
    ("torch_gradients.py", "a gradient", lambda root: change_tensor(
        root / "step.safetensors", "grad." + V_PROJ, lambda t: t.mul_(1.002))),
    ("torch_gradients.py", "a gradient that is NaN", lambda root: change_tensor(
        root / "step.safetensors", "grad.model.norm.weight", lambda t: t[0].fill_(float("nan")))),
    ("torch_follow.py", "a loss", lambda root: change_table(
        root / "metrics/steps.parquet", lambda t: t.__setitem__("loss", t["loss"] + 2e-3 * (t["step"] == 5)))),
    ("torch_follow.py", "a learning rate", lambda root: change_table(
        root / "metrics/steps.parquet", lambda t: t.__setitem__("learning_rate", t["learning_rate"] * 1.001))),
    ("torch_follow.py", "an initial weight", lambda root: change_tensor(
        root / "checkpoints/step-000000/model.safetensors", V_PROJ, lambda t: t.mul_(1.5))),
]  # fmt: skip


def main():
    logging.disable_progress_bar()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        good = Path(temporary) / "good"
        for part in ("data/sequence", "data/text", "metrics", "checkpoints/step-000000"):
            (good / part).mkdir(parents=True)
        (good / "run.toml").write_text(RUN)
        tokenizer, batches = make_data(good)
        make_training(good, tokenizer, batches)
        for program, names in PROGRAMS.items():
            result = run(good, program, *names)
            right = result.returncode == 0 and "PASS" in result.stdout
            failures += not right
            print(f"{'ok  ' if right else 'BAD '} {program}: {result.stdout.strip().splitlines()[-1:]}")
            if not right:
                print(result.stdout + result.stderr)
        for number, (program, what, spoil) in enumerate(WRONGS):
            bad = Path(temporary) / f"bad-{number}"
            shutil.copytree(good, bad)
            spoil(bad)
            result = run(bad, program, *PROGRAMS[program])
            right = result.returncode == 1 and result.stderr.startswith("FAIL")
            failures += not right
            lines = (result.stderr.strip() or "passed").splitlines()
            print(f"{'ok  ' if right else 'BAD '} {program} with {what} wrong: {' '.join(lines[:2])[:110]}")
            if not right:
                print(result.stderr)
    if failures:
        sys.exit(f"FAIL self-test: {failures} of {len(PROGRAMS) + len(WRONGS)}")
    print(f"PASS self-test: {len(PROGRAMS)} right releases pass, {len(WRONGS)} wrong ones are caught")


if __name__ == "__main__":
    main()
