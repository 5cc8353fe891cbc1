//! The catalogue: what each licence asks for, and by which clause.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use glasswork_release::licence::{LicenceClass, terms};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const FILE: &str = "licences.toml";

/// A coarse class, from free to unknown. A sorting aid, not legal advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Given up to the public.
    PublicDomain,
    /// Any use; at most notices are asked for.
    Permissive,
    /// Changes to the licensed files stay under the licence.
    WeakCopyleft,
    /// Works based on it stay under the licence.
    StrongCopyleft,
    /// Adaptations of content or data stay under the licence.
    ShareAlike,
    /// Some uses are forbidden.
    UseRestricted,
    /// No adaptations may be passed on.
    NoDerivatives,
    /// Not for commercial use.
    NonCommercial,
    /// For research only.
    ResearchOnly,
    /// Not known: never permission.
    Unknown,
}

impl From<LicenceClass> for Class {
    fn from(class: LicenceClass) -> Self {
        match class {
            LicenceClass::PublicDomain => Self::PublicDomain,
            LicenceClass::Permissive => Self::Permissive,
            LicenceClass::WeakCopyleft => Self::WeakCopyleft,
            LicenceClass::StrongCopyleft => Self::StrongCopyleft,
            LicenceClass::ShareAlike => Self::ShareAlike,
            LicenceClass::NonCommercial => Self::NonCommercial,
            LicenceClass::Unknown => Self::Unknown,
        }
    }
}

/// What a licence was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Programs.
    Code,
    /// Works of authors.
    Content,
    /// Weights.
    Model,
    /// Databases and data sets.
    Data,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duty {
    /// Authors are named.
    Attribution,
    /// The licence text travels.
    LicenceText,
    /// A notice file travels, or a prescribed line in it.
    NoticeFile,
    /// Changes are stated.
    StateChanges,
    /// Adaptations under the same licence.
    ShareAlike,
    /// Source or altered database is made available.
    SourceAccess,
    /// A prescribed name is shown.
    Naming,
    /// Forbidden uses.
    UseRestrictions,
    /// Recipients are bound to the same restrictions.
    PassOnTerms,
    /// Another licence above a number of monthly users.
    UserThreshold,
    /// No commercial use.
    NonCommercial,
    /// Research only.
    ResearchOnly,
    /// No adaptations.
    NoDerivatives,
    /// No training of other models.
    NoTrainingOthers,
    /// Hosting needs permission.
    HostingPermission,
    /// Patent rights end with a patent suit.
    PatentTermination,
    /// Rights end with a breach.
    Termination,
    /// Nobody knows: find out first. Never in the file; the sheet adds it.
    FindOut,
}

/// When it is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Always.
    Always,
    /// With any use.
    Use,
    /// With commercial use.
    Commercial,
    /// When it is passed on.
    Distribute,
    /// When a changed version is passed on.
    DistributeModified,
    /// When it is offered as a service.
    Serve,
    /// When other models are trained with it.
    TrainOthers,
}

/// One thing that a licence asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obligation {
    /// What.
    pub what: Duty,
    /// When.
    pub when: Trigger,
    /// Section or clause of the licence.
    pub clause: String,
    /// Whether the clause was looked up in the licence text.
    pub verified: bool,
    /// What share-alike reaches: `code`, `content`, `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What the names of derived models begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// A prescribed text or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where the list of forbidden uses stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The threshold: users a month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
}

/// Licences that ask for the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Its name in the file.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// What it was written for.
    pub kind: Kind,
    /// It covers a collection and says nothing of the contents' rights.
    #[serde(default)]
    pub compilation: bool,
    /// Its terms travel to derived models under their own name.
    #[serde(default)]
    pub custom: bool,
    /// What it asks for.
    pub obligations: Vec<Obligation>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    name: String,
    family: String,
    #[serde(default)]
    hub: Vec<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    phrases: Vec<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    family: Vec<Family>,
    licence: Vec<Entry>,
}

