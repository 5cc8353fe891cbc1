//! Every floating-point operation of training, defined once and computed the same everywhere.
//!
//! **Owns** the numerics profile `f32-v1` and the products of `bf16-v1`: matrix products, attention, norms, activations, loss,
//! gradient norm and AdamW, as `docs/numerics.md` writes them down; and what they run on: threads ([`Pool`]) and a
//! program's large blocks of memory ([`CacheLines`]).
//!
//! **Promises** that a result depends on the inputs and the profile alone: not on the number of
//! threads, the instruction set, cache blocking or how many sequences are computed together. Each
//! output element is one chain of fused multiply-adds in a written order, or one sixteen-lane sum;
//! threads only ever divide *outputs* among themselves, never a sum.
//!
//! **Costs** nothing that a profile can see against a reordered sum: vector lanes run over output
//! columns, so a chain per element still fills the machine's fma units.
//!
//! The element-wise operations are written once as plain Rust and compiled once per instruction
//! set ([`Isa`]); IEEE arithmetic without contraction makes the copies equal by construction, and
//! the test suite checks it. The matrix product has a hand-written tile per instruction set and a
//! plain reference ([`gemm::reference`]) beside it.

#[macro_use]
mod dispatch;
pub mod adamw;
mod aligned;
pub mod attention;
pub mod bf16;
mod cache_lines;
pub mod cross_entropy;
pub mod elementwise;
pub mod embedding;
pub mod gelu;
pub mod gemm;
mod isa;
pub mod lanes;
pub mod layer_norm;
pub mod math;
pub mod operand;
mod pool;
mod prefetch;
mod profile;
pub mod rms_norm;
pub mod rope;
mod shared;
pub mod stored;
pub mod swiglu;

pub use cache_lines::CacheLines;
pub use isa::{Isa, UnknownIsa};
pub use pool::Pool;
pub use profile::{Numerics, Profile, UnknownProfile};

/// The one bit pattern in which a NaN is written or hashed.
pub const CANONICAL_NAN: u32 = 0x7fc0_0000;
