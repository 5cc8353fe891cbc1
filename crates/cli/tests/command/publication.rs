//! What `export hf --all` writes: a publication whose truth is known.

use std::fs;

use serde_json::Value;

use crate::corpus::{Corpus, trained};

/// A corpus that holds `published`, everything that the release's training made.
pub(crate) fn published() -> Corpus {
    let trained = trained();
    let corpus = Corpus::new();
    let release = trained.corpus.release();
    let release = release.to_string_lossy();
    let export = ["export", "hf", "--all", &release, "-o", "published"];
    corpus.glasswork(&export).exits(0);
    corpus
}

/// Steps of the checkpoints there, ascending.
pub(crate) fn steps(corpus: &Corpus) -> Vec<u64> {
    let folder = fs::read_dir(corpus.path().join("published")).expect("lists");
    let names = folder
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned());
    let mut steps: Vec<u64> = names
        .filter_map(|name| name.strip_prefix("step")?.parse().ok())
        .collect();
    steps.sort_unstable();
    steps
}

#[test]
fn a_checkpoint_loses_on_the_next_batch_what_the_log_says() {
    let corpus = published();
    let steps = steps(&corpus);
    assert!(steps.len() > 2 && steps[0] == 0, "{steps:?}");
    let read = |name: String| {
        let path = corpus.path().join("published").join(name);
        fs::read_to_string(path).expect("reads")
    };
    let log = read("metrics.csv".to_owned());
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some("loss,learning_rate,step,grad_norm"));
    let logged: Vec<Vec<f64>> = lines
        .map(|line| {
            line.split(',')
                .map(|x| x.parse().expect("a number"))
                .collect()
        })
        .collect();
    let last = *steps.last().expect("there are some");
    assert_eq!(logged.len() as u64, last);
    for (index, stretch) in steps.windows(2).enumerate() {
        let rows: Vec<Value> = read(format!("train/train_{index:03}.jsonl"))
            .lines()
            .map(|line| serde_json::from_str(line).expect("a row"))
            .collect();
        let next = stretch[0] + 1;
        assert_eq!(rows.last().expect("rows")["step"], stretch[1]);
        let batch: String = rows
            .iter()
            .filter(|row| row["step"] == next)
            .map(|row| format!("{row}\n"))
            .collect();
        corpus.put("batch.jsonl", batch.as_bytes());
        let model = format!("published/step{}", stretch[0]);
        let score = ["score", &model, "--tokens", "batch.jsonl", "--json"];
        let found = corpus.glasswork(&score).exits(0).json();
        let loss = found["mean_loss"].as_f64().expect("a number");
        let there = logged[next as usize - 1][0];
        assert!(
            (loss - there).abs() < 1e-5,
            "step {next}: {loss}, logged {there}"
        );
    }
}

#[test]
fn a_folder_that_exists_is_left_alone() {
    let corpus = published();
    let trained = trained();
    let release = trained.corpus.release();
    let release = release.to_string_lossy();
    let again = ["export", "hf", "--all", &release, "-o", "published"];
    assert!(
        corpus
            .glasswork(&again)
            .exits(1)
            .err
            .contains("exists already")
    );
    let both = [
        "export", "hf", "--all", "--step", "0", &release, "-o", "other",
    ];
    corpus.glasswork(&both).exits(2);
}

/// What `audit` finds in a folder: exit code, and its findings as (severity, subject, reason).
fn audited(corpus: &Corpus, folder: &str) -> (Option<i32>, Vec<[String; 3]>) {
    let answer = corpus.glasswork(&["audit", folder, "--json"]);
    let assessment = answer.json();
    let findings = assessment["findings"].as_array().expect("findings");
    let word = |finding: &Value, key: &str| finding[key].as_str().expect("a word").to_owned();
    let found = findings
        .iter()
        .map(|one| ["severity", "subject", "reason"].map(|key| word(one, key)))
        .collect();
    (answer.code, found)
}

fn rename(corpus: &Corpus, from: &str, to: &str) {
    let at = |name: &str| corpus.path().join("published").join(name);
    fs::rename(at(from), at(to)).expect("renames");
}

