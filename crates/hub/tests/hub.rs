//! The client against a well-behaved Hub, a busy one, one that asks for a token, and one that cuts connections.

#![allow(clippy::unwrap_used)]

mod fixture;
mod server;

use std::fs;
use std::sync::atomic::Ordering;
use std::time::Instant;

use fixture::{Counted, Fixture, WEIGHTS, put, weights};
use glasswork_hub::{Error, Hub, Repo, RepoKind, Settings, Unwatched};
use server::Fault;

#[test]
fn a_published_model_is_listed_read_and_fetched() {
    let f = Fixture::with(None, 2);
    let hub = f.hub();
    let refs = hub.refs(&f.repo).unwrap();
    let names: Vec<&str> = refs.branches.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(
        names,
        ["ckpt_012", "main", "refs/pr/1", "stage1-step1000-tokens5B"]
    );
    for branch in &refs.branches {
        assert_eq!(hub.resolve(&f.repo, &branch.name).unwrap(), branch.commit);
    }
    let files = hub.files(&f.repo, &f.commit()).unwrap();
    let listed: Vec<(&str, u64, bool)> = files
        .iter()
        .map(|f| (f.path.as_str(), f.size, f.sha256.is_some()))
        .collect();
    assert_eq!(
        listed,
        [
            ("a b/#1%?é.txt", 8, false),
            ("config.json", 19, false),
            ("empty.txt", 0, false),
            ("pytorch_model.bin", WEIGHTS as u64, true),
        ]
    );
    let whole = weights();
    for range in [0..1, 5..5, 100..70_000, 2_999_999..3_000_000, 0..3_000_000] {
        let bytes = hub
            .read(&f.repo, &f.commit(), &files[3], range.clone())
            .unwrap();
        assert_eq!(bytes, whole[range.start as usize..range.end as usize]);
    }
    assert!(matches!(
        hub.read(&f.repo, &f.commit(), &files[3], 1..3_000_001),
        Err(Error::BadRange { .. })
    ));
    let path = hub
        .fetch(&f.repo, &f.commit(), &files[0], &Unwatched)
        .unwrap();
    assert_eq!(fs::read(path).unwrap(), b"odd name");
    let path = hub
        .fetch(&f.repo, &f.commit(), &files[2], &Unwatched)
        .unwrap();
    assert!(fs::read(path).unwrap().is_empty());
    let watch = Counted::default();
    let path = hub.fetch(&f.repo, &f.commit(), &files[3], &watch).unwrap();
    assert!(path.ends_with(format!("snapshots/{}/pytorch_model.bin", f.commit())));
    assert_eq!(fs::read(path).unwrap(), whole);
    assert_eq!(watch.bytes.load(Ordering::SeqCst), WEIGHTS as u64);
    // Two pages; and what the cache has costs nothing.
    assert_eq!(
        f.server
            .seen()
            .iter()
            .filter(|s| s.path.contains("/tree/"))
            .count(),
        2
    );
    let before = hub.traffic();
    assert!(before.bytes > 2 * WEIGHTS as u64);
    hub.files(&f.repo, &f.commit()).unwrap();
    hub.fetch(&f.repo, &f.commit(), &files[3], &watch).unwrap();
    assert_eq!(
        hub.read(&f.repo, &f.commit(), &files[3], 7..9).unwrap(),
        whole[7..9]
    );
    assert_eq!(
        (hub.traffic(), watch.begun.load(Ordering::SeqCst)),
        (before, 1)
    );
}

#[test]
fn a_data_set_has_addresses_of_its_own() {
    let f = Fixture::new();
    let hub = f.hub();
    let repo = Repo::parse(RepoKind::Dataset, "LLM360/AmberDatasets").unwrap();
    let commit = hub.resolve(&repo, "main").unwrap();
    let files = hub.files(&repo, &commit).unwrap();
    let path = hub.fetch(&repo, &commit, &files[0], &Unwatched).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"{}\n");
    assert!(
        path.to_str()
            .unwrap()
            .contains("datasets--LLM360--AmberDatasets")
    );
}

