//! Annexes of a release: anybody may have added them, so each must name this release or a checkpoint of it.

use std::path::Path;

use glasswork_release::annex::{
    FAULT_DRILL_PREDICATE, FaultDrill as Drill, HeldOutFile, REPLAY_PREDICATE, Replay as Replayed,
    ReplayVerdict, SamplesFile, Statement,
};
use glasswork_release::layout::{self, Part};
use glasswork_release::{Digest, canonical, files};
use serde::de::DeserializeOwned;

use crate::dossier::{
    Dossier, Evaluation, FaultDrill, RefusedAnnex, ReleaseFile, Replay, Samples, Score,
};

/// The most annex files of one directory that are looked at.
const MAX_FILES: usize = 20_000;

/// Reads the annexes that this version knows; lists those that support nothing.
pub(super) fn read(dir: &Path, dossier: &mut Dossier) {
    for step in names(&dir.join(layout::EVALS)) {
        let Some(number) = step_of(&step) else {
            continue;
        };
        for file in names(&dir.join(layout::EVALS).join(&step)) {
            let path = format!("{}/{step}/{file}", layout::EVALS);
            let outcome = match file.as_str() {
                "held_out.json" => held_out(dir, &path, number, dossier),
                "samples.json" => samples(dir, &path, number, dossier),
                _ => continue,
            };
            note(outcome, path, dossier);
        }
    }
    for file in names(&dir.join(layout::ATTESTATIONS)) {
        let path = format!("{}/{file}", layout::ATTESTATIONS);
        let outcome = if file.starts_with("replay-") && file.ends_with(".json") {
            replay(dir, &path, dossier)
        } else if file == "fault-drill.json" {
            fault_drill(dir, &path, dossier)
        } else {
            continue;
        };
        note(outcome, path, dossier);
    }
    dossier
        .evaluations
        .sort_by_key(|evaluation| evaluation.step);
    dossier.samples.sort_by_key(|samples| samples.step);
    dossier.replays.sort_by(|left, right| {
        (left.from, left.to, &left.path).cmp(&(right.from, right.to, &right.path))
    });
}

fn note(outcome: Result<(), String>, path: String, dossier: &mut Dossier) {
    if let Err(reason) = outcome {
        dossier.refused.push(RefusedAnnex { path, reason });
    }
}

/// The valid names in a directory, ascending; none where there is no such directory.
fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .take(MAX_FILES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| layout::valid_id("annex", name).is_ok())
        .collect();
    names.sort();
    names
}

/// The step behind `000120`, which is how directories of evaluations are named.
fn step_of(name: &str) -> Option<u64> {
    let step: u64 = name.parse().ok()?;
    (format!("{step:06}") == name).then_some(step)
}

/// Reads a JSON annex and adds the file to the dossier's list.
fn parse<T: DeserializeOwned>(
    dir: &Path,
    path: &str,
    dossier: &mut Dossier,
) -> Result<(T, String), String> {
    debug_assert_eq!(layout::part(path), Part::Annex);
    let bytes = files::read(&dir.join(path), canonical::MAX_DOCUMENT as u64)
        .map_err(|error| error.to_string())?;
    let digest = Digest::of(&bytes).to_string();
    dossier.files.push(ReleaseFile {
        path: path.to_owned(),
        bytes: Some(bytes.len() as u64),
        digest: digest.clone(),
        core: false,
    });
    let parsed = canonical::parse_strict(&bytes, path).map_err(|error| error.to_string())?;
    Ok((parsed, digest))
}

/// Refuses an annex unless it names the state of the checkpoint whose directory it lies in.
fn of_checkpoint(
    dossier: &Dossier,
    place: u64,
    step: u64,
    state_digest: &str,
) -> Result<(), String> {
    if step != place {
        return Err(format!(
            "it lies under step {place} and speaks of step {step}"
        ));
    }
    match dossier
        .checkpoints
        .iter()
        .find(|checkpoint| checkpoint.step == step)
    {
        None => Err(format!("there is no checkpoint at step {step}")),
        Some(checkpoint) if checkpoint.state_digest != state_digest => Err(format!(
            "it speaks of another state of step {step}: {state_digest}"
        )),
        Some(_) => Ok(()),
    }
}

