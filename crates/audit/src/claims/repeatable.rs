//! Can the training be repeated?

use glasswork_release::annex::ReplayVerdict;
use glasswork_release::layout;

use super::{Claim, Rung};
use crate::dossier::{Dossier, Segment};
use crate::read::detection_chance;

/// The share of all steps, lying in bad segments, that the sentence about replays speaks of.
const BAD_SHARE: f64 = 0.25;

pub(super) fn claims(dossier: &Dossier) -> Vec<Claim> {
    vec![
        replays(dossier),
        // Statements are not signed in this version, so none can be told to come from somebody else.
        Claim::missing("independent_replay"),
        checkpoints(dossier),
        configuration(dossier),
        code(dossier),
        order(dossier),
    ]
}

fn replays(dossier: &Dossier) -> Claim {
    let id = "segments_replayed";
    let count = |verdict| dossier.segments_with(verdict);
    let (equal, near) = (
        count(ReplayVerdict::BitwiseEqual),
        count(ReplayVerdict::WithinBound),
    );
    let diverged = count(ReplayVerdict::Diverged);
    let all = dossier.segments.as_ref().map_or(0, Vec::len);
    let drawn = drawn(dossier);
    let steps = |counts: fn(&Segment) -> bool| -> u64 {
        let segments = dossier
            .segments
            .iter()
            .flatten()
            .filter(|segment| counts(segment));
        segments
            .map(|segment| segment.to - segment.from)
            .fold(0, u64::saturating_add)
    };
    let counted = if equal + near == all { all } else { drawn };
    // Records carry no signature: anybody can write one without computing anything. They count as computed again
    // only where the reader says that they are the reader's own.
    let claim = if !dossier.own_replays && (diverged > 0 || near > 0 || equal > 0) {
        Claim::judged(id, Rung::Declared, diverged == 0)
    } else if diverged > 0 {
        Claim::fails(id, Rung::Consistent)
    } else if near > 0 {
        Claim::holds(id, Rung::ReplayedWithinBound)
    } else if equal > 0 {
        Claim::holds(id, Rung::ReplayedBitwise)
    } else {
        Claim::missing(id)
    };
    claim
        .with("replayed", equal + near)
        .with("segments", all)
        .with("drawn", drawn)
        .with("steps_replayed", steps(right))
        .with("steps", steps(|_| true))
        .with("diverged", diverged)
        .with("bad_share", BAD_SHARE)
        .with("chance", detection_chance(BAD_SHARE, counted, all))
        .on(
            dossier,
            "chain",
            dossier.replays.iter().map(|replay| replay.path.as_str()),
        )
}

/// Whether every replay of a segment came out right.
fn right(segment: &Segment) -> bool {
    matches!(
        segment.verdict,
        Some(ReplayVerdict::BitwiseEqual | ReplayVerdict::WithinBound)
    )
}

/// Segments that came out right and that the verifier's own randomness chose: only these say something about the rest.
fn drawn(dossier: &Dossier) -> usize {
    let random: Vec<_> = dossier
        .replays
        .iter()
        .filter(|replay| replay.chosen == "random")
        .collect();
    let segments = dossier
        .segments
        .iter()
        .flatten()
        .filter(|segment| right(segment));
    segments
        .filter(|segment| {
            random
                .iter()
                .any(|replay| replay.from <= segment.from && segment.to <= replay.to)
        })
        .count()
}

fn checkpoints(dossier: &Dossier) -> Claim {
    let id = "checkpoints_complete";
    let Some((first, last)) = dossier.checkpoints.first().zip(dossier.checkpoints.last()) else {
        return Claim::missing(id);
    };
    let under = format!("{}/", layout::CHECKPOINTS);
    let findings = dossier
        .check
        .findings
        .iter()
        .filter(|finding| finding.path.starts_with(&under))
        .count();
    let without = dossier
        .checkpoints
        .iter()
        .filter(|checkpoint| !checkpoint.has_optimizer)
        .count();
    let rung = if dossier.release.sealed {
        Rung::Consistent
    } else {
        Rung::Present
    };
    let manifest = |step| format!("{}/{}", layout::checkpoint_dir(step), layout::MANIFEST);
    Claim::judged(id, rung, findings + without == 0)
        .with("checkpoints", dossier.checkpoints.len())
        .with("first", first.step)
        .with("last", last.step)
        .with("findings", findings + without)
        .on(
            dossier,
            "chain",
            [manifest(first.step), manifest(last.step)],
        )
}

fn configuration(dossier: &Dossier) -> Claim {
    let id = "configuration_recorded";
    let claim = match (&dossier.run.digest, dossier.configuration_agrees) {
        (None, _) => return Claim::missing(id),
        (Some(_), None) => Claim::holds(id, Rung::Present),
        (Some(_), Some(agrees)) => Claim::judged(id, Rung::Consistent, agrees),
    };
    claim.on(dossier, "configuration", [layout::RUN, layout::LEDGER])
}

fn code(dossier: &Dossier) -> Claim {
    let id = "code_recorded";
    let value = |wanted: &[&str]| {
        let found = dossier
            .run
            .code
            .iter()
            .find(|(key, _)| wanted.contains(&key.as_str()));
        found.map(|(_, value)| value.clone())
    };
    let version = value(&["version", "program.version"]);
    let source = value(&["source_digest", "source", "program.source_digest"]);
    let claim = if version.is_some() && source.is_some() {
        // Nothing was built from that source for this page: the name is there, no more.
        Claim::holds(id, Rung::Present).on(dossier, "configuration", [layout::CODE])
    } else {
        Claim::missing(id)
    };
    claim.with("version", version)
}

fn order(dossier: &Dossier) -> Claim {
    let id = "order_recorded";
    let findings = dossier
        .check
        .findings
        .iter()
        .filter(|finding| finding.path.starts_with(layout::SEQUENCE))
        .count();
    let steps = dossier
        .metrics
        .as_ref()
        .map_or(0, |metrics| metrics.step.len());
    let tokens = dossier
        .metrics
        .as_ref()
        .and_then(|metrics| metrics.tokens.last().copied());
    let chunk = layout::chunk(0);
    let there = !dossier.release.sealed || dossier.digest(&chunk).is_some();
    let claim = if findings > 0 {
        Claim::fails(id, Rung::Consistent)
    } else if steps > 0 && there {
        let rung = if dossier.release.sealed {
            Rung::Consistent
        } else {
            Rung::Present
        };
        Claim::holds(id, rung)
    } else {
        return Claim::missing(id);
    };
    claim.with("tokens", tokens).with("steps", steps).on(
        dossier,
        "chain",
        [chunk.as_str(), layout::MIXTURE],
    )
}
