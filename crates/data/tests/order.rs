//! The published order: `docs/order-vectors.json` is frozen, and Rust and `docs/order.py` agree with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use glasswork_data::{Mixture, MixtureFile, MixtureSource, Order, Permutation};
use serde::{Deserialize, Serialize};

/// Numbers that JSON readers may round are strings; keys are hexadecimal words.
#[derive(Serialize, Deserialize)]
struct Vectors {
    permutations: Vec<PermutationVector>,
    mixture: MixtureFile,
    /// position, source, epoch, window
    rows: Vec<(u64, usize, u64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct PermutationVector {
    n: String,
    key: [String; 2],
    epoch: String,
    pairs: Vec<(String, String)>,
}

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

fn published() -> Vectors {
    let text = std::fs::read_to_string(docs("order-vectors.json"))
        .expect("the vectors are part of the repository");
    serde_json::from_str(&text).expect("valid vectors")
}

#[test]
fn rust_agrees_with_the_published_vectors() {
    let vectors = published();
    for case in &vectors.permutations {
        let word = |text: &String| u64::from_str_radix(text, 16).expect("a word");
        let number = |text: &String| text.parse::<u64>().expect("a number");
        let key = [word(&case.key[0]), word(&case.key[1])];
        let permutation = Permutation::new(number(&case.n), key, number(&case.epoch));
        for (from, to) in &case.pairs {
            assert_eq!(
                permutation.forward(number(from)),
                number(to),
                "n {} at {from}",
                case.n
            );
            assert_eq!(
                permutation.inverse(number(to)),
                number(from),
                "n {} back from {to}",
                case.n
            );
        }
    }
    let order = vectors.mixture.order().expect("consistent");
    for &(position, source, epoch, window) in &vectors.rows {
        let at = order.window_at(position);
        assert_eq!(
            (at.source, at.epoch, at.window),
            (source, epoch, window),
            "row {position}"
        );
        assert!(
            order
                .positions_of(source, window, position + 1)
                .any(|found| found == position)
        );
    }
}

#[test]
fn the_python_reference_agrees_with_the_published_vectors() {
    let run = Command::new("python3")
        .arg(docs("order.py"))
        .arg("--check")
        .arg(docs("order-vectors.json"))
        .output();
    match run {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("no python3 here: not checked")
        }
        Err(error) => panic!("{error}"),
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// Writes the vectors anew. Only for a new format of the order: the published ones never change.
#[test]
#[ignore = "overwrites docs/order-vectors.json"]
fn write_vectors() {
    let mut permutations = Vec::new();
    for (n, key, epoch) in [
        (1, [0, 0], 0),
        (2, [1, 2], 0),
        (5, [1, 2], 0),
        (5, [1, 2], 1),
        (1000, [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210], 0),
        (
            1000,
            [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210],
            u64::MAX,
        ),
        ((1 << 32) + 1, [3, u64::MAX], 7),
        (u64::MAX, [u64::MAX, 5], 2),
    ] {
        let permutation = Permutation::new(n, key, epoch);
        let inputs = (0..8)
            .map(|i| i * (n / 8).max(1))
            .chain([n - 1])
            .filter(|&i| i < n);
        permutations.push(PermutationVector {
            n: n.to_string(),
            key: key.map(|word| format!("{word:016x}")),
            epoch: epoch.to_string(),
            pairs: inputs
                .map(|i| (i.to_string(), permutation.forward(i).to_string()))
                .collect(),
        });
    }
    let source = |id: &str, weight, windows| MixtureSource {
        id: id.into(),
        weight,
        windows,
    };
    let sources = vec![
        source("code", 30, 97),
        source("books", 45, 40),
        source("prose", 25, 1),
        source("web", 7, 12),
    ];
    let order = Order::new(20_261_123, Mixture::new(sources).expect("valid"));
    let tokens: Vec<u64> = order
        .sources()
        .iter()
        .map(|source| source.windows * 256 + 1)
        .collect();
    let mixture = MixtureFile::describe(&order, 256, 6400, &tokens);
    let rows = (0..40).chain([97, 1000, 3333, 6399]).map(|position| {
        let at = order.window_at(position);
        (position, at.source, at.epoch, at.window)
    });
    let vectors = Vectors {
        permutations,
        mixture,
        rows: rows.collect(),
    };
    let text = serde_json::to_string_pretty(&vectors).expect("JSON") + "\n";
    std::fs::write(docs("order-vectors.json"), text).expect("writes");
}
