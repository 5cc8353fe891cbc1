//! Data sets of tasks through the Hub's door: real names and layouts, invented text.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::corpus::{Answer, Corpus, glasswork};
use crate::hub::Server;
use crate::publication::published;

/// As the card of a data set that was converted to Parquet says it; the files here are JSON lines.
const CARD: &str = "---\nlicense: mit\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n  \
                    - split: validation\n    path: data/validation-*\n---\n# Sentences\n";

fn sentences() -> String {
    let row = |(i, ctx): (usize, &str)| {
        format!(
            "{{\"ind\": {i}, \"activity_label\": \"Reading\", \"ctx_a\": \"{ctx}\", \"ctx_b\": \"she\", \
             \"endings\": [\"reads.\", \"swims.\", \"sings.\", \"sleeps.\"], \"label\": \"{}\"}}\n",
            i % 4
        )
    };
    let contexts = [
        "A woman opens a book.",
        "A man sits down.",
        "Rain falls.",
        "A dog barks.",
        "It is late.",
    ];
    contexts.into_iter().enumerate().map(row).collect()
}

/// A Hub with one data set of plain files, one that a script makes and the Hub converted, and one of a script alone.
fn hub(corpus: &Corpus) -> Server {
    let put = |path: &str, bytes: &[u8]| corpus.put(&format!("hub/datasets/{path}"), bytes);
    put("Rowan/hellaswag/main/README.md", CARD.as_bytes());
    put(
        "Rowan/hellaswag/main/data/validation-00000-of-00001.jsonl",
        sentences().as_bytes(),
    );
    put(
        "Rowan/hellaswag/main/data/train-00000-of-00001.jsonl",
        b"{\"never\": \"fetched\"}\n",
    );
    put(
        "allenai/winogrande/main/winogrande.py",
        b"raise SystemExit\n",
    );
    let converted = "allenai/winogrande/refs%2Fconvert%2Fparquet/winogrande_xl";
    put(
        &format!("{converted}/validation/0000.parquet"),
        include_bytes!("datasets/winogrande.parquet"),
    );
    put(&format!("{converted}/train/0000.parquet"), b"never fetched");
    put("Rakuten/JGLUE/main/JGLUE.py", b"raise SystemExit\n");
    Server::start(&corpus.path().join("hub"))
}

fn eval(corpus: &Corpus, endpoint: &str, arguments: &[&str]) -> Answer {
    say(corpus, endpoint, &[arguments, &["--json"]].concat())
}

/// The same in lines for a person.
fn say(corpus: &Corpus, endpoint: &str, arguments: &[&str]) -> Answer {
    let begin = ["eval", "published", "--threads", "1", "--tasks"];
    let arguments = [&begin[..], arguments].concat();
    let mut command = glasswork(corpus.path(), &arguments);
    command.env("HF_ENDPOINT", endpoint);
    for name in ["HF_TOKEN", "HF_HUB_OFFLINE"] {
        command.env_remove(name);
    }
    Answer::of(command.env("HF_HOME", corpus.path().join("home")))
}

/// What the file of results says of where a task's data is from.
fn said(corpus: &Corpus, answer: &Value, task: &str) -> Value {
    let path = answer[0]["results"].as_str().expect("a path");
    let text = fs::read_to_string(corpus.path().join(path)).expect("reads");
    let results: Value = serde_json::from_str(&text).expect("JSON");
    results["glasswork"]["tasks"][task].clone()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("has one")).expect("makes");
    fs::copy(from, to).expect("copies");
}

#[test]
fn tasks_fetch_their_data_sets() {
    let corpus = published();
    let server = hub(&corpus);
    let both = "hellaswag,winogrande";
    let online = eval(&corpus, server.url(), &[both, "-o", "one"])
        .exits(0)
        .json();
    for (task, documents) in [(0, 5), (1, 3)] {
        assert_eq!(online[0]["tasks"][task]["state"], "measured");
        assert_eq!(online[0]["tasks"][task]["judged"], documents);
    }
    let sentences = said(&corpus, &online, "hellaswag");
    let commit = server.commit("datasets/Rowan/hellaswag", "main");
    assert_eq!(sentences["data"][0]["commit"], commit);
    let file = "data/validation-00000-of-00001.jsonl";
    let digest = sentences["data"][0]["files_sha256"][file].as_str();
    assert_eq!(
        digest,
        Some(&*glasswork_release::sha256_hex(
            self::sentences().as_bytes()
        ))
    );
    let converted = said(&corpus, &online, "winogrande");
    let commit = server.commit("datasets/allenai/winogrande", "refs/convert/parquet");
    assert_eq!(converted["data"][0]["commit"], commit);
    // Only what the tasks ask.
    let asked: Vec<String> = server.seen().into_iter().map(|seen| seen.path).collect();
    assert!(
        !asked.iter().any(|path| path.contains("train")),
        "{asked:?}"
    );
    assert!(!asked.iter().any(|path| path.ends_with(".py")), "{asked:?}");

    // Once fetched, no network is needed, and the results are the same.
    let seen = server.seen().len();
    let offline = eval(&corpus, server.url(), &[both, "-o", "two", "--offline"])
        .exits(0)
        .json();
    assert_eq!(server.seen().len(), seen);
    assert_eq!(said(&corpus, &offline, "hellaswag"), sentences);

    // The same files from a folder are the same data.
    let there = corpus.path().join("hub/datasets");
    let here = corpus.path().join("mine");
    copy(
        &there.join("Rowan/hellaswag/main").join(file),
        &here.join("Rowan/hellaswag").join(file),
    );
    copy(
        &there.join(
            "allenai/winogrande/refs%2Fconvert%2Fparquet/winogrande_xl/validation/0000.parquet",
        ),
        &here.join("allenai/winogrande/winogrande_xl/validation/0000.parquet"),
    );
    let local = eval(
        &corpus,
        "http://127.0.0.1:9",
        &[both, "-o", "three", "--task-data", "mine"],
    )
    .exits(0)
    .json();
    for task in ["hellaswag", "winogrande"] {
        let (local, online) = (said(&corpus, &local, task), said(&corpus, &online, task));
        assert_eq!(local["data_sha256"], online["data_sha256"]);
        assert!(local["data"][0]["commit"].is_null());
    }
}

