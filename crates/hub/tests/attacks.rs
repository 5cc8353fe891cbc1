//! A Hub that lies, sends elsewhere, stalls or floods, and a cache that somebody else prepared.

#![allow(clippy::unwrap_used)]

mod fixture;
mod server;

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use fixture::{Fixture, put, weights};
use glasswork_hub::{Commit, Error, Hub, RemoteFile, Repo, RepoKind, Settings, Unwatched};
use server::Fault;

/// Reads and fetches the weights while the server misbehaves; nothing but the partial download may stay.
fn both_ways(fault: &Fault) -> [Error; 2] {
    let f = Fixture::new();
    let hub = f.hub();
    let file = f.file(&hub, "pytorch_model.bin");
    f.server.misbehave("/resolve/", fault.clone(), 99);
    let read = hub.read(&f.repo, &f.commit(), &file, 100..200).unwrap_err();
    let fetch = hub
        .fetch(&f.repo, &f.commit(), &file, &Unwatched)
        .unwrap_err();
    let written = f.written();
    assert!(
        written.iter().all(|w| w.contains("/.glasswork/files-")
            || w.ends_with(".incomplete")
            || w.ends_with(".lock")),
        "{written:?}"
    );
    [read, fetch]
}

#[test]
fn attack_server_lies_about_length() {
    let [read, fetch] = both_ways(&Fault::Longer(10));
    assert!(matches!(read, Error::BadAnswer { .. }), "{read}");
    assert!(matches!(fetch, Error::BadAnswer { .. }), "{fetch}");
    let [read, fetch] = both_ways(&Fault::Longer(-10));
    assert!(matches!(read, Error::BadAnswer { .. }), "{read}");
    assert!(matches!(fetch, Error::BadAnswer { .. }), "{fetch}");
    // The body ends before the length that was announced.
    let [read, _] = both_ways(&Fault::CutAfter(7));
    assert!(matches!(read, Error::Interrupted { .. }), "{read}");
}

#[test]
fn attack_a_body_without_end() {
    let f = Fixture::new();
    let hub = f.hub();
    let file = f.file(&hub, "pytorch_model.bin");
    f.server.misbehave("/resolve/", Fault::Endless, 99);
    let error = hub.read(&f.repo, &f.commit(), &file, 100..200).unwrap_err();
    assert!(
        error.to_string().contains("goes on after its last byte"),
        "{error}"
    );
    let error = hub
        .fetch(&f.repo, &f.commit(), &file, &Unwatched)
        .unwrap_err();
    assert!(
        error.to_string().contains("goes on after its last byte"),
        "{error}"
    );
    assert!(
        hub.traffic().bytes < weights().len() as u64 + 10_000,
        "{:?}",
        hub.traffic()
    );
}

#[test]
fn attack_another_range() {
    for fault in [Fault::WrongRange, Fault::WrongTotal] {
        let f = Fixture::new();
        let hub = f.hub();
        let file = f.file(&hub, "pytorch_model.bin");
        f.server.misbehave("/resolve/", fault, 99);
        let error = hub.read(&f.repo, &f.commit(), &file, 100..200).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("asked for bytes 100..200 of 3000000"),
            "{error}"
        );
    }
    let f = Fixture::new();
    let hub = f.hub();
    let file = f.file(&hub, "pytorch_model.bin");
    f.server.misbehave("/resolve/", Fault::IgnoreRange, 99);
    let before = hub.traffic().bytes;
    for range in [100..200, 0..200] {
        let error = hub.read(&f.repo, &f.commit(), &file, range).unwrap_err();
        assert!(error.to_string().contains("sends all of it"), "{error}");
    }
    assert_eq!(hub.traffic().bytes, before, "nothing of the body is taken");
    // A listing that promises more than there is.
    let longer = RemoteFile {
        size: 4_000_000,
        ..file
    };
    let f = Fixture::new();
    let hub = f.hub();
    for range in [3_500_000..3_500_010, 0..10, 0..4_000_000] {
        let error = hub.read(&f.repo, &f.commit(), &longer, range).unwrap_err();
        assert!(matches!(error, Error::BadAnswer { .. }), "{error}");
    }
}

