//! Keyed permutations of `0..n` in constant memory, walked in both directions.
//!
//! A balanced Feistel network of eight rounds permutes the smallest power-of-four domain that
//! holds `0..n`; values that fall outside are fed through again until one lands inside (cycle
//! walking), which keeps it a bijection on `0..n`. The domain is less than `4n`, so a step takes
//! four passes at worst on average. Each round mixes with splitmix64's finaliser, which lets every
//! input bit reach every output bit. This is a shuffle, not a cipher: it hides nothing.
//!
//! `docs/order.py` states the same function in Python; `docs/order-vectors.json` holds vectors
//! that both must give.

/// Rounds of the Feistel network. Six suffice for a full mix; eight leave a margin for tiny `n`.
const ROUNDS: usize = 8;

/// The odd constant of splitmix64: 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014, variant 13 of Stafford's mixers).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A permutation of `0..n`, named by a 128-bit key and an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Permutation {
    n: u64,
    half_bits: u32,
    round_keys: [u64; ROUNDS],
}

impl Permutation {
    /// The permutation of `0..n` for this key and epoch.
    ///
    /// Round `r` of epoch `e` uses `mix(key[r mod 2] + GOLDEN · (8e + r + 1))`, so that epochs
    /// take disjoint stretches of two splitmix64 streams.
    ///
    /// # Panics
    /// If `n` is 0: an empty range has no elements to permute.
    pub fn new(n: u64, key: [u64; 2], epoch: u64) -> Self {
        assert!(n > 0, "a permutation needs at least one element");
        let bits = 64 - (n - 1).leading_zeros();
        let half_bits = bits.div_ceil(2).max(1);
        let mut round_keys = [0; ROUNDS];
        for (round, slot) in round_keys.iter_mut().enumerate() {
            let counter = epoch
                .wrapping_mul(ROUNDS as u64)
                .wrapping_add(round as u64 + 1);
            *slot = mix(key[round % 2].wrapping_add(GOLDEN.wrapping_mul(counter)));
        }
        Self {
            n,
            half_bits,
            round_keys,
        }
    }

    /// How many elements are permuted.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Where element `i` goes.
    ///
    /// # Panics
    /// If `i` is not below `n`.
    pub fn forward(&self, i: u64) -> u64 {
        assert!(i < self.n, "{i} is outside 0..{}", self.n);
        let mut x = i;
        loop {
            x = self.encrypt(x);
            if x < self.n {
                return x;
            }
        }
    }

    /// Which element goes to `j`: `inverse(forward(i)) == i`.
    ///
    /// # Panics
    /// If `j` is not below `n`.
    pub fn inverse(&self, j: u64) -> u64 {
        assert!(j < self.n, "{j} is outside 0..{}", self.n);
        let mut x = j;
        loop {
            x = self.decrypt(x);
            if x < self.n {
                return x;
            }
        }
    }

    /// Top `half_bits` bits of the mixed sum: the round function.
    fn round(&self, half: u64, key: u64) -> u64 {
        mix(half.wrapping_add(key)) >> (64 - self.half_bits)
    }

    fn encrypt(&self, x: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (x >> self.half_bits, x & mask);
        for key in self.round_keys {
            (left, right) = (right, left ^ self.round(right, key));
        }
        (left << self.half_bits) | right
    }

    fn decrypt(&self, x: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (x >> self.half_bits, x & mask);
        for key in self.round_keys.into_iter().rev() {
            (left, right) = (right ^ self.round(left, key), left);
        }
        (left << self.half_bits) | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn inverse_undoes_forward(n in 1u64.., seed: [u64; 2], epoch: u64, at: u64) {
            let permutation = Permutation::new(n, seed, epoch);
            let there = permutation.forward(at % n);
            prop_assert!(there < n);
            prop_assert_eq!(permutation.inverse(there), at % n);
        }

        #[test]
        fn every_element_is_hit_once(n in 1u64..3000, key: [u64; 2], epoch in 0u64..9) {
            let permutation = Permutation::new(n, key, epoch);
            let mut seen = vec![false; n as usize];
            for i in 0..n {
                let j = permutation.forward(i) as usize;
                prop_assert!(!seen[j]);
                seen[j] = true;
            }
        }
    }

    /// The low bits of a weak round function survive the shuffle (as in Levanter's first one):
    /// neighbours must land everywhere, whatever bits they share.
    #[test]
    fn neighbours_scatter_in_every_residue() {
        let n = 4096;
        let permutation = Permutation::new(n, [1, 2], 0);
        for modulus in [2u64, 4, 8, 64] {
            let mut counts = vec![0u32; (modulus * modulus) as usize];
            for i in 0..n {
                counts[((i % modulus) * modulus + permutation.forward(i) % modulus) as usize] += 1;
            }
            let expected = n as f64 / (modulus * modulus) as f64;
            let chi: f64 = counts
                .iter()
                .map(|&c| (f64::from(c) - expected).powi(2) / expected)
                .sum();
            let freedom = ((modulus - 1) * (modulus - 1)) as f64;
            assert!(
                chi < freedom + 5.0 * (2.0 * freedom).sqrt(),
                "mod {modulus}: chi² {chi}"
            );
        }
    }

    #[test]
    fn epochs_and_keys_differ() {
        let walk = |key, epoch| {
            let p = Permutation::new(1000, key, epoch);
            (0..1000).map(|i| p.forward(i)).collect::<Vec<_>>()
        };
        assert_ne!(walk([1, 2], 0), walk([1, 2], 1));
        assert_ne!(walk([1, 2], 0), walk([1, 3], 0));
        assert_ne!(walk([1, 2], 0), walk([2, 2], 0));
    }
}
