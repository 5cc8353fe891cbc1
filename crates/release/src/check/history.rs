//! The history of a release, told four times: by the sequence, the metrics, the ledger and the checkpoints. The four
//! must agree.
//!
//! Where two disagree, the expected value is that of the one which is harder to change: the ledger before metrics and
//! manifests, because every line of it is chained.

use std::collections::BTreeMap;

use super::{CheckReport, Parts, sequence};
use crate::checkpoint::{CheckpointManifest, Commitment};
use crate::config::RunConfig;
use crate::digest::Digest;
use crate::finding::Finding;
use crate::layout;
use crate::ledger::{Event, Ledger};
use crate::metrics::Metrics;
use crate::sequence::batches_digest;

/// The stages that a ledger names, and the files whose digests it states.
const STAGES: &[(&str, &str)] = &[
    ("sources", layout::SOURCES),
    ("documents", layout::DOCUMENTS),
    ("tokenizer", layout::TOKENIZER),
    ("order", layout::MIXTURE),
];

/// A ledger's segment.
#[derive(Clone, Copy)]
struct Segment {
    from: u64,
    to: u64,
    tokens: u64,
    commitment: Digest,
    state_digest: Digest,
    metrics_digest: Digest,
    batches_digest: Digest,
}

/// What the first line of a ledger says.
pub(super) struct Run<'a> {
    config_digest: Digest,
    profile: &'a str,
    pub(super) sequence_digest: Digest,
    name: &'a str,
}

pub(super) fn check(parts: &Parts<'_>, report: &mut CheckReport) {
    let config = parts.load(layout::RUN, RunConfig::load, report);
    let metrics = parts.load(layout::STEPS, Metrics::read, report);
    let ledger = parts.load(layout::LEDGER, Ledger::read, report);
    let events = ledger.as_ref().map_or(&[][..], Ledger::events);
    let run = events.iter().find_map(|event| match event {
        Event::Run {
            config_digest,
            profile,
            sequence_digest,
            name,
            ..
        } => Some(Run {
            config_digest: *config_digest,
            profile,
            sequence_digest: *sequence_digest,
            name,
        }),
        _ => None,
    });
    let segments = segments(events);
    if let (Some(run), Some(config)) = (&run, &config) {
        compare(
            report,
            layout::RUN,
            "digest of the configuration",
            run.config_digest,
            config.digest(),
        );
        compare(report, layout::RUN, "profile", run.profile, &config.profile);
        compare(report, layout::RUN, "name", run.name, &config.name);
    }
    check_stages(parts, events, report);
    if let (Some(metrics), Some(config)) = (&metrics, &config) {
        compare(
            report,
            layout::STEPS,
            "number of steps",
            config.training.steps,
            metrics.steps(),
        );
    }
    let sequence = sequence::check(
        parts,
        run.as_ref(),
        metrics.as_ref(),
        config.as_ref(),
        report,
    );
    if ledger.is_some() {
        check_segments(&segments, metrics.as_ref(), config.as_ref(), report);
    }
    let context = Context {
        config: config.as_ref(),
        metrics: metrics.as_ref(),
        run,
        segments: segments.into_iter().map(|s| (s.to, s)).collect(),
        sequence,
    };
    context.check_checkpoints(parts, report);
}

pub(super) fn compare(
    report: &mut CheckReport,
    path: &str,
    what: &str,
    expected: impl std::fmt::Display,
    found: impl std::fmt::Display,
) {
    let finding = Finding::new(path, what, expected, found);
    if finding.expected != finding.found {
        report.findings.push(finding);
    }
}

fn segments(events: &[Event]) -> Vec<Segment> {
    let segment = |event: &Event| match *event {
        Event::Segment {
            from,
            to,
            tokens,
            commitment,
            state_digest,
            metrics_digest,
            batches_digest,
        } => Some(Segment {
            from,
            to,
            tokens,
            commitment,
            state_digest,
            metrics_digest,
            batches_digest,
        }),
        _ => None,
    };
    events.iter().filter_map(segment).collect()
}

