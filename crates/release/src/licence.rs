//! Licences by SPDX id: what class each is of, and what it asks of those who pass the work on.
//!
//! A plain table; reading SPDX expressions is the data crate's. The classes are a sorting aid for gates and reports, not
//! legal advice; an id that is not in the table is [`LicenceClass::Unknown`], which every gate treats as "no".

use serde::{Deserialize, Serialize};

/// A coarse class of licences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LicenceClass {
    /// Given up to the public.
    PublicDomain,
    /// Any use; at most notices are asked for.
    Permissive,
    /// Changes to the licensed files stay under the licence.
    WeakCopyleft,
    /// Works based on it stay under the licence.
    StrongCopyleft,
    /// Adaptations of the content stay under the licence (Creative Commons and open data).
    ShareAlike,
    /// Not for commercial use.
    NonCommercial,
    /// Not in the table.
    Unknown,
}

/// What a licence asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceTerms {
    /// Its class.
    pub class: LicenceClass,
    /// The authors must be named.
    pub attribution: bool,
    /// Adaptations must carry the same licence.
    pub share_alike: bool,
    /// The licence text or a notice must travel along.
    pub notice: bool,
}

/// Public domain dedications.
const PUBLIC_DOMAIN: &[&str] = &[
    "CC-PDDC",
    "CC-PDM-1.0",
    "CC0-1.0",
    "PDDL-1.0",
    "Unlicense",
    "blessing",
];

/// Permissive without any condition on copies.
const PERMISSIVE_FREE: &[&str] = &["0BSD", "MIT-0", "WTFPL", "FSFUL"];

/// Permissive, copies of the source keep their notices.
const PERMISSIVE: &[&str] = &[
    "AFL-3.0",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-2-Clause-Patent",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "BSD-4-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "ECL-2.0",
    "FTL",
    "HPND",
    "ICU",
    "IJG",
    "ISC",
    "Libpng",
    "MIT",
    "MIT-CMU",
    "MIT-Modern-Variant",
    "MS-PL",
    "MulanPSL-2.0",
    "NCSA",
    "OFL-1.1",
    "OpenSSL",
    "PHP-3.01",
    "PSF-2.0",
    "PostgreSQL",
    "Python-2.0",
    "Ruby",
    "SSLeay",
    "TCL",
    "UPL-1.0",
    "Unicode-3.0",
    "Unicode-DFS-2015",
    "Unicode-DFS-2016",
    "Vim",
    "W3C",
    "X11",
    "ZPL-2.1",
    "Zlib",
    "bzip2-1.0.6",
    "curl",
    "zlib-acknowledgement",
];

/// Permissive licences for content, which ask that the authors be named.
const ATTRIBUTION: &[&str] = &[
    "CC-BY-1.0",
    "CC-BY-2.0",
    "CC-BY-2.5",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CDLA-Permissive-1.0",
    "CDLA-Permissive-2.0",
    "ODC-By-1.0",
    "OGL-UK-3.0",
    "etalab-2.0",
];

const WEAK_COPYLEFT: &[&str] = &[
    "CDDL-1.0",
    "CDDL-1.1",
    "CPL-1.0",
    "EPL-1.0",
    "EPL-2.0",
    "LGPL-2.0-only",
    "LGPL-2.0-or-later",
    "LGPL-2.1",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MPL-1.1",
    "MPL-2.0",
    "MPL-2.0-no-copyleft-exception",
    "MS-RL",
];

const STRONG_COPYLEFT: &[&str] = &[
    "AGPL-1.0-only",
    "AGPL-1.0-or-later",
    "AGPL-3.0",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "CECILL-2.1",
    "EUPL-1.1",
    "EUPL-1.2",
    "GPL-1.0-only",
    "GPL-1.0-or-later",
    "GPL-2.0",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "OSL-3.0",
];

const SHARE_ALIKE: &[&str] = &[
    "CC-BY-SA-1.0",
    "CC-BY-SA-2.0",
    "CC-BY-SA-2.5",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CDLA-Sharing-1.0",
    "GFDL-1.1-or-later",
    "GFDL-1.2-only",
    "GFDL-1.2-or-later",
    "GFDL-1.3-only",
    "GFDL-1.3-or-later",
    "ODbL-1.0",
];

const NON_COMMERCIAL: &[&str] = &[
    "CC-BY-NC-1.0",
    "CC-BY-NC-2.0",
    "CC-BY-NC-2.5",
    "CC-BY-NC-3.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-ND-3.0",
    "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-3.0",
    "CC-BY-NC-SA-4.0",
    "PolyForm-Noncommercial-1.0.0",
];

/// The table: ids, class, attribution, share-alike, notice.
const TABLE: &[(&[&str], LicenceClass, bool, bool, bool)] = &[
    (
        PUBLIC_DOMAIN,
        LicenceClass::PublicDomain,
        false,
        false,
        false,
    ),
    (
        PERMISSIVE_FREE,
        LicenceClass::Permissive,
        false,
        false,
        false,
    ),
    (PERMISSIVE, LicenceClass::Permissive, true, false, true),
    (ATTRIBUTION, LicenceClass::Permissive, true, false, true),
    (WEAK_COPYLEFT, LicenceClass::WeakCopyleft, true, true, true),
    (
        STRONG_COPYLEFT,
        LicenceClass::StrongCopyleft,
        true,
        true,
        true,
    ),
    (SHARE_ALIKE, LicenceClass::ShareAlike, true, true, true),
    (
        NON_COMMERCIAL,
        LicenceClass::NonCommercial,
        true,
        false,
        true,
    ),
];

/// The terms of one SPDX licence id (exact spelling, no expression); unlisted ids are unknown and ask for everything.
#[must_use]
pub fn terms(id: &str) -> LicenceTerms {
    let unknown = (&[][..], LicenceClass::Unknown, true, true, true);
    let &(_, class, attribution, share_alike, notice) = TABLE
        .iter()
        .find(|row| row.0.contains(&id))
        .unwrap_or(&unknown);
    // The one non-commercial family that also asks for its own licence on adaptations.
    LicenceTerms {
        class,
        attribution,
        share_alike: share_alike || id.contains("-NC-SA-"),
        notice,
    }
}

/// The class of one SPDX licence id.
#[must_use]
pub fn class(id: &str) -> LicenceClass {
    terms(id).class
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_id_has_one_row() {
        let mut seen = BTreeSet::new();
        for id in TABLE.iter().flat_map(|row| row.0) {
            assert!(seen.insert(*id), "{id} has two rows");
        }
    }

    #[test]
    fn classes() {
        for (id, expected) in [
            ("MIT", LicenceClass::Permissive),
            ("CC0-1.0", LicenceClass::PublicDomain),
            ("MPL-2.0", LicenceClass::WeakCopyleft),
            ("AGPL-3.0-only", LicenceClass::StrongCopyleft),
            ("CC-BY-SA-4.0", LicenceClass::ShareAlike),
            ("CC-BY-NC-SA-4.0", LicenceClass::NonCommercial),
            ("CC-BY-ND-4.0", LicenceClass::Unknown),
            ("mit", LicenceClass::Unknown),
            ("MIT OR Apache-2.0", LicenceClass::Unknown),
            ("", LicenceClass::Unknown),
        ] {
            assert_eq!(class(id), expected, "{id}");
        }
        assert!(terms("CC-BY-NC-SA-4.0").share_alike && !terms("CC-BY-NC-4.0").share_alike);
        assert!(terms("CC-BY-4.0").attribution && !terms("MIT-0").notice);
    }
}
