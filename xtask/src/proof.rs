//! Proofs that take longer than tests, or another program: digests of every instruction set, every
//! float, an emulated processor.

use crate::shell::{self, Result, cargo, output, root};
use std::process::Command;

/// `cargo test` over the workspace, so that dependencies keep the features that they were built with.
const TEST: [&str; 4] = ["test", "--release", "--locked", "--workspace"];

/// Ignored tests of the `command` program, by name.
fn ignored_command_tests(name: &str) -> Vec<&str> {
    let after = ["--test", "command", "--", "--ignored", "--nocapture", name];
    TEST.into_iter().chain(after).collect()
}

/// Runs the tiny run of both profiles, with one and two groups, on every instruction set of this
/// machine, and compares its digests with the committed ones.
pub(crate) fn digests() -> Result {
    let done = Command::new(cargo())
        .args(ignored_command_tests("golden::table"))
        .current_dir(root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("`cargo` does not start: {error}"))?;
    let text = String::from_utf8_lossy(&done.stdout);
    // The table, without what the test harness says around it.
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let rows = rows.inspect(|line| println!("{line}")).count();
    if rows < 2 {
        return Err(format!("no digests came out:\n{text}"));
    }
    if !done.status.success() {
        return Err(
            "digests changed. A change that is meant to is a new profile version; any other is a bug \
             (CONTRIBUTING.md)"
                .to_owned(),
        );
    }
    println!("every digest is the one of crates/cli/tests/golden-digests.txt");
    Ok(())
}

/// exp and ln of all 2³² inputs.
pub(crate) fn exhaustive() -> Result {
    let arguments: Vec<&str> = TEST
        .into_iter()
        .chain([
            "--test",
            "every_float",
            "--",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .collect();
    shell::run(&root(), &cargo(), &arguments)
}

/// The program and kernels on an emulated Haswell, which must find AVX2 by themselves.
pub(crate) fn qemu() -> Result {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Err("the emulated processor needs a Linux machine with an x86-64 processor".into());
    }
    if output("qemu-x86_64", &["--version"]).is_none() {
        return Err(
            "qemu-x86_64 is missing: `apt-get install -y --no-install-recommends qemu-user`".into(),
        );
    }
    shell::run(&root(), &cargo(), &ignored_command_tests("emulated::"))?;
    // Cargo runs the kernels' own test programs under what this variable says.
    let runner = (
        "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
        "qemu-x86_64 -cpu Haswell,-pcid,-x2apic,-tsc-deadline,-hle,-rtm,-invpcid",
    );
    for kernels in [
        &["--test", "operations"][..],
        &["--test", "bf16", "--", "every_tile"],
    ] {
        let arguments: Vec<&str> = TEST.into_iter().chain(kernels.iter().copied()).collect();
        shell::run_with(&root(), &cargo(), &arguments, &[runner])?;
    }
    Ok(())
}
