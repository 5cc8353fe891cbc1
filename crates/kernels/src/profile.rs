//! Which definition of the arithmetic a run asks for; see `docs/numerics.md`.

use crate::Isa;
use std::fmt;
use std::str::FromStr;

/// A complete definition of what every operation computes, in which order, with which roundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Binary32 throughout; an element of a product is one chain of fma.
    F32V1,
    /// Products of operands rounded to bfloat16, summed as Intel's AMX sums; the rest as `f32-v1`.
    Bf16V1,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 2] = [Self::F32V1, Self::Bf16V1];

    /// The name as a run's `profile` key writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32V1 => "f32-v1",
            Self::Bf16V1 => "bf16-v1",
        }
    }

    /// Whether operands of products are rounded to bf16 as they enter.
    pub fn rounds_operands(self) -> bool {
        self == Self::Bf16V1
    }

    /// Terms that a sum of a product takes at a time; inner lengths are padded to a multiple with +0.
    pub fn depth_unit(self) -> usize {
        match self {
            Self::F32V1 => 1,
            Self::Bf16V1 => 32,
        }
    }
}

/// What is computed, and by what: together they decide how operands of products lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numerics {
    /// The definition.
    pub profile: Profile,
    /// The instructions.
    pub isa: Isa,
}

impl Numerics {
    /// Whether operands of products are words of two bf16 numbers instead of f32 numbers.
    pub(crate) fn in_pairs(self) -> bool {
        self.profile == Profile::Bf16V1 && self.isa == Isa::Amx
    }

    /// Whether operands of products are rounded f32 numbers.
    pub(crate) fn rounds(self) -> bool {
        self.profile == Profile::Bf16V1 && self.isa != Isa::Amx
    }

    /// Words of four bytes that `terms` terms of a sum take, whole units of the profile.
    pub(crate) fn words(self, terms: usize) -> usize {
        if self.in_pairs() { terms / 2 } else { terms }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no numerics profile of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProfile(pub String);

impl fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no numerics profile of this program", self.0)
    }
}

impl std::error::Error for UnknownProfile {}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| UnknownProfile(name.to_owned()))
    }
}
