//! The demo's fault drill: one bit of one optimizer tensor flipped on a copy, and found or not.

use super::demo::command;
use crate::code;
use crate::failure::Failure;
use crate::output::Output;
use glasswork_release::annex::{FAULT_DRILL_PREDICATE, FaultDrill, Statement};
use glasswork_release::core_index::CoreIndex;
use glasswork_release::safetensors::SafeTensors;
use glasswork_release::{atomic, files, layout};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The statement's name under `attestations/`.
pub(super) const FILE: &str = "fault-drill.json";

/// A bit within a tensor of a checkpoint.
struct Fault {
    file: String,
    step: u64,
    tensor: String,
    offset: u64,
    bit: u32,
}

/// Flips a random bit on a copy beside `release`, has a fresh process check the copy, and files what it said.
pub(super) fn run(release: &Path, root: &str, output: &Output) -> Result<(), Failure> {
    let path = release.join(layout::ATTESTATIONS).join(FILE);
    let earlier = files::read(&path, 1 << 20).ok();
    let earlier: Option<Statement<FaultDrill>> =
        earlier.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if earlier.is_some_and(|said| {
        said.root() == Some(root)
            && said.predicate.program == code::program()
            && said.predicate.found
    }) {
        output.note("nothing left to do: the fault drill was held before");
        return Ok(());
    }
    let fault = choose(release)?;
    let what = format!(
        "bit {} of byte {} of {} flipped, in a copy",
        fault.bit, fault.offset, fault.file
    );
    output.note(&format!("fault drill: {what} (tensor {})", fault.tensor));
    let copy = Copy::make(release)?;
    flip(&copy.path.join(&fault.file), fault.offset, fault.bit)?;
    let start = Instant::now();
    let copy_path = copy.path.to_string_lossy().into_owned();
    let answer = command(
        output,
        "glasswork",
        &["check", &copy_path, "--root", root, "--json"],
    )?
    .stdout(std::process::Stdio::piped())
    .output()
    .map_err(|error| Failure::new(format!("the check does not start: {error}"), None))?;
    let seconds = start.elapsed().as_secs_f64();
    let report: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let named = findings
        .iter()
        .find(|f| f["tensor"].is_string())
        .or(findings.first())
        .cloned()
        .unwrap_or_default();
    let text = |key: &str| named[key].as_str().map(str::to_owned);
    let found = answer.status.code() == Some(i32::from(crate::MISMATCH))
        && text("path").as_deref() == Some(fault.file.as_str())
        && text("tensor").as_deref() == Some(fault.tensor.as_str())
        && named["step"].as_u64() == Some(fault.step);
    let drill = FaultDrill {
        fault: what,
        file: fault.file,
        offset: fault.offset,
        bit: fault.bit,
        step: fault.step,
        tensor: fault.tensor,
        found,
        named_file: text("path"),
        named_step: named["step"].as_u64(),
        named_tensor: text("tensor"),
        seconds,
        program: code::program(),
    };
    let said = format!(
        "exit code {}: {} at step {}, tensor {}",
        answer.status.code().unwrap_or(-1),
        drill.named_file.as_deref().unwrap_or("no file named"),
        drill.step,
        drill.named_tensor.as_deref().unwrap_or("not named")
    );
    let mut json = serde_json::to_vec_pretty(&Statement::about_release(
        root,
        FAULT_DRILL_PREDICATE,
        drill,
    ))
    .expect("statements are plain data");
    json.push(b'\n');
    atomic::write_inside(release, &format!("{}/{FILE}", layout::ATTESTATIONS), &json)?;
    if !found {
        return Err(Failure::new(
            format!("the flipped bit was not found as it should be: {said}"),
            None,
        ));
    }
    output.note(&format!("found: {said}"));
    Ok(())
}

/// A random bit of a random optimizer tensor of the middle checkpoint.
fn choose(release: &Path) -> Result<Fault, Failure> {
    let steps = layout::checkpoint_steps(release)?;
    let step = steps.get(steps.len() / 2).copied().unwrap_or_default();
    let file = format!("{}/{}", layout::checkpoint_dir(step), layout::OPTIMIZER);
    let path = release.join(&file);
    let tensors = SafeTensors::open(&path)?;
    let body: u64 = std::fs::metadata(&path).map_or(0, |m| m.len());
    let names: Vec<String> = tensors.names().map(str::to_owned).collect();
    let data: u64 = names
        .iter()
        .filter_map(|n| tensors.info(n).ok())
        .map(|i| i.range.1 - i.range.0)
        .sum();
    let random = getrandom::u64()
        .map_err(|error| Failure::new(format!("no random numbers: {error}"), None))?;
    let (at, bit) = ((random >> 3) % data.max(1), (random & 7) as u32);
    let tensor = names
        .into_iter()
        .find(|name| {
            tensors
                .info(name)
                .is_ok_and(|info| (info.range.0..info.range.1).contains(&at))
        })
        .ok_or_else(|| Failure::new(format!("{file} holds no tensor"), None))?;
    Ok(Fault {
        file,
        step,
        tensor,
        offset: body - data + at,
        bit,
    })
}

fn flip(path: &Path, offset: u64, bit: u32) -> Result<(), Failure> {
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    let mut bytes = files::read(path, size)?;
    let at = usize::try_from(offset).expect("the file is in memory");
    bytes[at] ^= 1 << bit;
    Ok(atomic::write_file(path, &bytes)?)
}

/// A copy of a release's core, removed when dropped.
struct Copy {
    path: PathBuf,
}

impl Copy {
    fn make(release: &Path) -> Result<Self, Failure> {
        let name = release
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        let path = release.with_file_name(format!("{name}-fault-drill"));
        let index = CoreIndex::load(release)?;
        let copy = Self { path };
        copy.clear();
        let parent = release
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        atomic::expect_free(parent, index.entries.iter().map(|e| e.length).sum())?;
        let files = index
            .entries
            .iter()
            .map(|entry| entry.path.as_str())
            .chain([layout::CORE, layout::RELEASE]);
        for file in files {
            let target = copy.path.join(file);
            let made = target.parent().map_or(Ok(()), std::fs::create_dir_all);
            made.and_then(|()| std::fs::copy(release.join(file), &target))
                .map_err(|error| Failure::new(format!("{}: {error}", target.display()), None))?;
        }
        Ok(copy)
    }

    fn clear(&self) {
        // What cannot be removed now is removed by the next drill.
        drop(std::fs::remove_dir_all(&self.path));
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.clear();
    }
}
