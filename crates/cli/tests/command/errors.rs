//! Whatever a person gets wrong: a message that names it, what to do about it, the exit code, and
//! nothing half written.

use glasswork_kernels::Isa;

use crate::corpus::{Answer, Corpus, listing, trained};

mod release;
mod run;
mod score;

/// Exit code and both streams; digests and the working directory differ between machines.
fn said(answer: &Answer, corpus: &Corpus) -> String {
    let directory = corpus.path().to_string_lossy();
    let text = format!("{}{}", answer.out, answer.err).replace(&*directory, "[here]");
    let text = text.replace(
        &format!("threads, {},", Isa::best().name()),
        "threads, [isa],",
    );
    let mut shown = format!("exit {}\n", answer.code.unwrap_or(-1));
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let digits = word.bytes().take_while(u8::is_ascii_hexdigit).count();
        shown += &if digits == 64 {
            format!("[digest]{}", &word[64..])
        } else {
            word.to_owned()
        };
    }
    shown
}

/// What `prep` says of a corpus that it must refuse; nothing may be left of it.
fn refused(corpus: &Corpus) -> String {
    let answer = corpus.prep();
    assert!(
        listing(&corpus.release()).is_empty(),
        "{:?}",
        listing(&corpus.release())
    );
    said(&answer, corpus)
}

/// What `arguments` answer in a corpus that holds a release made for this test.
fn of_release(arguments: &[&str]) -> String {
    let trained = trained();
    let before = listing(&trained.corpus.release());
    let answer = trained.corpus.glasswork(arguments);
    assert_eq!(listing(&trained.corpus.release()), before);
    said(&answer, &trained.corpus)
}