#[test]
fn what_cannot_be_fetched_says_what_to_do() {
    let corpus = published();
    let server = hub(&corpus);
    let reason = |answer: Answer| {
        let answer = answer.exits(4).json();
        assert_eq!(answer[0]["tasks"][0]["state"], "missing");
        answer[0]["tasks"][0]["reason"]
            .as_str()
            .expect("why")
            .to_owned()
    };
    let offline = reason(eval(&corpus, server.url(), &["hellaswag", "--offline"]));
    assert!(
        offline.contains("not in the cache") && offline.contains("--task-data"),
        "{offline}"
    );
    assert!(server.seen().is_empty());
    let script = reason(eval(&corpus, server.url(), &["jnli"]));
    assert!(
        script.contains("JGLUE.py, and nothing of a data set is executed"),
        "{script}"
    );
    assert!(script.contains("--task-data"), "{script}");
    let missing = reason(eval(&corpus, server.url(), &["sciq"]));
    assert!(missing.contains("allenai/sciq"), "{missing}");
}

#[test]
fn two_checkpoints_are_compared_item_by_item() {
    let corpus = published();
    let server = hub(&corpus);
    let tasks = ["hellaswag,winogrande", "--limit", "2"];
    let first = ["--checkpoints", "step0", "-o", "first"];
    eval(&corpus, server.url(), &[&tasks[..], &first].concat()).exits(0);
    let second = ["-o", "second", "--against", "first/step0"];
    let second = eval(&corpus, server.url(), &[&tasks[..], &second].concat())
        .exits(0)
        .json();
    let found = second[0]["against"].as_array().expect("a list");
    let metrics = found.iter().flat_map(|task| task["metrics"].as_array());
    let metrics: Vec<&Value> = metrics.flatten().collect();
    assert_eq!(metrics.len(), 3, "{found:?}");
    for one in metrics {
        assert_eq!(one["pairs"], 2);
        assert!(
            one["mcnemar"]["p"].as_f64().is_some_and(|p| p > 0.0),
            "{one}"
        );
    }
    assert_eq!(second[0]["tasks"][0]["judged"], 2);
    assert_eq!(second[0]["tasks"][0]["documents"], 5);
    let again = ["-o", "second", "--against", "first/step0"];
    let lines = say(&corpus, server.url(), &[&tasks[..], &again].concat()).exits(0);
    for line in [
        "2 of 5 items",
        "acc,none",
        ", 95% ",
        "guessing scores 0.250",
        " here, ",
        ", 2 pairs",
        "exact McNemar p",
    ] {
        assert!(lines.out.contains(line), "{line}: {}", lines.out);
    }
    let lost = ["-o", "third", "--against", "nowhere"];
    let lost = eval(&corpus, server.url(), &[&tasks[..], &lost].concat()).exits(1);
    assert!(lost.err.contains("holds no samples"), "{}", lost.err);
}

#[test]
fn own_documents_are_looked_for_in_the_training_data() {
    let corpus = published();
    let numbered = |word: &str| (0..40).map(|i| format!("{word}{i} ")).collect::<String>();
    let (seen, unseen) = (numbered("seen"), numbered("unseen"));
    corpus.put("own/seen.txt", seen.as_bytes());
    corpus.put("own/unseen.txt", unseen.as_bytes());
    let data = format!("{{\"text\": \"So: {seen}\"}}\n{{\"text\": \"Other.\"}}\n");
    corpus.put("data/docs.jsonl", data.as_bytes());
    let poc = [
        "poc",
        "published",
        "--data",
        "data",
        "--mine",
        "own",
        "--yes",
        "--budget",
        "5m",
        "-o",
        "out",
    ];
    corpus.glasswork(&poc).exits(0);
    let text = fs::read_to_string(corpus.path().join("out/assessment.json")).expect("reads");
    let assessment: Value = serde_json::from_str(&text).expect("JSON");
    let own = &assessment["measured"]["own_documents"];
    assert_eq!(own["overlap"], 0.5, "{own}");
    let bytes = data.len();
    assert_eq!(
        own["overlap_sampled"],
        serde_json::json!([bytes, bytes]),
        "{own}"
    );
}
