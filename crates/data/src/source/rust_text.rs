//! Splits a Rust file into its code and its documentation, line by line.
//!
//! Every line goes to one side only: lines that start with `///` or `//!` are documentation, all
//! others (ordinary comments and `/** … */` included) stay code. So no text is trained on twice
//! under two names, and a held-out document cannot hide in a training document of the other kind.
//! A documentation-like line inside a string literal is taken for documentation: telling these
//! apart needs a parser, and costs nothing but a line of code.
//!
//! Fenced blocks inside documentation are examples, not prose; they are left out altogether.

/// How this module turns a file into text, for the record of a code document.
pub(crate) const CODE_EXTRACTION: &str = "rust-code/1";
/// The same for the documentation side.
pub(crate) const DOCS_EXTRACTION: &str = "rust-docs/1";

/// The text of a documentation line; `None` for code. Four slashes are an ordinary comment.
fn documentation(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("//!").or_else(|| {
        line.strip_prefix("///")
            .filter(|rest| !rest.starts_with('/'))
    })?;
    Some(rest.strip_prefix(' ').unwrap_or(rest).trim_end())
}

/// The file without its documentation lines.
pub(crate) fn code(source: &str) -> String {
    source
        .split_inclusive('\n')
        .filter(|line| documentation(line).is_none())
        .collect()
}

/// The documentation of the file: one paragraph group per run of documentation lines, fenced
/// blocks left out, blank lines never doubled.
pub(crate) fn docs(source: &str) -> String {
    let mut out = String::new();
    let mut fence: Option<&str> = None;
    let mut blank = true;
    for line in source.lines() {
        let Some(text) = documentation(line) else {
            // A run of documentation ends; an unclosed fence ends with it.
            fence = None;
            if !blank {
                out.push('\n');
                blank = true;
            }
            continue;
        };
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| text.trim_start().starts_with(mark));
        match (fence, mark) {
            (Some(open), Some(close)) if open == close => fence = None,
            (Some(_), _) => {}
            (None, Some(open)) => fence = Some(open),
            (None, None) if text.is_empty() => {
                if !blank {
                    out.push('\n');
                    blank = true;
                }
            }
            (None, None) => {
                out.push_str(text);
                out.push('\n');
                blank = false;
            }
        }
    }
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "//! Module.\n//!\n//! ```\n//! let hidden = 1;\n//! ```\n\nuse x;\n\n    /// Adds.\n    ///\n    /// # Errors\n    /// Never.\n    fn f() {} // why\n//// four\n/// ```text\nfn g() {}\n/// After.\nfn h() {}\n";

    #[test]
    fn documentation_becomes_prose_without_its_examples() {
        assert_eq!(
            docs(FILE),
            "Module.\n\nAdds.\n\n# Errors\nNever.\n\nAfter.\n"
        );
        assert_eq!(docs("fn f() {}\n"), "");
    }

    #[test]
    fn code_keeps_the_rest_verbatim() {
        assert_eq!(
            code(FILE),
            "\nuse x;\n\n    fn f() {} // why\n//// four\nfn g() {}\nfn h() {}\n"
        );
    }

    #[test]
    fn no_line_stands_on_both_sides() {
        let code = code(FILE);
        for line in docs(FILE).lines().filter(|line| !line.is_empty()) {
            assert!(!code.contains(line), "{line}");
        }
    }
}
