//! Products of `bf16-v1` by AMX: one `tdpbf16ps` is one block of K for 16 × 16 elements of C.
//!
//! Operands are words of two bf16 numbers, consecutive terms, the even one in the lower half
//! ([`super::pairs`] makes them). B has one row of words a pair of terms. A lies tile after tile: 16 rows of
//! 16 words, tiles of the same rows one after the other, because a tile whose rows are spread over the
//! second-level cache takes six times as long to load. A block of 32 × 32 elements of C stays in four tiles
//! while the words of a cache block of K pass through the other four.

use crate::bf16;
use crate::gemm::cover::{Left, Out, Panel};
#[cfg(target_arch = "x86_64")]
use std::arch::asm;
#[cfg(target_arch = "x86_64")]
use std::cell::Cell;

/// Rows and columns of a tile of C.
pub(crate) const SIDE: usize = 16;
/// Rows and columns of C that are computed at a time.
pub(crate) const BLOCK_SIDE: usize = 2 * SIDE;
/// Words of a block of K.
pub(crate) const WORDS: usize = super::BLOCK / 2;
/// Words of a tile of A.
pub(crate) const TILE: usize = SIDE * WORDS;

/// The operand of `ldtilecfg`: eight tiles of 16 rows of 64 bytes.
#[cfg(target_arch = "x86_64")]
#[repr(C, align(64))]
struct TileConfig {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

#[cfg(target_arch = "x86_64")]
static TILES: TileConfig = TileConfig {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

#[cfg(target_arch = "x86_64")]
thread_local! {
    static CONFIGURED: Cell<bool> = const { Cell::new(false) };
}

/// Bytes of the next panel that are asked for with each block of K.
const AHEAD_BYTES: usize = 256;

/// Gives this thread its tiles; they stay its own until it ends.
///
/// # Safety
/// The process may use AMX.
#[cfg(target_arch = "x86_64")]
unsafe fn configure() {
    CONFIGURED.with(|configured| {
        if !configured.get() {
            // SAFETY: by the caller's promise; no other code of this program uses tiles.
            unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const TILES, options(nostack, readonly)) };
            configured.set(true);
        }
    });
}

/// Whether the processor has AMX for bf16, and the vectors that make its operands, and the system lets this
/// process use it.
pub(crate) fn allowed() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        const BF16: u32 = 1 << 22;
        const TILE: u32 = 1 << 24;
        let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16")
            && features & BF16 != 0
            && features & TILE != 0
            && asked_for_tiles()
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

/// Linux gives a process tile data only when it asks (`ARCH_REQ_XCOMP_PERM`, XTILEDATA).
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn asked_for_tiles() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    let answer: i64;
    // SAFETY: a system call that changes no memory of ours.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => answer,
            in("rdi") REQUEST,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer == 0
}

/// Advances `m × n` elements of C by `words` words of terms; `first` starts their sums at +0.
///
/// # Safety
/// The process may use AMX. `words` is a positive multiple of 16. A is whole tiles, those of 16 rows
/// 16 × `a.row` words from those of the next. B is readable and C writable to the next multiple of 16 rows
/// and columns; nobody else touches these elements of C.
pub(crate) unsafe fn cover(
    (m, n, words): (usize, usize, usize),
    a: Left,
    b: Panel,
    c: Out,
    first: bool,
) {
    debug_assert!(words > 0 && words.is_multiple_of(WORDS));
    let steps = words / WORDS;
    // SAFETY (whole body): by the contract.
    unsafe {
        configure();
        for column in (0..n).step_by(BLOCK_SIDE) {
            let mut b = b.at(column);
            // The text always asks; what is there already costs little.
            let next = b.next.unwrap_or(b.pointer);
            for (index, row) in (0..m).step_by(BLOCK_SIDE).enumerate() {
                let (a, c) = (a.at(row), c.at(row, column));
                // An eighth of the next panel, as long as this one, with each row of blocks.
                let share = index % 8 * steps * (AHEAD_BYTES / size_of::<f32>());
                b.next = Some(next.wrapping_add(share));
                match (m - row > SIDE, n - column > SIDE) {
                    (true, true) => tiles::<32, 32>(steps, a, b, c, first),
                    (true, false) => tiles::<32, 16>(steps, a, b, c, first),
                    (false, true) => tiles::<16, 32>(steps, a, b, c, first),
                    (false, false) => tiles::<16, 16>(steps, a, b, c, first),
                }
            }
        }
    }
}

/// Text for a second row of tiles, or a second column.
#[cfg(target_arch = "x86_64")]
macro_rules! lower {
    ($($text:literal),* $(,)?) => { concat!(".if {rows} > 16\n", $($text, "\n",)* ".endif") };
}
#[cfg(target_arch = "x86_64")]
macro_rules! right {
    ($($text:literal),* $(,)?) => { concat!(".if {columns} > 16\n", $($text, "\n",)* ".endif") };
}
#[cfg(target_arch = "x86_64")]
macro_rules! both {
    ($($text:literal),* $(,)?) => {
        concat!(".if {rows} + {columns} > 48\n", $($text, "\n",)* ".endif")
    };
}