#[test]
fn attack_redirect_elsewhere() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let port = other.local_addr().unwrap().port();
    let f = Fixture::new();
    let hub = Hub::new(Settings {
        token: Some("hf_secret".into()),
        ..f.settings()
    })
    .unwrap();
    let file = f.file(&hub, "pytorch_model.bin");
    let own = f.server.url().to_owned();
    let places = [
        format!("http://127.0.0.1:{port}/x?Signature=s3cr3t"),
        format!("//127.0.0.1:{port}/x"),
        format!("http://localhost:{port}/x"),
        format!("{}@127.0.0.1:{port}/x", own),
        format!("https://127.0.0.1:{port}/x"),
        "http://huggingface.co/x".into(),
        "https://cdn-lfs.hf.co/x".into(),
        "file:///etc/passwd".into(),
        "x".into(),
        "".into(),
        "http://[".into(),
    ];
    for place in &places {
        let before = f.server.seen().len();
        f.server
            .misbehave("/resolve/", Fault::Redirect(place.clone()), 1);
        let error = hub.read(&f.repo, &f.commit(), &file, 0..9).unwrap_err();
        assert!(matches!(error, Error::Elsewhere { .. }), "{place}: {error}");
        assert!(
            !format!("{error} {error:?}").contains("s3cr3t"),
            "{error:?}"
        );
        f.server
            .misbehave("/refs", Fault::Redirect(place.clone()), 1);
        assert!(
            matches!(hub.refs(&f.repo), Err(Error::Elsewhere { .. })),
            "{place}"
        );
        assert_eq!(
            f.server.seen().len(),
            before + 2,
            "{place}: refused without another request"
        );
    }
    let named = hub.refs(&f.repo);
    assert!(named.is_ok());
    f.server
        .misbehave("/refs", Fault::Redirect(places[0].clone()), 1);
    let error = hub.refs(&f.repo).unwrap_err();
    assert!(
        error.to_string().contains(&format!("127.0.0.1:{port}")),
        "{error}"
    );
    // The next page of a listing is no better a guide.
    let links = [
        format!("<http://127.0.0.1:{port}/api/x>; rel=\"next\""),
        format!("<//127.0.0.1:{port}/x>; rel=next"),
    ];
    let ckpt = hub.resolve(&f.repo, "ckpt_012").unwrap();
    for link in links {
        f.server.misbehave(
            "/tree/",
            Fault::Body("application/json", b"[]".to_vec(), vec![("Link", link)]),
            1,
        );
        assert!(matches!(
            hub.files(&f.repo, &ckpt),
            Err(Error::Elsewhere { .. })
        ));
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(
        other.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock,
        "a connection was made"
    );
}

#[test]
fn attack_redirects_without_end() {
    let f = Fixture::new();
    let hub = f.hub();
    f.server.misbehave(
        "/refs",
        Fault::Redirect("/api/models/LLM360/Amber/refs".into()),
        99,
    );
    let error = hub.refs(&f.repo).unwrap_err();
    assert!(
        matches!(error, Error::TooManyRedirects { limit: 5, .. }),
        "{error}"
    );
    assert_eq!(hub.traffic().requests, 6);
    // Within the limit and on the same host they are followed, as for a renamed repository.
    let f = Fixture::new();
    f.server.misbehave(
        "/refs",
        Fault::Redirect("/api/models/LLM360/Amber/refs".into()),
        2,
    );
    let absolute = format!("{}/api/models/LLM360/Amber/refs", f.server.url());
    f.server.misbehave("/refs", Fault::Redirect(absolute), 1);
    f.hub().refs(&f.repo).unwrap();
}

