//! Values of a tensor, without the rest of it.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::inventory::Tensor;
use crate::store::Store;

/// Stretches of a sample.
const STRETCHES: u64 = 8;
/// Most values of a sample.
const MOST: u64 = 1 << 24;

/// Places of at most `at_most` of `count` elements: stretches of equal length, evenly spread, the first element and
/// the last among them.
fn places(count: u64, at_most: u64) -> Vec<Range<u64>> {
    let taken = count.min(at_most);
    let stretches = match taken {
        0 => return Vec::new(),
        taken if taken == count => 1,
        taken => STRETCHES.min(taken),
    };
    let length = taken / stretches;
    let place = |i: u64| {
        let apart = u128::from(count - length) * u128::from(i);
        let start = (apart / u128::from(stretches - 1).max(1)) as u64;
        start..start + length
    };
    (0..stretches).map(place).collect()
}

/// Reads them. `fail` makes an error of a sentence about the tensor.
pub(crate) fn sample(
    store: &dyn Store,
    tensor: &Tensor,
    at_most: usize,
    fail: &dyn Fn(&str) -> Error,
) -> Result<Vec<f32>> {
    let widen: fn(&[u8]) -> f32 = match tensor.dtype.as_str() {
        "F32" => |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        "BF16" => |b| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16),
        "F16" => |b| half(u16::from_le_bytes([b[0], b[1]])),
        "F64" => |b| f64::from_le_bytes(*b.first_chunk().expect("eight bytes")) as f32,
        narrow if narrow.starts_with('F') => {
            return Err(fail(&format!(
                "is {narrow}: numbers of fewer than 16 bits are not sampled"
            )));
        }
        _ => return Err(fail("is no tensor of floats")),
    };
    let size: u64 = match tensor.dtype.as_str() {
        "F64" => 8,
        "F32" => 4,
        _ => 2,
    };
    let (Some(start), Some(end)) = (tensor.start, tensor.end) else {
        return Err(fail("does not lie row by row"));
    };
    let count = end.saturating_sub(start) / size;
    let mut values = Vec::new();
    for place in places(count, (at_most as u64).min(MOST)) {
        let range = start + place.start * size..start + place.end * size;
        let bytes = store.read(&tensor.file, range)?;
        values.extend(bytes.chunks_exact(size as usize).map(widen));
    }
    Ok(values)
}

/// An IEEE half as f32; exact.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    let power = |exponent: i32| f32::from_bits(((exponent + 127) as u32) << 23);
    sign * match exponent {
        0 => fraction * power(-24),
        0x1f if fraction == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        _ => (1024.0 + fraction) * power(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_spread_and_within() {
        let only = |place: Range<u64>| Vec::from_iter([place]);
        assert_eq!(places(10, 10), only(0..10));
        assert!(places(0, 10).is_empty() && places(10, 0).is_empty());
        assert_eq!(places(10, 1), only(0..1));
        for (count, most) in [(100, 16), (101, 17), (1000, 999), (u64::MAX, 4096), (20, 3)] {
            let places = places(count, most);
            let all: u64 = places.iter().map(|place| place.end - place.start).sum();
            assert!(all <= most && all > most / 2, "{count} {most}");
            assert_eq!((places[0].start, places.last().unwrap().end), (0, count));
        }
    }

    #[test]
    fn halves_are_widened_exactly() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3800, 0.5),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x7bff, 65504.0),
            (0x7c00, f32::INFINITY),
            (0x8000, 0.0),
        ] {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
