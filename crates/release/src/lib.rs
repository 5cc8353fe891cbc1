//! The release format: configuration, digests, manifests, ledger, tables, atomic writes.

pub mod annex;
