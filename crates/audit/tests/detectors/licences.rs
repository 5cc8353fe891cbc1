//! Statements of licences, sound and contradicting. The texts hold the phrases that a licence is known by, and no more of it.

use std::collections::BTreeMap;

use glasswork_audit::measured::Measurements;
use glasswork_audit::publication::{Material, Samples, assess, usual_use};
use glasswork_audit::{Criteria, Param, Status};
use glasswork_published::{Card, FrontMatter, LicenceFile};

use crate::draw::Draw;
use crate::faults::Fault;
use crate::world::{World, sound};

const APACHE: &str = concat!(
    include_str!("../../../../LICENSE"),
    "\nCopyright 2024 The Authors\n"
);
const LLAMA: &str = "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\n";

/// A data card, and a licence file that agrees with the model's card.
pub(crate) fn license(world: &mut World) {
    world.inventory.cards.push(data_card(&["cc-by-4.0"]));
    world.inventory.licences.push(file(APACHE));
}

fn data_card(licences: &[&str]) -> Card {
    Card {
        path: "data/README.md".into(),
        front_matter: FrontMatter {
            license: licences.iter().map(|one| (*one).to_owned()).collect(),
            ..FrontMatter::default()
        },
        text: "# owner/data\n\nInvented rows.\n".into(),
        links: Vec::new(),
    }
}

fn file(text: &str) -> LicenceFile {
    LicenceFile {
        path: "LICENSE".into(),
        sha256: None,
        text: text.into(),
    }
}

pub(crate) fn planted(draw: &mut Draw) -> Fault {
    let mut world = sound(draw, None, None);
    let variant = draw.below(8);
    let licensed = |world: &mut World, licences: &[&str]| {
        world.card().front_matter.license = licences.iter().map(|one| (*one).to_owned()).collect();
    };
    let data = |world: &mut World, licences: &[&str]| {
        let at = world.inventory.cards.len() - 1;
        world.inventory.cards[at] = data_card(licences);
    };
    match variant {
        // The file is another licence's.
        0 => {
            world.inventory.licences = vec![file(LLAMA)];
            Fault::any(world, &["card_against_file"])
        }
        // The data allows no commercial use, the model does.
        1 => {
            data(&mut world, &["cc-by-nc-4.0"]);
            Fault::any(world, &["licences_conflict"])
        }
        // One card, two licences that cannot both hold.
        2 => {
            licensed(&mut world, &["apache-2.0", "cc-by-nc-4.0"]);
            Fault::any(world, &["two_licences"])
        }
        // No licence anywhere.
        3 => {
            licensed(&mut world, &[]);
            world.inventory.licences.clear();
            Fault::any(world, &["licence_missing"])
        }
        // A licence that nobody knows.
        4 => {
            licensed(&mut world, &["other"]);
            world.inventory.licences.clear();
            Fault::any(world, &["licence_unknown"])
        }
        // Data of which nobody says anything.
        5 => {
            world.inventory.cards.pop();
            Fault::any(world, &["licence_missing"])
        }
        // The card's text closes what its licence leaves open.
        6 => {
            let sentence = [
                "This model is for research purposes only.",
                "**Commercial use is strictly prohibited.**",
                "本モデルの商用利用は禁止します。",
                "The weights may only be used for non-commercial purposes.",
            ][draw.below(4)];
            let text = format!("{}\n\n## Use\n\n{sentence}\n", world.card().text);
            world.card().text = text;
            Fault::any(world, &["licences_conflict"])
        }
        // The reader wants to earn money with it.
        _ => {
            licensed(&mut world, &["cc-by-nc-4.0"]);
            world.inventory.licences.clear();
            Fault::any(world, &["use_not_allowed"])
        }
    }
}

/// Expressions, files for each part of an expression, share-alike data, collections.
pub(crate) fn hard(draw: &mut Draw, world: &mut World) {
    let (licence, data): (&str, &str) = [
        ("apache-2.0", "odc-by"),
        ("MIT OR Apache-2.0", "cc0-1.0"),
        ("apache-2.0", "cc-by-sa-4.0"),
        ("Apache-2.0", "mit"),
    ][draw.below(4)];
    world.card().front_matter.license = vec![licence.into()];
    let at = world.inventory.cards.len() - 1;
    world.inventory.cards[at] = data_card(&[data]);
    // Words of prohibition that speak of something else.
    let sentence = [
        "It may be used for research and commercial purposes.",
        "A data set for non-commercial use only was not used.",
        "We do not recommend it for commercial use without further tests.",
        "研究目的に限らず、商用でも利用できます。",
    ][draw.below(4)];
    let text = format!("{}\n\n## Limitations\n\n{sentence}\n", world.card().text);
    world.card().text = text;
}

#[test]
fn a_sentence_of_the_card_leaves_the_licence_open() {
    let claim = |sentence: &str| {
        let mut world = sound(&mut Draw::new(7), None, None);
        let text = format!("{}\n\n{sentence}\n", world.card().text);
        world.card().text = text;
        let material = Material {
            inventory: &world.inventory,
            samples: &Samples::default(),
            reachable: &BTreeMap::new(),
            measured: &Measurements::default(),
            intended: usual_use(),
            traffic: (0, 0),
        };
        let assessment = assess(material, &Criteria::shipped_for_publications());
        let mut claims = assessment.claims.into_iter();
        claims
            .find(|claim| claim.id == "pub_model_licence")
            .expect("a claim")
    };
    assert_eq!(claim("It writes text.").status, Status::Holds);
    let open = claim("For research purposes only.");
    assert_eq!(open.status, Status::Missing);
    let Some(Param::List(sentences)) = open.params.get("prose_restricts") else {
        panic!("{:?}", open.params);
    };
    assert!(sentences[0].ends_with("For research purposes only."));
}
