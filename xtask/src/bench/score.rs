//! Scoring: tokens of a forward pass with their log-probabilities, bf16, with AMX and without.

use super::contest::{Contest, Entrant, Program, Question, Rate};

/// Where `peers/make_models.py` puts the models, by the names it knows them by.
pub(super) const MODELS: &str = "target/bench/models";
const SHAPES: [(&str, &str, &str); 2] = [
    ("7b", "7b-2-layers", "two layers of 7B"),
    ("1b", "1b", "1B"),
];
const RATE: Rate = Rate {
    key: "tokens_per_second",
    unit: "tokens/s",
};

/// Both shapes, with AMX and without.
pub(super) fn contests() -> Vec<Contest> {
    SHAPES
        .into_iter()
        .flat_map(|shape| [with_amx(shape), without_amx(shape)])
        .collect()
}

fn ours(name: &str, model: &str) -> Entrant {
    let arguments = format!("{} --profile bf16-v1", work(model));
    Entrant::new(name, Program::Example("score_rate"), &arguments)
}

fn peer(name: &str, model: &str) -> Entrant {
    let arguments = format!("{} --dtype bfloat16", work(model));
    Entrant::new(name, Program::Peer("peers/score_bench.py"), &arguments)
}

fn work(model: &str) -> String {
    format!("--model {MODELS}/{model} --threads 2 --batch 4 --length 512")
}

fn contest((tag, model, name): (&'static str, &'static str, &str), part: &'static str) -> Contest {
    Contest {
        section: format!("score {tag}"),
        subject: format!("scoring, {name}"),
        tags: vec![tag, part],
        model: Some(model),
        sides: Vec::new(),
        questions: Vec::new(),
        rate: RATE,
        work: 1,
        turns: 7,
    }
}

fn with_amx(shape: (&'static str, &'static str, &str)) -> Contest {
    let model = shape.1;
    Contest {
        sides: vec![ours("bf16-v1", model), peer("transformers bf16", model)],
        questions: vec![
            Question::speed(0, 1).at_least(1.3, 2.0).judged_on("amx"),
            Question::memory(0, 1),
        ],
        ..contest(shape, "amx")
    }
}

/// The peer's products are held to a generation of processors: the last without AMX has AVX-512 products of
/// bf16, the one before has none. Both of its libraries have to be held: with oneDNN alone held, its attention
/// goes to MKL, which takes AMX (MKL's 64 × 512 × 64 took 18 µs so, 56 held).
fn without_amx(shape: (&'static str, &'static str, &str)) -> Contest {
    let model = shape.1;
    let held = |one_dnn, mkl| {
        peer(&format!("transformers bf16, {one_dnn}"), model)
            .with("ONEDNN_MAX_CPU_ISA", one_dnn)
            .with("MKL_ENABLE_INSTRUCTIONS", mkl)
    };
    Contest {
        subject: format!("scoring, {} without AMX", shape.2),
        sides: vec![
            ours("bf16-v1, avx512", model).on("avx512"),
            held("AVX512_CORE_BF16", "AVX512_E3"),
            held("AVX512_CORE", "AVX512"),
        ],
        questions: vec![
            Question::speed(0, 1).at_least(1.3, 2.0),
            Question::speed(0, 2).at_least(1.3, 2.0),
        ],
        ..contest(shape, "no-amx")
    }
}
