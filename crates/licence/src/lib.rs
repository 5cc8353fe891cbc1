//! Licences as a lawyer needs them.
//!
//! **Owns** the catalogue of licences with their obligations and clauses, the reading of statements (SPDX expressions, Hub
//! cards and their prose, names of base models, licence files), the obligations sheet, conflicts, the NOTICE text, and the
//! questions that Japan and the EU ask.
//!
//! **Promises** that every line says where it came from (clause, and the place that states the licence) and whether the
//! clause was looked up; that what is unknown stays [`Class::Unknown`]; that hostile text is bounded and shown escaped;
//! that the same input gives the same output. It gives no legal advice.
//!
//! **Costs** nothing: no connection, no files. The embedded catalogue is read once a process.

mod bases;
mod catalogue;
mod conflicts;
mod error;
mod expression;
mod lines;
mod notice;
mod papers;
mod prose;
mod questions;
mod reading;
mod recognise;
mod sheet;
mod texts;
mod words;

pub use bases::read_base;
pub use catalogue::{
    Catalogue, Class, Duty, Family, Kind, Licence, Obligation, Trigger, catalogue,
};
pub use conflicts::{Conflict, Party, State, Statements, conflicts};
pub use error::{Error, Result};
pub use lines::names_authors;
pub use notice::{Attribution, notice};
pub use papers::{Language, Subject, obligations, questions};
pub use prose::{data_restrictions, restrictions};
pub use questions::{Answer, Answered, Question, Questions, answer, questions_eu, questions_japan};
pub use reading::{Confidence, Origin, Reading, read, read_at, read_card};
pub use recognise::recognise;
pub use sheet::{IntendedUse, Row, Sheet, sheet};
pub use words::{Words, words};