#[test]
fn a_sound_publication_is_contradicted_by_nothing() {
    let corpus = published();
    let (code, findings) = audited(&corpus, "published");
    assert_eq!(code, Some(0), "{findings:?}");
    assert!(
        findings
            .iter()
            .all(|[severity, ..]| severity != "contradiction"),
        "{findings:?}"
    );
}

#[test]
fn a_checkpoint_under_anothers_name_is_found_by_its_loss() {
    let corpus = published();
    let steps = steps(&corpus);
    // Neither the first nor the last: the loss of both must lie on the log.
    let [one, two] = [steps[1], steps[steps.len() - 2]].map(|step| format!("step{step}"));
    let poc = |corpus: &Corpus, code| {
        let run = [
            "poc",
            "published",
            "--budget",
            "1m",
            "--yes",
            "--json",
            "-o",
            "kept",
        ];
        corpus.glasswork(&run).exits(code).json()
    };
    let differing = |outcome: &Value| -> Vec<String> {
        let all = outcome["assessment"]["measured"]["logged_loss"].as_array();
        let all = all.expect("measurements").iter();
        let differ = all.filter(|one| one["agreement"] == "differs");
        differ
            .map(|one| one["checkpoint"].as_str().expect("a name").to_owned())
            .collect()
    };
    let sound = poc(&corpus, 0);
    let measured = sound["assessment"]["measured"]["logged_loss"].as_array();
    assert_eq!(measured.expect("measurements").len(), steps.len());
    assert_eq!(differing(&sound), Vec::<String>::new());

    rename(&corpus, &one, "aside");
    rename(&corpus, &two, &one);
    rename(&corpus, "aside", &two);
    let mut found = differing(&poc(&corpus, 3));
    found.sort_unstable();
    let mut planted = vec![one, two];
    planted.sort_unstable();
    assert_eq!(found, planted);
    // What was measured is kept, and another command decides by it.
    let kept = fs::read_to_string(corpus.path().join("kept/assessment.json")).expect("is kept");
    assert!(kept.contains("\"differs\""));
    assert!(corpus.path().join("kept/decision.html").is_file());
    let compare = ["compare", "kept/assessment.json", "-o", "side-by-side.html"];
    corpus.glasswork(&compare).exits(3);
}

#[test]
fn a_poc_asks_before_it_fetches_or_computes() {
    let corpus = published();
    let answer = corpus.glasswork(&["poc", "published"]).exits(0);
    assert!(answer.out.contains("within 10m"), "{}", answer.out);
    assert!(answer.err.contains("--yes"), "{}", answer.err);
    assert!(!corpus.path().join("poc").exists());
    let answer = corpus
        .glasswork(&["poc", "published", "--budget", "10 minutes"])
        .exits(2);
    assert!(answer.err.contains("is no budget"), "{}", answer.err);
}

#[test]
fn own_documents_are_measured_offline_and_known_the_second_time() {
    let corpus = published();
    fs::create_dir(corpus.path().join("mine")).expect("makes a folder");
    corpus.put("mine/notes.md", b"The compiler checks the value at once.\n");
    corpus.put(
        "mine/asked.csv",
        "question,answer\n日本の首都は？,東京\n".as_bytes(),
    );
    let eval = || {
        let eval = ["--offline", "eval", "published", "--mine", "mine", "--json"];
        corpus.glasswork(&eval).exits(0).json()[0].clone()
    };
    let first = eval();
    assert_eq!(first["mine"]["documents"], 1);
    assert_eq!(first["mine"]["questions"], 1);
    let bits = first["mine"]["bits_per_byte"].as_f64().expect("a number");
    assert!(bits > 0.5 && bits < 12.0, "{bits}");
    assert_eq!(first["known"], 0);
    let second = eval();
    assert_eq!(
        (&second["computed"], &second["known"]),
        (&Value::from(0), &first["computed"])
    );
    assert_eq!(second["mine"], first["mine"]);
}

