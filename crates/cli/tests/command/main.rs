//! The `glasswork` command from the outside, as a person or a script meets it: made-up text in, a
//! verified release out, and everything that may go wrong on the way.
//!
//! One test program, so that the release it works on is made once and linking is paid once.

mod corpus;
mod datasets;
mod emulated;
mod errors;
mod forger;
mod from_the_page;
mod golden;
mod help;
mod hub;
mod invariance;
mod kill;
mod memory;
mod publication;
mod room;
mod score;
mod tamper;
