//! Takes the digest of the program's own source and of its dependency lock, so that a release can
//! say which program made it.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    collect(&root.join("crates"), &mut files);
    files.extend([root.join("Cargo.toml"), root.join("rust-toolchain.toml")]);
    let page = root.join("web/dist/index.html");
    files.extend(page.exists().then_some(page));
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for file in &files {
        let name = file
            .strip_prefix(&root)
            .unwrap_or(file)
            .to_string_lossy()
            .replace('\\', "/");
        let content =
            std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        hasher
            .update(&(name.len() as u64).to_le_bytes())
            .update(name.as_bytes());
        hasher
            .update(&(content.len() as u64).to_le_bytes())
            .update(&content);
    }
    let lock = std::fs::read(root.join("Cargo.lock")).unwrap_or_default();
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output();
    let version = version
        .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
        .unwrap_or_default();
    println!(
        "cargo::rustc-env=GLASSWORK_SOURCE_DIGEST={}",
        hasher.finalize().to_hex()
    );
    println!(
        "cargo::rustc-env=GLASSWORK_LOCK_DIGEST={}",
        blake3::hash(&lock).to_hex()
    );
    println!("cargo::rustc-env=GLASSWORK_TOOLCHAIN={version}");
    println!("cargo::rerun-if-changed={}", root.join("crates").display());
    println!(
        "cargo::rerun-if-changed={}",
        root.join("Cargo.lock").display()
    );
}

/// The sources that decide what the program computes and says: every `.rs`, `.toml` and `.json` of the
/// crates, but for their tests. (The page, the workspace's manifest and the toolchain come on top.)
fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        if path.is_dir() {
            if !matches!(name.as_str(), "tests" | "examples" | "benches" | "target") {
                collect(&path, files);
            }
        } else if [".rs", ".toml", ".json"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            files.push(path);
        }
    }
}
