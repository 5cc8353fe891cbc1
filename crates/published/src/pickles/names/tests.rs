//! Pickles of every protocol and what they name.

use super::*;

fn names(bytes: &[u8]) -> (Vec<String>, Option<String>) {
    let mut kept = Kept::default();
    let problem = all(bytes, &mut kept).problem;
    (kept.names(), problem)
}

#[test]
fn attack_names_by_every_operation() {
    let cases: [&[u8]; 9] = [
        b"cos\nsystem\n(X\x02\x00\x00\x00lstR.",
        b"(S'ls'\nios\nsystem\n.",
        b"(cos\nsystem\nS'ls'\no.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.",
        // Through the memo, by way of other objects, and as texts of protocol 0.
        b"\x80\x04\x8c\x06system\x94\x8c\x02os\x94N000h\x01h\x00\x93)R.",
        b"Vos\nVsystem\n\x93)R.",
        b"S'os'\nS'system'\n\x93)R.",
        b"X\x02\x00\x00\x00os2q\x000U\x06systemq\x01\x93)R.",
        // What is cut off after the call was called all the same.
        b"cos\nsystem\n(S'ls'\ntR\xff",
    ];
    for bytes in cases {
        assert_eq!(names(bytes).0, ["os.system"], "{:?}", names(bytes));
    }
    // Put together as it is read.
    for bytes in [
        &b"V\\u006fs\nVsystem\n\x93."[..],
        b"cbuiltins\nstr\n(S'os'\ntRVsystem\n\x93.",
    ] {
        assert!(names(bytes).0.contains(&COMPUTED.to_owned()), "{bytes:?}");
    }
    for bytes in [
        &b"\x82\x01."[..],
        b"\x84aaaa.",
        b"NN\x93.",
        b"K\x01K\x02\x93.",
    ] {
        let found = names(bytes);
        assert!(found.0.is_empty() && found.1.is_some(), "{found:?}");
    }
    // In whichever of the pickles of one file, and whatever the ones before named.
    let later = b"\x80\x03K\x01.\x80\x03}.N.N.N.cos\nsystem\n(tR.";
    assert_eq!(names(later), (vec!["os.system".to_owned()], None));
    let (before, problem) = names(b"ca.b\nC\n.cos\nsystem\n\xff");
    assert_eq!(before, ["a.b.C", "os.system"]);
    assert!(problem.is_some());
}

#[test]
fn attack_harmless_names_that_hide_one_that_runs() {
    for many in [70, 10_000] {
        let harmless: String = (0..many).map(|i| format!("ca\nb{i}\n0")).collect();
        let mut kept = Kept::default();
        let bytes = format!("{harmless}cposix\nsystem\n(tR.");
        assert_eq!(all(bytes.as_bytes(), &mut kept).problem, None);
        assert!(kept.cut().is_some_and(|why| why.contains("more than 64")));
        let names = kept.names();
        assert!(names.contains(&"posix.system".to_owned()), "{names:?}");
        assert!(names.len() == 64 && names.is_sorted());
    }
    let long = format!("c{}\nC.os.system\n.", "a".repeat(300));
    assert_eq!(names(long.as_bytes()).0, [LONG]);
}

#[test]
fn literal_names_are_looked_up_in_classes_only() {
    let inner = "__main__.Outer __main__:Outer.Inner";
    let step = "__main__.Outer __main__:Outer.step";
    let other = "__builtin__.getattr __main__.Outer";
    let cases: [(&[u8], &str); 7] = [
        // A nested class, as protocols 2 and 0 have it; a method of what a class made.
        (b"h\x02X\x05\0\0\0Inner\x86R.", inner),
        (b"(h\x02X\x05\0\0\0InnertR.", inner),
        (b"h\x02)\x81}bX\x04\0\0\0step\x86R.", step),
        // What leads out of the class, or is looked up otherwise.
        (b"h\x02X\x08\0\0\0__init__\x86R.", other),
        (b"NX\x04\0\0\0step\x86R.", other),
        (b"h\x02h\x02\x86R.", other),
        (b"h\x01\x85.", other),
    ];
    let begin = b"\x80\x02c__main__\nOuter\nq\x020c__builtin__\ngetattr\nq\x01";
    for (call, expected) in cases {
        let found = names(&[&begin[..], call].concat()).0;
        assert_eq!(found.join(" "), expected, "{}", call.escape_ascii());
    }
}

#[test]
fn attack_a_file_within_a_pickle() {
    let load = b"\x80\x04ctorch.storage\n_load_from_bytes\n";
    let inner = b"cos\nsystem\n(tR.";
    let around = |inner: &[u8]| {
        let length = [inner.len() as u8];
        [&load[..], b"C", &length, inner, b"\x85R."].concat()
    };
    let (found, problem) = names(&around(inner));
    assert_eq!(found, ["os.system", LOAD]);
    assert_eq!(problem, None);
    let (found, _) = names(&around(&around(inner)));
    assert!(found.contains(&"os.system".to_owned()));
    // What is not looked into is said.
    let other = [&load[..], b"c_codecs\nencode\n)R\x85R."].concat();
    assert!(
        names(&other)
            .1
            .is_some_and(|why| why.contains("not looked into"))
    );
    assert!(names(&around(b"PK\x03\x04")).1.is_some());
}

#[test]
fn attack_pickles_that_never_end_or_lie() {
    let cases: [(&[u8], &str); 7] = [
        (b"", "too early"),
        (b"\x8a\xffx", "too early"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffx", "too early"),
        (b"0.", "more than there is"),
        (b"t.", "mark is missing"),
        (b"h\x00.", "did not keep"),
        (b"\xfe.", "no operation"),
    ];
    for (bytes, expected) in cases {
        let problem = names(bytes).1.unwrap();
        assert!(problem.contains(expected), "{problem}");
    }
    let many = [b"N".repeat(MOST_OBJECTS + 2), b".".to_vec()].concat();
    assert!(names(&many).1.unwrap().contains("objects"));
}

#[test]
fn only_what_tensors_need_is_plain() {
    for name in [
        "torch._utils._rebuild_tensor_v2",
        "torch.FloatStorage",
        "torch.bfloat16",
        "torch.cuda.HalfStorage",
        "collections.OrderedDict",
        "numpy.core.multiarray._reconstruct",
        "builtins.set",
    ] {
        assert!(is_plain(name), "{name}");
    }
    for name in [
        "os.system",
        "builtins.eval",
        "builtins.getattr",
        "torch.load",
        "torch.hub.load",
        "torch.storage._load_from_bytes",
        "torch.nn.modules.linear.Linear",
        "torch._utils._import_dotted_name",
        "torch.float_power",
        "torch._utils._rebuild_.__class__",
        "collections.namedtuple",
        "eval",
        COMPUTED,
    ] {
        assert!(!is_plain(name), "{name}");
    }
}
