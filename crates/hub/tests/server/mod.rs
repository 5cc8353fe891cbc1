//! A Hub on this machine: it serves a folder through the API of huggingface.co, and misbehaves where it is told to.
//!
//! ```text
//! ROOT/models/OWNER/NAME/REVISION/…files        '/' in a revision's name is written %2F
//! ROOT/datasets/OWNER/NAME/REVISION/…files
//! ```
//!
//! Each revision is a branch with a commit of its own. Files that end like weights or data are in large-file storage;
//! one beyond 64 MiB gets an invented SHA-256 (of path, length and first MiB), so that sparse files of any size can be
//! served for ranged reads.
//! Other crates' tests include this file by `#[path]`; it needs `sha2`.

#![allow(dead_code, clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// What the server does instead of what it should.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The right headers, then so many bytes, then the connection is closed.
    CutAfter(u64),
    /// The right headers, then so many bytes, then silence.
    StallAfter(u64),
    /// The right headers, then so many bytes at a time with a pause after each; of a listing, blanks without end.
    Trickle(usize, Duration),
    /// A `Content-Length` that is off by so much, with a body to match.
    Longer(i64),
    /// No length, and a body without an end.
    Endless,
    /// 200 and the whole file, whatever range was asked for.
    IgnoreRange,
    /// A `Content-Range` one byte further on.
    WrongRange,
    /// A `Content-Range` with another total.
    WrongTotal,
    /// The right length, the first byte flipped.
    Corrupt,
    /// A redirect.
    Redirect(String),
    /// A status, with headers and no body.
    Status(u16, Vec<(&'static str, String)>),
    /// 200 and this body with this content type, and headers.
    Body(&'static str, Vec<u8>, Vec<(&'static str, String)>),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

/// One revision of a repository as it is served.
struct Revision {
    name: String,
    commit: String,
    files: BTreeMap<String, Stored>,
}

struct Stored {
    at: PathBuf,
    size: u64,
    oid: String,
    sha256: Option<String>,
}

struct State {
    repositories: BTreeMap<String, Vec<Revision>>,
    faults: Mutex<Vec<(String, Fault, usize)>>,
    seen: Mutex<Vec<Seen>>,
    token: Option<String>,
    page: usize,
    stopped: AtomicBool,
    url: String,
}

/// The server; it stops when it is dropped.
pub struct Server {
    state: Arc<State>,
}

impl Server {
    /// Serves `root`, which is read once, now.
    pub fn start(root: &Path) -> Self {
        Self::start_with(root, None, 1000)
    }

    /// Serves `root`: files only with `token` if there is one, listings in pages of `page` files.
    pub fn start_with(root: &Path, token: Option<&str>, page: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(State {
            repositories: repositories(root),
            faults: Mutex::default(),
            seen: Mutex::default(),
            token: token.map(|t| format!("Bearer {t}")),
            page,
            stopped: AtomicBool::new(false),
            url: format!("http://{}", listener.local_addr().unwrap()),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&shared);
                // A client that hangs up is no fault of the server's.
                std::thread::spawn(move || stream.and_then(|stream| serve(&state, stream)));
            }
        });
        Self { state }
    }

    /// Scheme, host and port: the endpoint.
    pub fn url(&self) -> &str {
        &self.state.url
    }

    /// The next `times` requests whose path contains `part` meet `fault`. Earlier faults come first.
    pub fn misbehave(&self, part: &str, fault: Fault, times: usize) {
        self.state
            .faults
            .lock()
            .unwrap()
            .push((part.into(), fault, times));
    }

    /// Forgets every fault that has not been met yet.
    pub fn forgive(&self) {
        self.state.faults.lock().unwrap().clear();
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// The commit at which a revision stands, such as `commit("models/o/n", "main")`.
    pub fn commit(&self, repository: &str, revision: &str) -> String {
        let revisions = &self.state.repositories[repository];
        revisions
            .iter()
            .find(|r| r.name == revision)
            .unwrap()
            .commit
            .clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, so that it sees the flag.
        let _ = TcpStream::connect(self.state.url.trim_start_matches("http://"));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn repositories(root: &Path) -> BTreeMap<String, Vec<Revision>> {
    let mut repositories = BTreeMap::new();
    for kind in ["models", "datasets"] {
        for owner in folders(&root.join(kind)) {
            for name in folders(&owner) {
                let revisions = folders(&name)
                    .iter()
                    .map(|folder| revision(folder))
                    .collect();
                let key = name
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .replace('\\', "/");
                repositories.insert(key, revisions);
            }
        }
    }
    repositories
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(of) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_dir())
        .collect();
    folders.sort();
    folders
}

fn revision(folder: &Path) -> Revision {
    let name = folder
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .replace("%2F", "/");
    let mut files = BTreeMap::new();
    collect(folder, "", &mut files);
    let mut hash = Sha256::new();
    hash.update(&name);
    for (path, file) in &files {
        hash.update(format!("\n{path} {} {:?}", file.oid, file.sha256));
    }
    Revision {
        name,
        commit: hex(&hash.finalize())[..40].into(),
        files,
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Stored>) {
    for entry in fs::read_dir(folder).unwrap() {
        let at = entry.unwrap().path();
        let path = format!("{prefix}{}", at.file_name().unwrap().to_str().unwrap());
        if at.is_dir() {
            collect(&at, &format!("{path}/"), files);
            continue;
        }
        let size = at.metadata().unwrap().len();
        let digest = if size > 64 << 20 {
            let mut first = format!("{path} {size} ").into_bytes();
            File::open(&at)
                .unwrap()
                .take(1 << 20)
                .read_to_end(&mut first)
                .unwrap();
            hex(&Sha256::digest(first))
        } else {
            hex(&Sha256::digest(fs::read(&at).unwrap()))
        };
        let large = [
            ".bin",
            ".safetensors",
            ".parquet",
            ".h5",
            ".gz",
            ".pt",
            ".jsonl",
        ];
        let stored = Stored {
            oid: digest[..40].into(),
            sha256: large
                .iter()
                .any(|end| path.ends_with(end))
                .then_some(digest),
            at,
            size,
        };
        files.insert(path, stored);
    }
}

fn serve(state: &State, mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let Some(first) = lines.next().transpose()? else {
        return Ok(());
    };
    let path = first.split(' ').nth(1).unwrap_or("").to_owned();
    let mut seen = Seen {
        path: path.clone(),
        range: None,
        authorization: None,
    };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => seen.range = Some(value.into()),
            "authorization" => seen.authorization = Some(value.into()),
            _ => {}
        }
    }
    let range = seen.range.clone();
    let trusted = state.token.is_none() || seen.authorization == state.token;
    state.seen.lock().unwrap().push(seen);
    let fault = take_fault(state, &path);
    match &fault {
        Some(Fault::Redirect(to)) => {
            return head(
                &mut stream,
                302,
                &[("Location", to.clone()), ("Content-Length", "0".into())],
            );
        }
        Some(Fault::Status(status, headers)) => {
            let mut headers = headers.clone();
            headers.push(("Content-Length", "0".into()));
            return head(&mut stream, *status, &headers);
        }
        Some(Fault::Body(kind, body, headers)) => {
            let mut headers = headers.clone();
            headers.push(("Content-Type", (*kind).into()));
            headers.push(("Content-Length", body.len().to_string()));
            head(&mut stream, 200, &headers)?;
            return stream.write_all(body);
        }
        Some(Fault::Trickle(bytes, pause)) if path.starts_with("/api/") => {
            let headers = [
                ("Content-Type", "application/json".into()),
                ("Content-Length", "1000000".into()),
            ];
            head(&mut stream, 200, &headers)?;
            return trickle(
                state,
                &mut std::io::repeat(b' '),
                &mut stream,
                *bytes,
                *pause,
            );
        }
        _ => {}
    }
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let parts: Vec<String> = path.split('/').skip(1).map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["api", kind, owner, name, rest @ ..] => api(
            state,
            &mut stream,
            &format!("{kind}/{owner}/{name}"),
            rest,
            query,
        ),
        ["datasets", owner, name, "resolve", commit, file @ ..] => {
            let file = find(
                state,
                &format!("datasets/{owner}/{name}"),
                commit,
                &file.join("/"),
            );
            content(state, stream, file, range, trusted, fault)
        }
        [owner, name, "resolve", commit, file @ ..] => {
            let file = find(
                state,
                &format!("models/{owner}/{name}"),
                commit,
                &file.join("/"),
            );
            content(state, stream, file, range, trusted, fault)
        }
        _ => missing(&mut stream, "EntryNotFound"),
    }
}

