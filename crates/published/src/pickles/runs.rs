//! Which names run commands or code when a pickle has them called.

use crate::inventory::Pickle;

use super::names::{COMPUTED, LONG};

/// Modules whose names run commands or code, open files or connections, and are in no training's files; without the `_`
/// that their other halves begin with.
const RUNS: &[&str] = &[
    "os",
    "posix",
    "nt",
    "ntpath",
    "posixpath",
    "posixsubprocess",
    "winapi",
    "subprocess",
    "sys",
    "runpy",
    "socket",
    "shutil",
    "importlib",
    "ctypes",
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
    "cPickle",
    "pydoc",
    "doctest",
    "idlelib",
    "lib2to3",
    "zipimport",
    "linecache",
    "fileinput",
];
/// Names of otherwise harmless modules, and of modules whose names other people use for their own, that do the same.
const CALLS: &[&str] = &[
    COMPUTED,
    LONG,
    "operator.attrgetter",
    "operator.methodcaller",
    "types.CodeType",
    "types.FunctionType",
    "torch.load",
    "torch.hub.load",
    "torch.serialization.load",
    "torch.utils.collect_env.run",
    "torch.utils.collect_env.run_and_read_all",
    "numpy.testing.utils.runstring",
    "numpy.testing._private.utils.runstring",
    "code.interact",
    "code.InteractiveConsole",
    "code.InteractiveInterpreter",
    "code.compile_command",
    "commands.getoutput",
    "commands.getstatusoutput",
    "profile.run",
    "profile.runctx",
    "profile.Profile",
    "trace.Trace",
    "trace.main",
    "http.client.HTTPConnection",
    "http.client.HTTPSConnection",
    "http.server.test",
    "imp.load_source",
    "imp.load_module",
    "imp.load_package",
    "imp.load_compiled",
    "imp.load_dynamic",
    "_imp.create_dynamic",
    "platform.popen",
    "platform._syscmd_file",
    "io.open",
    "io.open_code",
    "io.FileIO",
    "io.OpenWrapper",
    "_io.open",
    "_io.open_code",
    "_io.FileIO",
    "_io.OpenWrapper",
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
/// Values of modules that run, which settings and states hold.
const VALUES: &[&str] = &[
    "sys.version_info",
    "os.stat_result",
    "urllib.parse.ParseResult",
    "urllib.parse.SplitResult",
    "urllib.parse.DefragResult",
    "urllib.parse.ParseResultBytes",
    "urllib.parse.SplitResultBytes",
    "numpy.random._pickle.__randomstate_ctor",
    "numpy.random._pickle.__generator_ctor",
    "numpy.random._pickle.__bit_generator_ctor",
];

impl Pickle {
    /// Whether a name, as [`Pickle::names`] has it, runs commands or code: by its module, or by what its way leads
    /// through (`torch.serialization:os.system`).
    #[must_use]
    pub fn runs(name: &str) -> bool {
        runs(name)
    }

    /// Module and name of one of [`Pickle::names`]. Names that lead on, which have a dot, stand behind a colon.
    #[must_use]
    pub fn parts(name: &str) -> (&str, &str) {
        let parts = name.rsplit_once(':').or_else(|| name.rsplit_once('.'));
        parts.unwrap_or(("", name))
    }

    /// Whether the last part of a name is a class, as Python spells classes.
    #[must_use]
    pub fn is_class(name: &str) -> bool {
        let (_, name) = Self::parts(name);
        let last = name.rsplit('.').next().unwrap_or(name);
        is_class(last)
    }
}

fn is_class(name: &str) -> bool {
    name.trim_start_matches('_')
        .starts_with(|c: char| c.is_uppercase())
}

pub(super) fn runs(whole: &str) -> bool {
    if CALLS.contains(&whole) {
        return true;
    }
    if VALUES.contains(&whole) {
        return false;
    }
    let (module, name) = Pickle::parts(whole);
    let listed = |part: &str| RUNS.contains(&part.trim_start_matches('_'));
    let builtin = |part: &str| ["builtins", "__builtin__"].contains(&part);
    let mut modules = module.split('.');
    let root = modules.next().unwrap_or_default();
    if listed(root) || builtin(root) && !DATA.contains(&name) {
        return true;
    }
    // Other people's packages have such parts, too, and classes in them.
    if modules.any(listed) && !is_class(name) {
        return true;
    }
    let leads_on = name.contains('.');
    let first = name.split('.').next().unwrap_or(name);
    leads_on && !is_class(first)
        || name
            .split('.')
            .any(|part| listed(part) || builtin(part) || leads_on && part.starts_with("__"))
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
            "numpy.distutils.exec_command.exec_command",
            "_posixsubprocess.fork_exec",
            COMPUTED,
            LONG,
            // By way of what a harmless module imports.
            "torch.utils.cpp_extension:subprocess.Popen",
            "tempfile:_os.getpid",
            "torch.serialization:os.system",
            "torch.serialization:builtins.eval",
            "torch.serialization.os",
            "torch.nn:functional.anything",
            "collections:OrderedDict.__init__.__globals__",
            "__main__:Class.os.system",
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
            "code.TrainArgs",
            "profile.Settings",
            "_io.BytesIO",
            "_io.StringIO",
            "http.HTTPStatus",
            "urllib.parse.ParseResult",
            "datetime.datetime",
            "collections.deque",
            "numpy.random._pickle.__randomstate_ctor",
            "torch.storage._load_from_bytes",
            "__main__:Outer.Inner",
            "torch.optim.lr_scheduler:OneCycleLR._annealing_cos",
            "company.requests.RequestSettings",
        ] {
            assert!(!runs(name), "{name}");
        }
    }
}
