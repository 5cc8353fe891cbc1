//! What could be measured on a publication, with what it would take.

use crate::facts::Facts;
use crate::logged_loss::WINDOW;
use crate::plan::{Item, What, order_of_checkpoints};
use crate::stretches::Order;
use crate::{Budget, Rates};
use glasswork_model::Decoder;
use glasswork_published::{Checkpoint, Inventory};

/// Rows a side of a probe, and whether both sides are scored: enough for a mean, and what a short budget allows.
const ROWS: [(usize, bool); 4] = [(64, true), (32, true), (16, true), (16, false)];
/// Share of a budget that one probe may take.
const SHARE: f64 = 0.25;
/// Checkpoints that are probed at most.
const PROBES: usize = 24;

/// A probe of each checkpoint that can be probed, the most telling first. `remote` where weights have to be fetched.
pub(crate) fn probes(
    inventory: &Inventory,
    facts: &Facts,
    decoder: &Decoder,
    rates: &Rates,
    budget: Budget,
    remote: bool,
) -> Vec<Item> {
    let Some(data) = &facts.order else {
        return Vec::new();
    };
    let logged = |steps: std::ops::RangeInclusive<u64>| facts.log.within(steps).next().is_some();
    let comparable = |index: usize| {
        facts.steps[index].is_some_and(|step| {
            let next = data.file_of(step + 1).is_some() && logged(step + 1..=step + WINDOW);
            // After the last checkpoint nothing was read; the batches that it was trained on last are known by their rows.
            let rows_say = matches!(data, Order::ByRow(_));
            next || rows_say && step > 0 && data.file_of(step).is_some() && logged(step..=step)
        })
    };
    let probed: Vec<usize> = (0..inventory.checkpoints.len())
        .filter(|&index| comparable(index) && !inventory.checkpoints[index].weights.is_empty())
        .collect();
    let order = order_of_checkpoints(probed.len());
    let items = order.into_iter().take(PROBES).map(|at| {
        let index = probed[at];
        probe(
            index,
            &inventory.checkpoints[index],
            decoder,
            rates,
            budget,
            remote,
        )
    });
    items.collect()
}

/// The reader's own documents under the last checkpoint: `bytes` of them.
pub(crate) fn own_documents(
    inventory: &Inventory,
    decoder: &Decoder,
    rates: &Rates,
    bytes: u64,
    remote: bool,
) -> Option<Item> {
    let index = last_with_weights(inventory)?;
    // A guess for an estimate; the demo's small vocabulary has 2.7 bytes of English a token.
    let tokens = bytes.div_ceil(3);
    let length = decoder.positions.min(2048);
    let fetch_bytes = fetched(&inventory.checkpoints[index], remote);
    Some(Item {
        what: What::OwnDocuments { checkpoint: index },
        fetch_bytes,
        fetch_seconds: rates.fetching(fetch_bytes),
        tokens,
        flops: tokens as f64 * decoder.forward_flops_per_token(length) as f64,
        seconds: rates.fetching(fetch_bytes)
            + rates.scoring(decoder, parameters(decoder), tokens, length),
        claims: vec!["pub_own_documents"],
    })
}

/// The last checkpoint that has weights: the one that people would use.
pub(crate) fn last_with_weights(inventory: &Inventory) -> Option<usize> {
    let has_weights = |one: &Checkpoint| !one.weights.is_empty();
    inventory.checkpoints.iter().rposition(has_weights)
}

pub(crate) fn parameters(decoder: &Decoder) -> u64 {
    let elements = |shape: &Vec<usize>| shape.iter().map(|&d| d as u64).product::<u64>();
    decoder.tensor_shapes().values().map(elements).sum()
}

/// Bytes of a checkpoint's weights that are not on this disk.
pub(crate) fn fetched(checkpoint: &Checkpoint, remote: bool) -> u64 {
    let bytes = checkpoint.weights.iter().map(|file| file.bytes).sum();
    if remote { bytes } else { 0 }
}

fn probe(
    index: usize,
    checkpoint: &Checkpoint,
    decoder: &Decoder,
    rates: &Rates,
    budget: Budget,
    remote: bool,
) -> Item {
    let parameters = parameters(decoder);
    let fetch_bytes = fetched(checkpoint, remote);
    let length = decoder.positions.min(2048);
    let fetching = rates.fetching(fetch_bytes);
    let cost = |(rows, seen): (usize, bool)| {
        let tokens = ((1 + usize::from(seen)) * rows * length) as u64;
        (tokens, rates.scoring(decoder, parameters, tokens, length))
    };
    let affordable = |size: &&(usize, bool)| cost(**size).1 <= SHARE * budget.seconds();
    let size = *ROWS
        .iter()
        .find(affordable)
        .unwrap_or(&ROWS[ROWS.len() - 1]);
    let (tokens, seconds) = cost(size);
    let (rows, seen) = size;
    Item {
        what: What::Probe {
            checkpoint: index,
            rows,
            seen,
        },
        fetch_bytes,
        fetch_seconds: rates.fetching(fetch_bytes),
        tokens,
        flops: tokens as f64 * decoder.forward_flops_per_token(length) as f64,
        seconds: fetching + seconds,
        claims: vec!["pub_loss_confirmed"],
    }
}