#[test]
fn attack_token_not_leaked() {
    let secret = "hf_Zq3secretZq3";
    let f = Fixture::with(Some("hf_another"), 1000);
    let settings = Settings {
        token: Some(secret.into()),
        proxy: Some(format!("http://user:{secret}@proxy.example:3128")),
        ..f.settings()
    };
    let mut texts = vec![format!("{settings:?} {settings:#?}")];
    let hub = Hub::new(settings.clone()).unwrap();
    texts.push(format!("{hub:?} {hub:#?}"));
    let file = f.file(&hub, "pytorch_model.bin");
    let faults = [
        Fault::Status(401, vec![("X-Error-Message", format!("bad {secret}"))]),
        Fault::Status(418, vec![]),
        Fault::Redirect(format!("http://127.0.0.1:1/{secret}")),
        Fault::Redirect(format!("http://user:{secret}@127.0.0.1:1/")),
        Fault::Body(
            "application/json",
            format!("[{{\"type\":\"{secret}").into_bytes(),
            vec![],
        ),
        Fault::Body(
            "application/json",
            format!("\"{secret}\"").into_bytes(),
            vec![],
        ),
        Fault::Body(
            Box::leak(secret.to_owned().into_boxed_str()),
            vec![],
            vec![],
        ),
        Fault::CutAfter(0),
        Fault::WrongRange,
    ];
    for fault in faults {
        f.server.misbehave("A", fault.clone(), 99);
        let one = hub.refs(&f.repo).map(drop);
        let two = hub.read(&f.repo, &f.commit(), &file, 3..9).map(drop);
        for error in [one, two].into_iter().filter_map(Result::err) {
            texts.push(format!("{error} {error:?} {:?}", error.hint()));
        }
        f.server.forgive();
    }
    assert!(texts.len() >= 11, "{texts:#?}");
    for text in texts {
        assert!(!text.contains(secret), "{text}");
    }
    // It did go where it belongs.
    assert!(
        f.server
            .seen()
            .iter()
            .all(|s| s.authorization == Some(format!("Bearer {secret}")))
    );
    // And a bad one does not show when it is refused.
    let error = Hub::new(Settings {
        token: Some(format!("{secret}\n")),
        ..settings.clone()
    })
    .unwrap_err();
    assert!(!format!("{error} {error:?}").contains(secret));
    let error = Hub::new(Settings {
        endpoint: "https://huggingface.co".into(),
        proxy: Some(format!("http://{secret}:\u{1}")),
        ..settings
    })
    .unwrap_err();
    assert!(matches!(error, Error::BadProxy) && !format!("{error} {error:?}").contains(secret));
}

#[test]
fn attack_dotdot_names() {
    let oid = "a".repeat(40);
    for name in [
        "../x",
        "/tmp/x",
        "a/../../x",
        "a\\\\..\\\\x",
        "C:/x",
        "a//x",
        "./x",
        "x\\u0000",
        "x\\n",
    ] {
        let f = Fixture::new();
        let hub = f.hub();
        let body =
            format!("[{{\"type\":\"file\",\"oid\":\"{oid}\",\"size\":3,\"path\":\"{name}\"}}]");
        f.server.misbehave(
            "/tree/",
            Fault::Body("application/json", body.into_bytes(), vec![]),
            1,
        );
        let error = hub.files(&f.repo, &f.commit()).unwrap_err();
        assert!(matches!(error, Error::BadName { .. }), "{name}: {error}");
        assert!(f.written().is_empty(), "{:?}", f.written());
    }
    // A caller's own entry is checked like a listed one.
    let f = Fixture::new();
    let hub = f.hub();
    let good = f.file(&hub, "config.json");
    let bad = [
        RemoteFile {
            path: "../../../../x".into(),
            ..good.clone()
        },
        RemoteFile {
            oid: "../../x".into(),
            ..good.clone()
        },
        RemoteFile {
            sha256: Some("../x".into()),
            ..good
        },
    ];
    for file in bad {
        assert!(matches!(
            hub.fetch(&f.repo, &f.commit(), &file, &Unwatched),
            Err(Error::BadName { .. })
        ));
        assert!(matches!(
            hub.read(&f.repo, &f.commit(), &file, 0..1),
            Err(Error::BadName { .. })
        ));
    }
    let refs = |body: &str| {
        let body = body.replace("OID", &oid).into_bytes();
        f.server
            .misbehave("/refs", Fault::Body("application/json", body, vec![]), 1);
        hub.refs(&f.repo)
    };
    // A name that cannot be asked for is left out, and the others stay.
    let odd = refs(
        "{\"branches\":[{\"name\":\"../../x\",\"targetCommit\":\"OID\"},{\"name\":\"main\",\"targetCommit\":\"OID\"}]}",
    );
    let names: Vec<String> = odd
        .unwrap()
        .branches
        .into_iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(names, ["main"]);
    let bad = refs("{\"branches\":[{\"name\":\"main\",\"targetCommit\":\"../../x\"}]}");
    assert!(matches!(bad, Err(Error::BadName { .. })));
    let body = br#"{"sha":"../../../x"}"#.to_vec();
    f.server.misbehave(
        "/revision/",
        Fault::Body("application/json", body, vec![]),
        1,
    );
    assert!(matches!(
        hub.resolve(&f.repo, "main"),
        Err(Error::BadName { .. })
    ));
    assert!(matches!(
        hub.resolve(&f.repo, "../../../x"),
        Err(Error::BadName { .. })
    ));
}