/// What the ledger says the preparation made: a stage of a known name is a file, by its digest.
fn check_stages(parts: &Parts<'_>, events: &[Event], report: &mut CheckReport) {
    for event in events {
        let Event::Stage { stage, digest } = event else {
            continue;
        };
        let Some((_, path)) = STAGES.iter().find(|(name, _)| name == stage) else {
            report.unchecked.push(format!(
                "stage {stage:?} of the ledger is not one of format 1"
            ));
            continue;
        };
        if let Some(found) = parts.load(path, Digest::of_file, report) {
            compare(
                report,
                path,
                "digest of the file against the ledger",
                digest,
                found,
            );
        }
    }
}

/// The ledger's segments: without gaps from 0 to the last step, and true to the metrics.
fn check_segments(
    segments: &[Segment],
    metrics: Option<&Metrics>,
    config: Option<&RunConfig>,
    report: &mut CheckReport,
) {
    let mut reached = 0;
    for segment in segments {
        if segment.from != reached
            || segment.to < segment.from
            || (segment.to == segment.from && segment.to != 0)
        {
            let found = format!("{} to {}", segment.from, segment.to);
            let expected = format!("one that begins at {reached}");
            report
                .findings
                .push(Finding::new(layout::LEDGER, "segment", expected, found).at_step(segment.to));
        }
        reached = segment.to.max(reached);
        let Some(metrics) = metrics else { continue };
        let first = segment.from.saturating_add(1);
        let mut push = |what: &str, expected: Digest, found: String| {
            let finding = Finding::new(layout::STEPS, what, expected, found);
            report
                .findings
                .push(finding.at_steps(first.min(segment.to), segment.to));
        };
        match metrics.rows_digest(segment.from..segment.to) {
            Ok(digest) if digest == segment.metrics_digest => {}
            Ok(digest) => push(
                "digest of the rows",
                segment.metrics_digest,
                digest.to_string(),
            ),
            Err(error) => push(
                "digest of the rows",
                segment.metrics_digest,
                error.to_string(),
            ),
        }
        let batches = batches_digest(&metrics.batch_digests(segment.from..segment.to));
        if batches != segment.batches_digest {
            push(
                "batch digests of the rows",
                segment.batches_digest,
                batches.to_string(),
            );
        }
    }
    if let Some(config) = config {
        compare(
            report,
            layout::LEDGER,
            "last step",
            config.training.steps,
            reached,
        );
    }
}

/// What the checkpoints are compared with.
struct Context<'a> {
    config: Option<&'a RunConfig>,
    metrics: Option<&'a Metrics>,
    run: Option<Run<'a>>,
    /// By the step at their end.
    segments: BTreeMap<u64, Segment>,
    sequence: Option<Digest>,
}