/// One licence with everything that it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Licence {
    /// SPDX id, or the Hub's, or our own for what has neither.
    pub id: String,
    /// Its full name.
    pub name: String,
    /// Its class.
    pub class: Class,
    /// What it was written for.
    pub kind: Kind,
    /// It covers a collection and says nothing of the contents' rights.
    pub compilation: bool,
    /// Its terms travel to derived models under their own name.
    pub custom: bool,
    /// Where its text stands.
    pub url: Option<String>,
    /// What it asks for.
    pub obligations: Vec<Obligation>,
    /// Phrases by which its text is known, in lower case, one space between words.
    #[serde(skip)]
    pub(crate) phrases: Vec<String>,
}

/// All licences, by id and by every other name.
#[derive(Debug)]
pub struct Catalogue {
    licences: Vec<Licence>,
    names: BTreeMap<String, usize>,
    hub: BTreeSet<String>,
}

impl Catalogue {
    /// Reads and checks a catalogue.
    ///
    /// # Errors
    /// Not TOML of this shape, a name with two meanings, a family that is not there.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|error| Error::Syntax {
            file: FILE,
            problem: error.to_string(),
        })?;
        let mut families = BTreeMap::new();
        for family in &file.family {
            if families.insert(family.name.as_str(), family).is_some() {
                return Err(Error::Twice {
                    file: FILE,
                    name: family.name.clone(),
                });
            }
        }
        let mut licences = Vec::new();
        let mut names = BTreeMap::new();
        let mut hub = BTreeSet::new();
        for entry in file.licence {
            let family = families
                .get(entry.family.as_str())
                .ok_or_else(|| Error::Dangling {
                    file: FILE,
                    entry: entry.id.clone(),
                    missing: entry.family.clone(),
                })?;
            let mine: BTreeSet<String> = std::iter::once(&entry.id)
                .chain(&entry.hub)
                .chain(&entry.aliases)
                .map(|name| name.to_lowercase())
                .collect();
            for name in mine {
                if names.insert(name.clone(), licences.len()).is_some() {
                    return Err(Error::Twice { file: FILE, name });
                }
            }
            hub.extend(entry.hub);
            licences.push(Licence {
                url: entry.url.or_else(|| spdx_url(&entry.id)),
                id: entry.id,
                name: entry.name,
                class: family.class,
                kind: family.kind,
                compilation: family.compilation,
                custom: family.custom,
                obligations: family.obligations.clone(),
                phrases: entry.phrases,
            });
        }
        Ok(Self {
            licences,
            names,
            hub,
        })
    }

    /// The licences in the file's order.
    #[must_use]
    pub fn licences(&self) -> &[Licence] {
        &self.licences
    }

    /// The Hub's identifiers that are mapped.
    #[must_use]
    pub fn hub_ids(&self) -> &BTreeSet<String> {
        &self.hub
    }

    /// The licence of that id, Hub identifier or other name, in any case; then SPDX ids that only the release's class
    /// table knows, with nothing verified.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Licence> {
        if let Some(&at) = self.names.get(&name.to_lowercase()) {
            return self.licences.get(at).cloned();
        }
        let id = spdx::license_id(name)?;
        let terms = terms(id.name);
        if terms.class == LicenceClass::Unknown {
            return None;
        }
        let by_table = |what, when| Obligation {
            what,
            when,
            clause: "by class; clause not looked up".into(),
            verified: false,
            scope: None,
            text: None,
            prefix: None,
            link: None,
            users: None,
        };
        let mut obligations = Vec::new();
        for (asked, what, when) in [
            (terms.attribution, Duty::Attribution, Trigger::Distribute),
            (terms.notice, Duty::LicenceText, Trigger::Distribute),
            (
                terms.share_alike,
                Duty::ShareAlike,
                Trigger::DistributeModified,
            ),
            (
                terms.class == LicenceClass::NonCommercial,
                Duty::NonCommercial,
                Trigger::Commercial,
            ),
        ] {
            if asked {
                obligations.push(by_table(what, when));
            }
        }
        let class = if id.name.contains("-ND-") && !id.name.contains("-NC-") {
            Class::NoDerivatives
        } else {
            terms.class.into()
        };
        Some(Licence {
            id: id.name.into(),
            name: id.full_name.into(),
            class,
            kind: match class {
                Class::ShareAlike | Class::NonCommercial | Class::NoDerivatives => Kind::Content,
                _ => Kind::Code,
            },
            compilation: false,
            custom: false,
            url: spdx_url(id.name),
            obligations,
            phrases: Vec::new(),
        })
    }
}

