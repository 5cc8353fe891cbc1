//! Commands about models that others published: `audit`, `compare`, `poc`.

pub(super) mod audit;
pub(super) mod compare;
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
use glasswork_hub::{Hub, Traffic};
use glasswork_page::Language;
use glasswork_published::{Door, Place, Publication};
use glasswork_release::files;
use indicatif::ProgressBar;
use std::collections::BTreeMap;
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
struct Fetching(ProgressBar);

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

/// A door that counts what passes through it.
pub(in crate::commands) struct Entrance {
    door: Door,
    hub: Option<Arc<Hub>>,
}

impl Entrance {
    /// The Hub is set up only where one of `names` lies there.
    pub(in crate::commands) fn new(
        args: &DoorArgs,
        offline: bool,
        names: &[&str],
    ) -> Result<Self, Failure> {
        let mut door = Door::default();
        let on_hub = names.iter().any(|name| name.starts_with("hf:"));
        let hub = on_hub
            .then(|| door::hub(args, offline))
            .transpose()?
            .map(Arc::new);
        door.hub.clone_from(&hub);
        door.watch = Some(Arc::new(Fetching(bar(0, BYTES))));
        Ok(Self { door, hub })
    }

    pub(in crate::commands) fn open(&self, name: &str) -> Result<Publication, Failure> {
        Ok(Publication::open(&Place::parse(name)?, &self.door)?)
    }

    /// Requests and bytes so far.
    fn traffic(&self) -> (u64, u64) {
        let traffic = self
            .hub
            .as_ref()
            .map_or(Traffic::default(), |hub| hub.traffic());
        (traffic.requests, traffic.bytes)
    }
}

/// Looks at a publication: headers and small files are read, weights sampled unless `headers_only`.
fn look(
    publication: &Publication,
    headers_only: bool,
    measured: &Measurements,
    criteria: &Criteria,
    entrance: &Entrance,
) -> Assessment {
    let samples = if headers_only {
        Samples::default()
    } else {
        Samples::draw(publication.inventory(), publication, Sampling::default())
    };
    let material = Material {
        inventory: publication.inventory(),
        samples: &samples,
        reachable: &BTreeMap::new(),
        measured,
        intended: usual_use(),
        traffic: entrance.traffic(),
    };
    assess(material, criteria)
}
