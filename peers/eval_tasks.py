"""Tasks, a tokenizer and small checkpoints for `cargo xtask bench eval`; all invented, lengths as real tasks have them.

    python peers/eval_tasks.py target/bench/eval 1b sweep

Makes DIRECTORY/tasks and DIRECTORY/data:

- bench_letters: four choices answered by a letter, five examples before each question (as MMLU)
- bench_endings: four long endings of a text, no examples (as HellaSwag)
- bench_pages: bits per byte of whole texts (as WikiText)
- bench_answers: greedy answers after two examples, at most 32 tokens (as GSM8K, shorter)

and a folder for each name: `1b` holds the model of make_models.py with a tokenizer, `sweep` twenty checkpoints of
58 million weights.
"""

import argparse
import json
import os
import random
import shutil
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

CHECKPOINTS = 20
SMALL = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 8, "num_attention_heads": 8,
         "num_key_value_heads": 8}


def words(rng):
    syllables = [a + b for a in "b d f g k l m n p r s t v z".split() for b in "a e i o u ai or en".split()]
    return ["".join(rng.choices(syllables, k=rng.choice((1, 2, 2, 3)))) for _ in range(3000)]


def documents(rng):
    vocabulary = words(rng)

    def text(count):
        # Few words are frequent, as in any language.
        chosen = [vocabulary[min(int(rng.paretovariate(0.7)), len(vocabulary)) - 1] for _ in range(count)]
        return " ".join(chosen)

    def letters():
        return {"question": text(30), "choices": [text(6) for _ in range(4)], "answer": rng.randrange(4)}

    def answers():
        return {"question": text(45), "answer": text(12)}

    yield "letters_dev", [letters() for _ in range(5)]
    yield "letters", [letters() for _ in range(24)]
    yield "endings", [
        {"ctx": text(40), "endings": [text(14) for _ in range(4)], "label": rng.randrange(4)} for _ in range(24)]
    yield "pages", [{"page": text(300)} for _ in range(6)]
    yield "answers_dev", [answers() for _ in range(2)]
    yield "answers", [answers() for _ in range(8)]


def data(**splits):
    files = "".join(f"\n    {split}: data/{name}.jsonl" for split, name in splits.items())
    return f"dataset_path: json\ndataset_kwargs:\n  data_files:{files}\n"


TASKS = {
    "bench_letters": data(test="letters", dev="letters_dev") + r'''
task: bench_letters
test_split: test
fewshot_split: dev
fewshot_config: {sampler: first_n}
num_fewshot: 5
output_type: multiple_choice
doc_to_text: "{{question}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:"
doc_to_choice: ["A", "B", "C", "D"]
doc_to_target: answer
metadata: {version: 1.0}
''',
    "bench_endings": data(test="endings") + r'''
task: bench_endings
test_split: test
output_type: multiple_choice
doc_to_text: "{{ctx}}"
doc_to_choice: "{{endings}}"
doc_to_target: label
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
''',
    "bench_pages": data(test="pages") + r'''
task: bench_pages
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{page}}"
metric_list:
  - metric: bits_per_byte
metadata: {version: 1.0}
''',
    "bench_answers": data(test="answers", dev="answers_dev") + r'''
task: bench_answers
test_split: test
fewshot_split: dev
fewshot_config: {sampler: first_n}
num_fewshot: 2
output_type: generate_until
doc_to_text: "Question: {{question}}\nAnswer:"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["Question:"], do_sample: false, temperature: 0, max_gen_toks: 32}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
''',
}


def tokenizer(corpus):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=4000, special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")


def make_small(folder, seed):
    import torch
    import transformers

    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=32000, max_position_embeddings=2048, rms_norm_eps=1e-5, tie_word_embeddings=False,
        dtype="bfloat16", **SMALL)
    torch.set_default_dtype(torch.bfloat16)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    torch.set_default_dtype(torch.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("names", nargs="+", choices=("1b", "sweep"))
    options = parser.parse_args()
    directory = options.directory
    for part in ("data", "tasks"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    corpus = []
    for name, rows in documents(random.Random(4)):
        lines = [json.dumps(row) for row in rows]
        corpus += lines
        (directory / "data" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    for name, text in TASKS.items():
        (directory / "tasks" / f"{name}.yaml").write_text(text)
    encoder = tokenizer(corpus)
    for name in options.names:
        if name == "1b":
            models = [directory / "1b"]
            models[0].mkdir(exist_ok=True)
            for file in ("config.json", "model.safetensors"):
                place = models[0] / file
                place.unlink(missing_ok=True)
                place.symlink_to((directory.parent / "models/1b" / file).resolve())
        else:
            # The name of a published step, and weights that differ.
            models = [directory / "sweep" / f"step{1000 * (i + 1)}" for i in range(CHECKPOINTS)]
            for seed, folder in enumerate(models):
                if not (folder / "model.safetensors").exists():
                    shutil.rmtree(folder, ignore_errors=True)
                    make_small(folder, seed)
        for folder in models:
            encoder.save_pretrained(folder)
    print(f"{directory}: {', '.join(options.names)}")


if __name__ == "__main__":
    main()