fn spdx_url(id: &str) -> Option<String> {
    spdx::license_id(id).map(|id| format!("https://spdx.org/licenses/{}.html", id.name))
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    Catalogue::parse(include_str!("../data/licences.toml")).expect("the embedded file is tested")
});

/// The catalogue that the program carries.
#[must_use]
pub fn catalogue() -> &'static Catalogue {
    &CATALOGUE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words;

    /// The Hub's documented identifiers.
    const HUB: &str = "apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 \
        bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 \
        cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 \
        cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0 \
        cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl \
        lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl openmdw-1.0 \
        openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license \
        fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma unknown other";

    #[test]
    fn the_embedded_catalogue_holds() {
        let catalogue =
            Catalogue::parse(include_str!("../data/licences.toml")).expect("well formed");
        for id in HUB.split_whitespace() {
            assert!(catalogue.hub_ids().contains(id), "{id} is not mapped");
        }
        for licence in catalogue.licences() {
            let table: Class = terms(&licence.id).class.into();
            if table != Class::Unknown {
                assert_eq!(
                    licence.class, table,
                    "{} and the release's table",
                    licence.id
                );
            }
            if licence.class != Class::Unknown
                && !matches!(licence.class, Class::PublicDomain)
                && licence.obligations.iter().any(|o| o.verified)
            {
                assert!(licence.url.is_some(), "{} has no address", licence.id);
            }
            for obligation in &licence.obligations {
                assert!(obligation.what != Duty::FindOut && !obligation.clause.is_empty());
                let key = |value: &dyn erased::Key| value.key();
                assert!(words::has("obligation", &key(&obligation.what)));
                assert!(words::has("trigger", &key(&obligation.when)));
                if obligation.what == Duty::UserThreshold {
                    assert!(obligation.users.is_some(), "{}", licence.id);
                }
            }
            // Added conditions must not pass for a free licence.
            let free = licence.class <= Class::Permissive && !licence.phrases.is_empty();
            assert!(!free || crate::texts::known(&licence.id), "{}", licence.id);
            for phrase in &licence.phrases {
                assert_eq!(phrase, &phrase.to_lowercase());
            }
        }
    }

    mod erased {
        pub(super) trait Key {
            fn key(&self) -> String;
        }
        impl<T: serde::Serialize> Key for T {
            fn key(&self) -> String {
                serde_json::to_value(self)
                    .expect("a plain enum")
                    .as_str()
                    .expect("a plain enum")
                    .into()
            }
        }
    }

    #[test]
    fn broken_catalogues_are_refused() {
        let family =
            "[[family]]\nname='f'\nclass='permissive'\nkind='code'\nobligations=[]\n".to_owned();
        let one = "[[licence]]\nid='A'\nname='A'\nfamily='f'\n";
        assert!(Catalogue::parse(&format!("{family}{one}")).is_ok());
        assert!(matches!(
            Catalogue::parse(&format!("{family}{one}{one}")),
            Err(Error::Twice { .. })
        ));
        assert!(matches!(
            Catalogue::parse(&format!("{family}{}", one.replace("'f'", "'g'"))),
            Err(Error::Dangling { .. })
        ));
        assert!(matches!(
            Catalogue::parse("licence = 3"),
            Err(Error::Syntax { .. })
        ));
    }

    #[test]
    fn names_lead_to_licences() {
        let find = |name| catalogue().find(name).map(|l| (l.id, l.class));
        assert_eq!(
            find("apache-2.0"),
            Some(("Apache-2.0".into(), Class::Permissive))
        );
        assert_eq!(find("Llama3.1").expect("known").1, Class::UseRestricted);
        assert_eq!(find("X11"), Some(("X11".into(), Class::Permissive)));
        assert_eq!(find("nonsense"), None);
        assert_eq!(find("other").expect("known").1, Class::Unknown);
    }
}
