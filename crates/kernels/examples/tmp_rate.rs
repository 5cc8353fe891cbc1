use glasswork_kernels::gemm::{self, Packed, Start, View};
use glasswork_kernels::{Isa, Pool, Profile};
use std::time::Instant;
fn main() {
    let t: usize = std::env::args().nth(1).map_or(1, |x| x.parse().unwrap());
    let isa = std::env::var("GLASSWORK_ISA").map_or(Isa::best(), |n| n.parse().unwrap());
    let profile: Profile = std::env::args().nth(2).map_or(Profile::F32V1, |x| x.parse().unwrap());
    let pool = Pool::new(t, isa).unwrap();
    pool.run(|| {
    for (name, m, n, k, ta, tb) in [
        ("4096^3", 4096, 4096, 4096, 0, 0), ("4096x512x1376", 4096, 512, 1376, 0, 0), ("4096x512x8192", 4096, 512, 8192, 0, 0),
        ("S qkv", 1024, 768, 256, 0, 1), ("S gu", 1024, 1376, 256, 0, 1), ("S down", 1024, 256, 688, 0, 1), ("S head", 512, 8192, 256, 0, 1),
        ("S dW gu", 1376, 256, 1024, 1, 0), ("S dW down", 256, 688, 1024, 1, 0), ("S dX gu", 1024, 256, 1376, 0, 0), ("S dX down", 1024, 688, 256, 0, 0),
        ("S dX head", 512, 256, 8192, 0, 0), ("S dW head", 8192, 256, 512, 1, 0), ("S dW o", 256, 256, 1024, 1, 0), ("M gu", 2048, 2752, 512, 0, 1),
    ] {
        let a: Vec<f32> = (0..m * k).map(|i| (i % 1013) as f32 / 1013.0 - 0.5).collect();
        let b: Vec<f32> = (0..k * n).map(|i| (i % 1019) as f32 / 1019.0 - 0.5).collect();
        let mut c = vec![0.0; m * n];
        let av = if ta == 0 { View::new(&a, m, k) } else { View::new(&a, k, m).transposed() };
        let bv = if tb == 0 { View::new(&b, k, n) } else { View::new(&b, n, k).transposed() };
        let mut p = Packed::new();
        p.pack_beside(&pool, profile, &[bv]);
        let fl = 2.0 * (m * n * k) as f64;
        let inner = (1e10 / fl).ceil() as usize;
        let mut best = [0.0f64; 2];
        for _ in 0..5 {
            for mode in 0..2 {
                let s = Instant::now();
                for _ in 0..inner {
                    if mode == 0 { gemm::gemm(&pool, profile, &mut c, n, av, bv, Start::Zero) } else { gemm::gemm(&pool, profile, &mut c, n, av, &p, Start::Zero) }
                }
                best[mode] = best[mode].max(fl * inner as f64 / s.elapsed().as_secs_f64() / 1e9);
            }
        }
        println!("{name:16} {m}x{n}x{k} fresh {:.1} packed {:.1} GF/s", best[0], best[1]);
    }
    });
}