#[test]
fn what_is_not_there_is_said_so() {
    let f = Fixture::new();
    let hub = f.hub();
    let nobody = Repo::parse(RepoKind::Model, "no/body").unwrap();
    for result in [
        hub.refs(&nobody).map(drop),
        hub.resolve(&f.repo, "no-such-branch").map(drop),
    ] {
        let error = result.unwrap_err();
        assert!(
            matches!(error, Error::NotFound { .. }) && error.hint().is_some(),
            "{error}"
        );
    }
    assert_eq!(hub.traffic().requests, 2, "neither is worth a second try");
}

#[test]
fn resume_after_cut() {
    let f = Fixture::new();
    let hub = f.hub();
    let file = f.file(&hub, "pytorch_model.bin");
    f.server
        .misbehave("/resolve/", Fault::CutAfter(1_000_000), 2);
    let watch = Counted::default();
    let path = hub.fetch(&f.repo, &f.commit(), &file, &watch).unwrap();
    assert_eq!(fs::read(path).unwrap(), weights());
    let ranges: Vec<Option<String>> = f
        .server
        .seen()
        .into_iter()
        .filter(|s| s.path.contains("/resolve/"))
        .map(|s| s.range)
        .collect();
    // What the cut requests brought is not asked for again. How much of it arrived before the cut is the kernel's affair.
    let starts: Vec<u64> = ranges
        .iter()
        .map(|r| {
            r.as_deref()
                .map_or(0, |r| r[6..].split('-').next().unwrap().parse().unwrap())
        })
        .collect();
    assert_eq!(starts[0], 0);
    assert!(
        starts.len() == 3 && starts[0] < starts[1] && starts[1] < starts[2],
        "{ranges:?}"
    );
    assert_eq!(
        watch.bytes.load(Ordering::SeqCst),
        WEIGHTS as u64,
        "no byte came twice"
    );
}

#[test]
fn resume_in_another_process() {
    let f = Fixture::new();
    let hub = f.hub();
    let file = f.file(&hub, "pytorch_model.bin");
    let blobs = f.folder.path().join("cache/models--LLM360--Amber/blobs");
    let partial = blobs.join(format!("{}.incomplete", file.sha256.as_ref().unwrap()));
    put(&partial, &weights()[..2_999_000]);
    let watch = Counted::default();
    let before = hub.traffic().bytes;
    let path = hub.fetch(&f.repo, &f.commit(), &file, &watch).unwrap();
    assert_eq!(fs::read(path).unwrap(), weights());
    assert_eq!(hub.traffic().bytes - before, 1000);
    assert_eq!(watch.there.load(Ordering::SeqCst), 2_999_000);
    assert!(!partial.exists());
}

#[test]
fn a_server_without_ranges_still_gives_whole_files() {
    let f = Fixture::new();
    let hub = f.hub();
    let file = f.file(&hub, "pytorch_model.bin");
    f.server
        .misbehave("/resolve/", Fault::CutAfter(1_000_000), 1);
    f.server.misbehave("/resolve/", Fault::IgnoreRange, 9);
    let path = hub.fetch(&f.repo, &f.commit(), &file, &Unwatched).unwrap();
    assert_eq!(fs::read(path).unwrap(), weights());
}

#[test]
fn gated() {
    let f = Fixture::with(Some("hf_good"), 1000);
    let hub = f.hub();
    let file = f.file(&hub, "pytorch_model.bin");
    let error = hub
        .fetch(&f.repo, &f.commit(), &file, &Unwatched)
        .unwrap_err();
    assert!(matches!(error, Error::Gated { status: 401, .. }), "{error}");
    assert!(error.hint().unwrap().contains("HF_TOKEN"));
    let with = Hub::new(Settings {
        token: Some("hf_good".into()),
        ..f.settings()
    })
    .unwrap();
    with.fetch(&f.repo, &f.commit(), &file, &Unwatched).unwrap();
}

