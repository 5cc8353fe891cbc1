//! Which program this is.

use glasswork_release::annex::Program;
use serde::Serialize;

/// Content of `code.json`.
#[derive(Serialize)]
struct Code {
    /// Digest of `Cargo.lock`.
    lock_digest: &'static str,
    program: &'static str,
    /// Digest of the sources of all crates.
    source_digest: &'static str,
    toolchain: &'static str,
    version: &'static str,
}

const CODE: Code = Code {
    lock_digest: env!("GLASSWORK_LOCK_DIGEST"),
    program: "glasswork",
    source_digest: env!("GLASSWORK_SOURCE_DIGEST"),
    toolchain: env!("GLASSWORK_TOOLCHAIN"),
    version: env!("CARGO_PKG_VERSION"),
};

/// `code.json` of a run begun by this program.
pub(crate) fn code_json() -> Vec<u8> {
    glasswork_release::canonical::to_canonical(&CODE).expect("five strings")
}

/// This program, as annexes name it.
pub(crate) fn program() -> Program {
    Program {
        name: CODE.program.to_owned(),
        version: CODE.version.to_owned(),
        source_digest: Some(CODE.source_digest.to_owned()),
    }
}
