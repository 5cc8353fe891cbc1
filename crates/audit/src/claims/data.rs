//! May the data be used?

use glasswork_release::layout;
use glasswork_release::licence::LicenceClass;

use super::{Claim, Param, Rung};
use crate::dossier::Dossier;

pub(super) fn claims(dossier: &Dossier) -> Vec<Claim> {
    vec![
        known(dossier),
        allowed(dossier),
        held_out(dossier),
        verbatim(dossier),
        // No stage of this version looks for personal data.
        Claim::missing("personal_data_screened"),
        model_licence(dossier),
    ]
}

/// What the publisher's run file says of the weights; nobody asked whether it may say so.
fn model_licence(dossier: &Dossier) -> Claim {
    let id = "model_licence";
    let model = dossier
        .run
        .facts
        .iter()
        .find(|group| group.group == "model");
    let stated = model.and_then(|group| group.values.iter().find(|(key, _)| key == "licence"));
    match stated {
        Some((_, licence)) => Claim::judged(id, Rung::Declared, true)
            .with("licence", licence.as_str())
            .on(dossier, "configuration", [layout::RUN]),
        None => Claim::missing(id).with("licence", Param::Null),
    }
}

/// A class as the page's catalogue and criteria files name it.
pub(crate) fn class_name(class: LicenceClass) -> String {
    match serde_json::to_value(class) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "unknown".to_owned(),
    }
}

fn sum(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

fn known(dossier: &Dossier) -> Claim {
    let id = "licences_known";
    let Some(found) = dossier
        .consumption
        .as_ref()
        .filter(|found| found.documents > 0)
    else {
        return Claim::missing(id);
    };
    // Each licence is what the text's own manifest states; the manifest's digest is recorded, nobody asked the authors.
    Claim::judged(id, Rung::Present, found.unknown_licence == 0)
        .with("documents", found.documents)
        .with("unknown", found.unknown_licence)
        .with(
            "classes",
            found
                .classes
                .iter()
                .map(|class| class_name(*class))
                .collect::<Vec<_>>(),
        )
        .on(dossier, "sources", [layout::SOURCES, layout::DOCUMENTS])
}

fn allowed(dossier: &Dossier) -> Claim {
    let id = "licences_allowed";
    let Some(found) = dossier
        .consumption
        .as_ref()
        .filter(|found| found.documents > 0)
    else {
        return Claim::missing(id);
    };
    let rejected = dossier
        .rejections
        .iter()
        .filter(|row| row.stage == "licence")
        .map(|row| row.documents);
    let rejected = sum(rejected);
    let claim = Claim::judged(id, Rung::Consistent, found.outside_gate == 0)
        .with("documents", found.documents)
        .with("rejected", rejected)
        .with("outside", found.outside_gate);
    match layout::attributes("licence") {
        Ok(path) => claim.on(
            dossier,
            "sources",
            [path.as_str(), layout::chunk_segments(0).as_str()],
        ),
        Err(_) => claim,
    }
}

fn held_out(dossier: &Dossier) -> Claim {
    let id = "held_out_separate";
    let Some(found) = dossier
        .consumption
        .as_ref()
        .filter(|found| found.held_out > 0)
    else {
        return Claim::missing(id);
    };
    Claim::judged(id, Rung::Consistent, found.leaked == 0)
        .with("documents", found.held_out)
        .with("leaked", found.leaked)
        .on(
            dossier,
            "sources",
            [layout::DOCUMENTS, layout::chunk_segments(0).as_str()],
        )
}

fn verbatim(dossier: &Dossier) -> Claim {
    let id = "verbatim_searched";
    let last = dossier.checkpoints.last().map(|checkpoint| checkpoint.step);
    let samples = dossier
        .samples
        .iter()
        .rfind(|samples| Some(samples.step) == last);
    let Some((samples, search)) =
        samples.and_then(|samples| Some((samples, samples.verbatim.as_ref()?)))
    else {
        return Claim::missing(id);
    };
    let longest = search
        .stretches
        .iter()
        .map(|stretch| stretch.tokens)
        .max()
        .unwrap_or(0);
    Claim::holds(id, Rung::Present)
        .with("samples", samples.samples.len())
        .with(
            "sampled",
            sum(samples.samples.iter().map(|sample| sample.tokens)),
        )
        .with("stretches", search.stretches.len())
        .with("minimum", search.minimum_tokens)
        .with("longest", longest)
        .on(dossier, "samples", [samples.path.as_str()])
}