#[test]
fn rate_limited() {
    let f = Fixture::new();
    let hub = f.hub();
    f.server.misbehave(
        "/refs",
        Fault::Status(429, vec![("Retry-After", "1".into())]),
        1,
    );
    f.server.misbehave("/refs", Fault::Status(503, vec![]), 1);
    f.server.misbehave("/refs", Fault::Status(500, vec![]), 1);
    let start = Instant::now();
    hub.refs(&f.repo).unwrap();
    assert!(
        start.elapsed().as_millis() >= 1000,
        "it waits as long as it is asked to"
    );
    assert_eq!(hub.traffic().requests, 4);
    // Longer than we are ready to wait: an error at once.
    f.server.misbehave(
        "/refs",
        Fault::Status(429, vec![("Retry-After", "86400".into())]),
        9,
    );
    let error = hub.refs(&f.repo).unwrap_err();
    assert!(
        error.to_string().contains("86400 s") && error.hint().is_some(),
        "{error}"
    );
    assert_eq!(hub.traffic().requests, 5);
}

#[test]
fn a_server_that_stays_down_is_asked_six_times() {
    let f = Fixture::new();
    let hub = f.hub();
    f.server.misbehave("/refs", Fault::Status(502, vec![]), 99);
    assert!(matches!(
        hub.refs(&f.repo),
        Err(Error::Status { status: 502, .. })
    ));
    assert_eq!(hub.traffic().requests, 6);
}

#[test]
fn an_endpoint_that_is_not_there_is_said_so_at_once() {
    let f = Fixture::new();
    let url = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let hub = Hub::new(Settings {
        endpoint: url,
        ..f.settings()
    })
    .unwrap();
    let error = hub.refs(&f.repo).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[test]
fn offline_opens_no_socket() {
    let f = Fixture::new();
    let offline = f.offline();
    let refused = |error: Error| {
        assert!(matches!(error, Error::NotCached { .. }), "{error}");
        assert!(error.hint().unwrap().contains("run once without --offline"));
    };
    refused(offline.refs(&f.repo).unwrap_err());
    refused(offline.resolve(&f.repo, "main").unwrap_err());
    refused(offline.files(&f.repo, &f.commit()).unwrap_err());

    let hub = f.hub();
    let refs = hub.refs(&f.repo).unwrap();
    let commit = hub.resolve(&f.repo, "refs/pr/1").unwrap();
    hub.resolve(&f.repo, "main").unwrap();
    let files = hub.files(&f.repo, &f.commit()).unwrap();
    let (odd, config, bin) = (&files[0], &files[1], &files[3]);
    hub.read(&f.repo, &f.commit(), bin, 10..20).unwrap();
    hub.fetch(&f.repo, &f.commit(), config, &Unwatched).unwrap();
    let before = f.server.seen().len();

    assert_eq!(offline.refs(&f.repo).unwrap(), refs);
    assert_eq!(offline.resolve(&f.repo, "refs/pr/1").unwrap(), commit);
    assert_eq!(offline.resolve(&f.repo, "main").unwrap(), f.commit());
    assert_eq!(offline.files(&f.repo, &f.commit()).unwrap(), files);
    assert_eq!(
        offline.read(&f.repo, &f.commit(), bin, 10..20).unwrap(),
        weights()[10..20]
    );
    assert_eq!(
        offline.read(&f.repo, &f.commit(), config, 0..2).unwrap(),
        b"{\""
    );
    offline
        .fetch(&f.repo, &f.commit(), config, &Unwatched)
        .unwrap();
    refused(offline.read(&f.repo, &f.commit(), bin, 10..21).unwrap_err());
    refused(
        offline
            .fetch(&f.repo, &f.commit(), odd, &Unwatched)
            .unwrap_err(),
    );
    assert_eq!(f.server.seen().len(), before);
    assert_eq!(offline.traffic(), glasswork_hub::Traffic::default());

    // Not even a connection without a request.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let offline = Hub::new(Settings {
        endpoint: format!("http://{}", listener.local_addr().unwrap()),
        offline: true,
        ..f.settings()
    })
    .unwrap();
    refused(offline.resolve(&f.repo, "ckpt_012").unwrap_err());
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
}

