//! Pickled files, written byte by byte and looked into as any publication is: those that would run code, and those of
//! trainers that name classes by right.

use std::fs;

use glasswork_published::{Door, Place, Publication};

use glasswork_audit::Status;

use crate::assessment::{assessed, claim};
use crate::draw::Draw;
use crate::faults::Fault;
use crate::world::{World, sound};

/// What three versions of PyTorch saved: archives, streams, transposed views.
const SAVED: [&[u8]; 9] = [
    include_bytes!("../../../model/tests/torch/2.15.0.bin"),
    include_bytes!("../../../model/tests/torch/2.15.0-stream.bin"),
    include_bytes!("../../../model/tests/torch/2.15.0-turned.bin"),
    include_bytes!("../../../model/tests/torch/2.1.2.bin"),
    include_bytes!("../../../model/tests/torch/2.1.2-stream.bin"),
    include_bytes!("../../../model/tests/torch/2.1.2-turned.bin"),
    include_bytes!("../../../model/tests/torch/1.13.1.bin"),
    include_bytes!("../../../model/tests/torch/1.13.1-stream.bin"),
    include_bytes!("../../../model/tests/torch/1.13.1-turned.bin"),
];
/// Whole modules, which name classes.
const MODULES: [&[u8]; 3] = [
    include_bytes!("../../../model/tests/torch/2.15.0-module.bin"),
    include_bytes!("../../../model/tests/torch/2.1.2-module.bin"),
    include_bytes!("../../../model/tests/torch/1.13.1-module.bin"),
];
/// What runs commands or code in any file …
const RUNS: [(&str, &str); 22] = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("subprocess", "Popen"),
    ("subprocess", "check_output"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("__builtin__", "eval"),
    ("builtins", "getattr"),
    ("runpy", "_run_code"),
    ("importlib", "import_module"),
    ("socket", "create_connection"),
    ("shutil", "rmtree"),
    ("webbrowser", "open"),
    ("pip", "main"),
    ("torch.hub", "load"),
    ("torch.utils.collect_env", "run"),
    ("numpy.testing._private.utils", "runstring"),
    // By way of what a harmless module imports.
    ("torch.utils.cpp_extension", "subprocess.Popen"),
    ("tempfile", "_os.getpid"),
    ("torch.serialization", "os.system"),
    ("collections", "abc.sys.exit"),
];
/// … and functions that nobody knows, in weights.
const UNKNOWN: [(&str, &str); 2] = [("__main__", "run"), ("helpful.package", "install")];
/// Classes and functions that trainers' own files name.
const BY_RIGHT: [(&str, &str); 20] = [
    ("transformers.training_args", "TrainingArguments"),
    ("transformers.trainer_utils", "IntervalStrategy"),
    ("transformers.trainer_pt_utils", "AcceleratorConfig"),
    ("accelerate.utils.dataclasses", "DistributedType"),
    ("accelerate.state", "PartialState"),
    ("trl.trainer.dpo_config", "DPOConfig"),
    ("__main__", "ModelArguments"),
    ("code.arguments", "parse"),
    ("functools", "partial"),
    ("pathlib", "PosixPath"),
    ("datetime", "timedelta"),
    ("numpy.random._pickle", "__randomstate_ctor"),
    ("datetime", "datetime"),
    ("collections", "deque"),
    ("http", "HTTPStatus"),
    ("urllib.parse", "ParseResult"),
    ("_io", "StringIO"),
    ("code", "TrainArgs"),
    ("__main__", "Outer.Inner"),
    ("torch.optim.lr_scheduler", "OneCycleLR._annealing_cos"),
];

/// A call of `module.name` with one text, by one of the operations that pickles have for it.
fn call(draw: &mut Draw, module: &str, name: &str) -> Vec<u8> {
    let short = |text: &str| [&[0x8c, text.len() as u8], text.as_bytes()].concat();
    let begin = b"\x80\x04".to_vec();
    let line = format!("{module}\n{name}\n");
    match draw.below(4) {
        0 => [&begin[..], b"c", line.as_bytes(), b"(X\x02\x00\x00\x00lstR"].concat(),
        1 => [&begin[..], b"(S'ls'\ni", line.as_bytes()].concat(),
        2 => [
            begin,
            short(module),
            short(name),
            b"\x93\x8c\x02ls\x85R".to_vec(),
        ]
        .concat(),
        // The texts are kept first, and called for later.
        _ => [
            begin,
            short(name),
            b"\x940".to_vec(),
            short(module),
            b"\x940h\x01h\x00\x93)R".to_vec(),
        ]
        .concat(),
    }
}