#[test]
fn what_eval_is_not_asked_it_says() {
    let corpus = published();
    let answer = corpus.glasswork(&["eval", "published"]).exits(2);
    assert!(answer.err.contains("--tasks"), "{}", answer.err);
    let answer = corpus.glasswork(&["eval", "published", "--mine", ".", "--checkpoints", "step7"]);
    assert!(answer.exits(1).err.contains("there is no checkpoint step7"));
    let trained = trained();
    let release = trained.corpus.release();
    let mine = ["eval", &release.to_string_lossy(), "--mine", "."];
    assert!(corpus.glasswork(&mine).exits(2).err.contains("export hf"));
    let hub = [
        "--offline",
        "audit",
        "hf:nobody/nothing",
        "--cache",
        "cache",
    ];
    let answer = corpus.glasswork(&hub).exits(1);
    assert!(answer.err.contains("--offline"), "{}", answer.err);
}

/// A task whose score tells weights apart, whatever they learnt: bits per byte of invented pages.
const PAGES: &str = "task: pages\ndataset_path: o/pages\ntest_split: test\noutput_type: loglikelihood_rolling\n\
    doc_to_text: \"\"\ndoc_to_target: \"{{page}}\"\nmetric_list: [{metric: bits_per_byte}]\nmetadata: {version: 1.0}\n";

#[test]
fn published_scores_are_asked_again_and_lies_found() {
    let corpus = published();
    let last = *steps(&corpus).last().expect("there are some");
    for folder in ["tasks", "data", "data/o", "data/o/pages"] {
        fs::create_dir(corpus.path().join(folder)).expect("makes a folder");
    }
    corpus.put("tasks/pages.yaml", PAGES.as_bytes());
    let page = |i: usize| format!("{{\"page\": \"line {i} holds the value of {}\"}}\n", i * i);
    let pages: String = (0..30).map(page).collect();
    corpus.put("data/o/pages/test.jsonl", pages.as_bytes());
    let eval = "--offline eval published --tasks pages --include tasks --task-data data --json";
    let eval: Vec<&str> = eval.split(' ').collect();
    let results = corpus.glasswork(&eval).exits(0).json()[0]["results"].clone();
    let results = corpus.path().join(results.as_str().expect("a path"));
    let results = fs::read_to_string(results).expect("reads");
    let beside = format!("published/step{last}/eval_pages.json");
    corpus.put(&beside, results.as_bytes());
    corpus.put(
        "criteria.toml",
        b"format = 1\nname = \"scores\"\n[[criterion]]\nid = \"pub_confirmed\"\nclaims = [\"pub_evaluations_confirmed\"]\n\
          rung = \"replayed_within_bound\"\n",
    );
    let poc = |code| {
        let poc = "--offline poc published --yes --json -o kept --include tasks --task-data data --criteria criteria.toml";
        let poc: Vec<&str> = poc.split(' ').collect();
        let outcome = corpus.glasswork(&poc).exits(code).json();
        let told = outcome["assessment"]["measured"]["benchmarks"][0].clone();
        let verdict = outcome["assessment"]["decision"]["verdict"].clone();
        (told, verdict)
    };
    let (told, verdict) = poc(0);
    assert_eq!(
        (&told["task"], &told["metric"]),
        (&"pages".into(), &"bits_per_byte".into()),
        "{told}"
    );
    assert_eq!((&told["items"], &told["of"]), (&30.into(), &30.into()));
    let (score, published) = (told["score"]["value"].as_f64(), told["published"].as_f64());
    let (score, published) = (score.expect("scored"), published.expect("stated"));
    // What is exported is computed in mixed precision here, in f32 there.
    assert!(
        (score / published - 1.0).abs() < 0.01,
        "{score}, published {published}"
    );
    assert_eq!(
        (told["agreement"].clone(), verdict),
        ("agrees".into(), "adopt".into())
    );

    let mut lie: Value = serde_json::from_str(&results).expect("parses");
    let stated = &mut lie["results"]["pages"]["bits_per_byte,none"];
    assert!(stated.is_number(), "{stated}");
    *stated = (published * 0.9).into();
    corpus.put(&beside, lie.to_string().as_bytes());
    let (told, verdict) = poc(3);
    assert_eq!(
        (told["agreement"].clone(), verdict),
        ("differs".into(), "do_not_adopt".into())
    );
}
