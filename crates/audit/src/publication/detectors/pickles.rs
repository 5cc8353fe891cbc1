//! Pickled files that would run code when they are loaded: `torch.load` imports what they name and calls it.
//!
//! Weights need a dozen names, which the reader knows; a file of weights that names a function beyond these needs its
//! publisher's code. A trainer's settings and states name classes of its own, rightly, and are told only where they name what runs
//! commands or code.

use glasswork_published::Pickle;

use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};

/// Names listed with a finding.
const NAMED: usize = 12;
/// Classes, and functions that only make one, of Python and numpy that are spelt like functions.
const STANDARD: &[&str] = &[
    "array.array",
    "collections.deque",
    "datetime.date",
    "datetime.datetime",
    "datetime.time",
    "datetime.timedelta",
    "datetime.timezone",
    "itertools.count",
    "numpy.random._pickle.__bit_generator_ctor",
    "numpy.random._pickle.__generator_ctor",
    "numpy.random._pickle.__randomstate_ctor",
    "os.stat_result",
    "platform.uname_result",
    "re._compile",
    "sys.version_info",
    "torch.storage._load_from_bytes",
];

fn is_class(name: &str) -> bool {
    Pickle::is_class(name) || STANDARD.contains(&name)
}

/// Any file that names what runs commands is a contradiction, also where safetensors lie beside: nobody pickles
/// `os.system` by accident, and the next program may load this file. Weights that name other functions are a doubt, and so
/// are those that are not read to their end. Weights that name classes (a whole module, a trainer's arguments) need their
/// publisher's code: a doubt, and a note where safetensors lie beside.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    // Weights first: they are what people load.
    let (weights, states): (Vec<&Pickle>, Vec<&Pickle>) =
        of.inventory.pickles.iter().partition(|one| one.weights);
    let unread = |pickle: &Pickle| {
        let mut problems = of.inventory.problems.iter();
        problems.any(|one| (&one.path, &one.revision) == (&pickle.path, &pickle.revision))
    };
    weights
        .into_iter()
        .chain(states)
        .filter_map(|pickle| judged(pickle, unread(pickle)))
        .collect()
}

fn judged(pickle: &Pickle, unread: bool) -> Option<Finding> {
    let names = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
        let wanted = pickle.names.iter().filter(|name| wanted(name));
        wanted.cloned().collect()
    };
    let executed = names(&Pickle::runs);
    let functions = names(&|name| !is_class(name));
    let (severity, reason, mut named) = if !executed.is_empty() {
        (Severity::Contradiction, "would_execute", executed)
    } else if !pickle.weights || pickle.names.is_empty() {
        return None;
    } else if !functions.is_empty() {
        (Severity::Doubt, "needs_code", functions)
    } else if pickle.beside_safetensors && !unread {
        (Severity::Note, "needs_code", names(&|_| true))
    } else {
        (Severity::Doubt, "needs_code", names(&|_| true))
    };
    named.truncate(NAMED);
    let mut finding = Finding::new("pickles", severity, &pickle.path, reason)
        .with("names", named)
        .on(evidence::file(&pickle.path, None, "checkpoints"))
        .asking("weights_without_code");
    if let Some(checkpoint) = &pickle.checkpoint {
        finding = finding.with("checkpoint", checkpoint.as_str());
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_safetensors_classes_are_a_note_and_commands_stay_a_contradiction() {
        let pickle = |name: &str, weights, beside_safetensors| Pickle {
            path: "pytorch_model.bin".into(),
            weights,
            beside_safetensors,
            names: vec![name.into()],
            ..Pickle::default()
        };
        let severity =
            |pickle: Pickle, unread| judged(&pickle, unread).map(|finding| finding.severity);
        let class = "torch.nn.modules.linear.Linear";
        for (name, weights, beside, expected) in [
            ("os.system", true, false, Some(Severity::Contradiction)),
            ("os.system", true, true, Some(Severity::Contradiction)),
            ("os.system", false, false, Some(Severity::Contradiction)),
            (
                "torch.serialization:os.system",
                true,
                true,
                Some(Severity::Contradiction),
            ),
            (
                "tempfile:_os.getpid",
                false,
                false,
                Some(Severity::Contradiction),
            ),
            ("nobody.knows", true, false, Some(Severity::Doubt)),
            ("nobody.knows", true, true, Some(Severity::Doubt)),
            ("functools.partial", true, false, Some(Severity::Doubt)),
            ("functools.partial", false, false, None),
            ("datetime.datetime", true, true, Some(Severity::Note)),
            ("collections.deque", true, true, Some(Severity::Note)),
            ("code.TrainArgs", true, true, Some(Severity::Note)),
            ("http.HTTPStatus", false, false, None),
            ("nobody.knows", false, false, None),
            (class, true, false, Some(Severity::Doubt)),
            (class, true, true, Some(Severity::Note)),
            (class, false, false, None),
        ] {
            let found = severity(pickle(name, weights, beside), false);
            assert_eq!(found, expected, "{name} {weights} {beside}");
        }
        // What follows in weights that are not read to their end, nobody knows.
        let found = severity(pickle(class, true, true), true);
        assert_eq!(found, Some(Severity::Doubt));
    }
}
