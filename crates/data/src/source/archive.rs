//! Reading a crate archive in memory, under limits.
//!
//! The lock pins every archive, so a hostile one had to be published and locked first; still,
//! nothing is unpacked to disk, and sizes, counts and names are bounded before memory is taken.

use std::io::Read;
use std::path::{Path, PathBuf};

use glasswork_release::sha256_hex;

use super::lock::Package;
use crate::error::{Error, Result};

/// Compressed bytes of one archive (crates.io itself accepts 10 MiB).
const MAX_ARCHIVE: u64 = 64 << 20;
/// Bytes of one archive once decompressed, headers and padding included.
const MAX_UNPACKED: u64 = 256 << 20;
/// Entries of one archive.
const MAX_ENTRIES: usize = 50_000;
/// Bytes of one file that are read; a longer one is kept by name and size only.
const MAX_FILE: u64 = 4 << 20;

/// One file of an archive.
#[derive(Debug)]
pub(crate) struct ArchiveFile {
    /// Path inside the package, with `/`.
    pub(crate) path: String,
    /// Its size in the archive.
    pub(crate) size: u64,
    /// Its bytes; `None` where it is larger than this program reads.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// The archive of `package` below `cargo_home`, with the lock's checksum.
///
/// # Errors
/// No archive of that name, or none whose digest the lock names.
pub(crate) fn read_archive(cargo_home: &Path, package: &Package) -> Result<Vec<u8>> {
    let cache = cargo_home.join("registry").join("cache");
    let missing = || Error::ArchiveMissing {
        package: package.stem(),
        searched: cache.clone(),
    };
    let mut registries: Vec<PathBuf> = std::fs::read_dir(&cache)
        .map_err(|_| missing())?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    registries.sort();
    let mut mismatch = None;
    for registry in registries {
        let path = registry.join(format!("{}.crate", package.stem()));
        let Ok(file) = std::fs::File::open(&path) else {
            continue;
        };
        let mut bytes = Vec::new();
        file.take(MAX_ARCHIVE + 1)
            .read_to_end(&mut bytes)
            .map_err(Error::read(&path))?;
        let found = sha256_hex(&bytes);
        if found == package.sha256 {
            return Ok(bytes);
        }
        mismatch = Some(Error::ArchiveMismatch {
            path,
            expected: package.sha256.clone(),
            found,
        });
    }
    Err(mismatch.unwrap_or_else(missing))
}

/// The regular files of a crate archive whose names `wanted` accepts, in archive order.
///
/// Directories, links and special files are passed over; nothing is followed.
///
/// # Errors
/// A stream that is no gzip of a tar, an entry outside `name-version/`, a repeated path, or a
/// limit passed.
pub(crate) fn unpack(
    bytes: &[u8],
    package: &Package,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<ArchiveFile>> {
    let stem = package.stem();
    let wrong = |reason: String| Error::Archive {
        package: stem.clone(),
        reason,
    };
    if bytes.len() as u64 > MAX_ARCHIVE {
        return Err(wrong(format!("larger than {MAX_ARCHIVE} bytes")));
    }
    let unpacked = flate2::read::GzDecoder::new(bytes).take(MAX_UNPACKED + 1);
    let mut archive = tar::Archive::new(unpacked);
    let mut files: Vec<ArchiveFile> = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    let entries = archive
        .entries()
        .map_err(|error| wrong(error.to_string()))?;
    for (count, entry) in entries.enumerate() {
        if count >= MAX_ENTRIES {
            return Err(wrong(format!("more than {MAX_ENTRIES} entries")));
        }
        let mut entry = entry.map_err(|error| wrong(error.to_string()))?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| wrong("an entry's name is not UTF-8".into()))?;
        let inside = name
            .strip_prefix(&stem)
            .and_then(|rest| rest.strip_prefix('/'));
        let Some(inside) = inside else {
            return Err(wrong(format!("entry `{name}` lies outside `{stem}/`")));
        };
        let plain = |part: &str| part != ".." && part != "." && !part.contains(['\\', '\0']);
        if !inside.trim_end_matches('/').split('/').all(plain) {
            return Err(wrong(format!("entry `{name}` is no plain path")));
        }
        if !entry.header().entry_type().is_file() || !wanted(inside) {
            continue;
        }
        if !names.insert(inside.to_owned()) {
            return Err(wrong(format!("entry `{name}` comes twice")));
        }
        let size = entry.size();
        let mut content = None;
        if size <= MAX_FILE {
            let mut buffer = Vec::new();
            entry
                .read_to_end(&mut buffer)
                .map_err(|error| wrong(error.to_string()))?;
            if buffer.len() as u64 != size {
                return Err(wrong(format!("entry `{name}` ends early")));
            }
            content = Some(buffer);
        }
        files.push(ArchiveFile {
            path: inside.to_owned(),
            size,
            bytes: content,
        });
    }
    // `take` ends a longer stream without an error, so that the limit shows as its last byte.
    if archive.into_inner().limit() == 0 {
        return Err(wrong(format!("unpacks to more than {MAX_UNPACKED} bytes")));
    }
    Ok(files)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Write;

    pub(crate) fn package(name: &str) -> Package {
        Package {
            name: name.into(),
            version: "1.0.0".into(),
            sha256: String::new(),
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).expect("to memory");
        out.finish().expect("to memory")
    }

    /// A header with exactly these fields, valid or not.
    fn header(name: &str, size: u64, kind: tar::EntryType) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().expect("gnu").name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(size);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_cksum();
        header
    }

