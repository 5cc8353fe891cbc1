//! The tiles of `f32-v1`: one chain of fma an element. Each is one `asm!` block (`gemm::x86`).

use std::arch::asm;

/// A row of C into its accumulators.
macro_rules! load_c {
    ($register:literal $r:literal [$($v:literal $offset:literal $acc:literal $right:literal),*]) => {
        if_row!($r
            $(if_vector!($v "vmovups ", $register, $acc, ", [{t} + ", $offset, "]"),)*
            "add {t}, {c_row}\n")
    };
}

/// A row of accumulators into C.
macro_rules! store_c {
    ($register:literal $r:literal [$($v:literal $offset:literal $acc:literal $right:literal),*]) => {
        if_row!($r
            $(if_vector!($v "vmovups [{c} + ", $offset, "], ", $register, $acc),)*
            "add {c}, {c_row}\n")
    };
}

/// Defines a function that is a [`super::Tile`] for every number of rows and vectors up to those
/// listed.
macro_rules! tile {
    ($name:ident, $features:literal, $register:literal, $lanes:literal, left $left:literal,
     right $rights:tt,
     clobbers [$($clobber:tt)*] $($r:literal $address:literal $accs:tt)*) => {
        /// A tile of `ROWS` rows and `VECTORS` vectors of columns.
        ///
        /// # Safety
        /// As [`super::Tile`]; the machine has the features.
        #[target_feature(enable = $features)]
        #[allow(clippy::too_many_arguments, reason = "a `Tile`")]
        pub(super) unsafe fn $name<const ROWS: usize, const VECTORS: usize>(
            kc: usize,
            a: *const f32,
            a_row: usize,
            a_k: usize,
            b: *const f32,
            b_row: usize,
            c: *mut f32,
            c_row: usize,
            first: bool,
        ) {
            const BYTES: usize = size_of::<f32>();
            // SAFETY: the text reads A, B and C where the contract says that they are, and writes C.
            unsafe {
                asm!(
                    "test {t:e}, {t:e}",
                    "jz 2f",
                    zero!($register $($r $address $accs)*),
                    "jmp 3f",
                    "2:",
                    "mov {t}, {c}",
                    $(load_c!($register $r $accs),)*
                    "3:",
                    "test {twos}, {twos}",
                    "jz 5f",
                    "4:",
                    term!($register "{b}" $left $rights $($r $address $accs)*),
                    term!($register "{b} + {b_step}" $left $rights $($r $address $accs)*),
                    "lea {b}, [{b} + 2*{b_step}]",
                    "dec {twos}",
                    "jnz 4b",
                    "5:",
                    "test {odd:e}, {odd:e}",
                    "jz 6f",
                    term!($register "{b}" $left $rights $($r $address $accs)*),
                    "6:",
                    $(store_c!($register $r $accs),)*
                    "vzeroupper",
                    t = inout(reg) usize::from(first) => _,
                    twos = inout(reg) kc / 2 => _,
                    odd = in(reg) kc % 2,
                    a = inout(reg) a => _,
                    a4 = inout(reg) a.wrapping_add(4 * a_row) => _,
                    row = in(reg) a_row * BYTES,
                    row3 = in(reg) 3 * a_row * BYTES,
                    a_step = in(reg) a_k * BYTES,
                    b = inout(reg) b => _,
                    b_step = in(reg) b_row * BYTES,
                    c = inout(reg) c => _,
                    c_row = in(reg) c_row * BYTES,
                    rows = const ROWS,
                    vectors = const VECTORS,
                    $(out($clobber) _,)*
                    options(nostack),
                );
            }
        }
    };
}

avx2!(tile);
avx512!(tile);
