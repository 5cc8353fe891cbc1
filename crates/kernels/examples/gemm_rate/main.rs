//! Our side of `cargo xtask bench gemm`: products of one shape, or the machine's own limit.
//!
//! `gemm_rate --m M --n N --k K --threads T [--profile P] [--packed]` times C = A·B, row-major, packing B
//! anew in each product, or once for all of them with `--packed`. `gemm_rate --peak --threads T` times
//! fused multiply-adds in registers, which no product can outrun. `GLASSWORK_ISA` chooses the instruction set.
//!
//! Both print a `ready` line, then for each line `go N` on standard input do N of them and print one
//! JSON line. `peers/torch_gemm.py` speaks the same.

mod peak;

use glasswork_kernels::gemm::{Packed, Start, View, gemm};
use glasswork_kernels::{Isa, Pool, Profile};
use std::io::BufRead;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: glasswork_kernels::CacheLines = glasswork_kernels::CacheLines;

/// One side's work: does it once and gives seconds; and how many floating-point operations that is.
type Work = (Box<dyn FnMut() -> f64>, f64);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.and_then(|i| arguments.get(i + 1)).cloned()
    };
    let flag = |name: &str| arguments.iter().any(|a| a == name);
    let number = |name: &str| {
        let text = option(name).unwrap_or_else(|| panic!("{name} is missing"));
        text.parse::<usize>().expect("a number")
    };
    let name = std::env::var("GLASSWORK_ISA").unwrap_or_else(|_| Isa::best().name().to_owned());
    let threads = number("--threads");
    let (mut once, work) = if flag("--peak") {
        peak::work(&name, threads)
    } else {
        let isa: Isa = name.parse().expect("an instruction set");
        let profile = option("--profile").map_or(Profile::F32V1, |name| {
            name.parse().expect("a numerics profile")
        });
        let pool = Pool::new(threads, isa).expect("threads");
        let shape = [number("--m"), number("--n"), number("--k")];
        product(pool, profile, shape, flag("--packed"))
    };
    // The first one touches the pages and fills the buffers.
    once();
    println!("{{\"event\":\"ready\",\"isa\":\"{name}\"}}");
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input");
        let Some(count) = line
            .strip_prefix("go ")
            .and_then(|n| n.trim().parse::<usize>().ok())
        else {
            break;
        };
        let seconds = median((0..count).map(|_| once()).collect());
        println!(
            "{{\"event\":\"products\",\"products\":{count},\"median_ms\":{:.4},\"gflops\":{:.1}}}",
            seconds * 1e3,
            work / seconds / 1e9
        );
    }
}

/// C = A·B of made-up numbers.
fn product(pool: Pool, profile: Profile, [m, n, k]: [usize; 3], packed: bool) -> Work {
    let mut seed = 1_u32;
    let mut some = |count: usize| -> Vec<f32> {
        let numbers = (0..count).map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / (1 << 24) as f32 - 0.5
        });
        numbers.collect()
    };
    let (a, b, mut c) = (some(m * k), some(k * n), vec![0.0; m * n]);
    let mut once_packed = Packed::new();
    if packed {
        once_packed.pack_beside(&pool, profile, &[View::new(&b, k, n)]);
    }
    if profile == Profile::F32V1 {
        // A bench of wrong products would be worth nothing: the last element, by the definition.
        gemm(
            &pool,
            profile,
            &mut c,
            n,
            View::new(&a, m, k),
            View::new(&b, k, n),
            Start::Zero,
        );
        let chain = (0..k).fold(0.0_f32, |sum, i| {
            a[(m - 1) * k + i].mul_add(b[i * n + n - 1], sum)
        });
        assert_eq!(
            c[m * n - 1].to_bits(),
            chain.to_bits(),
            "the product is wrong"
        );
    }
    let work = 2.0 * m as f64 * n as f64 * k as f64;
    let once = move || {
        let (a, fresh) = (View::new(&a, m, k), View::new(&b, k, n));
        let start = Instant::now();
        if packed {
            gemm(&pool, profile, &mut c, n, a, &once_packed, Start::Zero);
        } else {
            gemm(&pool, profile, &mut c, n, a, fresh, Start::Zero);
        }
        let seconds = start.elapsed().as_secs_f64();
        std::hint::black_box(&c);
        seconds
    };
    (Box::new(once), work)
}

fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "`go` wants at least one");
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    }
}
