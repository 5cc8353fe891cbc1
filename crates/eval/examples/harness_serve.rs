//! Our scorer for lm-evaluation-harness: `harness_serve --model DIR [--threads 2]`, one JSON request a line on
//! standard input, one JSON answer a line on standard output. `peers/harness_agree.py` speaks the same.
//!
//! `{"about": true}` → `{"max_length", "prefix", "prefix_text", "end", "end_text"}`;
//! `{"encode": TEXT, "special": BOOL}` → `[token, …]`; `{"decode": [token, …]}` → text;
//! `{"score": [[[context], [continuation]], …]}` → `[[log-likelihood, greedy], …]`;
//! `{"generate": [token, …], "most": N, "until": [TEXT, …]}` → `[token, …]`.

use glasswork_data::PublishedTokenizer;
use glasswork_eval::harness::{LanguageModel, Published, Request, Room};
use glasswork_kernels::{Isa, Pool, Profile};
use glasswork_model::{Checkpoint, Scorer};
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: glasswork_kernels::CacheLines = glasswork_kernels::CacheLines;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: &str| {
        let at = arguments.iter().position(|a| a == name);
        let value = at.and_then(|i| arguments.get(i + 1));
        value.map_or(default.to_owned(), Clone::clone)
    };
    let threads = option("--threads", "2").parse().expect("a number");
    let mut model = open(&option("--model", "."), threads);
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.expect("UTF-8")).expect("JSON");
        let answer = answer(&mut model, &request);
        writeln!(out, "{answer}").expect("someone reads");
        out.flush().expect("someone reads");
    }
}

fn open(folder: &str, threads: usize) -> Published {
    let folder = Path::new(folder);
    let pool = Arc::new(Pool::new(threads, Isa::best()).expect("threads"));
    let checkpoint = Checkpoint::open(folder).expect("a model");
    let tokenizer = PublishedTokenizer::open(&folder.join("tokenizer.json")).expect("a tokenizer");
    let scorer = Scorer::new(checkpoint, Profile::F32V1, pool.clone());
    let room = Room {
        memory: 2 << 30,
        pool,
    };
    Published::new(scorer, tokenizer, ["served", "served"], room).expect("special tokens")
}

fn tokens(value: &Value) -> Vec<u32> {
    let tokens = value.as_array().expect("tokens").iter();
    tokens
        .map(|token| token.as_u64().expect("a token") as u32)
        .collect()
}

fn answer(model: &mut Published, request: &Value) -> Value {
    if request.get("about").is_some() {
        let (prefix, prefix_text) = model.prefix();
        let end = model.end_of_text();
        return json!({
            "max_length": model.max_length(), "prefix": prefix, "prefix_text": prefix_text,
            "end": end.map(|end| end.0), "end_text": end.map(|end| end.1),
        });
    }
    if let Some(text) = request["encode"].as_str() {
        let special = request["special"]
            .as_bool()
            .expect("whether with special tokens");
        return json!(model.encode(text, special).expect("encodes"));
    }
    if let Some(pairs) = request["score"].as_array() {
        let requests: Vec<Request> = pairs
            .iter()
            .map(|pair| Request {
                context: tokens(&pair[0]),
                continuations: vec![tokens(&pair[1])],
            })
            .collect();
        let scores = model.log_likelihoods(&requests).expect("scores");
        let scores = scores
            .iter()
            .map(|of| json!([of[0].log_likelihood, of[0].greedy]));
        return Value::Array(scores.collect());
    }
    if request.get("generate").is_some() {
        let most = request["most"].as_u64().expect("a number") as usize;
        let until = request["until"].as_array().expect("texts").iter();
        let until: Vec<String> = until
            .map(|text| text.as_str().expect("a text").to_owned())
            .collect();
        let new = model.generate(&[tokens(&request["generate"])], most, &until);
        return json!(new.expect("generates")[0]);
    }
    json!(model.decode(&tokens(&request["decode"])).expect("decodes"))
}
