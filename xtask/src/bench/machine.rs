//! Which machine and which versions a figure speaks of.

use super::table::quoted;
use crate::shell::{Result, output, root};

/// The machine that runs the bench.
pub(super) struct Machine {
    processor: String,
    cores: usize,
    /// Our instruction sets that it has; `amx` only where its kernel shows it.
    sets: Vec<&'static str>,
    date: String,
    commit: String,
}

impl Machine {
    pub(super) fn here() -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpu.lines().find_map(|l| l.strip_prefix(name));
            line.map(|l| l.trim_start_matches([' ', '\t', ':']))
        };
        let flags: Vec<&str> = field("flags").unwrap_or_default().split(' ').collect();
        let has = |names: &[&str]| names.iter().all(|name| flags.contains(name));
        let mut sets = Vec::new();
        if has(&["avx2", "fma"]) {
            sets.push("avx2");
        }
        if has(&["avx2", "fma", "avx512f", "avx512vl", "avx512bw", "avx512dq"]) {
            sets.push("avx512");
        }
        if has(&["avx512f", "amx_tile", "amx_bf16"]) {
            sets.push("amx");
        }
        let git = |arguments: &[&str]| {
            let directory = root().to_string_lossy().into_owned();
            let all: Vec<&str> = ["-C", &directory]
                .iter()
                .chain(arguments)
                .copied()
                .collect();
            output("git", &all)
        };
        let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
        let suffix = match changed {
            Some(list) if !list.is_empty() => " with changes",
            _ => "",
        };
        let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or("unknown".to_owned());
        // Some virtual machines hide the model's name; family and model still tell the processor.
        let number = |name| field(name).unwrap_or("?");
        let name = field("model name").unwrap_or("unknown processor");
        Self {
            processor: format!(
                "{name} (family {}, model {})",
                number("cpu family"),
                cpu.lines()
                    .find_map(|l| l.strip_prefix("model\t"))
                    .map_or("?", |l| l.trim_start_matches([' ', '\t', ':'])),
            ),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            sets,
            date: output("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default(),
            commit: format!("{commit}{suffix}"),
        }
    }

    /// Whether it has one of our instruction sets; every machine has none (`""`).
    pub(super) fn has(&self, isa: &str) -> bool {
        isa.is_empty() || self.sets.contains(&isa)
    }

    pub(super) fn words(&self) -> String {
        format!(
            "{}, {} cores, {}; commit {}, {}",
            self.processor,
            self.cores,
            self.sets.join(" "),
            self.commit,
            self.date
        )
    }

    pub(super) fn json(&self) -> String {
        let sets: Vec<_> = self.sets.iter().map(|set| quoted(set)).collect();
        format!(
            "\"processor\": {}, \"cores\": {}, \"isas\": [{}], \"date\": {}, \"commit\": {}",
            quoted(&self.processor),
            self.cores,
            sets.join(", "),
            quoted(&self.date),
            quoted(&self.commit)
        )
    }
}

/// The peers' versions and ours as a JSON object; without Python, ours alone.
pub(super) fn versions(python: &str) -> Result<String> {
    let rust = output("rustc", &["--version"]).unwrap_or_default();
    let rust = quoted(rust.split(' ').nth(1).unwrap_or("unknown"));
    if python.is_empty() {
        return Ok(format!("{{\"rustc\": {rust}}}"));
    }
    let script = root().join("peers/versions.py");
    let peers = output(python, &[&script.to_string_lossy()])
        .ok_or("peers/versions.py does not run; `cargo xtask peers` makes its environment")?;
    let fields = peers.trim().trim_start_matches('{').trim_end_matches('}');
    Ok(format!("{{\"rustc\": {rust}, {fields}}}"))
}
