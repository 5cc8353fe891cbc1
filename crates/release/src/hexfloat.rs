//! Floats that are hashed travel as the hexadecimal digits of their bits, so that no printer or parser of decimal
//! numbers has a say. Use with `#[serde(with = "glasswork_release::hexfloat::hex_f64")]`.

macro_rules! hex_float {
    ($name:ident, $float:ty, $bits:ty, $digits:literal) => {
        #[doc = concat!("`", stringify!($float), "` as ", stringify!($digits), " lower-case hexadecimal digits of its bits.")]
        pub mod $name {
            use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

            /// The digits.
            #[must_use]
            pub fn to_text(value: $float) -> String {
                format!(concat!("{:0", $digits, "x}"), value.to_bits())
            }

            /// The float behind the digits; `None` when they are not exactly that many lower-case digits.
            #[must_use]
            pub fn from_text(text: &str) -> Option<$float> {
                let plain = text.len() == $digits
                    && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                plain.then(|| <$bits>::from_str_radix(text, 16).ok()).flatten().map(<$float>::from_bits)
            }

            /// For `serde(with)`.
            pub fn serialize<S: Serializer>(value: &$float, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&to_text(*value))
            }

            /// For `serde(with)`.
            pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$float, D::Error> {
                let text = String::deserialize(deserializer)?;
                from_text(&text).ok_or_else(|| {
                    D::Error::custom(format!(concat!("{:?} is not ", $digits, " lower-case hexadecimal digits"), text))
                })
            }
        }
    };
}

hex_float!(hex_f32, f32, u32, 8);
hex_float!(hex_f64, f64, u64, 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_survives() {
        for bits in [
            0u64,
            1,
            0x8000_0000_0000_0000,
            0x7ff8_0000_0000_0001,
            0x3ff0_0000_0000_0000,
            u64::MAX,
        ] {
            let text = hex_f64::to_text(f64::from_bits(bits));
            assert_eq!(hex_f64::from_text(&text).unwrap().to_bits(), bits);
        }
        assert_eq!(hex_f32::to_text(1.0), "3f800000");
        assert!(hex_f32::from_text("3F800000").is_none());
        assert!(hex_f32::from_text("+3f80000").is_none());
        assert!(hex_f32::from_text("3f8000000").is_none());
    }
}
