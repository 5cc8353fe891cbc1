//! Which crates a source is made of: the packages of a `Cargo.lock`, each with its checksum.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};

/// One published crate, pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// SHA-256 of the archive, 64 lower-case hexadecimal digits.
    pub(crate) sha256: String,
}

impl Package {
    /// `name-version`: the archive's stem and the directory that its entries share.
    pub(crate) fn stem(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

#[derive(Deserialize)]
struct RawLock {
    #[serde(default)]
    package: Vec<RawPackage>,
}

#[derive(Deserialize)]
struct RawPackage {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

/// The published crates of a lock, in its order (by name, then version). The corpus manifest
/// itself, which has no source, is left out.
///
/// # Errors
/// Malformed TOML, a name or version that is none, or a package that no checksum pins.
pub(crate) fn parse_lock(text: &str, path: &Path) -> Result<Vec<Package>> {
    let wrong = |reason: String| Error::Lock {
        path: path.into(),
        reason,
    };
    let raw: RawLock = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let mut packages = Vec::new();
    for package in raw.package {
        let label = format!("package `{}` {}", package.name, package.version);
        let Some(source) = package.source else {
            continue;
        };
        if !source.starts_with("registry+") {
            return Err(wrong(format!(
                "{label} comes from {source}; only registries are pinned"
            )));
        }
        // Both become parts of a path, so nothing but what cargo allows may pass.
        let of = |text: &str, more: &str| {
            !text.is_empty()
                && !text.starts_with('.')
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if !of(&package.name, "-_") || !of(&package.version, ".+-") {
            return Err(wrong(format!("{label} has no valid name and version")));
        }
        let Some(sha256) = package.checksum else {
            return Err(wrong(format!("{label} has no checksum")));
        };
        if !is_sha256(&sha256) {
            return Err(wrong(format!(
                "{label} has checksum `{sha256}`, which is no SHA-256"
            )));
        }
        packages.push(Package {
            name: package.name,
            version: package.version,
            sha256,
        });
    }
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    if let Some(pair) = packages
        .windows(2)
        .find(|pair| pair[0].stem() == pair[1].stem())
    {
        return Err(wrong(format!("{} is listed twice", pair[0].stem())));
    }
    Ok(packages)
}

/// Whether this is how a SHA-256 is written: 64 lower-case hexadecimal digits.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

    fn parse(body: &str) -> Result<Vec<Package>> {
        parse_lock(&format!("version = 4\n{body}"), Path::new("Cargo.lock"))
    }

    fn package(name: &str, version: &str, rest: &str) -> String {
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{rest}\n")
    }

    fn registry(checksum: &str) -> String {
        format!("source = \"registry+https://example.org\"\nchecksum = \"{checksum}\"")
    }

    #[test]
    fn reads_published_packages_and_leaves_the_root_out() {
        let text = package("corpus", "0.0.0", "") + &package("b", "1.0.0+x", &registry(SUM));
        let packages = parse(&text).expect("valid");
        assert_eq!(packages.len(), 1);
        assert_eq!(packages[0].stem(), "b-1.0.0+x");
    }

    #[test]
    fn attack_names_that_climb_out_of_the_cache() {
        for (name, version) in [
            ("../../etc", "1.0.0"),
            ("a/b", "1.0.0"),
            ("a", "../1"),
            ("a", ""),
        ] {
            assert!(
                parse(&package(name, version, &registry(SUM))).is_err(),
                "{name} {version}"
            );
        }
    }

    #[test]
    fn refuses_what_is_not_pinned() {
        assert!(parse(&package("a", "1.0.0", "source = \"registry+https://x\"")).is_err());
        assert!(parse(&package("a", "1.0.0", "source = \"git+https://x\"")).is_err());
        assert!(parse(&package("a", "1.0.0", &registry("12"))).is_err());
        assert!(parse(&package("a", "1.0.0", &registry(SUM)).repeat(2)).is_err());
        assert!(parse("[[package").is_err());
    }
}