#[test]
fn attack_stall() {
    let f = Fixture::new();
    let hub = Hub::new(Settings {
        timeouts: glasswork_hub::Timeouts {
            retries: 1,
            silence: Duration::from_millis(400),
            ..fixture::timeouts()
        },
        ..f.settings()
    })
    .unwrap();
    let file = f.file(&hub, "pytorch_model.bin");
    f.server.misbehave("/resolve/", Fault::StallAfter(50), 2);
    let start = Instant::now();
    let error = hub.read(&f.repo, &f.commit(), &file, 0..100).unwrap_err();
    assert!(
        matches!(error, Error::Stalled { .. }) && error.hint().is_some(),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(4));
    // One stall is got over, and what came before it is kept.
    f.server
        .misbehave("/resolve/", Fault::StallAfter(1_000_000), 1);
    let before = hub.traffic().bytes;
    let path = hub.fetch(&f.repo, &f.commit(), &file, &Unwatched).unwrap();
    assert_eq!(fs::read(path).unwrap(), weights());
    assert_eq!(hub.traffic().bytes - before, weights().len() as u64);
}

/// Waits of a client that gives up within a second.
fn hurried(f: &Fixture) -> Hub {
    Hub::new(Settings {
        timeouts: glasswork_hub::Timeouts {
            retries: 1,
            small_answer: Duration::from_millis(600),
            window: Duration::from_millis(300),
            ..fixture::timeouts()
        },
        ..f.settings()
    })
    .unwrap()
}

