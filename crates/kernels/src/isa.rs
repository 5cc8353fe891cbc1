//! Which instruction set computes; never what is computed.

use crate::gemm::bf16::{Verdict, verdict};
use std::fmt;
use std::str::FromStr;

/// An instruction set that the kernels are compiled for. All give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust; any machine.
    Scalar,
    /// AVX2 with fma, 8 lanes. Only detection makes this value, so that having it proves the machine.
    #[non_exhaustive]
    Avx2,
    /// AVX-512 F, VL, BW and DQ, 16 lanes. As above.
    #[non_exhaustive]
    Avx512,
    /// AVX-512 with BF16, and AMX for the products of `bf16-v1`. As above, and the tiles passed their test.
    #[non_exhaustive]
    Amx,
}

/// A name that is no instruction set, or one that this machine lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownIsa {
    /// The name that was asked for.
    pub name: String,
    /// The names that this machine can run.
    pub available: Vec<&'static str>,
}

impl fmt::Display for UnknownIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "instruction set `{}` is not available here (this machine runs: {})",
            self.name,
            self.available.join(", ")
        )
    }
}

impl std::error::Error for UnknownIsa {}

impl Isa {
    /// The fastest instruction set that this machine has.
    pub fn best() -> Self {
        *Self::available().last().expect("scalar is always there")
    }

    /// Every instruction set that this machine has, slowest first.
    pub fn available() -> Vec<Self> {
        let mut found = vec![Self::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self::Avx2);
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                {
                    found.push(Self::Avx512);
                    if verdict() == Verdict::Works {
                        found.push(Self::Amx);
                    }
                }
            }
        }
        found
    }

    /// The name as `GLASSWORK_ISA` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
        }
    }
}

impl FromStr for Isa {
    type Err = UnknownIsa;

    fn from_str(name: &str) -> Result<Self, UnknownIsa> {
        let available = Self::available();
        available
            .iter()
            .copied()
            .find(|isa| isa.name() == name)
            .ok_or_else(|| UnknownIsa {
                name: name.to_owned(),
                available: available.iter().map(|isa| isa.name()).collect(),
            })
    }
}
