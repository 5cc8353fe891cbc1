//! Folders that lie: each is told as a problem of one file, and nothing outside is touched.

#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use glasswork_published::{Door, Inventory, Place, Publication};
use tempfile::TempDir;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn look(folder: &Path) -> Inventory {
    let publication = Publication::open(&Place::Folder(folder.into()), &Door::default());
    publication.unwrap().inventory().clone()
}

/// The problems of `path`, in one text.
fn told(inventory: &Inventory, path: &str) -> String {
    let of = inventory.problems.iter().filter(|one| one.path == path);
    of.map(|one| format!("{}; ", one.reason)).collect()
}

#[test]
fn attack_headers_of_gigabytes() {
    let folder = folder(&[("config.json", b"{}")]);
    let path = folder.path().join("model.safetensors");
    // A sparse file, so that there is room for what the header claims.
    let file = File::create(&path).unwrap();
    file.set_len(40 << 30).unwrap();
    fs::write(folder.path().join("head"), (32_u64 << 30).to_le_bytes()).unwrap();
    std::io::copy(
        &mut File::open(folder.path().join("head")).unwrap(),
        &mut &file,
    )
    .unwrap();
    let inventory = look(folder.path());
    assert!(told(&inventory, "model.safetensors").contains("claims a header of 34359738368 bytes"));
    assert!(inventory.checkpoints[0].tensors.is_empty());
}

#[test]
fn attack_a_pickle_that_would_execute() {
    let pickle = fs::read(fixture("../../../model/tests/torch/2.15.0-module.bin")).unwrap();
    let folder = folder(&[("config.json", b"{}"), ("pytorch_model.bin", &pickle)]);
    let inventory = look(folder.path());
    assert!(told(&inventory, "pytorch_model.bin").contains("could run code"));
}

/// What would run is told with its names wherever it hides, and also where safetensors lie beside.
#[test]
fn attack_names_in_every_kind_of_pickled_file() {
    let call = b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.";
    let packed = archived(call, true);
    let stored = archived(call, false);
    let module = fs::read(fixture("../../../model/tests/torch/2.1.2-module.bin")).unwrap();
    let plain = fs::read(fixture("../../../model/tests/torch/2.1.2.bin")).unwrap();
    let folder = folder(&[
        ("config.json", b"{}"),
        ("model.safetensors", b"\x02\0\0\0\0\0\0\0{}"),
        ("pytorch_model-00001-of-00003.bin", &packed),
        ("pytorch_model-00002-of-00003.bin", &module),
        ("pytorch_model-00003-of-00003.bin", &plain),
        ("training_args.bin", call),
        ("optimizer.pt", &stored),
        ("notes/extra.pkl", &stored[..stored.len() - 30]),
    ]);
    let inventory = look(folder.path());
    let found: Vec<_> = inventory
        .pickles
        .iter()
        .map(|one| (one.path.as_str(), one.weights, one.names.join(" ")))
        .collect();
    let system = || "os.system".to_owned();
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found[0], ("optimizer.pt", false, system()));
    assert_eq!(
        found[1],
        ("pytorch_model-00001-of-00003.bin", true, system())
    );
    assert!(found[2].1 && found[2].2.contains("torch.nn.modules.linear.Linear"));
    assert_eq!(found[3], ("training_args.bin", false, system()));
    assert!(inventory.pickles.iter().all(|one| one.beside_safetensors));
    assert!(told(&inventory, "notes/extra.pkl").contains("damaged zip archive"));
}

#[test]
fn attack_a_pickle_that_unpacks_without_end() {
    let bomb = archived(&vec![b'N'; 64 << 20], true);
    assert!(bomb.len() < 100_000);
    let folder = folder(&[("config.json", b"{}"), ("optimizer.pt", &bomb)]);
    // One that is not packed, and goes on and on.
    fs::write(folder.path().join("notes.pkl"), vec![b'N'; 3 << 20]).unwrap();
    let inventory = look(folder.path());
    assert!(told(&inventory, "notes.pkl").contains("looked into for 1048576 bytes"));
    assert!(told(&inventory, "optimizer.pt").contains("unpacks to more than 1048576 bytes"));
}

