//! A Hub on this machine for the command line.

#[path = "../../../hub/tests/server/mod.rs"]
mod server;

pub(crate) use server::Server;
