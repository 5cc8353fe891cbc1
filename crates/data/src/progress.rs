//! How a long job tells where it stands; what becomes of it is the caller's business.

/// Receives the progress of [`crate::prep`]. Called from several threads at once.
pub trait Progress: Sync {
    /// A stage begins: its name, how many units it has (0 where unknown), and what a unit is.
    fn stage(&self, name: &str, total: u64, unit: &str);
    /// So many more units of the current stage are done.
    fn advance(&self, units: u64);
}

/// For callers that do not look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _name: &str, _total: u64, _unit: &str) {}
    fn advance(&self, _units: u64) {}
}
