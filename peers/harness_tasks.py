"""A small model and tasks of different kinds, all invented, for lm-evaluation-harness and for us.

    python peers/harness_tasks.py DIRECTORY

Makes DIRECTORY/model (a random Llama with a byte-level BPE tokenizer that begins texts with a token of its
own, as `transformers` saves them), DIRECTORY/tasks (task files) and DIRECTORY/data (JSON lines):

- peer_choice: multiple choice with three examples drawn from another split, acc and acc_norm
- peer_rolling: perplexity of whole texts, some longer than the model's window
- peer_generate: greedy answers with two filters, examples from the same split
- peer_group: two tasks of unequal size, one with the first examples, one after a description
- winogrande/peer_winogrande: the `!function`s of winogrande
- peer_japanese: three choices in Japanese, line breaks before answers
- peer_last: the last word of a sentence, perplexity with its bootstrapped error
"""

import argparse
import json
import os
import random
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from architectures import draw
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

NOUNS = "river stone lamp bridge garden engine letter market window orchard harbour kettle".split()
VERBS = "holds warms crosses opens carries follows mends paints measures lifts".split()
PLACES = "in the north|by the sea|under the hill|near the mill|after the rain".split("|")
JAPANESE = "川が流れる。|庭に花が咲く。|窓を開ける。|駅まで歩く。|本を読む。|雨が降る。|海は青い。|猫が眠る。".split("|")


def sentence(rng):
    return f"The {rng.choice(NOUNS)} {rng.choice(VERBS)} the {rng.choice(NOUNS)} {rng.choice(PLACES)}."


def rows(rng):
    """Name of a file, and its documents."""

    def choice():
        options = rng.sample(NOUNS, 4)
        return {
            "question": f"What stands {rng.choice(PLACES)}?  ", "choices": {"text": options, "label": list("ABCD")},
            "answerKey": rng.choice("ABCD"), "weight": rng.random(), "note": None if rng.random() < 0.5 else "é\n\"x\"",
        }

    yield "choice_train", [choice() for _ in range(60)]
    yield "choice_test", [choice() for _ in range(40)]
    texts = [" ".join(sentence(rng) for _ in range(rng.randrange(1, 14))) for _ in range(12)]
    yield "rolling", [{"page": text, "n": i} for i, text in enumerate([*texts, " two  spaces\n\nand lines\n"])]
    yield "generate", [
        {"problem": sentence(rng), "solution": f"It is {rng.randrange(90)}. #### {rng.randrange(90)}"} for _ in range(12)]
    for name, count in (("small", 10), ("large", 25)):
        yield name, [
            {"q": sentence(rng), "a": rng.choice(NOUNS), "b": rng.choice(VERBS), "right": rng.randrange(2)}
            for _ in range(count)]
    yield "small_dev", [{"q": sentence(rng), "a": "yes", "b": "no", "right": rng.randrange(2)} for _ in range(4)]
    blanks = []
    for _ in range(20):
        first, second = rng.sample(NOUNS, 2)
        blanks.append({
            "sentence": f"The {first} met the {second}, because the _ {rng.choice(VERBS)} {rng.choice(PLACES)} .",
            "option1": first, "option2": second, "answer": rng.choice("12")})
    yield "winogrande_train", blanks[:8]
    yield "winogrande", blanks[8:]
    japanese = []
    for _ in range(24):
        one, two = rng.sample(JAPANESE, 2)
        japanese.append({"sentence1": one, "sentence2": two, "label": rng.randrange(3)})
    yield "japanese_train", japanese[:10]
    yield "japanese", japanese[10:]


def data(**splits):
    files = "".join(f"\n    {split}: data/{name}.jsonl" for split, name in splits.items())
    return f"dataset_path: json\ndataset_kwargs:\n  data_files:{files}\n"


