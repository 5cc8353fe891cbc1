//! From sources on the machine to token sequences in training order, with licences and history.
//!
//! [`prep()`] reads the sources of a run (archives of published crates, pages of documentation),
//! judges every document by named rules, by its licence and by its text, trains a tokenizer, and
//! writes the `data/` directory of a release. The other way round, [`SequenceStore`] hands training
//! its batches, [`trace_step`] leads a step back to its documents, and [`held_out`] gives
//! evaluation the text that training never saw.
//!
//! # Promises
//!
//! - The same run file, locks and pins give the same bytes, whatever the number of threads.
//! - No document is trained on whose licence the run does not allow, whose text is held out, or
//!   whose text another document already gave. Rejected documents stay on record with the reason.
//! - Which text stands at which place of training is a pure function ([`Order`]), restated in
//!   `docs/order.py`.
//!
//! # Cost
//!
//! `prep` holds the corpus's text and tokens in memory: about twice the size of the text.

mod bpe;
mod corpus;
mod documents;
mod error;
mod mixture;
mod order;
mod permutation;
mod prep;
mod progress;
mod published;
mod record;
mod sequence;
mod source;
mod stream;
mod tokenizer;
mod trace;

pub use documents::{Document, HeldOut, document, documents, held_out, texts};
pub use error::{Error, Result};
pub use mixture::{Mixture, MixtureSource};
pub use order::{MIXTURE_FORMAT, MixtureEntry, MixtureFile, Order, Window};
pub use permutation::Permutation;
pub use prep::{Places, PrepReport, prep};
pub use progress::{Progress, Silent};
pub use published::PublishedTokenizer;
pub use sequence::{Batch, SequenceStore};
pub use tokenizer::{END_OF_TEXT, END_OF_TEXT_ID, SMALLEST_VOCABULARY, Tokenizer};
pub use trace::{Segment, trace_document, trace_step};
