//! The tiles by f32 fma. Each is one `asm!` block, change and restoring of MXCSR included: a change
//! that outlived the block would be undefined behaviour.

use super::BLOCK;
use std::arch::asm;
use std::mem::{MaybeUninit, offset_of};

/// Nearest even, all exceptions masked, flush to zero, subnormals are zeros.
const MXCSR: u32 = 0x9fc0;

/// What the loop reads from memory, so that its pointers fit the registers.
#[repr(C, align(64))]
struct Frame {
    /// The even chains of a block, row by row. The text knows that they come first.
    even: MaybeUninit<[[f32; 48]; 8]>,
    /// Blocks of K that are left.
    blocks: usize,
    /// One step of k, and from the end of the even chains back to the first odd k, in bytes.
    a_one: usize,
    a_odd: usize,
    b_one: usize,
    b_odd: usize,
    c: *mut f32,
    c_row: usize,
    mxcsr: u32,
    callers_mxcsr: MaybeUninit<u32>,
}

/// The chains of one parity: all accumulators from +0 over 16 terms.
macro_rules! chains {
    ($register:literal $label:literal $left:literal $rights:tt $($r:literal $address:literal $accs:tt)*) => {
        concat!(
            zero!($register $($r $address $accs)*),
            "mov {t:e}, 8\n",
            $label, ":\n",
            term!($register "{b}" $left $rights $($r $address $accs)*),
            term!($register "{b} + {b_step}" $left $rights $($r $address $accs)*),
            "lea {b}, [{b} + 2*{b_step}]\n",
            "dec {t:e}\n",
            "jnz ", $label, "b\n",
        )
    };
}

/// A row of accumulators to where even chains wait.
macro_rules! keep_even {
    ($register:literal $r:literal [$($v:literal $offset:literal $acc:literal $right:literal),*]) => {
        if_row!($r $(if_vector!($v
            "vmovups [{p} + 192*", $r, " + ", $offset, "], ", $register, $acc)),*)
    };
}

/// A row of accumulators, which are odd chains: `c = c + (even + odd)`.
macro_rules! add_to_c {
    ($register:literal $r:literal [$($v:literal $offset:literal $acc:literal $right:literal),*]) => {
        if_row!($r $(if_vector!($v
            "vaddps ", $register, $acc, ", ", $register, $acc, ", [{p} + 192*", $r, " + ", $offset, "]\n",
            "vaddps ", $register, $acc, ", ", $register, $acc, ", [{t} + ", $offset, "]\n",
            "vmovups [{t} + ", $offset, "], ", $register, $acc),)*
            "add {t}, qword ptr [{p} + {C_ROW}]\n")
    };
}

/// Defines a function that is a [`super::Tile`] for every number of rows and vectors up to those
/// listed (`gemm::x86`).
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
            debug_assert!(kc > 0 && kc % BLOCK == 0);
            if first {
                for r in 0..ROWS {
                    // SAFETY: a row of C, by the contract.
                    unsafe { c.add(r * c_row).write_bytes(0, VECTORS * $lanes) };
                }
            }
            const BYTES: usize = size_of::<f32>();
            let (a_one, b_one) = (a_k * BYTES, b_row * BYTES);
            let mut frame = Frame {
                even: MaybeUninit::uninit(),
                blocks: kc / BLOCK,
                a_one,
                a_odd: (BLOCK - 1) * a_one,
                b_one,
                b_odd: (BLOCK - 1) * b_one,
                c,
                c_row: c_row * BYTES,
                mxcsr: MXCSR,
                callers_mxcsr: MaybeUninit::uninit(),
            };
            // SAFETY: the text reads A, B and C where the contract says that they are, writes C and
            // the frame, and leaves MXCSR as it was.
            unsafe {
                asm!(
                    "stmxcsr dword ptr [{p} + {CALLERS}]",
                    "ldmxcsr dword ptr [{p} + {MXCSR}]",
                    "2:",
                    chains!($register 3 $left $rights $($r $address $accs)*),
                    $(keep_even!($register $r $accs),)*
                    "sub {a}, qword ptr [{p} + {A_ODD}]",
                    "sub {a4}, qword ptr [{p} + {A_ODD}]",
                    "sub {b}, qword ptr [{p} + {B_ODD}]",
                    chains!($register 4 $left $rights $($r $address $accs)*),
                    "sub {a}, qword ptr [{p} + {A_ONE}]",
                    "sub {a4}, qword ptr [{p} + {A_ONE}]",
                    "sub {b}, qword ptr [{p} + {B_ONE}]",
                    "mov {t}, qword ptr [{p} + {C}]",
                    $(add_to_c!($register $r $accs),)*
                    "dec qword ptr [{p} + {BLOCKS}]",
                    "jnz 2b",
                    "ldmxcsr dword ptr [{p} + {CALLERS}]",
                    "vzeroupper",
                    p = in(reg) &raw mut frame,
                    t = out(reg) _,
                    a = inout(reg) a => _,
                    a4 = inout(reg) a.wrapping_add(4 * a_row) => _,
                    row = in(reg) a_row * BYTES,
                    row3 = in(reg) 3 * a_row * BYTES,
                    a_step = in(reg) 2 * a_one,
                    b = inout(reg) b => _,
                    b_step = in(reg) 2 * b_one,
                    rows = const ROWS,
                    vectors = const VECTORS,
                    BLOCKS = const offset_of!(Frame, blocks),
                    A_ONE = const offset_of!(Frame, a_one),
                    A_ODD = const offset_of!(Frame, a_odd),
                    B_ONE = const offset_of!(Frame, b_one),
                    B_ODD = const offset_of!(Frame, b_odd),
                    C = const offset_of!(Frame, c),
                    C_ROW = const offset_of!(Frame, c_row),
                    MXCSR = const offset_of!(Frame, mxcsr),
                    CALLERS = const offset_of!(Frame, callers_mxcsr),
                    $(out($clobber) _,)*
                    options(nostack),
                );
            }
        }
    };
}

avx2!(tile);
avx512!(tile);
