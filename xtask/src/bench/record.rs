//! Where results go: `target/bench`, and the documents when asked.

use super::machine::Machine;
use super::table::{self, Row, quoted};
use crate::shell::{Result, root};
use std::path::Path;

/// The document that holds the last run of every section.
const DOCUMENT: &str = "docs/benchmarks.md";

/// The rows of one run that belong together.
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    pub(super) machine: &'a Machine,
    /// A JSON object.
    pub(super) versions: &'a str,
    pub(super) command: &'a str,
    pub(super) rows: &'a [Row],
}

impl Section<'_> {
    pub(super) fn markdown(&self) -> String {
        let versions = self.versions.trim_matches(['{', '}']).replace('"', "");
        format!(
            "{}; {}; `{}`:\n\n{}",
            self.machine.words(),
            versions.replace(": ", " "),
            self.command,
            table::markdown(self.rows)
        )
    }

    fn json(&self) -> String {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|r| format!("  {}", r.json()))
            .collect();
        format!(
            "{{\"section\": {}, {}, \"versions\": {}, \"command\": {},\n \"rows\": [\n{}\n]}}\n",
            quoted(self.name),
            self.machine.json(),
            self.versions,
            quoted(self.command),
            rows.join(",\n")
        )
    }

    /// `target/bench/NAME.json` and `.md`.
    pub(super) fn save(&self) -> Result {
        let directory = root().join("target/bench");
        std::fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        let stem = self.name.replace(' ', "-");
        write(&directory.join(format!("{stem}.md")), &self.markdown())?;
        write(&directory.join(format!("{stem}.json")), &self.json())
    }

    /// Into the document, in place of the section's last run.
    pub(super) fn write(&self) -> Result {
        let path = root().join(DOCUMENT);
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{DOCUMENT}: {e}"))?;
        let replaced = replace(&text, self.name, &self.markdown())
            .ok_or_else(|| format!("{DOCUMENT} has no place marked for `{}`", self.name))?;
        write(&path, &replaced)?;
        eprintln!("{DOCUMENT}: `{}` written", self.name);
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> Result {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// `text` with new content between the section's two marks.
fn replace(text: &str, section: &str, content: &str) -> Option<String> {
    let (begin, end) = (
        format!("<!-- bench {section} -->\n"),
        format!("<!-- end of bench {section} -->"),
    );
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!(
        "{before}{begin}\n{}\n\n{end}{after}",
        content.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\n<!-- bench train S -->\n\nold\n\n<!-- end of bench train S -->\nb\n";

    #[test]
    fn a_section_is_replaced_and_the_rest_stays() {
        let new = replace(TEXT, "train S", "new\n").unwrap();
        assert_eq!(new, TEXT.replace("old", "new"));
        assert_eq!(replace(&new, "train S", "new").unwrap(), new);
        assert_eq!(replace(TEXT, "train", "new"), None);
    }

    #[test]
    fn every_section_has_a_place_in_the_document() {
        let text = std::fs::read_to_string(root().join(DOCUMENT)).unwrap();
        let contests = [
            super::super::gemm::contests(),
            super::super::train::contests(),
            super::super::score::contests(),
        ];
        for contest in contests.iter().flatten() {
            assert!(
                replace(&text, &contest.section, "").is_some(),
                "{DOCUMENT} has no place for `{}`",
                contest.section
            );
        }
    }
}