#[cfg(not(target_arch = "x86_64"))]
unsafe fn configure() {
    unreachable!("no AMX here");
}

#[cfg(not(target_arch = "x86_64"))]
unsafe fn tiles<const ROWS: usize, const COLUMNS: usize>(
    _: usize,
    _: Left,
    _: Panel,
    _: Out,
    _: bool,
) {
    unreachable!("no AMX here");
}

/// C's tiles are 0 1 above 2 3, A's 4 above 5, B's 6 beside 7.
///
/// # Safety
/// As [`cover`], with a whole tile for each of C's.
#[cfg(target_arch = "x86_64")]
unsafe fn tiles<const ROWS: usize, const COLUMNS: usize>(
    steps: usize,
    a: Left,
    b: Panel,
    c: Out,
    first: bool,
) {
    const WORD: usize = size_of::<u32>();
    // SAFETY: the text reads A, B and C where the contract says that they are, and writes C.
    unsafe {
        asm!(
            "test {first:e}, {first:e}",
            "jnz 3f",
            "tileloadd tmm0, [{c} + {c_row}]",
            right!("tileloadd tmm1, [{c} + {c_row} + 64]"),
            lower!("tileloadd tmm2, [{c_low} + {c_row}]"),
            both!("tileloadd tmm3, [{c_low} + {c_row} + 64]"),
            "jmp 2f",
            "3:",
            "tilezero tmm0",
            right!("tilezero tmm1"),
            lower!("tilezero tmm2"),
            both!("tilezero tmm3"),
            "2:",
            "tileloadd tmm4, [{a} + {a_row}]",
            "tileloadd tmm6, [{b} + {b_row}]",
            "prefetcht1 [{ahead}]",
            "prefetcht1 [{ahead} + 64]",
            "prefetcht1 [{ahead} + 128]",
            "prefetcht1 [{ahead} + 192]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "add {ahead}, 256",
            right!("tileloadd tmm7, [{b} + {b_row} + 64]", "tdpbf16ps tmm1, tmm4, tmm7"),
            lower!("tileloadd tmm5, [{a_low} + {a_row}]", "tdpbf16ps tmm2, tmm5, tmm6"),
            both!("tdpbf16ps tmm3, tmm5, tmm7"),
            "add {a}, 1024",
            "add {a_low}, 1024",
            "add {b}, {b_step}",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{c} + {c_row}], tmm0",
            right!("tilestored [{c} + {c_row} + 64], tmm1"),
            lower!("tilestored [{c_low} + {c_row}], tmm2"),
            both!("tilestored [{c_low} + {c_row} + 64], tmm3"),
            rows = const ROWS,
            columns = const COLUMNS,
            first = in(reg) u32::from(first),
            steps = inout(reg) steps => _,
            a = inout(reg) a.pointer => _,
            a_low = inout(reg) a.at(SIDE).pointer => _,
            a_row = in(reg) WORDS * WORD,
            b = inout(reg) b.pointer => _,
            ahead = inout(reg) b.next.unwrap_or(b.pointer) => _,
            b_row = in(reg) b.term * WORD,
            b_step = in(reg) WORDS * b.term * WORD,
            c = in(reg) c.pointer,
            c_low = in(reg) c.at(SIDE, 0).pointer,
            c_row = in(reg) c.row * WORD,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}

/// One element of C, which holds `c`, advanced by one block of bf16 terms on this machine's tiles.
///
/// # Safety
/// The process may use AMX.
pub(super) unsafe fn element(c: f32, a: &[f32; super::BLOCK], b: &[f32; super::BLOCK]) -> f32 {
    let word = |x: &[f32], p: usize| {
        u32::from(bf16::round(x[2 * p])) | u32::from(bf16::round(x[2 * p + 1])) << 16
    };
    let (mut rows, mut columns, mut sums) = ([0_u32; TILE], [0_u32; TILE], [0.0_f32; TILE]);
    for p in 0..WORDS {
        rows[p] = word(a, p);
        columns[SIDE * p] = word(b, p);
    }
    sums[0] = c;
    let a = Left {
        pointer: rows.as_ptr().cast(),
        row: WORDS,
        term: 1,
        tile: None,
    };
    let b = Panel {
        pointer: columns.as_ptr().cast(),
        term: SIDE,
        next: None,
    };
    let c = Out {
        pointer: sums.as_mut_ptr(),
        row: SIDE,
    };
    // SAFETY: whole tiles; the process may use them.
    unsafe {
        configure();
        tiles::<16, 16>(1, a, b, c, false);
    }
    sums[0]
}
