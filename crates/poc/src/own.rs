//! The reader's own documents and questions. Nothing of them leaves the process but what is returned.

use crate::{Result, overlap};
use glasswork_audit::measured::OwnDocuments;
use glasswork_data::PublishedTokenizer;
use glasswork_eval::harness::{Mine, MineReport, OwnText, Published, Room, Unwatched, mine};
use glasswork_kernels::Pool;
use glasswork_model::Scorer;
use glasswork_published::Publication;
use glasswork_release::files;
use std::path::Path;
use std::sync::Arc;

/// Bytes of a mark of byte order, which a document's length leaves out.
const LONGEST_MARK: u64 = 3;
/// Deepest folders whose files count for an estimate.
const DEEPEST: usize = 16;

/// Bytes of the files of a folder; what cannot be listed counts as nothing, and is told when it is measured.
pub(crate) fn bytes(folder: &Path) -> u64 {
    fn below(folder: &Path, depth: usize) -> u64 {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return 0;
        };
        let sizes = entries.flatten().map(|entry| match entry.metadata() {
            Ok(found) if found.is_file() => found.len(),
            Ok(found) if found.is_dir() && depth < DEEPEST => below(&entry.path(), depth + 1),
            _ => 0,
        });
        sizes.fold(0, u64::saturating_add)
    }
    below(folder, 0)
}

/// The documents that were measured, once more; one that changed meanwhile and cannot be read is not looked for.
fn texts(folder: &Path, report: &MineReport) -> Vec<String> {
    let read = |text: &OwnText| {
        let bytes = files::read(&folder.join(&text.path), text.bytes as u64 + LONGEST_MARK).ok()?;
        String::from_utf8(bytes).ok()
    };
    report.texts.iter().filter_map(read).collect()
}

/// Measures the checkpoint `name` in the model folder `model` on `documents`, and looks for these in the training data
/// `data`.
pub(crate) fn measure(
    name: &str,
    scorer: Scorer,
    model: &Path,
    (documents, data): (&Path, &Publication),
    (pool, memory): (&Arc<Pool>, u64),
) -> Result<OwnDocuments> {
    let tokenizer = PublishedTokenizer::open(&model.join("tokenizer.json"))?;
    let room = Room {
        memory,
        pool: Arc::clone(pool),
    };
    // Answers are not kept, so that nothing is found again under these names.
    let mut published = Published::new(scorer, tokenizer, ["weights", "tokenizer"], room)?;
    let report = mine(
        &mut published,
        documents,
        &Mine::default(),
        None,
        &Unwatched,
    )?;
    let tokenizer = PublishedTokenizer::open(&model.join("tokenizer.json"))?;
    let overlap = overlap::measure(
        &texts(documents, &report),
        &data.inventory().data,
        data.top(),
        &tokenizer,
    );
    let count = |test: &dyn Fn(&glasswork_eval::harness::OwnAnswer) -> bool| {
        report.answers.iter().filter(|answer| test(answer)).count() as u64
    };
    Ok(OwnDocuments {
        checkpoint: name.into(),
        documents: report.texts.len() as u64,
        bytes: report.texts.iter().map(|text| text.bytes as u64).sum(),
        bits_per_byte: report.bits_per_byte(),
        tokens_per_character: report.tokens_per_character(),
        questions: report.answers.len() as u64,
        exact: count(&|answer| answer.exact),
        contained: count(&|answer| answer.contains),
        overlap: overlap.map(|found| found.share),
        overlap_sampled: overlap.map(|found| found.sampled),
    })
}
