//! How many standard errors a mean of few values may be off.

/// Two-sided chance of a false alarm over all comparisons of a run together.
const FALSE_ALARM: f64 = 0.01;

/// Standard errors within which the mean of `count` values lies, if `comparisons` such means are to be right together with
/// 99 chances in 100: Student's quantile for count − 1 degrees of freedom, by Bonferroni.
///
/// The quantile is the normal one expanded in 1/ν (Abramowitz and Stegun, 26.7.5), right to a hundredth from five values on.
/// Infinite for fewer than five: they say nothing about their spread.
#[must_use]
pub(crate) fn standard_errors(count: u64, comparisons: usize) -> f64 {
    if count < 5 {
        return f64::INFINITY;
    }
    let z = normal(FALSE_ALARM / comparisons.max(1) as f64);
    let nu = (count - 1) as f64;
    let (z2, z3) = (z * z, z * z * z);
    z + (z3 + z) / (4.0 * nu)
        + (5.0 * z3 * z2 + 16.0 * z3 + 3.0 * z) / (96.0 * nu * nu)
        + (3.0 * z3 * z3 * z + 19.0 * z3 * z2 + 17.0 * z3 - 15.0 * z) / (384.0 * nu * nu * nu)
}

/// The z that a standard normal value exceeds in size with chance `alpha`.
fn normal(alpha: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if libm::erfc(middle / std::f64::consts::SQRT_2) > alpha {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // t₀.₉₉₅ with 15 and 63 degrees of freedom, and z.
        assert!((standard_errors(16, 1) - 2.947).abs() < 0.005);
        assert!((standard_errors(64, 1) - 2.656).abs() < 0.005);
        assert!((standard_errors(1_000_000, 1) - 2.576).abs() < 0.001);
        // A twenty-fourth of the chance each: t₀.₉₉₉₇₉ with 15 degrees of freedom.
        assert!((standard_errors(16, 24) - 4.52).abs() < 0.1);
        assert!(standard_errors(4, 1).is_infinite());
    }
}
