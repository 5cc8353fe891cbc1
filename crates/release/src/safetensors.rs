//! safetensors files: our own writer, whose bytes depend on nothing but the content, and a strict reader.
//!
//! The layout: a u64 length (little-endian), that many bytes of JSON header, then the tensors' bytes, little-endian,
//! without gaps. The writer puts tensors in the order of their names' bytes and pads the header with spaces to a
//! multiple of eight; every reader of the format understands the result. The reader refuses what the format's own
//! library lets pass: duplicate keys, unknown fields, gaps between tensors, names that look like paths.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::canonical;
use crate::digest::{self, Digest};
use crate::error::{Error, Result};
use crate::{atomic, files};

/// The longest header that is read: 16 MiB.
pub const MAX_HEADER: u64 = 16 << 20;

/// The largest file that is read into memory: 64 GiB.
pub const MAX_FILE: u64 = 64 << 30;

/// The type of a tensor's elements, little-endian.
#[allow(missing_docs)] // The names say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dtype {
    #[serde(rename = "BOOL")]
    Bool,
    U8,
    I8,
    U16,
    I16,
    F16,
    #[serde(rename = "BF16")]
    Bf16,
    U32,
    I32,
    F32,
    U64,
    I64,
    F64,
    /// A complex number of two `F32`. This and what follows is listed; nothing here computes with it.
    C64,
    #[serde(rename = "F8_E4M3")]
    F8E4m3,
    #[serde(rename = "F8_E5M2")]
    F8E5m2,
    /// An exponent alone: the scale of a block.
    #[serde(rename = "F8_E8M0")]
    F8E8m0,
    #[serde(rename = "F8_E4M3FNUZ")]
    F8E4m3Fnuz,
    #[serde(rename = "F8_E5M2FNUZ")]
    F8E5m2Fnuz,
    #[serde(rename = "F6_E2M3")]
    F6E2m3,
    #[serde(rename = "F6_E3M2")]
    F6E3m2,
    F4,
}

impl Dtype {
    /// Bytes per element; 1 for the types of less than a byte, whose elements lie closer.
    #[must_use]
    pub fn size(self) -> usize {
        self.bits().div_ceil(8)
    }

    /// Bits per element.
    #[must_use]
    pub fn bits(self) -> usize {
        match self {
            Self::F4 => 4,
            Self::F6E2m3 | Self::F6E3m2 => 6,
            Self::Bool
            | Self::U8
            | Self::I8
            | Self::F8E4m3
            | Self::F8E5m2
            | Self::F8E8m0
            | Self::F8E4m3Fnuz
            | Self::F8E5m2Fnuz => 8,
            Self::U16 | Self::I16 | Self::F16 | Self::Bf16 => 16,
            Self::U32 | Self::I32 | Self::F32 => 32,
            Self::U64 | Self::I64 | Self::F64 | Self::C64 => 64,
        }
    }

    /// The name in the header: `F32`, `BF16`, ….
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::U8 => "U8",
            Self::I8 => "I8",
            Self::U16 => "U16",
            Self::I16 => "I16",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::U32 => "U32",
            Self::I32 => "I32",
            Self::F32 => "F32",
            Self::U64 => "U64",
            Self::I64 => "I64",
            Self::F64 => "F64",
            Self::C64 => "C64",
            Self::F8E4m3 => "F8_E4M3",
            Self::F8E5m2 => "F8_E5M2",
            Self::F8E8m0 => "F8_E8M0",
            Self::F8E4m3Fnuz => "F8_E4M3FNUZ",
            Self::F8E5m2Fnuz => "F8_E5M2FNUZ",
            Self::F6E2m3 => "F6_E2M3",
            Self::F6E3m2 => "F6_E3M2",
            Self::F4 => "F4",
        }
    }

    /// Bytes of a tensor of this shape; `None` when they do not fit in a u64, or are no whole bytes.
    #[must_use]
    pub fn bytes(self, shape: &[u64]) -> Option<u64> {
        let times = |unit: u64| shape.iter().try_fold(unit, |all, &d| all.checked_mul(d));
        match self.bits() as u64 {
            bits if bits % 8 == 0 => times(bits / 8),
            bits => times(bits)
                .filter(|bits| bits % 8 == 0)
                .map(|bits| bits / 8),
        }
    }
}

/// A tensor to write: name, type, shape, little-endian bytes.
pub type TensorView<'a> = (&'a str, Dtype, &'a [usize], &'a [u8]);