impl Context<'_> {
    /// Every checkpoint against the configuration, the metrics, the ledger and its parent.
    fn check_checkpoints(&self, parts: &Parts<'_>, report: &mut CheckReport) {
        let steps = parts.checkpoint_steps();
        if let Some(config) = self.config {
            for step in config
                .training
                .checkpoint_steps
                .iter()
                .filter(|s| steps.binary_search(s).is_err())
            {
                let finding = Finding::new(
                    layout::checkpoint_dir(*step),
                    "checkpoint",
                    "present",
                    "absent",
                );
                report.findings.push(finding.at_step(*step));
            }
            for step in steps
                .iter()
                .filter(|s| config.training.checkpoint_steps.binary_search(s).is_err())
            {
                let finding = Finding::new(
                    layout::checkpoint_dir(*step),
                    "checkpoint",
                    "none at this step",
                    "present",
                );
                report.findings.push(finding.at_step(*step));
            }
        }
        let mut previous: Option<(u64, Option<Digest>)> = None;
        for step in steps {
            let path = format!("{}/{}", layout::checkpoint_dir(step), layout::MANIFEST);
            // That it cannot be read was found when the checkpoint was verified.
            let manifest = CheckpointManifest::read_unchecked(&parts.dir.join(&path)).ok();
            let segment = self.segments.get(&step);
            if let Some(manifest) = &manifest {
                self.check_checkpoint(&path, step, manifest, segment, previous, report);
            }
            // The parent of the next one: as the ledger has it, so that one wrong checkpoint is one finding.
            let commitment = segment
                .map(|s| s.commitment)
                .or(manifest.map(|m| m.commitment));
            previous = Some((step, commitment));
        }
    }

    fn check_checkpoint(
        &self,
        path: &str,
        step: u64,
        manifest: &CheckpointManifest,
        segment: Option<&Segment>,
        previous: Option<(u64, Option<Digest>)>,
        report: &mut CheckReport,
    ) {
        let mut push = |what: &str, expected: String, found: String| {
            if expected != found {
                report
                    .findings
                    .push(Finding::new(path, what, expected, found).at_step(step));
            }
        };
        let show = |digest: Option<Digest>| digest.map_or("none".to_owned(), |d| d.to_string());
        if let Some(segment) = segment {
            let against = |what| format!("{what} against the ledger");
            push(
                &against("state digest"),
                segment.state_digest.to_string(),
                manifest.state_digest.to_string(),
            );
            push(
                &against("commitment"),
                segment.commitment.to_string(),
                manifest.commitment.to_string(),
            );
            push(
                &against("tokens"),
                segment.tokens.to_string(),
                manifest.tokens.to_string(),
            );
            push(
                &against("step before"),
                segment.from.to_string(),
                previous.map_or(0, |p| p.0).to_string(),
            );
        } else if step > 0 && self.run.is_some() {
            push(
                "segment in the ledger",
                format!("one that ends at {step}"),
                "none".into(),
            );
        }
        if let Some(row) = self.metrics.and_then(|m| m.row(step)) {
            let against = |what| format!("{what} against the metrics row");
            push(
                &against("state digest"),
                row.state_digest.to_string(),
                manifest.state_digest.to_string(),
            );
            push(
                &against("tokens"),
                row.tokens.to_string(),
                manifest.tokens.to_string(),
            );
        }
        let parent = previous.and_then(|p| p.1);
        push("parent commitment", show(parent), show(manifest.parent));
        let recomputed = self.commitment(step, previous, parent, segment, manifest.state_digest);
        if let Some(recomputed) = recomputed {
            push(
                "commitment recomputed",
                recomputed.to_string(),
                manifest.commitment.to_string(),
            );
        }
    }

    /// The commitment that a checkpoint must have, where all that it is made of is there.
    fn commitment(
        &self,
        step: u64,
        previous: Option<(u64, Option<Digest>)>,
        parent: Option<Digest>,
        segment: Option<&Segment>,
        state_digest: Digest,
    ) -> Option<Digest> {
        let metrics = self.metrics?;
        let from = previous.map_or(step, |p| p.0);
        if previous.is_some() && parent.is_none() || previous.is_none() && step != 0 {
            return None;
        }
        let batch_digests = metrics.batch_digests(from..step);
        let metrics_digest = metrics.rows_digest(from..step).ok()?;
        // Metrics that the ledger contradicts were found already; a commitment made from them would blame the
        // checkpoint.
        let contradicted = |s: &Segment| {
            s.metrics_digest != metrics_digest || s.batches_digest != batches_digest(&batch_digests)
        };
        if segment.is_some_and(contradicted) {
            return None;
        }
        let (run, config) = (self.run.as_ref(), self.config);
        let commitment = Commitment {
            parent,
            config_digest: run
                .map(|r| r.config_digest)
                .or(config.map(RunConfig::digest))?,
            profile: run
                .map(|r| r.profile)
                .or(config.map(|c| c.profile.as_str()))?
                .into(),
            sequence_digest: run.map(|r| r.sequence_digest).or(self.sequence)?,
            batch_digests,
            metrics_digest,
            state_digest,
        };
        Some(commitment.commitment())
    }
}