/// Every byte comes within the time for silence, and none of these ever ends.
#[test]
fn attack_a_hub_that_trickles() {
    let f = Fixture::new();
    let hub = hurried(&f);
    let byte_by_byte = Fault::Trickle(1, Duration::from_millis(20));
    let file = f.file(&hub, "pytorch_model.bin");
    let stalled = |error: Error| {
        assert!(matches!(error, Error::Stalled { .. }), "{error}");
        error.to_string()
    };
    for part in ["/refs", "/revision/", "/tree/"] {
        f.server.misbehave(part, byte_by_byte.clone(), 9);
    }
    f.server.misbehave("/resolve/", byte_by_byte.clone(), 9);
    let start = Instant::now();
    stalled(hub.refs(&f.repo).unwrap_err());
    stalled(hub.resolve(&f.repo, "ckpt_012").unwrap_err());
    let other = f.server.commit("models/LLM360/Amber", "ckpt_012");
    stalled(
        hub.files(&f.repo, &Commit::parse(&other).unwrap())
            .unwrap_err(),
    );
    stalled(hub.read(&f.repo, &f.commit(), &file, 0..1000).unwrap_err());
    // Four of them, and each has its 600 milliseconds once, not once a try.
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn attack_a_download_that_trickles() {
    let f = Fixture::new();
    let hub = hurried(&f);
    let file = f.file(&hub, "pytorch_model.bin");
    let byte_by_byte = Fault::Trickle(1, Duration::from_millis(20));
    f.server.misbehave("/resolve/", byte_by_byte, 2);
    let error = hub
        .fetch(&f.repo, &f.commit(), &file, &Unwatched)
        .unwrap_err();
    assert!(error.to_string().contains("bytes came in 300ms"), "{error}");
    // Slow, for longer than the window, and moving: no fault.
    let slow = Fault::Trickle(400_000, Duration::from_millis(100));
    f.server.misbehave("/resolve/", slow, 1);
    let start = Instant::now();
    let path = hub.fetch(&f.repo, &f.commit(), &file, &Unwatched).unwrap();
    assert_eq!(fs::read(path).unwrap(), weights());
    assert!(start.elapsed() > Duration::from_millis(600));
}

/// One page a request, each in time, the whole never.
#[test]
fn attack_a_listing_of_slow_pages() {
    let f = Fixture::with(None, 1);
    let hub = Hub::new(Settings {
        timeouts: glasswork_hub::Timeouts {
            listing: Duration::from_millis(600),
            ..fixture::timeouts()
        },
        ..f.settings()
    })
    .unwrap();
    let slow = Fault::Trickle(1, Duration::from_millis(20));
    f.server.misbehave("cursor=2", slow, 9);
    let start = Instant::now();
    let error = hub.files(&f.repo, &f.commit()).unwrap_err();
    assert!(matches!(error, Error::Stalled { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn whether_a_repository_is_there_is_asked_without_keeping_anything() {
    let f = Fixture::new();
    let hub = f.hub();
    let named = |kind, name: &str| Repo::parse(kind, name).unwrap();
    assert!(hub.exists(&f.repo).unwrap());
    let data = named(RepoKind::Dataset, "LLM360/AmberDatasets");
    assert!(hub.exists(&data).unwrap());
    assert!(
        !hub.exists(&named(RepoKind::Model, "LLM360/AmberDatasets"))
            .unwrap()
    );
    let closed = Fault::Status(403, vec![("X-Error-Code", "GatedRepo".into())]);
    f.server.misbehave("/revision/main", closed, 1);
    assert!(hub.exists(&f.repo).unwrap());
    assert_eq!(f.written(), Vec::<String>::new());
    assert!(matches!(
        f.offline().exists(&f.repo),
        Err(Error::NotCached { .. })
    ));
}

#[test]
fn attack_html_instead_of_json() {
    let f = Fixture::new();
    let hub = f.hub();
    let page = b"<html>Sign in to the hotel's network</html>".to_vec();
    f.server
        .misbehave("/api/", Fault::Body("text/html", page.clone(), vec![]), 1);
    let error = hub.refs(&f.repo).unwrap_err();
    assert!(
        error.to_string().contains("not JSON") && !error.to_string().contains("hotel"),
        "{error}"
    );
    f.server
        .misbehave("/api/", Fault::Body("application/json", page, vec![]), 1);
    assert!(matches!(hub.refs(&f.repo), Err(Error::BadAnswer { .. })));
    let deep = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
    f.server
        .misbehave("/tree/", Fault::Body("application/json", deep, vec![]), 1);
    assert!(matches!(
        hub.files(&f.repo, &f.commit()),
        Err(Error::BadAnswer { .. })
    ));
    let gzip = vec![("Content-Encoding", "gzip".to_owned())];
    f.server.misbehave(
        "/api/",
        Fault::Body("application/json", b"[]".to_vec(), gzip),
        1,
    );
    assert!(matches!(hub.refs(&f.repo), Err(Error::BadAnswer { .. })));
}

#[test]
fn attack_huge_listing() {
    let f = Fixture::new();
    let hub = f.hub();
    let page: Vec<String> = (0..100_001)
        .map(|i| format!("{{\"type\":\"file\",\"oid\":\"{i:040}\",\"size\":1,\"path\":\"{i}\"}}"))
        .collect();
    let page = format!("[{}]", page.join(",")).into_bytes();
    f.server
        .misbehave("/tree/", Fault::Body("application/json", page, vec![]), 1);
    let error = hub.files(&f.repo, &f.commit()).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 100_000, .. }),
        "{error}"
    );
    // Pages that lead to themselves, and one that never ends.
    let next = format!(
        "</api/models/LLM360/Amber/tree/{}>; rel=\"next\"",
        f.commit()
    );
    f.server.misbehave(
        "/tree/",
        Fault::Body("application/json", b"[]".to_vec(), vec![("Link", next)]),
        5000,
    );
    let error = hub.files(&f.repo, &f.commit()).unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 1000, .. }),
        "{error}"
    );
    f.server.forgive();
    f.server.misbehave(
        "/tree/",
        Fault::Body("application/json", vec![b' '; (64 << 20) + 1], vec![]),
        1,
    );
    let error = hub.files(&f.repo, &f.commit()).unwrap_err();
    assert!(error.to_string().contains("bytes of JSON"), "{error}");
    assert!(f.written().is_empty(), "{:?}", f.written());
}

