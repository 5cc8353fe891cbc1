//! Cards that state totals, sound and contradictory.

use super::*;

#[test]
fn totals_are_read_in_every_spelling() {
    for (line, tokens) in [
        ("It was trained on 1,300,000,000,000 tokens.", 1.3e12),
        (
            "Amber was pre-trained on 1.3 trillion tokens of text",
            1.3e12,
        ),
        (
            "Trained on 1.3T tokens with a context length of 2,048 tokens.",
            1.3e12,
        ),
        (
            "Trained for 1.3T tokens (batches of 4,194,304 tokens)",
            1.3e12,
        ),
        ("本モデルは約1.3兆トークンで学習されています。", 1.3e12),
        (
            "日本語と英語の3000億トークンを用いて事前学習を行いました。",
            3e11,
        ),
        ("| tokens | 2,638,400 |", 2_638_400.0),
        ("| **Training tokens** | 1.3T |", 1.3e12),
        ("| 学習トークン数 | 3,000億 |", 3e11),
        ("| Total | 1,258.5B tokens |", 1.2585e12),
    ] {
        let found = total(&plain(line)).map(|one| one.tokens);
        assert_eq!(found, Some(tokens), "{line}");
    }
}

#[test]
fn what_a_sentence_says_of_something_else_is_no_total() {
    for line in [
        "The context length is 1,048,576 tokens in total.",
        "Trained for long contexts of 1,048,576 tokens.",
        "It was trained at 3,500,000 tokens per second.",
        "Trained on 64 GPUs at a throughput of 1,200,000 tokens/s.",
        "Trained with batches of 4,194,304 tokens.",
        "It was trained for 100,000 steps of 4,194,304 tokens.",
        "Trained with a global batch size of 4,194,304 tokens and AdamW.",
        "A total vocabulary of 1,000,000 tokens was considered.",
        "Evaluated on a total of 5,000,000 held-out tokens.",
        "Perplexity was computed over a total of 10B tokens.",
        "The tokenizer was trained on 10B tokens.",
        "The chat model was trained on 2B tokens.",
        "Fine-tuned: trained on 3,000,000 tokens of dialogue.",
        "Checkpoints are saved every 4B tokens of training.",
        "Supports a total of 2,000,000 input tokens.",
        "The reward model was trained on 1.5B tokens.",
        "コンテキスト長は合計1,048,576トークンです。",
        "学習時のバッチサイズは4,194,304トークンです。",
        "評価には合計50億トークンを用いました。",
        "継続事前学習は1000億トークンで行いました。",
        "学習速度は毎秒3,500,000トークンです。",
        "130億パラメータのモデルをトークン単位で学習しました。",
        "| tokens a sequence | 2,048,000 |",
        "| tokens per second | 2,638,400 |",
        "| Total tokens per batch | 4B |",
        "| tokens | 2,638,400 | 5,276,800 |",
    ] {
        assert_eq!(total(&plain(line)), None, "{line}");
    }
}

#[test]
fn rows_under_a_heading_of_something_else_are_left_alone() {
    let card = |heading: &str| Card {
        text: format!(
            "# Model\n\n## {heading}\n\n```\n# Training\n```\n\n| tokens | 2,638,400 |\n"
        ),
        ..Card::default()
    };
    let found = |heading: &str| {
        let card = card(heading);
        lines_of(&card).filter_map(|(_, line)| total(&line)).count()
    };
    assert_eq!(found("Training"), 1);
    for heading in [
        "Evaluation",
        "Fine-tuning",
        "Inference",
        "Tokenizer",
        "評価",
    ] {
        assert_eq!(found(heading), 0, "{heading}");
    }
}

#[test]
fn sizes_of_models_are_told_from_counts_of_tokens() {
    let sizes = |line: &str| model_sizes(line).into_iter().collect::<Vec<_>>();
    assert_eq!(sizes("olmo-7b was trained on 300b tokens"), ["7b"]);
    assert!(sizes("| total tokens | 1.3t |").is_empty());
}