/// Refuses a statement unless it is of its kind and about this release.
fn of_release<P>(
    dossier: &Dossier,
    statement: &Statement<P>,
    predicate_type: &str,
) -> Result<(), String> {
    if !statement.is(predicate_type) {
        return Err(format!(
            "it is no in-toto statement of type {predicate_type}"
        ));
    }
    match (&dossier.release.root, statement.root()) {
        (None, _) => {
            Err("the run is not sealed, so there is no root that a statement could be about".into())
        }
        (Some(own), Some(named)) if own == named => Ok(()),
        (Some(_), named) => Err(format!(
            "it speaks of another release: root {}",
            named.unwrap_or("not named")
        )),
    }
}

fn held_out(dir: &Path, path: &str, place: u64, dossier: &mut Dossier) -> Result<(), String> {
    let (file, digest) = parse::<HeldOutFile>(dir, path, dossier)?;
    of_checkpoint(
        dossier,
        place,
        file.subject.step,
        &file.subject.state_digest,
    )?;
    let scores = file.scores().into_iter().map(|score| Score {
        source: score.source,
        bits_per_byte: score.bits_per_byte,
        bytes: score.bytes,
        tokens: score.tokens,
        documents: score.documents,
    });
    dossier.evaluations.push(Evaluation {
        step: place,
        path: path.to_owned(),
        digest: Some(digest),
        scores: scores.collect(),
    });
    Ok(())
}

fn samples(dir: &Path, path: &str, place: u64, dossier: &mut Dossier) -> Result<(), String> {
    let (file, digest) = parse::<SamplesFile>(dir, path, dossier)?;
    of_checkpoint(dossier, place, file.step, &file.state_digest)?;
    dossier.samples.push(Samples {
        step: place,
        path: path.to_owned(),
        digest: Some(digest),
        decoding: file.decoding,
        samples: file.samples,
        verbatim: file.verbatim,
    });
    Ok(())
}

fn replay(dir: &Path, path: &str, dossier: &mut Dossier) -> Result<(), String> {
    let (statement, digest) = parse::<Statement<Replayed>>(dir, path, dossier)?;
    of_release(dossier, &statement, REPLAY_PREDICATE)?;
    let said = statement.predicate;
    let known = |step: u64| {
        dossier
            .checkpoints
            .iter()
            .find(|checkpoint| checkpoint.step == step)
    };
    let end = known(said.to).filter(|_| said.from < said.to && known(said.from).is_some());
    let Some(end) = end else {
        return Err(format!(
            "{} to {} is no stretch between two checkpoints",
            said.from, said.to
        ));
    };
    if said.expected_state_digest != end.state_digest {
        return Err(format!(
            "it compares with another state of step {}: {}",
            said.to, said.expected_state_digest
        ));
    }
    // Equal bits and equal digests are the same statement; one that says otherwise says nothing.
    if (said.verdict == ReplayVerdict::BitwiseEqual)
        != (said.state_digest == said.expected_state_digest)
        && said.verdict != ReplayVerdict::Diverged
    {
        return Err("its verdict contradicts its digests".into());
    }
    dossier.replays.push(Replay {
        path: path.to_owned(),
        digest: Some(digest),
        from: said.from,
        to: said.to,
        steps: said.steps,
        verdict: said.verdict,
        bound: said.bound,
        first_divergence: said.first_divergence,
        profile: said.profile,
        threads: said.threads,
        micro_batch: said.micro_batch,
        isa: said.isa,
        seconds: said.seconds,
        tokens_per_second: said.tokens_per_second,
        chosen: said.chosen,
        program: said.program,
    });
    Ok(())
}

fn fault_drill(dir: &Path, path: &str, dossier: &mut Dossier) -> Result<(), String> {
    let (statement, digest) = parse::<Statement<Drill>>(dir, path, dossier)?;
    of_release(dossier, &statement, FAULT_DRILL_PREDICATE)?;
    let said = statement.predicate;
    dossier.fault_drill = Some(FaultDrill {
        path: path.to_owned(),
        digest: Some(digest),
        fault: said.fault,
        file: said.file,
        offset: said.offset,
        bit: said.bit,
        step: said.step,
        tensor: said.tensor,
        found: said.found,
        named_file: said.named_file,
        named_step: said.named_step,
        named_tensor: said.named_tensor,
        seconds: said.seconds,
    });
    Ok(())
}