TASKS = {
    "peer_choice.yaml": data(train="choice_train", test="choice_test") + r'''
task: peer_choice
training_split: train
test_split: test
fewshot_split: train
num_fewshot: 3
output_type: multiple_choice
doc_to_text: "Question: {{question.strip()}}\nAnswer:"
doc_to_target: "{{choices.label.index(answerKey)}}"
doc_to_choice: "{{choices.text}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
  - {metric: acc_mutual_info, aggregation: mean, higher_is_better: true}
  - {metric: brier_score}
metadata: {version: 1.0}
''',
    "peer_rolling.yaml": data(test="rolling") + '''
task: peer_rolling
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{page}}"
metric_list:
  - metric: word_perplexity
  - metric: byte_perplexity
  - metric: bits_per_byte
metadata: {version: 2.0}
''',
    "peer_generate.yaml": data(test="generate") + r'''
task: peer_generate
test_split: test
fewshot_split: test
num_fewshot: 2
output_type: generate_until
doc_to_text: "Problem: {{problem}}\nSolution:"
doc_to_target: "{{solution}}"
generation_kwargs:
  until: ["Problem:", "\n\n", "e "]
  do_sample: false
  temperature: 0
  max_gen_toks: 24
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
    ignore_case: true
    regexes_to_ignore: [",", "(?s).*#### "]
filter_list:
  - name: strict
    filter:
      - {function: regex, regex_pattern: "#### ([0-9]+)"}
      - {function: take_first}
  - name: loose
    filter:
      - {function: regex, regex_pattern: "([a-z]+)", group_select: -1, fallback: "none"}
      - {function: lowercase}
      - {function: take_first}
metadata: {version: 3.0}
''',
    "peer_group.yaml": '''group: peer_group
group_alias: Peers
task: [peer_small, peer_large]
aggregate_metric_list:
  - {metric: acc, weight_by_size: true}
  - {metric: acc_norm, weight_by_size: false}
metadata: {version: 2}
''',
    "_pair_yaml": r'''output_type: multiple_choice
test_split: test
doc_to_text: "{{q}}\nWhich?"
doc_to_choice: "{{[a, b]}}"
doc_to_target: right
metadata: {version: 0.0}
''',
    "peer_small.yaml": "include: _pair_yaml\n" + data(test="small", dev="small_dev") + r'''
task: peer_small
task_alias: small
fewshot_split: dev
fewshot_config: {sampler: first_n}
num_fewshot: 2
''',
    "peer_large.yaml": "include: _pair_yaml\n" + data(test="large") + r'''
task: peer_large
description: "Choose, given {{a}}.\n\n"
''',
    "winogrande/peer_winogrande.yaml": data(train="winogrande_train", validation="winogrande") + '''
task: peer_winogrande
training_split: train
validation_split: validation
num_fewshot: 2
output_type: multiple_choice
doc_to_text: !function preprocess_winogrande.doc_to_text
doc_to_target: !function preprocess_winogrande.doc_to_target
doc_to_choice: !function preprocess_winogrande.doc_to_choice
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
''',
    # The harness's own functions: nothing of them is copied.
    "winogrande/preprocess_winogrande.py":
        "from lm_eval.tasks.winogrande.preprocess_winogrande import doc_to_choice, doc_to_target, doc_to_text\n",
    "peer_japanese.yaml": data(train="japanese_train", validation="japanese") + r'''
task: peer_japanese
training_split: train
validation_split: validation
fewshot_split: train
num_fewshot: 2
output_type: multiple_choice
description: "次の問いに答えてください。\n\n"
doc_to_text: "### 指示：\n前提と仮説の関係は？\n\n前提：{{ sentence1 }}\n仮説：{{ sentence2 }}\n\n### 応答："
doc_to_target: label
doc_to_choice: ["含意", "矛盾", "中立"]
target_delimiter: "\n"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_bytes, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
''',
    "peer_last.yaml": data(test="generate") + r'''
task: peer_last
test_split: test
output_type: loglikelihood
doc_to_text: "{{problem.split(' ')[:-1]|join(' ')}}"
doc_to_target: "{{' ' + problem.split(' ')[-1]}}"
metric_list:
  - {metric: perplexity, aggregation: perplexity, higher_is_better: false}
  - {metric: acc, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
''',
}


def tokenizer(corpus):
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    (directory / "data").mkdir(parents=True, exist_ok=True)
    corpus = []
    for name, documents in rows(random.Random(20)):
        lines = [json.dumps(document, ensure_ascii=False) for document in documents]
        corpus += lines
        (directory / "data" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    for name, text in TASKS.items():
        path = directory / "tasks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    words = tokenizer(corpus)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=72, intermediate_size=136, num_attention_heads=6, num_hidden_layers=3,
        num_key_value_heads=2, head_dim=20, max_position_embeddings=160, bos_token_id=0, eos_token_id=1)
    model = LlamaForCausalLM(config)
    draw(model, torch.Generator().manual_seed(7))
    model.save_pretrained(directory / "model")
    words.save_pretrained(directory / "model")
    print(f"made a model of {sum(p.numel() for p in model.parameters())} weights and {len(words)} tokens")


if __name__ == "__main__":
    main()
