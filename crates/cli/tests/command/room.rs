//! A disk that is full: nothing half written, and the same bits once there is room.

use std::path::Path;
use std::process::Command;

use crate::corpus::{Answer, Corpus, listing, trained};

/// `glasswork` where no file may grow beyond `blocks` × 512 bytes. The signal that goes with the
/// limit is ignored, so that the write fails as on a full disk.
fn limited(corpus: &Corpus, blocks: u32, arguments: &str) -> Answer {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" {arguments}");
    let mut command = Command::new("sh");
    command
        .current_dir(corpus.path())
        .env("NO_COLOR", "1")
        .env_remove("GLASSWORK_ISA");
    Answer::of(command.args(["-c", &script, env!("CARGO_BIN_EXE_glasswork")]))
}

#[track_caller]
fn says_no_room(answer: &Answer) {
    assert_eq!(answer.code, Some(1), "{}{}", answer.out, answer.err);
    assert!(
        answer.err.contains("error: no room to write "),
        "{}",
        answer.err
    );
    assert!(
        answer.err.contains("hint: free some space"),
        "{}",
        answer.err
    );
}

#[test]
fn no_room_for_the_data_leaves_nothing() {
    let corpus = Corpus::new();
    for blocks in [1, 2, 6, 12] {
        let answer = limited(
            &corpus,
            blocks,
            "prep run.toml --cargo-home cargo --rust-docs docs/html",
        );
        says_no_room(&answer);
        assert!(
            listing(&corpus.release()).is_empty(),
            "{:?}",
            listing(&corpus.release())
        );
    }
    corpus.prep().exits(0);
}

#[test]
fn no_room_for_a_checkpoint_leaves_what_was_whole() {
    let whole = trained();
    let corpus = Corpus::new();
    corpus.prep().exits(0);
    let prepared = listing(&corpus.release());
    for blocks in [1, 30, 300] {
        says_no_room(&limited(&corpus, blocks, "train run.toml"));
        let new: Vec<_> = listing(&corpus.release())
            .into_iter()
            .filter(|name| !prepared.contains(name))
            .collect();
        assert!(
            new.iter()
                .all(|name| name == "code.json" || name == "ledger.jsonl"),
            "{new:?}"
        );
    }
    let said = corpus.train(&[]).exits(0).json();
    assert_eq!(said["state_digest"], whole.state_digest);
    assert_eq!(said["root"], whole.root);
}

/// Runs a shell script where `small` is a file system of its own with a limit of files, if this
/// machine lets us make one.
fn on_a_small_disk(corpus: &Corpus, script: &str) -> Option<Answer> {
    std::fs::create_dir_all(corpus.path().join("small")).expect("creates");
    let script = format!("mount -t tmpfs -o size=64m tmpfs small || exit 99\n{script}");
    let mut command = Command::new("unshare");
    command.args([
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        &script,
        env!("CARGO_BIN_EXE_glasswork"),
    ]);
    command
        .current_dir(corpus.path())
        .env("NO_COLOR", "1")
        .env_remove("GLASSWORK_ISA");
    let Ok(output) = command.output() else {
        return None;
    };
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let answer = Answer {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    };
    let refused = answer.code == Some(99) || answer.err.starts_with("unshare:");
    if refused {
        println!(
            "skipped: no mount of one's own on this machine: {}",
            answer.err
        );
    }
    (!refused).then_some(answer)
}

#[test]
fn a_disk_that_fills_up_in_the_middle_keeps_the_last_checkpoint() {
    let whole = trained();
    let corpus = Corpus::new();
    corpus.prep().exits(0);
    // Bytes are looked at before anything is computed; what runs out here is the number of files.
    let script = r#"
        cp -r runs/tiny small/tiny
        used=$(find small | wc -l)
        mount -o remount,nr_inodes=$((used + 22)) small || exit 99
        "$0" train run.toml -o small/tiny 2>first.txt
        echo "first $?"
        ls small/tiny/checkpoints
        find small -name '.tmp*'
        mount -o remount,nr_inodes=1000 small
        "$0" train run.toml -o small/tiny 2>second.txt
        echo "second $?"
        "$0" check small/tiny --root "$(sed -n 's/^  "root": "\(.*\)",*$/\1/p' small/tiny/release.json)"
    "#;
    let Some(answer) = on_a_small_disk(&corpus, script) else {
        return;
    };
    let answer = answer.exits(0);
    let read =
        |name: &str| std::fs::read_to_string(Path::new(corpus.path()).join(name)).expect("reads");
    let first = read("first.txt");
    assert!(
        first.contains("error: no room to write small/tiny/"),
        "{first}{}",
        answer.out
    );
    let (before, after) = answer
        .out
        .split_once("second 0\n")
        .expect("the second goes through");
    assert!(
        before.starts_with("first 1\nstep-000000\nstep-000001\nstep-000005\n"),
        "{before}"
    );
    assert!(
        !before.contains("step-000020") && !before.contains(".tmp"),
        "{before}"
    );
    assert!(
        read("second.txt").contains("going on from checkpoint"),
        "{}",
        read("second.txt")
    );
    assert!(
        after.contains(&whole.state_digest) || before.contains(&whole.state_digest),
        "{after}"
    );
    assert!(after.contains(&whole.root), "{after}");
}

#[test]
fn a_disk_that_is_too_small_is_told_before_anything_is_computed() {
    let corpus = Corpus::new();
    corpus.prep().exits(0);
    let script = r#"
        mount -o remount,size=2m small || exit 99
        cp -r runs/tiny small/tiny
        "$0" train run.toml -o small/tiny 2>&1
        echo "code $?"
        ls -A small/tiny
    "#;
    let Some(answer) = on_a_small_disk(&corpus, script) else {
        return;
    };
    assert!(
        answer.out.contains("error: no room to write small/tiny"),
        "{}",
        answer.out
    );
    assert!(answer.out.contains("code 1\n"), "{}", answer.out);
    assert!(!answer.out.contains("checkpoints"), "{}", answer.out);
}
