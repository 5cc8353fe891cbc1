//! Commands about models that others published: `audit`, `compare`, `poc`.

pub(super) mod audit;
pub(super) mod compare;
mod measured;
pub(super) mod poc;
mod text;

pub(super) use text::decision;

use crate::args::{DoorArgs, Lang};
use crate::door;
use crate::failure::Failure;
use crate::progress::{BYTES, bar};
use glasswork_audit::Criteria;
use glasswork_audit::measured::Measurements;
use glasswork_audit::publication::{Assessment, Material, Samples, Sampling, assess, usual_use};
use glasswork_hub::Traffic;
use glasswork_page::Language;
use glasswork_published::{Door, Place, Publication, References, ask_references};
use glasswork_release::files;
use indicatif::ProgressBar;
use std::path::Path;
use std::sync::Arc;

/// Criteria are a page of text.
const MAX_CRITERIA: u64 = 1 << 20;

/// The reader's criteria, or the shipped ones that the page prints.
pub(super) fn criteria(
    path: Option<&Path>,
    shipped: fn() -> Criteria,
) -> Result<Criteria, Failure> {
    let Some(path) = path else {
        return Ok(shipped());
    };
    let text = files::read(path, MAX_CRITERIA).map_err(|error| {
        let hint = "check the path of the criteria file".to_owned();
        Failure::new(error, Some(hint))
    })?;
    Ok(Criteria::parse(&String::from_utf8_lossy(&text))?)
}

pub(super) fn language(lang: Lang) -> Language {
    match lang {
        Lang::Ja => Language::Ja,
        Lang::En => Language::En,
    }
}

/// A bar for each file that is fetched.
#[derive(Debug)]
pub(in crate::commands) struct Fetching(ProgressBar);

impl Fetching {
    pub(in crate::commands) fn new() -> Self {
        Self(bar(0, BYTES))
    }

    /// Takes it from the terminal; it is not drawn again.
    pub(in crate::commands) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl glasswork_hub::Watch for Fetching {
    fn begin(&self, path: &str, total: u64, there: u64) {
        self.0.set_prefix("fetch");
        self.0.set_message(path.to_owned());
        self.0.set_length(total);
        self.0.set_position(there);
        self.0.reset_eta();
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

/// The door to publications.
pub(in crate::commands) struct Entrance {
    door: Door,
}

impl Entrance {
    /// The Hub is set up only where one of `names` lies there.
    pub(in crate::commands) fn new(
        args: &DoorArgs,
        offline: bool,
        names: &[&str],
    ) -> Result<Self, Failure> {
        let mut door = Door::default();
        let on_hub = |name: &&str| matches!(Place::parse(name), Ok(Place::Hub { .. }));
        if names.iter().any(on_hub) {
            door.hub = Some(Arc::new(door::hub(args, offline)?));
        }
        door.watch = Some(Arc::new(Fetching::new()));
        Ok(Self { door })
    }

    pub(in crate::commands) fn open(&self, name: &str) -> Result<Publication, Failure> {
        Ok(Publication::open(&Place::parse(name)?, &self.door)?)
    }

    /// Requests and bytes so far.
    fn traffic(&self) -> (u64, u64) {
        let hub = self.door.hub.as_ref();
        let traffic = hub.map_or(Traffic::default(), |hub| hub.traffic());
        (traffic.requests, traffic.bytes)
    }
}

/// Values drawn from the weights, by ranged reads.
fn drawn(publication: &Publication) -> Samples {
    Samples::draw(publication.inventory(), publication, Sampling::default())
}

/// What is read of a publication besides its inventory.
struct Seen<'p> {
    publication: &'p Publication,
    samples: Samples,
    /// References of its cards.
    references: References,
}

impl<'p> Seen<'p> {
    /// Asks the Hub for what cards refer to, where the publication lies there; draws values from the weights unless only
    /// `headers` are to be read.
    fn new(publication: &'p Publication, entrance: &Entrance, headers: bool) -> Self {
        let inventory = publication.inventory();
        let hub = entrance.door.hub.as_ref();
        Self {
            publication,
            samples: match headers {
                true => Samples::default(),
                false => drawn(publication),
            },
            references: hub.map_or_else(References::default, |hub| ask_references(inventory, hub)),
        }
    }
}

/// What follows from what was read of a publication, and from measurements.
fn look(
    seen: &Seen,
    measured: &Measurements,
    criteria: &Criteria,
    entrance: &Entrance,
) -> Assessment {
    let material = Material {
        inventory: seen.publication.inventory(),
        samples: &seen.samples,
        reachable: &seen.references.reachable,
        measured,
        intended: usual_use(),
        traffic: entrance.traffic(),
    };
    assess(material, criteria)
}