#[test]
fn sha256_mismatch() {
    let f = Fixture::new();
    let hub = f.hub();
    let file = f.file(&hub, "pytorch_model.bin");
    f.server.misbehave("/resolve/", Fault::Corrupt, 1);
    let error = hub
        .fetch(&f.repo, &f.commit(), &file, &Unwatched)
        .unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    assert!(
        f.written()
            .iter()
            .all(|w| !w.contains("/blobs/") && !w.contains("/snapshots/"))
    );
    // A partial file that is no prefix is found out in the same way, and the next try is clean.
    let blobs = f.folder.path().join("cache/models--LLM360--Amber/blobs");
    put(
        &blobs.join(format!("{}.incomplete", file.sha256.as_ref().unwrap())),
        b"not a prefix",
    );
    assert!(matches!(
        hub.fetch(&f.repo, &f.commit(), &file, &Unwatched),
        Err(Error::Mismatch { .. })
    ));
    let path = hub.fetch(&f.repo, &f.commit(), &file, &Unwatched).unwrap();
    assert_eq!(fs::read(path).unwrap(), weights());
}

#[cfg(unix)]
#[test]
fn attack_link_in_the_cache_pointing_outside() {
    use std::os::unix::fs::symlink;
    let setups: [(&str, bool); 7] = [
        ("snapshots/COMMIT/pytorch_model.bin", false),
        ("blobs/SHA", false),
        ("blobs/SHA.incomplete", false),
        ("blobs", true),
        ("snapshots", true),
        ("snapshots/COMMIT", true),
        ("", true),
    ];
    for (inside, folder) in setups {
        let f = Fixture::new();
        let cache = f.folder.path().join("cache/models--LLM360--Amber");
        let victim = f.folder.path().join("victim");
        let hub = f.hub();
        // The listing comes from a second cache, so that this one is as the attacker left it.
        let file = {
            let settings = Settings {
                cache: f.folder.path().join("root/second"),
                ..f.settings()
            };
            f.file(&Hub::new(settings).unwrap(), "pytorch_model.bin")
        };
        let sha = file.sha256.clone().unwrap();
        let at = cache.join(
            inside
                .replace("COMMIT", f.commit().as_str())
                .replace("SHA", &sha),
        );
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        if folder {
            put(&victim.join("keep"), b"mine");
        } else {
            put(&victim, &weights());
        }
        let name = at.to_str().unwrap().trim_end_matches('/').to_owned();
        symlink(&victim, &name).unwrap();
        let error = hub
            .fetch(&f.repo, &f.commit(), &file, &Unwatched)
            .unwrap_err();
        assert!(matches!(error, Error::Foreign { .. }), "{inside}: {error}");
        if folder {
            assert_eq!(fs::read_dir(&victim).unwrap().count(), 1, "{inside}");
        } else {
            assert_eq!(fs::read(&victim).unwrap(), weights(), "{inside}");
        }
    }
}

#[test]
fn attack_a_prepared_listing_is_checked_again() {
    let f = Fixture::new();
    let folder = f
        .folder
        .path()
        .join("cache/models--LLM360--Amber/.glasswork");
    let listing = format!(
        "[{{\"path\":\"../../x\",\"size\":1,\"sha256\":null,\"oid\":\"{}\"}}]",
        "a".repeat(40)
    );
    put(
        &folder.join(format!("files-{}.json", f.commit())),
        listing.as_bytes(),
    );
    assert!(matches!(
        f.offline().files(&f.repo, &f.commit()),
        Err(Error::NotCached { .. })
    ));
    assert_eq!(f.hub().files(&f.repo, &f.commit()).unwrap().len(), 4);
}
