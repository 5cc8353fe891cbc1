//! CPython's `random`: the Mersenne Twister with its seeding, `sample`, `choices` and `shuffle`.
//!
//! Which examples stand before a question, and every bootstrapped standard error, hang on these bits
//! (Matsumoto & Nishimura 1998; CPython's `Modules/_randommodule.c` and `Lib/random.py`).

const WORDS: usize = 624;
const SHIFT: usize = 397;

/// `random.Random(seed)`.
#[derive(Clone, Debug)]
pub struct Random {
    state: Vec<u32>,
    next: usize,
}

impl Random {
    /// Seeded with a number that is not negative, as CPython does it: by its 32-bit digits.
    pub fn new(seed: u64) -> Self {
        let mut key = vec![seed as u32];
        if seed >> 32 != 0 {
            key.push((seed >> 32) as u32);
        }
        let mut random = Self::plain(19_650_218);
        let state = &mut random.state;
        let (mut i, mut j) = (1, 0);
        for _ in 0..WORDS.max(key.len()) {
            let before = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = (state[i] ^ before.wrapping_mul(1_664_525))
                .wrapping_add(key[j])
                .wrapping_add(j as u32);
            i += 1;
            j = (j + 1) % key.len();
            if i == WORDS {
                state[0] = state[WORDS - 1];
                i = 1;
            }
        }
        for _ in 0..WORDS - 1 {
            let before = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = (state[i] ^ before.wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            i += 1;
            if i == WORDS {
                state[0] = state[WORDS - 1];
                i = 1;
            }
        }
        state[0] = 0x8000_0000;
        random
    }

    fn plain(seed: u32) -> Self {
        let mut state = vec![seed; WORDS];
        for i in 1..WORDS {
            let before = state[i - 1] ^ (state[i - 1] >> 30);
            state[i] = before.wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { state, next: WORDS }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            for i in 0..WORDS {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % WORDS] & 0x7fff_ffff);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + SHIFT) % WORDS] ^ (y >> 1) ^ odd;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// `random()`: 53 bits in [0, 1).
    pub fn unit(&mut self) -> f64 {
        let (a, b) = (self.word() >> 5, self.word() >> 6);
        (f64::from(a) * 67_108_864.0 + f64::from(b)) * (1.0 / 9_007_199_254_740_992.0)
    }

    /// `getrandbits(bits)` for 1 to 64 bits.
    pub fn bits(&mut self, bits: u32) -> u64 {
        if bits <= 32 {
            return u64::from(self.word() >> (32 - bits));
        }
        let low = u64::from(self.word());
        low | u64::from(self.word() >> (64 - bits)) << 32
    }

    /// `_randbelow(below)`, for `below` of at least one.
    pub fn below(&mut self, below: usize) -> usize {
        let below = below as u64;
        let bits = u64::BITS - below.leading_zeros();
        loop {
            let drawn = self.bits(bits);
            if drawn < below {
                return drawn as usize;
            }
        }
    }

    /// Places of `sample(population, count)` in a population of `among`; `None` where it has fewer.
    pub fn sample(&mut self, among: usize, count: usize) -> Option<Vec<usize>> {
        if count > among {
            return None;
        }
        // CPython copies the population where that is smaller than a set of the drawn: the choice decides
        // what is drawn.
        let mut set_size: u128 = 21;
        if count > 5 {
            let mut power: u128 = 1;
            while power < 3 * count as u128 {
                power *= 4;
            }
            set_size += power;
        }
        let mut drawn = Vec::with_capacity(count);
        if among as u128 <= set_size {
            let mut pool: Vec<usize> = (0..among).collect();
            for i in 0..count {
                let at = self.below(among - i);
                drawn.push(pool[at]);
                pool[at] = pool[among - i - 1];
            }
        } else {
            let mut seen = std::collections::BTreeSet::new();
            while drawn.len() < count {
                let at = self.below(among);
                if seen.insert(at) {
                    drawn.push(at);
                }
            }
        }
        Some(drawn)
    }

    /// Places of `choices(population, k=count)` in a population of `among`.
    pub fn choices(&mut self, among: usize, count: usize) -> impl Iterator<Item = usize> {
        (0..count).map(move |_| (self.unit() * among as f64) as usize)
    }

    /// `shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i + 1);
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Every number here was printed by CPython 3.11.
    #[test]
    fn the_stream_is_that_of_cpython() {
        let mut random = Random::new(1234);
        let units: Vec<f64> = (0..3).map(|_| random.unit()).collect();
        assert_eq!(units, UNITS);
        let mut random = Random::new(1234);
        assert_eq!(random.sample(100, 5), Some(SAMPLE_100_5.to_vec()));
        assert_eq!(random.sample(10, 4), Some(SAMPLE_10_4.to_vec()));
        assert_eq!(random.sample(5000, 25), Some(SAMPLE_5000_25.to_vec()));
        assert_eq!(random.bits(40), BITS_40);
        let mut items: Vec<u32> = (0..8).collect();
        random.shuffle(&mut items);
        assert_eq!(items, SHUFFLED);
        let chosen: Vec<usize> = random.choices(7, 6).collect();
        assert_eq!(chosen, CHOICES);
        assert_eq!(Random::new(1 << 40).unit(), UNIT_OF_2_40);
        assert_eq!(Random::new(0).unit(), UNIT_OF_0);
    }

    #[test]
    fn a_sample_is_no_larger_than_its_population() {
        assert_eq!(Random::new(1).sample(3, 4), None);
        let mut all = Random::new(1).sample(30, 30).expect("as many");
        all.sort_unstable();
        assert_eq!(all, (0..30).collect::<Vec<_>>());
    }

    const UNITS: [f64; 3] = [0.9664535356921388, 0.4407325991753527, 0.007491470058587191];
    const SAMPLE_100_5: [usize; 5] = [99, 56, 14, 0, 11];
    const SAMPLE_10_4: [usize; 4] = [9, 0, 1, 8];
    const SAMPLE_5000_25: [usize; 25] = [
        2905, 1939, 142, 252, 129, 2835, 3966, 3797, 1216, 747, 1499, 937, 119, 4121, 3987, 2046,
        528, 4432, 3816, 561, 4927, 728, 4219, 4743, 376,
    ];
    const BITS_40: u64 = 907395960354;
    const SHUFFLED: [u32; 8] = [4, 0, 7, 6, 3, 2, 5, 1];
    const CHOICES: [usize; 6] = [4, 1, 6, 4, 6, 0];
    const UNIT_OF_2_40: f64 = 0.1036394562812375;
    const UNIT_OF_0: f64 = 0.8444218515250481;
}