/// An archive of one entry that is not compressed.
fn archive(pickle: &[u8]) -> Vec<u8> {
    let name = b"archive/data.pkl";
    let size = (pickle.len() as u32).to_le_bytes();
    let lengths = [
        &size[..],
        &size,
        &(name.len() as u16).to_le_bytes(),
        &[0, 0],
    ]
    .concat();
    let local = [b"PK\x03\x04", &[0; 14][..], &lengths, name, pickle].concat();
    let entry = [b"PK\x01\x02", &[0; 16][..], &lengths, &[0; 14], name].concat();
    let (at, long) = (local.len() as u32, entry.len() as u32);
    [
        local,
        entry,
        b"PK\x05\x06\0\0\0\0\x01\0\x01\0".to_vec(),
        long.to_le_bytes().to_vec(),
        at.to_le_bytes().to_vec(),
        vec![0, 0],
    ]
    .concat()
}

/// As PyTorch saves, as it saved before 1.6, or as Python does.
fn saved(draw: &mut Draw, pickle: &[u8]) -> Vec<u8> {
    let mut magic = *b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    // Whoever saves may ask for another protocol.
    magic[1] += draw.below(4) as u8;
    match draw.below(3) {
        0 => archive(pickle),
        1 => [
            &magic[..],
            &b"\x80\x02M\xe9\x03.\x80\x02}."[..],
            pickle,
            b"\x80\x02].",
        ]
        .concat(),
        _ => pickle.to_vec(),
    }
}

/// The world with what its pickles name, once they lie in a folder with others' files.
fn put(world: &mut World, files: &[(&str, &[u8])]) {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, bytes) in files {
        fs::write(folder.path().join(path), bytes).expect("writes");
    }
    let opened = Publication::open(&Place::Folder(folder.path().into()), &Door::default());
    let publication = opened.expect("is a folder");
    world
        .inventory
        .pickles
        .clone_from(&publication.inventory().pickles);
    let problems = publication.inventory().problems.iter();
    let of_pickles = problems.filter(|one| !one.path.ends_with(".safetensors"));
    world.inventory.problems.extend(of_pickles.cloned());
}

pub(crate) fn planted(draw: &mut Draw) -> Fault {
    let mut world = sound(draw, None, None);
    let weights = draw.chance(0.6);
    let path = match weights {
        true => ["pytorch_model.bin", "model.pt", "consolidated.00.pth"][draw.below(3)],
        false => [
            "training_args.bin",
            "optimizer.pt",
            "rng_state_0.pth",
            "notes.pkl",
        ][draw.below(4)],
    };
    let known = !weights || draw.chance(0.7);
    let (module, name) = match known {
        true => RUNS[draw.below(RUNS.len())],
        false => UNKNOWN[draw.below(UNKNOWN.len())],
    };
    // Before it, nothing, many harmless names or a class and other pickles; after it, a dictionary, as if nothing had
    // happened.
    let before = match (known, draw.below(4)) {
        (true, 0) => (0..70).map(|i| format!("ca.b{i}\nC\n0")).collect(),
        (true, 1) => "c__main__\nSettings\n0".to_owned(),
        _ => String::new(),
    };
    let pickle = [before.as_bytes(), &call(draw, module, name)[..], b"0}."].concat();
    let bytes = saved(draw, &pickle);
    let mut files = vec![("config.json", &b"{}"[..]), (path, &bytes)];
    if draw.chance(0.3) {
        files.push(("model.safetensors", b"\x02\0\0\0\0\0\0\0{}"));
    }
    put(&mut world, &files);
    Fault {
        world,
        reasons: match known {
            true => &["would_execute"],
            false => &["needs_code"],
        },
        subjects: vec![path.to_owned()],
    }
}

