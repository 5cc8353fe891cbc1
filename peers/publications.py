"""Writes publications as others lay them out, for the tests and trials of `glasswork-published`.

    python peers/publications.py --small crates/published/tests/fixtures
    python peers/publications.py --real-shapes target/publications [amber k2 ...]

Weights, cards and shards are written by `transformers`, `torch.save`, `safetensors` and `huggingface_hub`; nothing here
is anybody's: small models are random, every text is invented.

`--small` makes one folder a layout, a few kilobytes a checkpoint, and `made.json`, which names the versions.
`--real-shapes` makes one checkpoint each of the real names, shapes and shard counts as *sparse* files: `torch.save` writes
headers and leaves the storages out (`torch.serialization.skip_data`), so that 7B parameters take a few hundred kilobytes of
disk. The safetensors library cannot leave data out: what is published as safetensors is written as `.bin` here.
"""

import argparse
import json
import os
import random
import shutil
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).parent))

import huggingface_hub
import safetensors
import torch
import transformers
from huggingface_hub import ModelCard, ModelCardData, split_torch_state_dict_into_shards
from safetensors.torch import load_file

TINY = {"vocab_size": 32, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2}
METRICS = ["loss", "learning_rate", "step", "speed(#tok/s/gpu)", "grad_norm"]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_json(path, value):
    write(path, json.dumps(value, indent=1) + "\n")


def card(folder, title, text, **data):
    content = f"---\n{ModelCardData(**data).to_yaml()}\n---\n\n# {title}\n\n{text}\n"
    ModelCard(content).save(folder / "README.md")


def llama(**changes):
    return transformers.LlamaConfig(**{**TINY, "num_key_value_heads": 2, "max_position_embeddings": 64, **changes})


def model(config, seed, dtype=torch.float32):
    torch.manual_seed(seed)
    return transformers.AutoModelForCausalLM.from_config(config).to(dtype)


def wander(model, seed):
    """A step of training as far as a file shows it: every weight moves a little."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.01 * torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
    return model


def save_bin(state, folder, shard_size="10GB", save=torch.save):
    """As `transformers` 4 saved a model: `pytorch_model.bin`, or shards and their index."""
    folder.mkdir(parents=True, exist_ok=True)
    split = split_torch_state_dict_into_shards(
        state, filename_pattern="pytorch_model{suffix}.bin", max_shard_size=shard_size
    )
    for file, names in split.filename_to_tensors.items():
        save({name: state[name] for name in names}, folder / file)
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        write_json(folder / "pytorch_model.bin.index.json", index)
    return split


def rows(seed, count, length, **more):
    """Lines of a chunk: token ids and where they come from, none of it real."""
    draw = random.Random(seed)
    for number in range(count):
        ids = [draw.randrange(TINY["vocab_size"]) for _ in range(length)]
        yield {"token_ids": ids, "source": ["invented_web", "invented_code"][number % 2], **more}


def lines(path, rows):
    write(path, "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))


def log(steps, seed):
    draw = random.Random(seed)
    for step in steps:
        loss = 2 + 8 / (1 + step / 5) + draw.gauss(0, 0.02)
        rate = 3e-4 * min(1, step / 4)
        yield dict(zip(METRICS, [round(loss, 4), rate, step, 900 + draw.randrange(20), round(draw.uniform(0.4, 0.6), 4)]))


def csv(path, rows):
    rows = list(rows)
    body = "".join(",".join(str(row[key]) for key in METRICS) + "\n" for row in rows)
    write(path, ",".join(METRICS) + "\n" + body)


def old_results(task, metrics):
    """The harness's file of before 0.4."""
    return {
        "results": {task: metrics},
        "versions": {task: 0},
        "config": {"model": "invented", "num_fewshot": 0, "batch_size": 1, "no_cache": True, "limit": None},
    }


def amber(root):
    tiny = llama(tie_word_embeddings=False)
    weights = model(tiny, 1)
    for number in range(4):
        # The last one stands at the top: on the Hub it is `main`.
        folder = root / f"ckpt_{number:03}" if number < 3 else root
        wander(weights, number)
        save_bin(weights.state_dict(), folder, "2KB")
        tiny.architectures = ["LlamaForCausalLM"]
        tiny.save_pretrained(folder)
        score = 0.25 + number / 100
        write_json(folder / "eval_arc.json", old_results("arc_challenge", {"acc": score, "acc_norm": score, "acc_stderr": 0.01}))
        write_json(folder / "eval_truthfulqa.json", old_results("truthfulqa_mc", {"mc1": score, "mc2": None}))
        write(folder / "eval_mmlu.json", json.dumps("running...") if number == 1 else json.dumps(old_results("mmlu", {"acc": score})))
    for number in range(2):
        lines(root / f"train/train_{number:03}.jsonl", rows(number, 2, 2049))
    csv(root / "metrics.csv", log(range(1, 41), 1))
    card(
        root,
        "Invented Amber",
        "Four checkpoints of an invented model; see [the data](train/) and [metrics](metrics.csv).",
        language="en",
        license="apache-2.0",
        datasets=["invented/web"],
        tags=["llm360"],
    )