/// Where a tensor lies in a file, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its shape, outermost dimension first.
    pub shape: Vec<u64>,
    /// First byte and end, counted from the first byte after the header.
    pub range: (u64, u64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInfo {
    dtype: Dtype,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// `name` itself, when it may name a tensor: 1 to 256 of `[A-Za-z0-9_.-]`, not starting with `.`, without `..`.
pub fn valid_tensor_name(name: &str) -> Result<&str> {
    let fail = |problem| Error::BadName {
        what: "tensor name",
        name: name.chars().take(80).collect(),
        problem,
    };
    if name.is_empty() || name.len() > 256 {
        Err(fail("it must have 1 to 256 characters"))
    } else if !name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    {
        Err(fail("it may hold only A-Z, a-z, 0-9, `_`, `.` and `-`"))
    } else if name.starts_with('.') || name.contains("..") {
        Err(fail("it must not start with `.` or hold `..`"))
    } else {
        Ok(name)
    }
}

/// Writes tensors to `path`, atomically; their order in the slice does not matter.
///
/// The bytes depend only on names, types, shapes, contents and `metadata` (which lands in `__metadata__`, left out when
/// empty). Fails when a name is invalid or occurs twice, or when the bytes do not fit the shape.
pub fn write(
    path: &Path,
    tensors: &[TensorView<'_>],
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let (header, order) = header(path, tensors, metadata)?;
    let body: u64 = tensors.iter().map(|t| t.3.len() as u64).sum();
    let needed = 8 + header.len() as u64 + body;
    atomic::write_file_with(path, needed, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        order.iter().try_for_each(|&i| file.write_all(tensors[i].3))
    })
}

fn header(
    path: &Path,
    tensors: &[TensorView<'_>],
    metadata: &BTreeMap<String, String>,
) -> Result<(Vec<u8>, Vec<usize>)> {
    let fail = |tensor: &str, problem: String| Error::Tensor {
        path: path.into(),
        tensor: tensor.into(),
        problem,
    };
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|&i| tensors[i].0.as_bytes());
    let mut text = String::from("{");
    if !metadata.is_empty() {
        text.push_str(&format!("\"__metadata__\":{},", json!(metadata)));
    }
    let (mut offset, mut previous) = (0u64, None);
    for &i in &order {
        let (name, dtype, shape, bytes) = tensors[i];
        valid_tensor_name(name)?;
        if name == "__metadata__" || previous == Some(name) {
            return Err(fail(name, "the name occurs twice".into()));
        }
        previous = Some(name);
        let dims: Vec<u64> = shape.iter().map(|&d| d as u64).collect();
        if dtype.bytes(&dims) != Some(bytes.len() as u64) {
            return Err(fail(
                name,
                format!(
                    "{} of shape {shape:?} does not have {} bytes",
                    dtype.name(),
                    bytes.len()
                ),
            ));
        }
        let end = offset + bytes.len() as u64;
        text.push_str(&format!(
            "\"{name}\":{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{offset},{end}]}},",
            dtype.name(),
            json!(dims)
        ));
        offset = end;
    }
    if text.ends_with(',') {
        text.pop();
    }
    text.push('}');
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    if text.len() as u64 > MAX_HEADER {
        return Err(Error::Tensors {
            path: path.into(),
            problem: format!("the header would have {} bytes", text.len()),
        });
    }
    Ok((text.into_bytes(), order))
}

/// What a file's header says, checked against the file's length.
#[derive(Clone, Debug)]
pub struct Header {
    /// What each tensor is and where it lies.
    pub tensors: BTreeMap<String, TensorInfo>,
    /// The `__metadata__`.
    pub metadata: BTreeMap<String, String>,
    /// The file's byte at which [`TensorInfo::range`] counts from.
    pub start: u64,
}

/// Reads and checks the header of a file of `length` bytes and leaves the tensors where they are: for a
/// file that is mapped, or too large for memory. `path` is for messages.
pub fn read_header(reader: &mut impl Read, length: u64, path: &Path) -> Result<Header> {
    let head = head(reader, length, path)?;
    let start = head.len() as u64;
    let (tensors, metadata) = parse_header(&head[8..], length - start, path)?;
    Ok(Header {
        tensors,
        metadata,
        start,
    })
}

/// A safetensors file, read and checked whole.
#[derive(Clone, Debug)]
pub struct SafeTensors {
    path: PathBuf,
    tensors: BTreeMap<String, TensorInfo>,
    metadata: BTreeMap<String, String>,
    file: Vec<u8>,
    start: usize,
}

impl SafeTensors {
    /// Reads a file of at most 64 GiB; what the header promises is checked before a byte of a tensor is used.
    pub fn open(path: &Path) -> Result<Self> {
        // The header is checked against the file's length before the body is read into memory.
        let (mut file, length) = files::open(path)?;
        if length > MAX_FILE {
            return Err(Error::TooLarge {
                path: path.into(),
                length,
                limit: MAX_FILE,
            });
        }
        read_header(&mut file, length, path)?;
        let bytes = files::read(path, MAX_FILE)?;
        Self::from_bytes(path, bytes)
    }

    /// The same, from bytes that are already in memory; `path` is for messages.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let header = read_header(&mut &bytes[..], bytes.len() as u64, path)?;
        Ok(Self {
            path: path.into(),
            tensors: header.tensors,
            metadata: header.metadata,
            start: header.start as usize,
            file: bytes,
        })
    }

    /// The names, in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The path it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The `__metadata__` of the header.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// What a tensor is; fails when there is none of that name.
    pub fn info(&self, name: &str) -> Result<&TensorInfo> {
        self.tensors
            .get(name)
            .ok_or_else(|| self.fail(name, "is not in the file".into()))
    }

    /// What each tensor is, and the digest of its bytes.
    #[must_use]
    pub fn digests(&self) -> BTreeMap<String, (TensorInfo, Digest)> {
        let range = |info: &TensorInfo| {
            self.start + info.range.0 as usize..self.start + info.range.1 as usize
        };
        let digest = |info: &TensorInfo| Digest::of(&self.file[range(info)]);
        self.tensors
            .iter()
            .map(|(name, info)| (name.clone(), (info.clone(), digest(info))))
            .collect()
    }

    /// A tensor's little-endian bytes.
    pub fn bytes(&self, name: &str) -> Result<&[u8]> {
        let (start, end) = self.info(name)?.range;
        // Both were checked against the file's length when the header was parsed.
        Ok(&self.file[self.start + start as usize..self.start + end as usize])
    }

    /// A tensor of type F32, in row-major order; fails for other types.
    pub fn f32(&self, name: &str) -> Result<Vec<f32>> {
        let dtype = self.info(name)?.dtype;
        if dtype != Dtype::F32 {
            return Err(self.fail(name, format!("is {}, not F32", dtype.name())));
        }
        Ok(self
            .bytes(name)?
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect())
    }

    fn fail(&self, tensor: &str, problem: String) -> Error {
        Error::Tensor {
            path: self.path.clone(),
            tensor: tensor.chars().take(80).collect(),
            problem,
        }
    }
}

/// What each tensor of a file is, and the digest of its bytes, without holding more than a block in memory.
pub fn digests(path: &Path) -> Result<BTreeMap<String, (TensorInfo, Digest)>> {
    let (mut file, length) = files::open(path)?;
    let tensors = read_header(&mut file, length, path)?.tensors;
    // Without gaps, reading in the order of the offsets meets every byte once.
    let mut tensors: Vec<_> = tensors.into_iter().collect();
    tensors.sort_by_key(|(_, info)| info.range);
    let mut digests = BTreeMap::new();
    for (name, info) in tensors {
        let expected = info.range.1 - info.range.0;
        let (digest, found) = digest::of_reader(Read::take(&mut file, expected))
            .map_err(|e| Error::io("read", path, 0, e))?;
        if found != expected {
            let problem = format!(
                "has {found} of {expected} bytes: the file became shorter while it was read"
            );
            return Err(Error::Tensor {
                path: path.into(),
                tensor: name,
                problem,
            });
        }
        digests.insert(name, (info, digest));
    }
    Ok(digests)
}

/// Reads the length and the header: 8 + n bytes.
fn head(reader: &mut impl std::io::Read, length: u64, path: &Path) -> Result<Vec<u8>> {
    let fail = |problem: String| Error::Tensors {
        path: path.into(),
        problem,
    };
    if length < 8 {
        return Err(fail(format!("has {length} bytes; a header length needs 8")));
    }
    let mut head = vec![0; 8];
    reader
        .read_exact(&mut head)
        .map_err(|e| Error::io("read", path, 0, e))?;
    let n = u64::from_le_bytes(head[..8].try_into().expect("eight bytes were read"));
    if n > MAX_HEADER {
        return Err(fail(format!(
            "the header claims {n} bytes; at most {MAX_HEADER} are allowed"
        )));
    }
    if n > length - 8 {
        return Err(fail(format!(
            "the header claims {n} bytes; the file has {} after its length",
            length - 8
        )));
    }
    head.resize(8 + n as usize, 0);
    reader
        .read_exact(&mut head[8..])
        .map_err(|e| Error::io("read", path, 0, e))?;
    Ok(head)
}

type Entries = (BTreeMap<String, TensorInfo>, BTreeMap<String, String>);

/// Checks a header against the number of bytes that follow it.
fn parse_header(header: &[u8], body: u64, path: &Path) -> Result<Entries> {
    let fail = |problem: String| Error::Tensors {
        path: path.into(),
        problem,
    };
    let fail_at = |tensor: &str, problem: String| Error::Tensor {
        path: path.into(),
        tensor: tensor.into(),
        problem,
    };
    if header.first() != Some(&b'{') {
        return Err(fail("the header does not start with `{`".into()));
    }
    let Value::Object(entries) = canonical::parse_value(header, &path.display().to_string())?
    else {
        return Err(fail("the header is not an object".into()));
    };
    let mut tensors = BTreeMap::new();
    let mut metadata = BTreeMap::new();
    for (name, value) in entries {
        if name == "__metadata__" {
            metadata =
                serde_json::from_value(value).map_err(|e| fail(format!("__metadata__: {e}")))?;
            continue;
        }
        valid_tensor_name(&name)?;
        let raw: RawInfo =
            serde_json::from_value(value).map_err(|e| fail_at(&name, e.to_string()))?;
        let (start, end) = raw.data_offsets;
        if raw.shape.len() > 8 {
            return Err(fail_at(
                &name,
                format!("has {} dimensions; at most 8 are allowed", raw.shape.len()),
            ));
        }
        let bytes = raw.dtype.bytes(&raw.shape).ok_or_else(|| {
            fail_at(
                &name,
                format!("shape {:?} overflows, or is no whole bytes", raw.shape),
            )
        })?;
        if end.checked_sub(start) != Some(bytes) {
            return Err(fail_at(
                &name,
                format!(
                    "{} of shape {:?} has {bytes} bytes, not those of [{start}, {end})",
                    raw.dtype.name(),
                    raw.shape
                ),
            ));
        }
        if end > body {
            return Err(fail_at(
                &name,
                format!("ends at {end}; only {body} bytes follow the header"),
            ));
        }
        tensors.insert(
            name,
            TensorInfo {
                dtype: raw.dtype,
                shape: raw.shape,
                range: (start, end),
            },
        );
    }
    let mut spans: Vec<_> = tensors
        .iter()
        .map(|(name, info)| (info.range, name))
        .collect();
    spans.sort_unstable();
    let mut expected = 0;
    for ((start, end), name) in spans {
        if start != expected {
            let problem = if start < expected {
                "overlaps the one before it"
            } else {
                "leaves a gap before it"
            };
            return Err(fail_at(
                name,
                format!("starts at {start}, not {expected}: {problem}"),
            ));
        }
        expected = end;
    }
    if expected != body {
        return Err(fail(format!(
            "{} bytes follow the last tensor",
            body - expected
        )));
    }
    Ok((tensors, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one tensor of so many bytes.
    fn file(dtype: &str, shape: &[u64], bytes: usize) -> Vec<u8> {
        let header = format!(
            "{{\"a\":{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[0,{bytes}]}}}}"
        );
        [
            &(header.len() as u64).to_le_bytes()[..],
            header.as_bytes(),
            &vec![0; bytes],
        ]
        .concat()
    }

    #[test]
    fn narrow_types_are_listed_and_never_read_as_f32() {
        for (name, shape, bytes) in [
            ("F8_E4M3", [3, 5], 15),
            ("F8_E5M2", [3, 5], 15),
            ("F8_E8M0", [3, 5], 15),
            ("F8_E4M3FNUZ", [3, 5], 15),
            ("F8_E5M2FNUZ", [3, 5], 15),
            ("F6_E2M3", [4, 2], 6),
            ("F6_E3M2", [4, 2], 6),
            ("F4", [3, 2], 3),
            ("C64", [1, 2], 16),
        ] {
            let read = |bytes| SafeTensors::from_bytes(Path::new("x"), bytes);
            let tensors = read(file(name, &shape, bytes)).expect("is sound");
            let info = tensors.info("a").expect("is there");
            assert_eq!((info.dtype.name(), &info.shape[..]), (name, &shape[..]));
            let refused = tensors.f32("a").expect_err("is no F32").to_string();
            assert!(
                refused.contains(&format!("is {name}, not F32")),
                "{refused}"
            );
            assert!(read(file(name, &shape, bytes + 1)).is_err(), "{name}");
        }
    }

    #[test]
    fn attack_narrow_tensors_of_no_whole_bytes_or_beyond_all_sizes() {
        assert_eq!(Dtype::F4.bytes(&[3]), None);
        assert_eq!(Dtype::F6E2m3.bytes(&[2, 3]), None);
        assert_eq!(Dtype::F4.bytes(&[u64::MAX]), None);
        assert_eq!(Dtype::F4.bytes(&[0]), Some(0));
        let half = SafeTensors::from_bytes(Path::new("x"), file("F4", &[3], 1));
        assert!(half.is_err_and(|error| error.to_string().contains("no whole bytes")));
    }
}
