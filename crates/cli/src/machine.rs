//! What this machine offers: threads, instruction set, places. The only reader of the environment.

use crate::args::Compute;
use crate::failure::Failure;
use crate::output::bytes;
use glasswork_data::Places;
use glasswork_kernels::gemm::bf16::{Verdict, verdict};
use glasswork_kernels::{Isa, Pool};
use glasswork_model::{ModelConfig, ModelError};
use glasswork_release::config::RunConfig;
use glasswork_train::{Cut, fit};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// `asked` threads, or one a core, on the instruction set of `GLASSWORK_ISA` or the best.
pub(crate) fn pool(asked: Option<u16>) -> Result<Arc<Pool>, Failure> {
    let isa = match std::env::var("GLASSWORK_ISA") {
        Ok(name) => name.parse::<Isa>().map_err(|error| {
            Failure::usage(
                error,
                "unset GLASSWORK_ISA to use the best; every one gives the same bits",
            )
        })?,
        Err(_) => {
            if let Verdict::Fails(probe) = verdict() {
                eprintln!(
                    "this machine's AMX failed its start-up test ({probe}): products are computed by fma, the bits are the same"
                );
            }
            Isa::best()
        }
    };
    let threads = threads(asked);
    let pool = Pool::new(threads, isa).map_err(|error| {
        Failure::new(
            format!("{threads} threads could not be started: {error}"),
            Some("ask for fewer with --threads".to_owned()),
        )
    })?;
    Ok(Arc::new(pool))
}

/// How to cut the steps of `run`, computed on `pool`, into what `compute` allows.
pub(crate) fn cut(compute: &Compute, run: &RunConfig, pool: &Pool) -> Result<Cut, Failure> {
    let micro_batch = (compute.micro_batch() as usize).min(run.training.batch);
    let Some(budget) = compute.memory else {
        let recomputed = 0;
        return Ok(Cut {
            micro_batch,
            recomputed,
        });
    };
    let profile = run.profile.parse().map_err(ModelError::from)?;
    let model = ModelConfig::from_run(run)?;
    let computed = (pool.numerics(profile), pool.threads());
    fit(run, &model, computed, micro_batch, budget.as_u64()).map_err(|least| {
        Failure::new(
            format!(
                "run `{}` does not fit into {}: it takes at least {}",
                run.name,
                bytes(budget.as_u64()),
                bytes(least.total())
            ),
            Some("give it more with --memory, or make the model smaller; `glasswork plan` lists what takes how much".to_owned()),
        )
    })
}

/// Most memory that this process has held so far, bytes; `None` where the system does not say.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(1024 * kibibytes)
}

/// Memory that could be taken now without pushing others out or passing a control group's limit, bytes;
/// `None` where the system does not say.
pub(crate) fn free_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    let free = 1024 * kibibytes;
    Some(crate::cgroup::free_memory().map_or(free, |here| here.min(free)))
}

/// Threads for work that is not numerics.
pub(crate) fn plain_pool(asked: Option<u16>) -> Result<rayon::ThreadPool, Failure> {
    let threads = threads(asked);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| {
            Failure::new(
                format!("{threads} threads could not be started: {error}"),
                Some("ask for fewer with --threads".to_owned()),
            )
        })
}

/// `asked`, or all cores.
pub(crate) fn threads(asked: Option<u16>) -> usize {
    asked.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    )
}

/// Where sources are read from.
pub(crate) fn places(
    cargo_home: Option<PathBuf>,
    rust_docs: Option<PathBuf>,
) -> Result<Places, Failure> {
    let cargo_home = match cargo_home.or_else(|| std::env::var_os("CARGO_HOME").map(PathBuf::from))
    {
        Some(path) => path,
        None => std::env::home_dir()
            .map(|home| home.join(".cargo"))
            .ok_or_else(|| {
                Failure::new(
                    "cargo's home directory is unknown",
                    Some("name it with --cargo-home".to_owned()),
                )
            })?,
    };
    let rust_docs = match rust_docs {
        Some(path) => path,
        None => sysroot()?.join("share/doc/rust/html"),
    };
    Ok(Places {
        cargo_home,
        rust_docs,
    })
}

fn sysroot() -> Result<PathBuf, Failure> {
    let hint = || Some("install Rust, or name the documentation with --rust-docs".to_owned());
    let output = Command::new("rustc").args(["--print", "sysroot"]).output();
    let output = output.map_err(|error| {
        Failure::new(
            format!("`rustc --print sysroot` does not run: {error}"),
            hint(),
        )
    })?;
    if !output.status.success() {
        return Err(Failure::new("`rustc --print sysroot` failed", hint()));
    }
    Ok(PathBuf::from(
        String::from_utf8_lossy(&output.stdout).trim(),
    ))
}

/// The release directory of a run: as asked, or `runs/<name>`.
pub(crate) fn run_directory(output: Option<PathBuf>, name: &str) -> PathBuf {
    output.unwrap_or_else(|| Path::new("runs").join(name))
}