#[cfg(unix)]
#[test]
fn cache_shared_with_huggingface_hub() {
    use std::os::unix::fs::symlink;
    let f = Fixture::new();
    let hub = f.hub();
    let file = f.file(&hub, "pytorch_model.bin");
    let odd = f.file(&hub, "a b/#1%?é.txt");
    let sha = file.sha256.clone().unwrap();
    let commit = f.commit();
    let folder = f.folder.path().join("cache/models--LLM360--Amber");
    // As huggingface_hub leaves it: a blob, a relative link, a ref without a line break.
    put(&folder.join("blobs").join(&sha), &weights());
    put(&folder.join("refs/main"), commit.as_str().as_bytes());
    fs::create_dir_all(folder.join("snapshots").join(commit.as_str())).unwrap();
    let link = folder
        .join("snapshots")
        .join(commit.as_str())
        .join("pytorch_model.bin");
    symlink(format!("../../blobs/{sha}"), &link).unwrap();
    let offline = f.offline();
    assert_eq!(offline.resolve(&f.repo, "main").unwrap(), commit);
    assert_eq!(
        offline.fetch(&f.repo, &commit, &file, &Unwatched).unwrap(),
        link
    );
    // What we fetch looks the same.
    let path = hub.fetch(&f.repo, &commit, &odd, &Unwatched).unwrap();
    let target = fs::read_link(&path).unwrap();
    assert_eq!(
        target.to_str().unwrap(),
        format!("../../../blobs/{}", odd.oid)
    );
    hub.resolve(&f.repo, "refs/pr/1").unwrap();
    let kept = fs::read_to_string(folder.join("refs/refs/pr/1")).unwrap();
    assert_eq!(kept, f.server.commit("models/LLM360/Amber", "refs/pr/1"));
    // Where links do not work it keeps plain files in the snapshot.
    fs::remove_file(&link).unwrap();
    fs::rename(folder.join("blobs").join(&sha), &link).unwrap();
    assert_eq!(
        offline.fetch(&f.repo, &commit, &file, &Unwatched).unwrap(),
        link
    );
    assert_eq!(
        offline.read(&f.repo, &commit, &file, 3..9).unwrap(),
        weights()[3..9]
    );
}

#[test]
fn two_fetchers_at_once() {
    let f = Fixture::new();
    let f = &f;
    let shared = f.hub();
    let file = &f.file(&shared, "pytorch_model.bin");
    let paths: Vec<_> = std::thread::scope(|s| {
        // Two threads of one client, and a client each as two processes would have.
        let fetch = |hub: &Hub| hub.fetch(&f.repo, &f.commit(), file, &Unwatched).unwrap();
        let shared = &shared;
        let mut threads: Vec<_> = (0..2).map(|_| s.spawn(move || fetch(shared))).collect();
        threads.extend((0..2).map(|_| s.spawn(move || fetch(&f.hub()))));
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(paths.iter().all(|p| fs::read(p).unwrap() == weights()));
    assert_eq!(
        f.server
            .seen()
            .iter()
            .filter(|s| s.path.contains("/resolve/"))
            .count(),
        1
    );
}

#[test]
fn a_proxy_is_used_when_named_and_never_for_this_machine() {
    use std::io::{BufRead, BufReader, Write};
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let f = Fixture::new();
    let settings = Settings {
        proxy: Some(format!("http://{}", proxy.local_addr().unwrap())),
        ..f.settings()
    };
    proxy.set_nonblocking(true).unwrap();
    Hub::new(settings.clone()).unwrap().refs(&f.repo).unwrap();
    assert_eq!(
        proxy.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    proxy.set_nonblocking(false).unwrap();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = proxy.accept().unwrap();
        let mut first = String::new();
        BufReader::new(&stream).read_line(&mut first).unwrap();
        stream
            .write_all(b"HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        first
    });
    let hub = Hub::new(Settings {
        endpoint: "http://hub.invalid".into(),
        allow_http: true,
        ..settings
    })
    .unwrap();
    let error = hub.refs(&f.repo).unwrap_err();
    assert!(asked.join().unwrap().contains("hub.invalid"));
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}