/// An archive with one entry, `a/data.pkl`.
fn archived(pickle: &[u8], packed: bool) -> Vec<u8> {
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(pickle).unwrap();
    let deflated = encoder.finish().unwrap();
    let (method, bytes) = match packed {
        true => (8_u8, &deflated[..]),
        false => (0, pickle),
    };
    let name = b"a/data.pkl";
    let head = [
        &[0, 0, method, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &(bytes.len() as u32).to_le_bytes(),
        &(pickle.len() as u32).to_le_bytes(),
        &(name.len() as u16).to_le_bytes(),
        &[0, 0],
    ]
    .concat();
    let local = [b"PK\x03\x04\x14\0", &head[..], name, bytes].concat();
    let entry = [b"PK\x01\x02\x14\0\x14\0", &head[..], &[0; 14], name].concat();
    let (at, long) = (local.len() as u32, entry.len() as u32);
    [
        &local[..],
        &entry,
        b"PK\x05\x06\0\0\0\0\x01\0\x01\0",
        &long.to_le_bytes(),
        &at.to_le_bytes(),
        &[0, 0],
    ]
    .concat()
}

#[test]
fn a_turned_tensor_is_named_and_not_sampled() {
    let turned = fs::read(fixture("../../../model/tests/torch/2.15.0-turned.bin")).unwrap();
    let folder = folder(&[("config.json", b"{}"), ("pytorch_model.bin", &turned)]);
    let place = Place::Folder(folder.path().into());
    let publication = Publication::open(&place, &Door::default()).unwrap();
    let inventory = publication.inventory();
    assert!(
        told(inventory, "pytorch_model.bin").contains("`a.weight`, which does not lie row by row")
    );
    assert_eq!(inventory.checkpoints[0].tensors[0].start, None);
    let refused = publication
        .sample(0, "a.weight", 4)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("`a.weight` does not lie row by row"));
}

#[test]
fn attack_archives_that_are_packed() {
    let mut packed = fs::read(fixture("pythia/step4/pytorch_model.bin")).unwrap();
    let directory = packed.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    packed[directory + 10] = 8;
    let folder = folder(&[("config.json", b"{}"), ("pytorch_model.bin", &packed)]);
    let inventory = look(folder.path());
    assert!(told(&inventory, "pytorch_model.bin").contains("compressed or encrypted"));
}

#[test]
fn attack_an_index_that_leaves_its_folder() {
    let index = br#"{"metadata": {}, "weight_map": {"a": "../../etc/passwd", "b": "/etc/passwd"}}"#;
    let model = fs::read(fixture("olmo/stage1-step0-tokens0B/model.safetensors")).unwrap();
    let folder = folder(&[
        ("model.safetensors.index.json", index),
        ("model.safetensors", &model),
    ]);
    let inventory = look(folder.path());
    let problem = told(&inventory, "model.safetensors.index.json");
    assert!(
        problem.contains("is no name of a file in its folder"),
        "{problem}"
    );
}

#[test]
fn an_index_that_names_what_is_not_there_is_told() {
    let index = br#"{"weight_map": {"a": "model-00001-of-00002.safetensors"}}"#;
    let model = fs::read(fixture("olmo/stage1-step0-tokens0B/model.safetensors")).unwrap();
    let folder = folder(&[
        ("step7/model.safetensors.index.json", index),
        ("step7/model.safetensors", &model),
    ]);
    let inventory = look(folder.path());
    let problem = told(&inventory, "step7/model-00001-of-00002.safetensors");
    assert!(problem.contains("is not there"), "{problem}");
}

