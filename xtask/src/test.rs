//! Every test.

use crate::shell::{self, Result, cargo, in_ci, output, root};
use crate::{check, web};

/// Checks, then Rust's tests, the page's unit tests, and the page in a real browser.
pub(crate) fn run() -> Result {
    web::build()?;
    check::run()?;
    // One profile for tests, demo and benches: one warm build serves all.
    shell::run(
        &root(),
        &cargo(),
        &["test", "--release", "--locked", "--workspace"],
    )?;
    let page = root().join("web");
    shell::run(&page, "npm", &["test", "--silent"])?;
    match browser() {
        Some(_) => shell::run(&page, "npm", &["run", "--silent", "test:browser"]),
        None if in_ci() => Err("Chromium is missing: `apt-get install -y chromium`".to_owned()),
        None => {
            eprintln!(
                "\n!! NOT RUN: the page's browser tests, because Chromium is missing.\n!! Install it: `apt-get install -y chromium`\n"
            );
            Ok(())
        }
    }
}

/// Chromium's version, where it is installed.
fn browser() -> Option<String> {
    ["chromium", "/usr/bin/chromium"]
        .iter()
        .find_map(|name| output(name, &["--version"]))
}
