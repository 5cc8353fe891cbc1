//! A repository of the Hub with a branch a checkpoint, served on this machine.

#![allow(clippy::unwrap_used)]

#[path = "../../hub/tests/server/mod.rs"]
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use glasswork_hub::{Hub, Settings, Timeouts};
use glasswork_published::{
    Door, Error, Layout, Limits, MOST_ASKED, Place, Publication, ask_references,
};
use server::{Fault, Server};
use tempfile::TempDir;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The fixture of Amber as it is published: `main`, and a branch for each earlier checkpoint.
struct Published {
    server: Server,
    folder: TempDir,
}

impl Published {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let amber = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/amber");
        let repository = folder.path().join("root/models/Invented/Amber");
        for number in 0..3 {
            let name = format!("ckpt_00{number}");
            copy(&amber.join(&name), &repository.join(&name));
        }
        copy(&amber, &repository.join("main"));
        for number in 0..3 {
            fs::remove_dir_all(repository.join(format!("main/ckpt_00{number}"))).unwrap();
        }
        copy(&amber.join("ckpt_000"), &repository.join("try-again"));
        let server = Server::start(&folder.path().join("root"));
        Self { server, folder }
    }

    fn door(&self, offline: bool) -> Door {
        let timeouts = Timeouts {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(3),
            small_answer: Duration::from_secs(5),
            listing: Duration::from_secs(5),
            window: Duration::from_secs(3),
            retries: 1,
            pause: Duration::from_millis(2),
            longest_pause: Duration::from_secs(1),
        };
        let settings = Settings {
            endpoint: self.server.url().into(),
            timeouts,
            offline,
            ..Settings::new(self.cache())
        };
        Door {
            hub: Some(Arc::new(Hub::new(settings).unwrap())),
            ..Door::default()
        }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }
}

fn place(name: &str) -> Place {
    Place::parse(name).unwrap()
}