#[test]
fn a_cut_shard_keeps_its_tensors_and_says_so() {
    let whole = fs::read(fixture("olmo/stage1-step0-tokens0B/model.safetensors")).unwrap();
    let folder = folder(&[("model.safetensors", &whole[..whole.len() - 100])]);
    let inventory = look(folder.path());
    let problem = told(&inventory, "model.safetensors");
    assert!(problem.contains("its header says"), "{problem}");
    assert!(!inventory.checkpoints[0].tensors.is_empty());
    assert!(
        inventory.checkpoints[0]
            .tensors
            .iter()
            .any(|one| one.end > Some(whole.len() as u64 - 100))
    );
}

/// Cut anywhere, a small file is told or read, and nothing panics.
#[test]
fn attack_small_files_cut_anywhere() {
    for path in [
        "olmo/stage1-step0-tokens0B/model.safetensors",
        "pythia/step4/pytorch_model.bin",
        "trainer/checkpoint-20/trainer_state.json",
        "amber/eval_arc.json",
        "amber/README.md",
        "amber/metrics.csv",
        "k2/metrics/history.parquet",
        "k2/ckpt_000/model.safetensors.index.json",
    ] {
        let whole = fs::read(fixture(path)).unwrap();
        let name = path.rsplit('/').next().unwrap();
        // Of larger files, some two hundred cuts.
        let step = (whole.len() / 200).max(1);
        let whole = whole.trim_ascii_end();
        let folder = folder(&[("config.json", b"{}")]);
        for end in (0..whole.len()).step_by(step) {
            fs::write(folder.path().join(name), &whole[..end]).unwrap();
            let inventory = look(folder.path());
            if name.ends_with(".bin") || name.ends_with(".json") || name.ends_with(".parquet") {
                assert!(
                    !told(&inventory, name).is_empty() || name.ends_with(".parquet"),
                    "{path} cut at {end}"
                );
            }
        }
    }
}

#[test]
fn attack_json_of_all_kinds() {
    let deep = format!("{{\"a\": {}", "[".repeat(200_000)).into_bytes();
    let digits = format!("{{\"a\": {}}}", "9".repeat(200_000)).into_bytes();
    let cases: [(&[u8], &str); 5] = [
        (&deep, "recursion"),
        (b"{\"a\": 1, \"a\": 2}", "duplicate key"),
        (&digits, "number out of range"),
        (b"{\"a\": \"\xff\"}", "unicode"),
        (b"", "EOF"),
    ];
    for (config, expected) in cases {
        let folder = folder(&[
            ("step1/config.json", config),
            ("step1/model.safetensors", b""),
        ]);
        let inventory = look(folder.path());
        let problem = told(&inventory, "step1/config.json");
        assert!(problem.contains(expected), "{expected}: {problem}");
        assert_eq!(inventory.checkpoints[0].config, None);
        assert!(told(&inventory, "step1/model.safetensors").contains("no header"));
    }
}

#[test]
fn attack_data_without_an_end() {
    let folder = folder(&[("data/empty.jsonl", b""), ("data/text.jsonl", b"no json\n")]);
    // One line of five gigabytes, of which four mebibytes are looked at.
    let line = File::create(folder.path().join("data/line.jsonl")).unwrap();
    line.set_len(5 << 30).unwrap();
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut bomb, &vec![b'['; 64 << 20]).unwrap();
    fs::write(
        folder.path().join("data/bomb.jsonl.gz"),
        bomb.finish().unwrap(),
    )
    .unwrap();
    let inventory = look(folder.path());
    assert_eq!(inventory.data.len(), 4);
    for (path, expected) in [
        ("data/empty.jsonl", "is empty"),
        ("data/text.jsonl", "expected"),
        ("data/line.jsonl", "no line of documents"),
        ("data/bomb.jsonl.gz", "no line of documents"),
    ] {
        let problem = told(&inventory, path);
        assert!(problem.contains(expected), "{path}: {problem}");
    }
}