pub(crate) fn hard(draw: &mut Draw, world: &mut World) {
    let tensors = SAVED[draw.below(SAVED.len())];
    let mut settings = Vec::new();
    for _ in 0..1 + draw.below(6) {
        let (module, name) = BY_RIGHT[draw.below(BY_RIGHT.len())];
        settings.extend(call(draw, module, name));
        settings.push(b'0');
    }
    settings.extend(b"}.");
    let settings = saved(draw, &settings);
    let state = ["optimizer.pt", "scheduler.pt", "rng_state.pth"][draw.below(3)];
    let state_of = saved(
        draw,
        b"\x80\x02ccollections\ndefaultdict\nc__builtin__\ndict\n\x85R.",
    );
    let mut files = vec![
        ("config.json", &b"{}"[..]),
        ("pytorch_model.bin", tensors),
        ("training_args.bin", &settings),
        (state, &state_of),
    ];
    if draw.chance(0.4) {
        files[1].1 = MODULES[draw.below(3)];
        files.push(("model.safetensors", b"\x02\0\0\0\0\0\0\0{}"));
    }
    put(world, &files);
}

#[test]
fn weights_that_would_run_are_not_called_readable() {
    for seed in 0..20 {
        let fault = planted(&mut Draw::new(seed));
        let assessment = assessed(&fault.world, &Default::default());
        let readable = claim(&assessment, "pub_weights_readable");
        let (status, reason) = match fault.reasons[0] {
            "would_execute" => (Status::Fails, "would_execute"),
            other => (Status::Missing, other),
        };
        assert_eq!(readable.status, status, "{seed}");
        let mut told = assessment.findings.iter();
        assert!(told.any(|one| one.reason == reason), "{seed}");
    }
    // Weights that need a class are neither readable nor refuted.
    let mut world = sound(&mut Draw::new(7), None, None);
    let files = [
        ("config.json", &b"{}"[..]),
        ("pytorch_model.bin", MODULES[0]),
    ];
    put(&mut world, &files);
    let assessment = assessed(&world, &Default::default());
    let readable = claim(&assessment, "pub_weights_readable");
    assert_eq!(readable.status, Status::Missing);
    let told: Vec<&str> = assessment
        .findings
        .iter()
        .map(|one| one.reason.as_str())
        .collect();
    assert!(
        told.contains(&"needs_code") && !told.contains(&"file_unreadable"),
        "{told:?}"
    );
}

#[test]
fn attack_what_runs_comes_after_what_is_read() {
    let safe: (&str, &[u8]) = ("model.safetensors", b"\x02\0\0\0\0\0\0\0{}");
    let system = b"cos\nsystem\n(X\x02\0\0\0lstR.";
    let class = b"\x80\x04c__main__\nC\n)\x81";
    let joblib = [
        b"\x80\x04cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81",
        &system[..],
    ]
    .concat();
    let long = [
        &class[..],
        b"B\0\0\x20\x01",
        &vec![0; 0x0120_0000],
        &system[..],
    ]
    .concat();
    let fives = [b"N.N.N.N.N.", &system[..]].concat();
    let status = |files: &[(&str, &[u8])]| {
        let mut world = sound(&mut Draw::new(7), None, None);
        put(&mut world, files);
        let assessment = assessed(&world, &Default::default());
        let told = assessment.findings.iter();
        let reasons: Vec<String> = told.map(|one| one.reason.clone()).collect();
        (claim(&assessment, "pub_weights_readable").status, reasons)
    };
    let config: (&str, &[u8]) = ("config.json", b"{}");
    for bytes in [&joblib, &long] {
        // Beside safetensors, too, weights that are not read to their end are no sound weights.
        let (found, reasons) = status(&[config, safe, ("pytorch_model.bin", bytes)]);
        assert_eq!(found, Status::Missing, "{reasons:?}");
        // Of others it is said.
        let (_, reasons) = status(&[config, safe, ("notes.pkl", bytes)]);
        assert!(
            reasons.contains(&"file_unreadable".to_owned()),
            "{reasons:?}"
        );
    }
    for path in ["pytorch_model.bin", "notes.pkl"] {
        let (found, _) = status(&[config, safe, (path, &fives)]);
        assert_eq!(found, Status::Fails, "{path}");
    }
    // Tensors of megabytes that an optimizer's state brings along are nobody's pickles.
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let state = [&magic[..], b"N.N.}.].", &vec![7; 3 << 20]].concat();
    let (_, reasons) = status(&[config, safe, ("optimizer.pt", &state)]);
    assert!(
        !reasons.contains(&"file_unreadable".to_owned()),
        "{reasons:?}"
    );
}