def k2(root):
    tiny = llama(tie_word_embeddings=False, num_hidden_layers=2)
    weights = model(tiny, 2, torch.bfloat16)
    for number, name in enumerate(["ckpt_000", "ckpt_001", "spike_ckpt_001", "ckpt_002"]):
        wander(weights, number).save_pretrained(root / name, max_shard_size="2KB")
    more = {"subset_name": "invented", "src_filename": "a.jsonl", "line_idx_in_src": 7, "tgt_mask": [1] * 2048}
    lines(root / "data/chunk_0.jsonl", rows(3, 1, 2048, **more))
    log_rows = list(log(range(1, 31), 2))
    lines(root / "metrics/train_metrics.jsonl", log_rows)
    try:
        import pandas

        frame = pandas.DataFrame(log_rows).rename(columns={"loss": "lm loss"})
        frame.to_parquet(root / "metrics/history.parquet")
    except ImportError as problem:
        print(f"k2: no Parquet log: {problem}")
    card(root, "Invented K2", "Trained on 1.4T invented tokens.", license="apache-2.0", language=["en", "no"])


def crystal(root):
    from crystal import Crystal

    torch.manual_seed(3)
    shape = {"vocab_size": 32, "n_embd": 8, "n_head": 2, "n_inner": 12, "n_layer": 1, "n_positions": 64, "rotary_dim": 2}
    weights = Crystal(**shape)
    for phase, step in [(1, 1500), (1, 3000), (2, 1500), (3, 1000)]:
        wander(weights, step).save(root / f"CrystalCoder_phase{phase}_checkpoint_{step:06}")


def pythia(root):
    tiny = transformers.GPTNeoXConfig(**{**TINY, "max_position_embeddings": 64})
    weights = model(tiny, 4, torch.float16)
    for number, step in enumerate([0, 1, 2, 4, 1000]):
        folder = root / f"step{step}"
        wander(weights, number).save_pretrained(folder)
        if step == 4:
            # Some are there in both forms, under the names that are published.
            save_bin(load_file(folder / "model.safetensors"), folder)
        results = {"results": {"arc_easy": {"alias": "arc_easy", "acc,none": 0.25 + number / 50, "acc_stderr,none": 0.01}}}
        write_json(root / f"evals/pythia-tiny-step{step}.json", results)


def olmo(root):
    tiny = transformers.Olmo2Config(**{**TINY, "num_key_value_heads": 2, "max_position_embeddings": 64})
    weights = model(tiny, 5)
    names = ["stage1-step0-tokens0B", "stage1-step1000-tokens5B", "stage1-step2000-tokens9B"]
    for number, name in enumerate(names + ["stage2-ingredient1-step1000-tokens3B"]):
        wander(weights, number).save_pretrained(root / name)


def trainer(root):
    """As the Hugging Face trainer leaves a folder; its own state is what `torch.save` makes of real objects."""
    tiny = llama()
    weights = model(tiny, 6)
    optimizer = torch.optim.AdamW(weights.parameters(), lr=1e-4)
    history = []
    for step in (10, 20):
        for parameter in weights.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
        folder = root / f"checkpoint-{step}"
        weights.save_pretrained(folder)
        torch.save({"state": {}, "param_groups": optimizer.state_dict()["param_groups"]}, folder / "optimizer.pt")
        torch.save({"last_epoch": step}, folder / "scheduler.pt")
        history.append({"epoch": step / 100, "grad_norm": 0.5, "learning_rate": 1e-4, "loss": 3.5 - step / 100, "step": step})
        state = {"global_step": step, "max_steps": 20, "train_batch_size": 4, "num_input_tokens_seen": step * 256}
        write_json(folder / "trainer_state.json", {**state, "log_history": history})
    weights.save_pretrained(root)
    card(root, "Invented chat", "Fine-tuned from [an invented model](https://example.org/m).", license="mit", base_model="invented/base")


SMALL = {"amber": amber, "k2": k2, "crystal": crystal, "pythia": pythia, "olmo": olmo, "trainer": trainer}


