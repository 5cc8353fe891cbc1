//! What cards refer to on the Hub, and whether it is there. No other host is ever asked.

use std::collections::BTreeMap;

use glasswork_hub::{Hub, Repo, RepoKind};

use crate::inventory::Inventory;

/// Repositories that are asked for: a request each.
pub const MOST_ASKED: usize = 32;
/// Links beyond these are not looked at.
const MOST_LINKS: usize = 10_000;
/// What begins a link to the Hub.
const HUB: [&str; 3] = [
    "https://huggingface.co/",
    "http://huggingface.co/",
    "https://hf.co/",
];
/// First parts of the Hub's addresses that are nobody's account.
const NO_ACCOUNTS: [&str; 16] = [
    "spaces",
    "papers",
    "docs",
    "blog",
    "collections",
    "organizations",
    "settings",
    "join",
    "login",
    "models",
    "tasks",
    "learn",
    "chat",
    "posts",
    "api",
    "pricing",
];

/// Answers about what cards refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// A data set, a base model or a link as a card has it, and whether the Hub knows that repository. Of a link to a file only the repository
    /// is asked for.
    pub reachable: BTreeMap<String, bool>,
    /// What was not asked for, and why.
    pub unasked: BTreeMap<String, &'static str>,
}

/// Asks the Hub for the data sets, base models and links of cards, at most [`MOST_ASKED`] repositories of them; when it
/// stops answering, no further one. Links within the publication are no references elsewhere and are in neither list.
#[must_use]
pub fn ask_references(inventory: &Inventory, hub: &Hub) -> References {
    let mut found = References::default();
    let mut repositories: BTreeMap<Repo, Vec<String>> = BTreeMap::new();
    let mut order = Vec::new();
    let mut refers = |text: &str, target: Target| match target {
        Target::Repository(repo) => {
            let texts = repositories.entry(repo.clone()).or_insert_with(|| {
                order.push(repo);
                Vec::new()
            });
            texts.push(text.to_owned());
        }
        Target::Elsewhere(why) => drop(found.unasked.insert(text.to_owned(), why)),
        Target::Here => {}
    };
    for card in &inventory.cards {
        for name in &card.front_matter.datasets {
            refers(name, named(RepoKind::Dataset, name));
        }
        for name in &card.front_matter.base_model {
            refers(name, named(RepoKind::Model, name));
        }
    }
    let links = inventory.cards.iter().flat_map(|card| &card.links);
    for link in links.take(MOST_LINKS) {
        refers(link, target(link, &inventory.place));
    }
    let mut silent = None;
    for (i, repo) in order.iter().enumerate() {
        let texts = &repositories[repo];
        let why = match silent {
            None if i >= MOST_ASKED => Some("more repositories are named than are asked for"),
            None => match hub.exists(repo) {
                Ok(there) => {
                    for text in texts {
                        // The same name may be a data set and a model: it is there where both are.
                        let known = found.reachable.entry(text.clone()).or_insert(true);
                        *known &= there;
                    }
                    None
                }
                Err(glasswork_hub::Error::NotCached { .. }) => {
                    silent = Some("no connection is opened");
                    silent
                }
                Err(_) => {
                    silent = Some("the Hub did not answer");
                    silent
                }
            },
            why => why,
        };
        if let Some(why) = why {
            let unasked = texts.iter().map(|text| (text.clone(), why));
            found.unasked.extend(unasked);
        }
    }
    found
}

/// Where a reference leads.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Repository(Repo),
    /// Not asked, and why.
    Elsewhere(&'static str),
    /// Into the publication itself, or to no place.
    Here,
}

fn named(kind: RepoKind, name: &str) -> Target {
    match Repo::parse(kind, name) {
        Ok(repo) => Target::Repository(repo),
        Err(_) => Target::Elsewhere("it is no name of a repository"),
    }
}

/// Where `link` leads from a publication at `place`.
fn target(link: &str, place: &str) -> Target {
    let link = link.trim();
    let bare = link.split(['#', '?']).next().unwrap_or(link);
    let Some(path) = HUB.iter().find_map(|hub| bare.strip_prefix(hub)) else {
        let web = ["https://", "http://", "ftp://", "//"];
        return match web.iter().any(|scheme| bare.starts_with(scheme)) {
            true => Target::Elsewhere("it lies on another host than the Hub"),
            false => Target::Here,
        };
    };
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default();
    let (kind, owner) = match first {
        "datasets" => (RepoKind::Dataset, parts.next().unwrap_or_default()),
        owner if NO_ACCOUNTS.contains(&owner) => {
            return Target::Elsewhere("it is no model or data set of the Hub");
        }
        owner => (RepoKind::Model, owner),
    };
    let Some(name) = parts.next() else {
        return Target::Elsewhere("it is no model or data set of the Hub");
    };
    let name = format!("{owner}/{name}");
    let own = place.strip_prefix("hf:").map(|own| match kind {
        RepoKind::Dataset => own.strip_prefix("datasets/").unwrap_or_default(),
        RepoKind::Model => own,
    });
    match own.and_then(|own| own.split('@').next()) {
        Some(own) if own == name => Target::Here,
        _ => named(kind, &name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_models_and_data_sets_of_the_hub_are_asked_for() {
        let place = "hf:owner/name@main";
        let repo = |kind, name: &str| Target::Repository(Repo::parse(kind, name).unwrap());
        let model = |name| repo(RepoKind::Model, name);
        let data = |name| repo(RepoKind::Dataset, name);
        for (link, expected) in [
            ("https://huggingface.co/a/b", model("a/b")),
            (
                "https://huggingface.co/a/b/blob/main/x.json#L3",
                model("a/b"),
            ),
            ("https://huggingface.co/datasets/a/b?x=1", data("a/b")),
            ("https://hf.co/a/b/", model("a/b")),
            (
                "https://huggingface.co/datasets/owner/name",
                data("owner/name"),
            ),
            ("https://huggingface.co/owner/name/tree/step1", Target::Here),
            ("data/x.json", Target::Here),
            ("#top", Target::Here),
            ("mailto:a@example.org", Target::Here),
        ] {
            assert_eq!(target(link, place), expected, "{link}");
        }
        for link in [
            "https://example.org/a/b",
            "https://huggingface.co.example.org/a/b",
            "https://huggingface.co@example.org/a/b",
            "//example.org/a/b",
            "http://127.0.0.1/a/b",
            "https://huggingface.co/papers/2312.06550",
            "https://huggingface.co/spaces/a/b",
            "https://huggingface.co/a",
            "https://huggingface.co/../b/c",
            "https://huggingface.co/a/b%2f..",
        ] {
            assert!(
                matches!(target(link, place), Target::Elsewhere(_)),
                "{link}"
            );
        }
    }
}
