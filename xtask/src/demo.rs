//! The demo.

use crate::shell::{self, Result, cargo, root};
use crate::web;

/// Builds the page and the program, then runs `glasswork demo`.
pub(crate) fn run(rest: &[&str]) -> Result {
    web::build()?;
    shell::run(
        &root(),
        &cargo(),
        &["build", "--release", "--locked", "--package", "glasswork"],
    )?;
    let program = root()
        .join("target/release")
        .join(format!("glasswork{}", std::env::consts::EXE_SUFFIX));
    let arguments: Vec<&str> = std::iter::once("demo")
        .chain(rest.iter().copied())
        .collect();
    shell::run(&root(), &program.to_string_lossy(), &arguments)
}
