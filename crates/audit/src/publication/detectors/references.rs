//! References of cards to what is not there.
//!
//! Links into the publication are held against its listing. What lies elsewhere can only be asked for by whoever has a
//! connection: [`Subject::reachable`] carries the answers, and without one nothing is claimed.

use std::collections::BTreeSet;

use glasswork_published::Card;

use crate::publication::Subject;
use crate::publication::evidence;
use crate::publication::finding::{Finding, Severity};

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// A file or folder of this publication.
    Inside(String),
    /// A revision of this publication, with a file in it.
    Revision(String),
    /// Elsewhere.
    Outside,
}

/// A dead link or reference is a doubt; a data set that is named but neither here nor looked for a note.
#[must_use]
pub fn detect(of: &Subject<'_>) -> Vec<Finding> {
    let paths = evidence::paths(of.inventory);
    let revisions: BTreeSet<&str> = of
        .inventory
        .checkpoints
        .iter()
        .flat_map(|one| [Some(one.name.as_str()), one.revision.as_deref()])
        .flatten()
        .collect();
    let mut findings = Vec::new();
    for card in &of.inventory.cards {
        let about = |severity, reason: &str, what: &str| {
            Finding::new("references", severity, what, reason)
                .with("card", card.path.as_str())
                .on(evidence::file(&card.path, None, "cards"))
                .asking("working_reference")
        };
        let links: BTreeSet<&str> = card.links.iter().map(String::as_str).collect();
        for link in links {
            let dead = match target(link, &card.path, &of.inventory.place) {
                Target::Inside(path) => !exists(&paths, &path),
                Target::Revision(revision) => {
                    !revisions.contains(revision.as_str()) && revision != "main"
                }
                Target::Outside => false,
            };
            if dead {
                findings.push(about(Severity::Doubt, "link_dead", link));
            }
            if of.reachable.get(link) == Some(&false) {
                findings.push(about(Severity::Doubt, "reference_dead", link));
            }
        }
        for data in &card.front_matter.datasets {
            match of.reachable.get(data) {
                Some(true) => {}
                Some(false) => findings.push(about(Severity::Doubt, "reference_dead", data)),
                None if of.inventory.data.is_empty() => {
                    findings.push(about(Severity::Note, "data_named_not_there", data));
                }
                None => {}
            }
        }
        for model in &card.front_matter.base_model {
            if of.reachable.get(model) == Some(&false) {
                findings.push(about(Severity::Doubt, "reference_dead", model));
            }
        }
        if card.front_matter.base_model.is_empty() && is_adapted(card) {
            findings.push(
                about(Severity::Doubt, "base_model_missing", &card.path).asking("base_model_name"),
            );
        }
    }
    findings
}

/// Whether a card says that its model was made from another one.
fn is_adapted(card: &Card) -> bool {
    let text = card.text.to_ascii_lowercase();
    [
        "fine-tuned from",
        "finetuned from",
        "fine-tuned version of",
        "finetuned version of",
        "fine-tuned on top of",
        "quantized version of",
        "adapter for",
        "merge of",
    ]
    .iter()
    .any(|words| text.contains(words))
}

fn exists(paths: &BTreeSet<&str>, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let folder = format!("{path}/");
    path.is_empty()
        || paths.contains(path)
        // A folder is there where one of its files is.
        || paths
            .range(folder.as_str()..)
            .next()
            .is_some_and(|next| next.starts_with(&folder))
}

/// Where `link` on the card at `card` leads. `place` is how the publication was named.
fn target(link: &str, card: &str, place: &str) -> Target {
    let link = link.trim();
    let link = link.split(['#', '?']).next().unwrap_or(link);
    let here = place
        .strip_prefix("hf:")
        .map(|name| name.split('@').next().unwrap_or(name));
    let has_scheme = link.split_once(':').is_some_and(|(scheme, _)| {
        scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'+')
    });
    let inside = if has_scheme {
        let own = here.and_then(|here| {
            let rest = link.strip_prefix("https://huggingface.co/")?;
            rest.strip_prefix(here)?.strip_prefix('/')
        });
        match own {
            Some(rest) => rest,
            None => return Target::Outside,
        }
    } else if link.is_empty() || link.starts_with('/') || link.starts_with('\\') {
        return Target::Outside;
    } else {
        link
    };
    for view in ["blob/", "resolve/", "tree/"] {
        if let Some(rest) = inside.strip_prefix(view) {
            return match rest.split_once('/') {
                Some(("main", path)) => Target::Inside(normal("", path)),
                Some((revision, _)) => Target::Revision(revision.to_owned()),
                None => Target::Revision(rest.to_owned()),
            };
        }
    }
    if has_scheme {
        // Other views of the site: discussions, commits.
        return Target::Outside;
    }
    let folder = card.rfind('/').map_or("", |end| &card[..end]);
    Target::Inside(normal(folder, inside))
}

/// `path` seen from `folder`, without `.`, `..` and `%20`. What leads outside stays as it is, and is nowhere.
fn normal(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let path = path.replace("%20", " ");
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_some() => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_a_reader_would_go() {
        let place = "hf:owner/name@main";
        let inside = |path: &str| Target::Inside(path.into());
        assert_eq!(
            target("docs/a.md#part", "README.md", place),
            inside("docs/a.md")
        );
        assert_eq!(target("../b.md", "docs/a.md", place), inside("b.md"));
        assert_eq!(
            target(
                "https://huggingface.co/owner/name/blob/main/x.json",
                "README.md",
                place
            ),
            inside("x.json")
        );
        assert_eq!(
            target(
                "https://huggingface.co/owner/name/tree/ckpt_007",
                "README.md",
                place
            ),
            Target::Revision("ckpt_007".into())
        );
        for outside in [
            "https://example.org/a",
            "mailto:a@b.c",
            "#top",
            "/datasets/x",
            "",
        ] {
            assert_eq!(
                target(outside, "README.md", place),
                Target::Outside,
                "{outside}"
            );
        }
    }

    #[test]
    fn attack_a_link_that_climbs_out_is_nowhere() {
        let paths = BTreeSet::from(["README.md"]);
        let Target::Inside(path) = target("../../etc/passwd", "README.md", "folder") else {
            panic!("it has no scheme");
        };
        assert!(!exists(&paths, &path));
    }
}
