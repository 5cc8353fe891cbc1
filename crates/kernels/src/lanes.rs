//! Sixteen-lane sums: the profile's second kind of sum, used where an output is one number per row.
//!
//! Lane j takes elements j, j+16, j+32, …; missing tail elements are skipped. Then lane j += lane
//! j+8, then j+4, j+2, j+1.

/// Number of lanes, fixed by the profile whatever the machine's vectors are.
pub const LANES: usize = 16;

macro_rules! lanes_over {
    ($length:expr, $zero:expr, |$acc:ident, $index:ident| $update:expr) => {{
        let length = $length;
        let mut lanes = [$zero; LANES];
        let whole = length - length % LANES;
        let mut start = 0;
        while start < whole {
            for lane in 0..LANES {
                let $index = start + lane;
                let $acc = lanes[lane];
                lanes[lane] = $update;
            }
            start += LANES;
        }
        for lane in 0..length - whole {
            let $index = whole + lane;
            let $acc = lanes[lane];
            lanes[lane] = $update;
        }
        let mut width = LANES / 2;
        while width > 0 {
            for lane in 0..width {
                lanes[lane] += lanes[lane + width];
            }
            width /= 2;
        }
        lanes[0]
    }};
}

/// Lane sum of `x`.
#[inline(always)]
pub fn sum(x: &[f32]) -> f32 {
    lanes_over!(x.len(), 0.0_f32, |acc, i| acc + x[i])
}

/// Lane sum of products `x[i] · y[i]`, each lane `acc = fma(x, y, acc)`.
#[inline(always)]
pub fn dot(x: &[f32], y: &[f32]) -> f32 {
    let y = &y[..x.len()];
    lanes_over!(x.len(), 0.0_f32, |acc, i| x[i].mul_add(y[i], acc))
}

/// Lane sum of products `x[i] · y[i] · z[i]`: `acc = fma(x · y, z, acc)`, the inner product rounded.
#[inline(always)]
pub fn dot3(x: &[f32], y: &[f32], z: &[f32]) -> f32 {
    let y = &y[..x.len()];
    let z = &z[..x.len()];
    lanes_over!(x.len(), 0.0_f32, |acc, i| (x[i] * y[i]).mul_add(z[i], acc))
}

/// Lane sum of squares in f64: `acc = fma(x, x, acc)` with x widened exactly.
#[inline(always)]
pub fn squares_f64(x: &[f32]) -> f64 {
    lanes_over!(x.len(), 0.0_f64, |acc, i| f64::from(x[i])
        .mul_add(f64::from(x[i]), acc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_elements_go_to_the_first_lanes() {
        let x: Vec<f32> = (0..19).map(|i| i as f32).collect();
        assert_eq!(sum(&x), 171.0);
        // 2²⁵ in lane 0 swallows a 1 that lane 0 also holds, not one that lane 1 holds.
        let mut x = vec![0.0; 18];
        x[0] = 33_554_432.0;
        x[16] = 1.0;
        assert_eq!(sum(&x), 33_554_432.0);
        x[16] = 0.0;
        x[1] = 1.0;
        x[17] = 3.0;
        assert_eq!(sum(&x), 33_554_436.0);
    }
}