#[test]
fn branches_are_checkpoints_and_weights_stay_where_they_are() {
    let published = Published::new();
    let door = published.door(false);
    let publication = Publication::open(&place("hf:Invented/Amber"), &door).unwrap();
    let inventory = publication.inventory();
    assert_eq!(inventory.layout, Layout::Llm360);
    assert_eq!(inventory.place, "hf:Invented/Amber");
    let told: Vec<_> = inventory
        .checkpoints
        .iter()
        .map(|one| {
            (
                one.name.as_str(),
                one.revision.as_deref().unwrap(),
                one.chunk,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("ckpt_000", "ckpt_000", Some(0)),
            ("ckpt_001", "ckpt_001", Some(1)),
            ("ckpt_002", "ckpt_002", Some(2)),
            ("main", "main", Some(3))
        ]
    );
    for checkpoint in &inventory.checkpoints {
        assert_eq!(checkpoint.tensors.len(), 12);
        assert!(checkpoint.weights.iter().all(|file| file.sha256.is_some()));
    }
    assert_eq!((inventory.evaluations.len(), inventory.data.len()), (12, 2));
    assert_eq!(inventory.problems, []);
    let name = "model.embed_tokens.weight";
    let values = publication.sample(1, name, 64).unwrap();
    assert_ne!(values, publication.sample(2, name, 64).unwrap());
    assert_eq!(publication.store(1).place(), "hf:Invented/Amber@ckpt_001");

    // What was looked at once is there without a connection.
    let offline = Publication::open(&place("hf:Invented/Amber"), &published.door(true)).unwrap();
    assert_eq!(offline.inventory(), inventory);
    assert_eq!(offline.sample(1, name, 64).unwrap(), values);
}

/// Four gigabytes on the server, of which a header and eight stretches come over.
#[test]
fn a_large_file_stays_where_it_is() {
    let published = Published::new();
    let repository = published
        .folder
        .path()
        .join("root/models/Invented/Large/main");
    fs::create_dir_all(&repository).unwrap();
    let elements = 1_u64 << 30;
    let header = format!(
        r#"{{"a.weight":{{"dtype":"F32","shape":[{elements}],"data_offsets":[0,{}]}}}}"#,
        elements * 4
    );
    let mut begin = (header.len() as u64).to_le_bytes().to_vec();
    begin.extend_from_slice(header.as_bytes());
    let path = repository.join("model.safetensors");
    fs::write(&path, &begin).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(begin.len() as u64 + elements * 4).unwrap();
    let server = Server::start(&published.folder.path().join("root"));
    let hub = Hub::new(Settings {
        endpoint: server.url().into(),
        ..Settings::new(published.cache())
    });
    let hub = Arc::new(hub.unwrap());
    let door = Door {
        hub: Some(Arc::clone(&hub)),
        ..Door::default()
    };
    let publication = Publication::open(&place("hf:Invented/Large"), &door).unwrap();
    assert_eq!(
        publication.inventory().checkpoints[0].tensors[0].shape,
        [elements]
    );
    assert_eq!(publication.sample(0, "a.weight", 4096).unwrap().len(), 4096);
    let seen = server.seen();
    let weights: Vec<_> = seen
        .iter()
        .filter(|one| one.path.ends_with(".safetensors"))
        .collect();
    assert_eq!(weights.len(), 1 + 8, "{weights:?}");
    assert!(weights.iter().all(|one| one.range.is_some()));
    assert!(hub.traffic().bytes < 1 << 20, "{:?}", hub.traffic());
}

#[test]
fn one_revision_is_one_checkpoint() {
    let published = Published::new();
    let door = published.door(false);
    let publication = Publication::open(&place("hf:Invented/Amber@ckpt_002"), &door).unwrap();
    let [only] = &publication.inventory().checkpoints[..] else {
        panic!("one revision was named");
    };
    assert_eq!((only.name.as_str(), only.chunk), ("ckpt_002", Some(2)));
    let path = publication.store(0).local(&only.weights[0].path).unwrap();
    assert!(path.starts_with(published.cache()));
    assert_eq!(fs::metadata(path).unwrap().len(), only.weights[0].bytes);
    let missing = Publication::open(&place("hf:Invented/Amber@ckpt_999"), &door);
    assert!(matches!(missing, Err(Error::Hub(_))));
    let nothing = Publication::open(&place("hf:Invented/Amber"), &Door::default());
    assert!(matches!(nothing, Err(Error::NoHub(_))));
}

#[test]
fn limits_leave_headers_for_later() {
    let published = Published::new();
    let limits = Limits {
        headers: 2,
        revisions: 2,
        ..Limits::default()
    };
    let door = Door {
        limits,
        ..published.door(false)
    };
    let mut publication = Publication::open(&place("hf:Invented/Amber"), &door).unwrap();
    let read = |publication: &Publication| {
        let checkpoints = &publication.inventory().checkpoints;
        checkpoints
            .iter()
            .filter(|one| !one.tensors.is_empty())
            .count()
    };
    assert_eq!(
        (
            publication.inventory().checkpoints.len(),
            read(&publication)
        ),
        (3, 2)
    );
    assert!(
        publication.inventory().problems[0]
            .reason
            .contains("1 more revisions")
    );
    let refused = publication.sample(0, "model.embed_tokens.weight", 4);
    assert!(refused.unwrap_err().to_string().contains("no header"));
    publication.read_headers(0).unwrap();
    assert_eq!(read(&publication), 3);
    assert_eq!(
        publication
            .sample(0, "model.embed_tokens.weight", 4)
            .unwrap()
            .len(),
        4
    );
}

#[test]
fn a_problem_says_at_which_revision() {
    let published = Published::new();
    let root = published.folder.path().join("root");
    let empty = root.join("models/Invented/Amber/ckpt_007");
    fs::create_dir_all(&empty).unwrap();
    fs::write(empty.join("README.md"), "soon").unwrap();
    let shard = "pytorch_model-00002-of-00003.bin";
    let path = root.join("models/Invented/Amber/ckpt_001").join(shard);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let published = Published {
        server: Server::start(&root),
        ..published
    };
    let door = published.door(false);
    let publication = Publication::open(&place("hf:Invented/Amber"), &door).unwrap();
    let inventory = publication.inventory();
    let [empty, cut @ ..] = &inventory.problems[..] else {
        panic!("there are problems");
    };
    assert!(!cut.is_empty());
    for problem in cut {
        assert_eq!(problem.revision.as_deref(), Some("ckpt_001"), "{problem:?}");
    }
    assert_eq!(empty.revision.as_deref(), Some("ckpt_007"));
    assert!(empty.reason.contains("holds no weights"), "{empty:?}");
    assert!(inventory.problems.iter().any(|one| one.path == shard));
    assert_eq!(inventory.checkpoints[2].tensors.len(), 12);
}

#[test]
fn attack_a_server_that_lies_about_one_revision_is_told_and_the_rest_is_read() {
    for fault in [
        Fault::Status(500, Vec::new()),
        Fault::Body(
            "application/json",
            b"[{\"type\":\"file\",\"path\":\"../../x\",\"size\":1,\"oid\":\"\"}]".to_vec(),
            Vec::new(),
        ),
        Fault::Body(
            "application/json",
            "[".repeat(100_000).into_bytes(),
            Vec::new(),
        ),
        Fault::Redirect("http://127.0.0.1:9/elsewhere".into()),
    ] {
        let published = Published::new();
        let commit = published.server.commit("models/Invented/Amber", "ckpt_001");
        published
            .server
            .misbehave(&format!("tree/{commit}"), fault.clone(), usize::MAX);
        let publication =
            Publication::open(&place("hf:Invented/Amber"), &published.door(false)).unwrap();
        let inventory = publication.inventory();
        assert_eq!(inventory.checkpoints.len(), 3, "{fault:?}");
        assert_eq!(inventory.problems[0].path, "ckpt_001", "{fault:?}");
        // With a number missing, nobody knows which one `main` is.
        assert_eq!(inventory.checkpoints[2].chunk, None);
    }
}

/// Repositories, each with one file at `main`, and what a card at `o/model` says.
fn named(repositories: &[&str], card: &str) -> Published {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let put = |path: PathBuf, text: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for name in repositories {
        put(root.join(name).join("main/config.json"), "{}");
    }
    put(root.join("models/o/model/main/README.md"), card);
    let server = Server::start(&root);
    Published { server, folder }
}

#[test]
fn references_to_the_hub_are_asked_for_and_no_others() {
    let card = "---\ndatasets: [o/data, o/gone, c4]\nbase_model: o/base\n---\n\
        [a](https://huggingface.co/o/base/blob/main/config.json) [b](https://huggingface.co/datasets/o/lost) \
        [c](https://example.org/paper) [d](data/x.json) [e](https://huggingface.co/o/model/tree/main)\n";
    let published = named(&["datasets/o/data", "models/o/base"], card);
    let door = published.door(false);
    let publication = Publication::open(&place("hf:o/model"), &door).unwrap();
    let before = published.server.seen().len();
    let hub = door.hub.as_ref().unwrap();
    let found = ask_references(publication.inventory(), hub);
    let answers: Vec<_> = found
        .reachable
        .iter()
        .map(|(name, there)| (name.as_str(), *there))
        .collect();
    assert_eq!(
        answers,
        [
            ("https://huggingface.co/datasets/o/lost", false),
            ("https://huggingface.co/o/base/blob/main/config.json", true),
            ("o/base", true),
            ("o/data", true),
            ("o/gone", false),
        ]
    );
    let unasked: Vec<_> = found
        .unasked
        .iter()
        .map(|(name, why)| (name.as_str(), *why))
        .collect();
    assert_eq!(
        unasked,
        [
            ("c4", "it is no name of a repository"),
            (
                "https://example.org/paper",
                "it lies on another host than the Hub"
            ),
        ]
    );
    // Four repositories, a request each: one of them is named twice.
    assert_eq!(published.server.seen().len() - before, 4);
    let offline = published.door(true);
    let found = ask_references(publication.inventory(), offline.hub.as_ref().unwrap());
    assert!(found.reachable.is_empty());
    assert_eq!(found.unasked["o/data"], "no connection is opened");
}

#[test]
fn attack_a_card_of_a_thousand_references() {
    let names: String = (0..1000).map(|i| format!("- o/data{i}\n")).collect();
    let published = named(&[], &format!("---\ndatasets:\n{names}---\n"));
    let door = published.door(false);
    let publication = Publication::open(&place("hf:o/model"), &door).unwrap();
    let before = published.server.seen().len();
    let found = ask_references(publication.inventory(), door.hub.as_ref().unwrap());
    assert_eq!(published.server.seen().len() - before, MOST_ASKED);
    assert_eq!(found.reachable.len(), MOST_ASKED);
    assert_eq!(
        found.unasked.len(),
        publication.inventory().cards[0].front_matter.datasets.len() - MOST_ASKED
    );
    // A Hub that is down is not asked a second time.
    published
        .server
        .misbehave("/revision/main", Fault::Status(500, vec![]), 100);
    let before = published.server.seen().len();
    let found = ask_references(publication.inventory(), door.hub.as_ref().unwrap());
    assert!(found.reachable.is_empty());
    assert_eq!(found.unasked["o/data0"], "the Hub did not answer");
    assert!(published.server.seen().len() - before <= 2);
}

#[test]
fn a_branch_and_a_folder_of_one_name_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    for at in ["ckpt_001", "main/ckpt_001", "main/ckpt_002"] {
        let at = root.join("models/o/model").join(at);
        fs::create_dir_all(&at).unwrap();
        fs::write(at.join("config.json"), "{}").unwrap();
        fs::write(at.join("model.safetensors"), b"\x02\0\0\0\0\0\0\0{}").unwrap();
    }
    let server = Server::start(&root);
    let published = Published { server, folder };
    let publication = Publication::open(&place("hf:o/model"), &published.door(false)).unwrap();
    let inventory = publication.inventory();
    let names: Vec<_> = inventory
        .checkpoints
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["ckpt_001", "main/ckpt_001", "ckpt_002"]);
    assert_eq!(inventory.checkpoints[1].chunk, Some(1));
    let told: Vec<_> = inventory
        .problems
        .iter()
        .map(|one| (one.path.as_str(), one.reason.as_str()))
        .collect();
    assert_eq!(
        told,
        [(
            "main/ckpt_001",
            "is named `ckpt_001`, as another checkpoint is"
        )]
    );
}