#[test]
fn attack_logs_that_are_none() {
    let folder = folder(&[
        ("metrics.csv", b"a,b\n1,2\n"),
        ("logs/x.csv", b"\xff\xfe\x00"),
        ("metrics/x.parquet", b"PAR1 and nothing more PAR1"),
    ]);
    let inventory = look(folder.path());
    assert!(inventory.metrics.is_empty());
    assert!(told(&inventory, "metrics.csv").contains("no column of steps"));
    assert!(told(&inventory, "logs/x.csv").contains("no column of steps"));
    // A table that is no log may be data.
    assert_eq!(inventory.data[0].path, "metrics/x.parquet");
}

#[test]
fn weights_of_another_format_are_told() {
    let inventory = look(folder(&[("model.gguf", b"GGUF"), ("README.md", b"# x")]).path());
    assert!(inventory.checkpoints.is_empty());
    assert!(told(&inventory, "model.gguf").contains("a format that is not read"));
}

#[test]
fn a_folder_that_is_none_and_an_empty_one() {
    let missing = Publication::open(&Place::Folder("/does/not/exist".into()), &Door::default());
    let hint = missing.unwrap_err().hint().unwrap();
    assert!(hint.contains("hf:owner/name"));
    let inventory = look(folder(&[]).path());
    assert!(inventory.checkpoints.is_empty() && inventory.problems.is_empty());
}

/// A header of millions of tensors, and an index of as many files: the bound stands in what is told, and little is kept.
#[test]
fn attack_headers_and_indices_of_millions_of_entries() {
    let header = format!(
        "{{{}}}",
        "\"a\":[],".repeat(1_500_000).trim_end_matches(',')
    );
    let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    let files: String = (0..3000)
        .map(|i| format!("\"t{i}\": \"f{i}.safetensors\","))
        .collect();
    let index = format!("{{\"weight_map\": {{{}}}}}", files.trim_end_matches(','));
    let folder = folder(&[
        ("config.json", b"{}"),
        ("model.safetensors", &file),
        ("model.safetensors.index.json", index.as_bytes()),
    ]);
    let inventory = look(folder.path());
    assert!(told(&inventory, "model.safetensors").contains("more than 1048576 values"));
    assert!(told(&inventory, "model.safetensors.index.json").contains("names 2000 more files"));
    assert_eq!(inventory.problems.len(), 1002);
}

#[test]
fn weights_of_fewer_than_sixteen_bits_are_listed_and_not_sampled() {
    let header = r#"{"a.weight":{"dtype":"F8_E4M3","shape":[4,2],"data_offsets":[0,8]},"a.scale":{"dtype":"F8_E8M0","shape":[4],"data_offsets":[8,12]},"b.weight":{"dtype":"F4","shape":[4,2],"data_offsets":[12,16]}}"#;
    let file = [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        &[0; 16],
    ]
    .concat();
    let folder = folder(&[("config.json", b"{}"), ("model.safetensors", &file)]);
    let publication =
        Publication::open(&Place::Folder(folder.path().into()), &Door::default()).unwrap();
    let inventory = publication.inventory();
    assert_eq!(inventory.problems, []);
    let types: Vec<_> = inventory.checkpoints[0]
        .tensors
        .iter()
        .map(|one| one.dtype.as_str())
        .collect();
    assert_eq!(types, ["F8_E8M0", "F8_E4M3", "F4"]);
    let told = publication
        .sample(0, "a.weight", 4)
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("is F8_E4M3: numbers of fewer than 16 bits are not sampled"),
        "{told}"
    );
}

#[test]
fn a_table_without_steps_says_what_to_do() {
    let folder = folder(&[
        ("config.json", b"{}"),
        ("metrics.csv", b"epoch,loss\n1,2.5\n"),
    ]);
    let inventory = look(folder.path());
    assert!(told(&inventory, "metrics.csv").contains("call the one that counts updates `step`"));
}
