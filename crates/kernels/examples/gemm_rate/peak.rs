//! The machine's limit: independent chains of multiply-adds that never leave the registers.

use super::Work;
use glasswork_kernels::Isa;
use std::sync::Barrier;
use std::time::Instant;

/// Multiply-add instructions in flight a loop: latency (4 or 5) × two units, and some to spare.
const CHAINS: usize = 12;
/// Loops of one measurement: some tens of milliseconds.
const LOOPS: usize = 1 << 24;
/// The same for tile products, of which each takes 16 cycles.
const TILE_LOOPS: usize = 1 << 22;

/// The widest multiply-adds of `isa`, on every one of `threads` threads at once.
///
/// # Panics
/// When the machine lacks them, or `isa` has none.
pub(crate) fn work(isa: &str, threads: usize) -> Work {
    let fma = |lanes: usize| (LOOPS * CHAINS * lanes * 2) as f64;
    // Four tile products a loop, each of 16 × 16 sums of 32 products.
    let tiles = (TILE_LOOPS * 4 * 16 * 16 * 32 * 2) as f64;
    let (run, operations): (fn(), f64) = match isa {
        // SAFETY: an `Isa` proves that the machine has the instructions.
        #[cfg(target_arch = "x86_64")]
        "avx512" if isa.parse::<Isa>().is_ok() => (|| unsafe { avx512() }, fma(16)),
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        "avx2" if isa.parse::<Isa>().is_ok() => (|| unsafe { avx2() }, fma(8)),
        // SAFETY: the kernel just lent the tiles, which it does only where they are.
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        "amx" if tiles_lent() => (|| unsafe { amx() }, tiles),
        _ => panic!("this machine has no widest multiply-add called `{isa}`"),
    };
    let once = move || {
        let barrier = Barrier::new(threads);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        let start = Instant::now();
                        run();
                        start.elapsed().as_secs_f64()
                    })
                })
                .collect();
            let seconds = threads.into_iter().map(|t| t.join().expect("a loop"));
            seconds.fold(0.0, f64::max)
        })
    };
    (Box::new(once), operations * threads as f64)
}

/// Written out as one loop of instructions, so that no compiler decides what is measured.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512() {
    // SAFETY: registers alone; all of them are declared.
    unsafe {
        std::arch::asm!(
            "2:",
            "vfmadd231ps zmm0, zmm12, zmm13", "vfmadd231ps zmm1, zmm12, zmm13",
            "vfmadd231ps zmm2, zmm12, zmm13", "vfmadd231ps zmm3, zmm12, zmm13",
            "vfmadd231ps zmm4, zmm12, zmm13", "vfmadd231ps zmm5, zmm12, zmm13",
            "vfmadd231ps zmm6, zmm12, zmm13", "vfmadd231ps zmm7, zmm12, zmm13",
            "vfmadd231ps zmm8, zmm12, zmm13", "vfmadd231ps zmm9, zmm12, zmm13",
            "vfmadd231ps zmm10, zmm12, zmm13", "vfmadd231ps zmm11, zmm12, zmm13",
            "dec {n}",
            "jnz 2b",
            n = inout(reg) LOOPS => _,
            inout("zmm0") zero512() => _, inout("zmm1") zero512() => _,
            inout("zmm2") zero512() => _, inout("zmm3") zero512() => _,
            inout("zmm4") zero512() => _, inout("zmm5") zero512() => _,
            inout("zmm6") zero512() => _, inout("zmm7") zero512() => _,
            inout("zmm8") zero512() => _, inout("zmm9") zero512() => _,
            inout("zmm10") zero512() => _, inout("zmm11") zero512() => _,
            in("zmm12") zero512(), in("zmm13") zero512(),
            options(nomem, nostack)
        );
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn zero512() -> std::arch::x86_64::__m512 {
    std::arch::x86_64::_mm512_setzero_ps()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2() {
    // SAFETY: registers alone; all of them are declared.
    unsafe {
        std::arch::asm!(
            "2:",
            "vfmadd231ps ymm0, ymm12, ymm13", "vfmadd231ps ymm1, ymm12, ymm13",
            "vfmadd231ps ymm2, ymm12, ymm13", "vfmadd231ps ymm3, ymm12, ymm13",
            "vfmadd231ps ymm4, ymm12, ymm13", "vfmadd231ps ymm5, ymm12, ymm13",
            "vfmadd231ps ymm6, ymm12, ymm13", "vfmadd231ps ymm7, ymm12, ymm13",
            "vfmadd231ps ymm8, ymm12, ymm13", "vfmadd231ps ymm9, ymm12, ymm13",
            "vfmadd231ps ymm10, ymm12, ymm13", "vfmadd231ps ymm11, ymm12, ymm13",
            "dec {n}",
            "jnz 2b",
            n = inout(reg) LOOPS => _,
            inout("ymm0") zero256() => _, inout("ymm1") zero256() => _,
            inout("ymm2") zero256() => _, inout("ymm3") zero256() => _,
            inout("ymm4") zero256() => _, inout("ymm5") zero256() => _,
            inout("ymm6") zero256() => _, inout("ymm7") zero256() => _,
            inout("ymm8") zero256() => _, inout("ymm9") zero256() => _,
            inout("ymm10") zero256() => _, inout("ymm11") zero256() => _,
            in("ymm12") zero256(), in("ymm13") zero256(),
            options(nomem, nostack)
        );
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn zero256() -> std::arch::x86_64::__m256 {
    std::arch::x86_64::_mm256_setzero_ps()
}

/// Asks the kernel for the tile registers of this process; `false` where it has none to lend.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn tiles_lent() -> bool {
    /// `arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`.
    const CALL: (isize, usize, usize) = (158, 0x1023, 18);
    let result: isize;
    // SAFETY: the call reads no memory of ours; an older kernel or another machine answers an error.
    unsafe {
        std::arch::asm!(
            "syscall",
            inout("rax") CALL.0 => result,
            in("rdi") CALL.1,
            in("rsi") CALL.2,
            out("rcx") _, out("r11") _,
            options(nostack)
        );
    }
    result == 0
}

/// Tile products of four accumulators: their latency is 52 cycles, their rate one in 16.
///
/// # Safety
/// The kernel must have lent the tiles.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
unsafe fn amx() {
    #[repr(align(64))]
    struct Aligned([u8; 64]);
    // Palette 1; eight tiles of 16 rows of 64 bytes.
    let mut shape = Aligned([0; 64]);
    shape.0[0] = 1;
    for tile in 0..8 {
        shape.0[16 + 2 * tile] = 64;
        shape.0[48 + tile] = 16;
    }
    // SAFETY: the tiles' configuration is read from `shape`; no other memory is touched, and the tiles
    // are given back.
    unsafe {
        std::arch::asm!(
            "ldtilecfg [{shape}]",
            "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
            "tilezero tmm4", "tilezero tmm5", "tilezero tmm6", "tilezero tmm7",
            "2:",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "dec {n}",
            "jnz 2b",
            "tilerelease",
            shape = in(reg) &raw const shape,
            n = inout(reg) TILE_LOOPS => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        );
    }
}