fn trickle(
    state: &State,
    from: &mut dyn Read,
    to: &mut TcpStream,
    bytes: usize,
    pause: Duration,
) -> std::io::Result<()> {
    let mut chunk = vec![0; bytes];
    while !state.stopped.load(Ordering::SeqCst) {
        let n = from.read(&mut chunk)?;
        if n == 0 {
            return Ok(());
        }
        to.write_all(&chunk[..n])?;
        std::thread::sleep(pause);
    }
    Ok(())
}

fn take_fault(state: &State, path: &str) -> Option<Fault> {
    let mut faults = state.faults.lock().unwrap();
    let (_, fault, left) = faults
        .iter_mut()
        .find(|(part, _, left)| *left > 0 && path.contains(part.as_str()))?;
    *left -= 1;
    Some(fault.clone())
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' && tail.len() >= 2 {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn find<'a>(state: &'a State, repository: &str, commit: &str, path: &str) -> Option<&'a Stored> {
    let revisions = state.repositories.get(repository)?;
    let revision = revisions
        .iter()
        .find(|r| r.commit == commit || r.name == commit)?;
    revision.files.get(path)
}

fn head(stream: &mut TcpStream, status: u16, headers: &[(&str, String)]) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{text}\r\n").as_bytes())
}

fn missing(stream: &mut TcpStream, code: &str) -> std::io::Result<()> {
    head(
        stream,
        404,
        &[
            ("X-Error-Code", code.into()),
            ("Content-Length", "0".into()),
        ],
    )
}

fn json(stream: &mut TcpStream, body: &str, link: Option<String>) -> std::io::Result<()> {
    let mut headers = vec![
        ("Content-Type", "application/json; charset=utf-8".into()),
        ("Content-Length", body.len().to_string()),
    ];
    headers.extend(link.map(|l| ("Link", format!("<{l}>; rel=\"next\""))));
    head(stream, 200, &headers)?;
    stream.write_all(body.as_bytes())
}

/// A name as a JSON string.
fn quote(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

fn api(
    state: &State,
    stream: &mut TcpStream,
    repository: &str,
    rest: &[&str],
    query: &str,
) -> std::io::Result<()> {
    let Some(revisions) = state.repositories.get(repository) else {
        // The public Hub hides from strangers whether there is such a repository.
        return head(
            stream,
            401,
            &[
                ("X-Error-Code", "RepoNotFound".into()),
                ("Content-Length", "0".into()),
            ],
        );
    };
    let named = |name: &str| {
        revisions
            .iter()
            .find(|r| r.name == name || r.commit == name)
    };
    match rest {
        ["refs"] => {
            let branches: Vec<String> = revisions
                .iter()
                .map(|r| {
                    let name = quote(&r.name);
                    format!(
                        "{{\"name\":{name},\"ref\":{name},\"targetCommit\":\"{}\"}}",
                        r.commit
                    )
                })
                .collect();
            json(
                stream,
                &format!(
                    "{{\"branches\":[{}],\"converts\":[],\"tags\":[]}}",
                    branches.join(",")
                ),
                None,
            )
        }
        ["revision", name] => match named(name) {
            Some(revision) => json(
                stream,
                &format!(
                    "{{\"id\":\"x\",\"sha\":\"{}\",\"siblings\":[]}}",
                    revision.commit
                ),
                None,
            ),
            None => missing(stream, "RevisionNotFound"),
        },
        ["tree", name] => {
            let Some(revision) = named(name) else {
                return missing(stream, "RevisionNotFound");
            };
            let from: usize = query
                .split('&')
                .find_map(|q| q.strip_prefix("cursor="))
                .map_or(0, |c| c.parse().unwrap());
            let entries: Vec<String> = revision
                .files
                .iter()
                .skip(from)
                .take(state.page)
                .map(entry)
                .collect();
            let next = from + entries.len();
            let link = (next < revision.files.len()).then(|| {
                format!(
                    "{}/api/{repository}/tree/{name}?recursive=true&expand=false&cursor={next}",
                    state.url
                )
            });
            json(stream, &format!("[{}]", entries.join(",")), link)
        }
        _ => missing(stream, "EntryNotFound"),
    }
}

fn entry((path, file): (&String, &Stored)) -> String {
    let (path, oid, size) = (quote(path), &file.oid, file.size);
    match &file.sha256 {
        None => format!("{{\"type\":\"file\",\"oid\":\"{oid}\",\"size\":{size},\"path\":{path}}}"),
        Some(sha) => format!(
            "{{\"type\":\"file\",\"oid\":\"{oid}\",\"size\":{size},\"path\":{path},\
             \"lfs\":{{\"oid\":\"{sha}\",\"size\":{size},\"pointerSize\":134}}}}"
        ),
    }
}

fn content(
    state: &State,
    mut stream: TcpStream,
    file: Option<&Stored>,
    range: Option<String>,
    trusted: bool,
    fault: Option<Fault>,
) -> std::io::Result<()> {
    if !trusted {
        return head(
            &mut stream,
            401,
            &[
                ("X-Error-Code", "GatedRepo".into()),
                ("Content-Length", "0".into()),
            ],
        );
    }
    let Some(file) = file else {
        return missing(&mut stream, "EntryNotFound");
    };
    let range = range.filter(|_| !matches!(fault, Some(Fault::IgnoreRange)));
    let asked = range
        .as_deref()
        .and_then(|r| r.strip_prefix("bytes=")?.split_once('-'));
    let (start, end) = asked.map_or((0, file.size), |(a, b)| {
        (
            a.parse().unwrap(),
            b.parse::<u64>()
                .map_or(file.size, |b| (b + 1).min(file.size)),
        )
    });
    if asked.is_some() && start >= file.size {
        return head(
            &mut stream,
            416,
            &[
                ("Content-Range", format!("bytes */{}", file.size)),
                ("Content-Length", "0".into()),
            ],
        );
    }
    let mut headers = vec![("Content-Type", "application/octet-stream".to_owned())];
    if asked.is_some() {
        let (shift, total) = match fault {
            Some(Fault::WrongRange) => (1, file.size),
            Some(Fault::WrongTotal) => (0, file.size + 1),
            _ => (0, file.size),
        };
        headers.push((
            "Content-Range",
            format!("bytes {}-{}/{total}", start + shift, end - 1 + shift),
        ));
    }
    let length = end - start;
    let said = match fault {
        Some(Fault::Longer(by)) => length.checked_add_signed(by).unwrap(),
        _ => length,
    };
    if !matches!(fault, Some(Fault::Endless)) {
        headers.push(("Content-Length", said.to_string()));
    }
    head(
        &mut stream,
        if asked.is_some() { 206 } else { 200 },
        &headers,
    )?;
    let mut body = File::open(&file.at)?;
    body.seek(SeekFrom::Start(start))?;
    let mut body = body.take(length);
    match fault {
        Some(Fault::CutAfter(n)) => std::io::copy(&mut body.take(n), &mut stream).map(drop),
        Some(Fault::StallAfter(n)) => {
            std::io::copy(&mut body.take(n), &mut stream)?;
            while !state.stopped.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        Some(Fault::Trickle(bytes, pause)) => trickle(state, &mut body, &mut stream, bytes, pause),
        Some(Fault::Longer(by)) if by < 0 => {
            std::io::copy(&mut body.take(said), &mut stream).map(drop)
        }
        Some(Fault::Longer(_)) => {
            std::io::copy(&mut body, &mut stream)?;
            stream.write_all(&vec![0; usize::try_from(said - length).unwrap()])
        }
        Some(Fault::Endless) => {
            std::io::copy(&mut body, &mut stream)?;
            while !state.stopped.load(Ordering::SeqCst) {
                stream.write_all(&[0; 4096])?;
            }
            Ok(())
        }
        Some(Fault::Corrupt) => {
            let mut first = [0];
            body.read_exact(&mut first)?;
            stream.write_all(&[!first[0]])?;
            std::io::copy(&mut body, &mut stream).map(drop)
        }
        _ => std::io::copy(&mut body, &mut stream).map(drop),
    }
}