def real_amber():
    shape = {"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32}
    config = llama(**shape, num_attention_heads=32, num_key_value_heads=32, max_position_embeddings=2048, rms_norm_eps=1e-6)
    return config, torch.float32, "ckpt_100"


def real_k2():
    shape = {"vocab_size": 32032, "hidden_size": 8192, "intermediate_size": 22016, "num_hidden_layers": 80}
    config = llama(**shape, num_attention_heads=64, num_key_value_heads=64, max_position_embeddings=2048)
    return config, torch.bfloat16, "ckpt_180"


def real_pythia():
    shape = {"vocab_size": 50432, "hidden_size": 4096, "intermediate_size": 16384, "num_hidden_layers": 32}
    config = transformers.GPTNeoXConfig(**shape, num_attention_heads=32, max_position_embeddings=2048)
    return config, torch.float16, "step143000"


def real_olmo():
    shape = {"vocab_size": 100352, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32}
    config = transformers.Olmo2Config(**shape, num_attention_heads=32, num_key_value_heads=32, max_position_embeddings=4096)
    return config, torch.float32, "stage1-step150000-tokens630B"


def real_crystal():
    """Crystal is no model of `transformers`: its configuration and names come from `crystal.py`."""
    return None, torch.float32, "CrystalCoder_phase3_checkpoint_027728"


REAL = {"amber": real_amber, "k2": real_k2, "pythia": real_pythia, "olmo": real_olmo, "crystal": real_crystal}


# Where `transformers` calls a tensor something else than what it saves.
SAVED_AS = {"pythia": {"lm_head.weight": "embed_out.weight"}}


def skipping(state, path):
    with torch.serialization.skip_data(materialize_fake_tensors=True):
        torch.save(state, path)


def real_shapes(root, name):
    from torch._subclasses.fake_tensor import FakeTensorMode

    config, dtype, checkpoint = REAL[name]()
    folder = root / name / checkpoint
    # No tensor has memory here: only what describes it.
    with torch.device("meta"):
        if config is None:
            from crystal import CONFIG, Crystal

            folder.mkdir(parents=True)
            write_json(folder / "config.json", CONFIG)
            weights = Crystal()
        else:
            config.architectures = [transformers.AutoModelForCausalLM._model_mapping[type(config)].__name__]
            config.dtype = dtype
            config.save_pretrained(folder)
            weights = transformers.AutoModelForCausalLM.from_config(config)
    saved_as = SAVED_AS.get(name, {})
    shapes = {saved_as.get(key, key): tensor.shape for key, tensor in weights.state_dict().items()}
    with FakeTensorMode():
        state = {key: torch.empty(shape, dtype=dtype) for key, shape in shapes.items()}
        sizes = [tensor.numel() * tensor.element_size() for tensor in state.values()]
        # Tensors without memory have no storage to tell them apart by: shards are filled in order.
        limit, files, filled = 10_000_000_000, [[]], 0
        for key, size in zip(state, sizes):
            if filled and filled + size > limit:
                files.append([])
                filled = 0
            files[-1].append(key)
            filled += size
        places = {}
        for number, names in enumerate(files, 1):
            file = f"pytorch_model-{number:05}-of-{len(files):05}.bin"
            skipping({key: state[key] for key in names}, folder / file)
            places.update(dict.fromkeys(names, file))
    write_json(folder / "pytorch_model.bin.index.json", {"metadata": {"total_size": sum(sizes)}, "weight_map": places})
    shards = list(folder.glob("*.bin"))
    apparent = sum(file.stat().st_size for file in shards)
    disk = sum(file.stat().st_blocks * 512 for file in shards)
    print(f"{name}: {len(shards)} shards, {len(state)} tensors, {apparent / 1e9:.1f} GB apparent, {disk / 1e6:.2f} MB on disk", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--small", type=Path, metavar="FOLDER")
    how.add_argument("--real-shapes", type=Path, metavar="FOLDER")
    parser.add_argument("names", nargs="*", help="layouts; all without")
    options = parser.parse_args()
    root = options.small or options.real_shapes
    layouts = SMALL if options.small else REAL
    unknown = set(options.names) - set(layouts)
    if unknown:
        parser.error(f"no such layout: {', '.join(sorted(unknown))}")
    for name in options.names or layouts:
        shutil.rmtree(root / name, ignore_errors=True)
        if options.small:
            layouts[name](root / name)
        else:
            real_shapes(root, name)
    if options.small:
        versions = {one.__name__: one.__version__ for one in (torch, transformers, safetensors, huggingface_hub)}
        write_json(root / "made.json", {"by": "peers/publications.py --small", "versions": versions})
        size = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
        print(f"{size / 1000:.0f} kB in {root}")


if __name__ == "__main__":
    main()