    pub(crate) fn crate_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let header = header(name, bytes.len() as u64, tar::EntryType::Regular);
            tar.append(&header, *bytes).expect("to memory");
        }
        gzip(&tar.into_inner().expect("to memory"))
    }

    fn names(bytes: &[u8]) -> Result<Vec<String>> {
        let files = unpack(bytes, &package("a"), |_| true)?;
        Ok(files.into_iter().map(|file| file.path).collect())
    }

    #[test]
    fn reads_the_wanted_files() {
        let bytes = crate_of(&[("a-1.0.0/src/lib.rs", b"x"), ("a-1.0.0/logo.png", b"y")]);
        let files = unpack(&bytes, &package("a"), |path| path.ends_with(".rs")).expect("valid");
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].path, "src/lib.rs");
        assert_eq!(files[0].bytes.as_deref(), Some(b"x".as_slice()));
    }

    #[test]
    fn attack_paths_that_climb() {
        for name in [
            "a-1.0.0/../../etc/passwd",
            "/etc/passwd",
            "b-1.0.0/x",
            "a-1.0.0/./x",
            "a-1.0.0/a\\b",
        ] {
            assert!(names(&crate_of(&[(name, b"x")])).is_err(), "{name}");
        }
    }

    #[test]
    fn attack_links_are_not_followed() {
        let mut tar = tar::Builder::new(Vec::new());
        for kind in [tar::EntryType::Symlink, tar::EntryType::Link] {
            let mut header = header("a-1.0.0/src/lib.rs", 0, kind);
            header.set_link_name("/etc/passwd").expect("short");
            header.set_cksum();
            tar.append(&header, &b""[..]).expect("to memory");
        }
        let bytes = gzip(&tar.into_inner().expect("to memory"));
        assert_eq!(names(&bytes).expect("passed over"), Vec::<String>::new());
    }

    #[test]
    fn attack_the_same_path_twice() {
        assert!(names(&crate_of(&[("a-1.0.0/x", b"1"), ("a-1.0.0/x", b"2")])).is_err());
    }

    #[test]
    fn attack_gzip_bomb() {
        let zeros = vec![0u8; 1 << 20];
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let total = MAX_UNPACKED + (2 << 20);
        let head = header("a-1.0.0/big", total, tar::EntryType::Regular);
        out.write_all(head.as_bytes()).expect("to memory");
        for _ in 0..total >> 20 {
            out.write_all(&zeros).expect("to memory");
        }
        let bytes = out.finish().expect("to memory");
        assert!(bytes.len() < 4 << 20);
        assert!(unpack(&bytes, &package("a"), |_| true).is_err());
    }

    #[test]
    fn attack_declared_size_past_the_end() {
        let head = header("a-1.0.0/x", 1 << 20, tar::EntryType::Regular);
        assert!(names(&gzip(head.as_bytes())).is_err());
        let head = header("a-1.0.0/x", u64::MAX / 2, tar::EntryType::Regular);
        assert!(names(&gzip(head.as_bytes())).is_err());
    }

    #[test]
    fn a_long_file_keeps_its_name_and_size() {
        let bytes = crate_of(&[("a-1.0.0/x.rs", &vec![b' '; MAX_FILE as usize + 1])]);
        let files = unpack(&bytes, &package("a"), |_| true).expect("valid");
        assert_eq!(files[0].size, MAX_FILE + 1);
        assert!(files[0].bytes.is_none());
    }

    #[test]
    fn refuses_what_is_no_archive() {
        assert!(names(b"plain text").is_err());
        assert!(names(&gzip(b"plain text")).is_err());
    }
}
