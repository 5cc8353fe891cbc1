//! Pickled files that would run code when they are loaded: `torch.load` imports what they name and calls it.
//!
//! Weights need a dozen names, which the reader knows; a file of weights that names a function beyond these is no file of weights. A
//! trainer's settings and states name classes of its own, rightly, and are told only where they name what runs
//! commands or code.

use glasswork_published::Pickle;

use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};

/// Names listed with a finding.
const NAMED: usize = 12;
/// Modules of Python whose names run commands or code, open files or connections, and are in no training's files.
const RUNS: &[&str] = &[
    "os",
    "posix",
    "nt",
    "ntpath",
    "posixpath",
    "subprocess",
    "sys",
    "runpy",
    "socket",
    "shutil",
    "importlib",
    "ctypes",
    "_ctypes",
    "webbrowser",
    "pty",
    "codeop",
    "bdb",
    "pdb",
    "asyncio",
    "multiprocessing",
    "urllib",
    "httplib",
    "requests",
    "ftplib",
    "smtplib",
    "telnetlib",
    "pip",
    "distutils",
    "setuptools",
    "ensurepip",
    "venv",
    "timeit",
    "cProfile",
    "marshal",
    "pickle",
    "_pickle",
    "cPickle",
    "pydoc",
    "doctest",
    "idlelib",
    "lib2to3",
    "zipimport",
    "linecache",
    "fileinput",
];
/// The same, but packages of other people are called so, too: only what stands in the module itself.
const RUNS_ITSELF: &[&str] = &[
    "code", "commands", "profile", "trace", "http", "imp", "platform", "io", "_io",
];
/// Names of otherwise harmless modules that do the same.
const CALLS: &[&str] = &[
    "a name that is computed",
    "operator.attrgetter",
    "operator.methodcaller",
    "types.CodeType",
    "types.FunctionType",
    "torch.load",
    "torch.hub.load",
    "torch.storage._load_from_bytes",
];
/// Builtins that are data; all others call, open or look up.
const DATA: &[&str] = &[
    "set",
    "frozenset",
    "bytearray",
    "bytes",
    "complex",
    "slice",
    "range",
    "xrange",
    "list",
    "dict",
    "tuple",
    "int",
    "long",
    "float",
    "str",
    "unicode",
    "bool",
    "object",
];

/// Whether a name runs commands or code.
fn runs(name: &str) -> bool {
    let root = name.split('.').next().unwrap_or(name);
    let builtin = name
        .strip_prefix("builtins.")
        .or_else(|| name.strip_prefix("__builtin__."));
    let itself = name.matches('.').count() == 1 && RUNS_ITSELF.contains(&root);
    (RUNS.contains(&root) || itself) && !is_value(name)
        || CALLS.contains(&name)
        || builtin.is_some_and(|name| !DATA.contains(&name))
}

/// Values of these modules that settings hold.
fn is_value(name: &str) -> bool {
    [
        "sys.version_info",
        "platform.uname_result",
        "io.BytesIO",
        "_io.BytesIO",
    ]
    .contains(&name)
}

/// Whether a name is a class, as Python spells classes.
fn is_class(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Weights that name functions, and any file that names what runs commands, are contradictions, also where safetensors lie beside: nobody
/// pickles `os.system` by accident, and the next program may load this file. Weights that name classes (a whole module, a trainer's
/// arguments) need their publisher's code: a doubt, and a note where safetensors lie beside.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    // Weights first: they are what people load.
    let (weights, states): (Vec<&Pickle>, Vec<&Pickle>) =
        of.inventory.pickles.iter().partition(|one| one.weights);
    weights
        .into_iter()
        .chain(states)
        .filter_map(judged)
        .collect()
}

fn judged(pickle: &Pickle) -> Option<Finding> {
    let names = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
        let wanted = pickle.names.iter().filter(|name| wanted(name));
        wanted.cloned().collect()
    };
    let executed = names(&|name| runs(name) || pickle.weights && !is_class(name));
    let (severity, reason, mut named) = if !executed.is_empty() {
        (Severity::Contradiction, "would_execute", executed)
    } else if !pickle.weights || pickle.names.is_empty() {
        return None;
    } else if pickle.beside_safetensors {
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
    fn names_that_run_are_told_from_names_that_are_data() {
        for name in [
            "os.system",
            "posix.system",
            "subprocess.Popen",
            "builtins.eval",
            "__builtin__.getattr",
            "pip._internal.main",
            "_io.open",
            "code.interact",
            "a name that is computed",
        ] {
            assert!(runs(name), "{name}");
        }
        for name in [
            "builtins.set",
            "transformers.training_args.TrainingArguments",
            "accelerate.utils.dataclasses.DistributedType",
            "pathlib.PosixPath",
            "functools.partial",
            "osmium.Thing",
            "code.arguments.ModelArguments",
            "_io.BytesIO",
        ] {
            assert!(!runs(name), "{name}");
        }
    }

    #[test]
    fn beside_safetensors_classes_are_a_note_and_commands_stay_a_contradiction() {
        let pickle = |name: &str, weights, beside_safetensors| Pickle {
            path: "pytorch_model.bin".into(),
            weights,
            beside_safetensors,
            names: vec![name.into()],
            ..Pickle::default()
        };
        let severity = |pickle: Pickle| judged(&pickle).map(|finding| finding.severity);
        let class = "torch.nn.modules.linear.Linear";
        for (name, weights, beside, expected) in [
            ("os.system", true, false, Some(Severity::Contradiction)),
            ("os.system", true, true, Some(Severity::Contradiction)),
            ("os.system", false, false, Some(Severity::Contradiction)),
            ("nobody.knows", true, false, Some(Severity::Contradiction)),
            ("nobody.knows", false, false, None),
            (class, true, false, Some(Severity::Doubt)),
            (class, true, true, Some(Severity::Note)),
            (class, false, false, None),
        ] {
            let found = severity(pickle(name, weights, beside));
            assert_eq!(found, expected, "{name} {weights} {beside}");
        }
    }
}
