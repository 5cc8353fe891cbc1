//! A proof of concept on a published model: what a budget of time can teach, most telling first.
//!
//! **Owns** measurements that need the model itself: the loss of checkpoints on logged batches ([`logged_loss`]), data seen
//! against data not yet seen ([`seen_unseen`]), standard tasks against what is published of them ([`Tasks`]); what of them fits into a [`Budget`] ([`Plan`]), and doing it ([`Poc`]).
//!
//! **Promises** to stop in time and to lose nothing by it: every measurement is handed out as soon as it is there. What a
//! measurement cannot tell it says: agreement within a bound that would let everything pass is *not enough*, and
//! beside each agreement stand the steps that it does not tell apart.
//!
//! **Costs** what the plan says; estimates rest on one product timed on this machine.

mod benchmarks;
mod budget;
mod curve;
mod error;
mod estimate;
mod facts;
mod folder;
pub mod logged_loss;
mod offers;
mod overlap;
mod own;
mod plan;
pub mod probe;
mod quantile;
mod rates;
pub mod rows;
mod run;
pub mod seen_unseen;
pub mod stretches;

pub use benchmarks::Tasks;
pub use budget::{Budget, NoBudget};
pub use curve::LossCurve;
pub use error::{Error, Result};
pub use estimate::{Estimate, LayerTimes};
pub use facts::{DataPart, Facts};
pub use folder::on_disk;
pub use plan::{Item, NotAsked, Plan, Prices, What, order_of_checkpoints};
pub use rates::Rates;
pub use run::{Done, Poc, Progress};
