//! The commands that a report shows, so that a reader can check it: one place that the command line's changes touch.

use serde::{Deserialize, Serialize};

use crate::dossier::{Dossier, Publisher};

/// A command and the catalogue id of what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Catalogue id, e.g. `check`.
    pub id: String,
    /// The command, as typed in the directory that holds the release.
    pub command: String,
}

/// The commands with which a reader checks a release.
#[must_use]
pub fn commands(dossier: &Dossier) -> Vec<Command> {
    let place = place(dossier);
    // The root of the release itself would agree with any forgery: only one that reached the reader another way is
    // printed as such.
    let root = match (&dossier.release.root, dossier.release.publisher) {
        (Some(root), Publisher::Matches) => format!(" --root {root}"),
        (Some(_), _) => " --root DIGEST".to_owned(),
        (None, _) => String::new(),
    };
    let own = if dossier.own_replays {
        " --own-replays"
    } else {
        ""
    };
    let middle = dossier
        .metrics
        .as_ref()
        .map_or(1, |metrics| (metrics.step.len() as u64).div_ceil(2).max(1));
    let shown = |id: &str, command: String| Command {
        id: id.into(),
        command,
    };
    let segments = dossier.segments.as_ref().map_or(0, Vec::len).max(1);
    vec![
        shown("check", format!("glasswork check {place}{root}")),
        shown(
            "replay_sample",
            format!("glasswork replay {place} --sample 2{root}"),
        ),
        shown(
            "replay_all",
            format!("glasswork replay {place} --segments 1..{segments}{root}"),
        ),
        shown("trace", format!("glasswork trace {place} --step {middle}")),
        shown("eval", format!("glasswork eval {place} --again")),
        shown(
            "report",
            format!("glasswork report {place} -o report.html --lang ja{own}{root}"),
        ),
    ]
}

pub(crate) fn report_against_root(place: &str) -> String {
    format!("glasswork report {place} --root DIGEST")
}

/// Replays so many segments, drawn at random by the reader's own machine from those that it has not replayed yet.
pub(crate) fn replay_more(place: &str, segments: u64) -> String {
    format!(
        "glasswork replay {place} --sample {segments} --own-replays\nglasswork report {place} --own-replays"
    )
}

/// The same, with the records that came with the release out of the way.
pub(crate) fn replay_without_others(place: &str, segments: u64) -> String {
    format!(
        "mkdir replays-of-others\nmv {place}/attestations/replay-*.json replays-of-others/\n{}",
        replay_more(place, segments)
    )
}

pub(crate) fn evaluate(place: &str) -> String {
    format!("glasswork eval {place}")
}

/// The release's name where it may stand on a command line as it is; anything else is not pasted into a shell.
fn place(dossier: &Dossier) -> &str {
    let name = dossier.release.name.as_str();
    let plain = !name.starts_with('-') && glasswork_release::layout::valid_id("name", name).is_ok();
    if plain { name } else { "RELEASE" }
}

/// How commands name the release: its name, or `RELEASE` where that is not a plain word.
#[must_use]
pub fn release_place(dossier: &Dossier) -> String {
    place(dossier).to_owned()
}
