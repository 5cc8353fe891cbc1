//! Is the release what it claims to be?

use glasswork_release::layout;

use super::{Claim, Rung};
use crate::dossier::{Dossier, Publisher};

pub(super) fn claims(dossier: &Dossier) -> Vec<Claim> {
    vec![
        publisher(dossier),
        files(dossier),
        chain(dossier),
        drill(dossier),
    ]
}

fn publisher(dossier: &Dossier) -> Claim {
    let id = "publisher_verified";
    let claim = match dossier.release.publisher {
        Publisher::NotPinned => Claim::missing(id),
        Publisher::Matches => Claim::holds(id, Rung::Consistent),
        Publisher::Differs => Claim::fails(id, Rung::Consistent),
    };
    let claim = claim.with("root", dossier.release.root.clone());
    if dossier.release.sealed {
        claim.on(dossier, "files", [layout::CORE])
    } else {
        claim
    }
}

fn files(dossier: &Dossier) -> Claim {
    let id = "files_intact";
    let check = &dossier.check;
    let claim = if dossier.release.sealed {
        Claim::judged(id, Rung::Consistent, check.findings.is_empty()).on(
            dossier,
            "files",
            [layout::CORE],
        )
    } else {
        Claim::missing(id)
    };
    claim
        .with("files", check.files)
        .with("bytes", check.bytes)
        .with("findings", check.findings.len())
        .with(
            "first",
            check.findings.first().map(|finding| finding.path.clone()),
        )
}

/// Findings about the ledger, the metrics that it commits to, and the manifests.
fn chain(dossier: &Dossier) -> Claim {
    let id = "chain_consistent";
    let of_chain = |path: &str| {
        path == layout::LEDGER
            || path == layout::STEPS
            || path.ends_with(&format!("/{}", layout::MANIFEST))
    };
    let findings = dossier
        .check
        .findings
        .iter()
        .filter(|finding| of_chain(&finding.path))
        .count();
    let claim = match &dossier.segments {
        _ if findings > 0 => Claim::fails(id, Rung::Consistent),
        Some(segments) if dossier.release.sealed && !segments.is_empty() => {
            Claim::holds(id, Rung::Consistent)
        }
        _ => Claim::missing(id),
    };
    claim
        .with("checkpoints", dossier.checkpoints.len())
        .with("segments", dossier.segments.as_ref().map(Vec::len))
        .with("findings", findings)
        .on(dossier, "chain", [layout::LEDGER])
}

fn drill(dossier: &Dossier) -> Claim {
    let id = "fault_found";
    let Some(drill) = &dossier.fault_drill else {
        return Claim::missing(id);
    };
    // Finding it means naming it: the file, and what lies in it.
    let named = drill.found
        && drill.named_file.as_deref() == Some(drill.file.as_str())
        && drill.named_tensor.as_deref() == Some(drill.tensor.as_str());
    // A record without a signature is hearsay, unless the reader made it.
    let rung = if dossier.own_replays {
        Rung::Present
    } else {
        Rung::Declared
    };
    Claim::judged(id, rung, named)
        .with("step", drill.step)
        .with("tensor", drill.tensor.as_str())
        .with("file", drill.file.as_str())
        .on(dossier, "chain", [drill.path.as_str()])
}
