//! What of a publication the measurements need: the logged loss, rows of training data, steps of checkpoints.

use crate::curve::LossCurve;
use crate::rows::Chunk;
use crate::stretches::Order;
use crate::{Error, Result};
use glasswork_published::{DataKind, Inventory, MetricKind, Publication, Store};

/// Files of rows that are looked at.
const MOST_FILES: usize = 4096;
/// Keys under which rows hold token ids.
const TOKENS: [&str; 2] = ["token_ids", "input_ids"];

/// A file of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPart {
    /// Where it lies.
    pub path: String,
    /// Its length.
    pub bytes: u64,
}

/// What the measurements need.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Training loss by step; empty where none is published.
    pub log: LossCurve,
    /// Files of token ids, in the order of training.
    pub data: Vec<DataPart>,
    /// Which of them was read when; `None` where nothing tells.
    pub order: Option<Order>,
    /// Why not, where files of rows are there and no order is known.
    pub no_order: Option<&'static str>,
    /// Updates before each checkpoint, where name, trainer or the count of chunks says so.
    pub steps: Vec<Option<u64>>,
}

impl Facts {
    /// Gathers them. `data` is where the training data lies: the model's own place, or another.
    ///
    /// # Errors
    /// What reading first rows fails with.
    pub fn of(model: &Publication, data: &Publication) -> Result<Self> {
        let inventory = model.inventory();
        let log = loss_curve(inventory);
        let parts = parts(data.inventory());
        let (order, no_order) = match order(inventory, data, &parts, &log)? {
            Ok(order) => (Some(order), None),
            Err(why) => (None, Some(why)),
        };
        let of_chunk = |chunk: u64| match &order {
            Some(Order::ByChunk { steps, .. }) => (chunk + 1).checked_mul(*steps),
            _ => None,
        };
        let checkpoints = inventory.checkpoints.iter();
        let steps = checkpoints.map(|one| one.step.or_else(|| one.chunk.and_then(of_chunk)));
        Ok(Self {
            steps: steps.collect(),
            log,
            no_order: no_order.filter(|_| !parts.is_empty()),
            data: parts,
            order,
        })
    }
}

/// The training loss with the most points.
fn loss_curve(inventory: &Inventory) -> LossCurve {
    let held_out = |key: &str| {
        let key = key.to_ascii_lowercase();
        ["val", "eval", "test", "held"]
            .iter()
            .any(|word| key.contains(word))
    };
    let losses = inventory.metrics.iter().filter(|series| {
        series.kind == Some(MetricKind::Loss) && !held_out(&series.key) && !held_out(&series.path)
    });
    let most = losses.max_by_key(|series| series.points.len());
    most.map_or_else(LossCurve::default, |series| LossCurve::new(&series.points))
}

/// Files of rows of token ids.
fn parts(inventory: &Inventory) -> Vec<DataPart> {
    let rows = inventory.data.iter().filter(|file| {
        let keys = file.sampled.as_ref().map(|sample| &sample.keys);
        // A file whose first lines were not looked at stands among others of its name.
        let tokens = keys.is_none_or(|keys| keys.iter().any(|key| TOKENS.contains(&key.as_str())));
        file.kind == DataKind::Jsonl && tokens
    });
    let parts = rows.take(MOST_FILES).map(|file| DataPart {
        path: file.path.clone(),
        bytes: file.bytes,
    });
    parts.collect()
}

/// The order, or why there is none.
fn order(
    inventory: &Inventory,
    data: &Publication,
    parts: &[DataPart],
    log: &LossCurve,
) -> Result<std::result::Result<Order, &'static str>> {
    let says_step = data.inventory().data.iter().any(|file| {
        let sample = file.sampled.as_ref();
        sample.is_some_and(|sample| sample.keys.iter().any(|key| key == "step"))
    });
    if says_step {
        let readers: Vec<_> = parts.iter().map(|part| reader(data.top(), part)).collect();
        let chunks: Vec<Chunk<'_>> = parts
            .iter()
            .zip(&readers)
            .map(|(part, read)| Chunk {
                path: &part.path,
                bytes: part.bytes,
                read,
            })
            .collect();
        let order = Order::by_row(&chunks)?;
        return Ok(order.ok_or(
            "the files' first rows say steps that do not rise from file to file: one may be there twice",
        ));
    }
    // Chunk k of LLM360 lies before checkpoint k. That holds only where none of either is missing: with some of 360
    // chunks at hand, steps divided by files would be any number.
    let chunks: Vec<u64> = inventory
        .checkpoints
        .iter()
        .filter_map(|one| one.chunk)
        .collect();
    let files: Vec<u64> = parts
        .iter()
        .filter_map(|part| train_number(&part.path))
        .collect();
    let whole = |numbers: &[u64]| numbers.iter().copied().eq(0..numbers.len() as u64);
    if chunks.is_empty() || files.len() != parts.len() {
        return Ok(Err(
            "rows do not say which update read them, nor do names of files and checkpoints",
        ));
    }
    if !whole(&chunks) || !whole(&files) || chunks.len() != files.len() {
        return Ok(Err(
            "some of the chunks or checkpoints are not here, so that steps cannot be counted by chunks",
        ));
    }
    let count = files.len() as u64;
    let last = log.last_step().unwrap_or(0);
    Ok(if last >= count && last.is_multiple_of(count) {
        Ok(Order::ByChunk {
            steps: last / count,
            files: parts.len(),
        })
    } else {
        Err("the logged steps are no multiple of the chunks")
    })
}

/// Amber's numbers: `train_012.jsonl`. K2's `chunk_12.jsonl` count otherwise: most were read at another time.
fn train_number(path: &str) -> Option<u64> {
    let name = path.rsplit('/').next()?;
    name.strip_prefix("train_")?
        .strip_suffix(".jsonl")?
        .parse()
        .ok()
}

/// Reads stretches of a file of rows.
pub(crate) fn reader<'a>(
    store: &'a dyn Store,
    part: &'a DataPart,
) -> impl Fn(std::ops::Range<u64>) -> Result<Vec<u8>> + 'a {
    move |range| store.read(&part.path, range).map_err(Error::from)
}
