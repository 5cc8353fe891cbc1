//! Weights as `torch.save` writes them (`pytorch_model.bin`), read where they lie.
//!
//! Since PyTorch 1.6 such a file is a zip archive whose entries are not compressed: `NAME/data.pkl`, a pickle of
//! names, shapes and storages, and `NAME/data/KEY`, the bytes of each storage. Before, it was five pickles, one
//! after the other, and then the storages. Both give the place of every tensor in the file; nothing is executed
//! ([`pickle`]), unpacked or copied. A file on another machine is read in two or three stretches.

mod archive;
mod pickle;

use crate::ModelError;
use archive::Archive;
use glasswork_release::safetensors::{Dtype, TensorInfo, valid_tensor_name};
use pickle::{Machine, Tensor};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

/// Longest pickle that is read: some eighty times that of a 65B model.
const MAX_PICKLE: u64 = 16 << 20;
/// Read from the beginning of a file of before PyTorch 1.6 at first; four times as much until it is enough.
const FIRST: u64 = 256 << 10;
/// The first pickle of a file from before PyTorch 1.6, whole: a magic number.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

type Result<T> = std::result::Result<T, String>;
/// Where a storage begins in the file, and its bytes.
type Place = (u64, u64);

/// A file that is read in stretches.
pub trait Bytes {
    /// Its length.
    fn length(&self) -> u64;

    /// Bytes `range`, which lies within the length: all of them, or an error in words.
    ///
    /// # Errors
    /// Whatever reading fails with.
    fn read(&self, range: Range<u64>) -> std::result::Result<Cow<'_, [u8]>, String>;

    /// Whether a stretch costs next to nothing, so that many may be read.
    fn near(&self) -> bool;
}

impl Bytes for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, range: Range<u64>) -> std::result::Result<Cow<'_, [u8]>, String> {
        let stretch = self.get(range.start as usize..range.end as usize);
        stretch.map(Cow::Borrowed).ok_or("ends too early".into())
    }

    fn near(&self) -> bool {
        true
    }
}

/// A tensor of a file of `torch.save`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TorchTensor {
    /// The type of its elements.
    pub dtype: Dtype,
    /// Its shape, outermost dimension first.
    pub shape: Vec<u64>,
    /// First byte and end in the file; `None` where its elements do not follow each other row by row, such as those of
    /// a transposed view.
    pub range: Option<(u64, u64)>,
}

/// Lists the tensors of a file, which may be on another machine: nothing of it is executed, and of storages nothing is
/// read.
///
/// # Errors
/// What is no file of `torch.save`, or asks for more than tensors, in words; and what reading fails with.
pub fn torch_tensors(
    source: &(impl Bytes + ?Sized),
) -> std::result::Result<BTreeMap<String, TorchTensor>, String> {
    let start = source.read(0..source.length().min(MAGIC.len() as u64))?;
    if start.starts_with(b"PK") {
        of_archive(source)
    } else if start.starts_with(MAGIC) {
        of_stream(source)
    } else {
        Err("is no file of `torch.save`".into())
    }
}

/// Lists the tensors of a mapped file, each of which lies row by row.
pub(super) fn tensors(
    map: &[u8],
    path: &Path,
) -> std::result::Result<BTreeMap<String, TensorInfo>, ModelError> {
    let rows = |(name, tensor): (String, TorchTensor)| match tensor.range {
        Some(range) => {
            let (dtype, shape) = (tensor.dtype, tensor.shape);
            Ok((
                name,
                TensorInfo {
                    dtype,
                    shape,
                    range,
                },
            ))
        }
        None => Err(format!("`{name}` does not lie row by row")),
    };
    let found = torch_tensors(map).and_then(|all| all.into_iter().map(rows).collect());
    found.map_err(|problem| {
        let path = path.into();
        ModelError::Torch { path, problem }
    })
}

fn of_archive(source: &(impl Bytes + ?Sized)) -> Result<BTreeMap<String, TorchTensor>> {
    let archive = Archive::open(source)?;
    let pickles: Vec<&str> = archive
        .names()
        .filter(|name| name.ends_with("/data.pkl"))
        .collect();
    let [name] = pickles[..] else {
        return Err(format!(
            "holds {} entries data.pkl where one is due",
            pickles.len()
        ));
    };
    let root = name.strip_suffix("data.pkl").expect("it ends so");
    let (start, length) = archive.place(name)?.expect("it was listed");
    if length > MAX_PICKLE {
        return Err(format!(
            "has a pickle of {length} bytes; at most {MAX_PICKLE} are read"
        ));
    }
    let pickle = source.read(start..start + length)?;
    let tensors = Machine::new(&pickle)
        .tensors()
        .map_err(|problem| format!("{}: {problem}", name.escape_debug()))?;
    if let Some((start, length)) = archive.place(&format!("{root}byteorder"))?
        && (length != 6 || *source.read(start..start + length)? != *b"little")
    {
        return Err("was written by a big-endian machine".into());
    }
    let mut storages: HashMap<Rc<str>, Place> = HashMap::new();
    for (_, tensor) in &tensors {
        if !storages.contains_key(&tensor.storage) {
            let name = format!("{root}data/{}", tensor.storage);
            let place = archive.place(&name)?;
            let place = place.ok_or_else(|| format!("lacks the entry {}", name.escape_debug()))?;
            storages.insert(Rc::clone(&tensor.storage), place);
        }
    }
    places(tensors, &storages)
}

fn of_stream(source: &(impl Bytes + ?Sized)) -> Result<BTreeMap<String, TorchTensor>> {
    let whole = source.length();
    let mut ask = FIRST;
    let (tensors, keys, after) = loop {
        let begin = source.read(0..whole.min(ask))?;
        match pickles(&begin) {
            Err(_) if ask < whole.min(MAX_PICKLE) => ask *= 4,
            found => break found?,
        }
    };
    let types: HashMap<&str, (Dtype, u64)> = tensors
        .iter()
        .map(|(_, tensor)| (&*tensor.storage, (tensor.dtype, tensor.stored)))
        .collect();
    let (mut at, mut storages) = (after, HashMap::new());
    let last = keys.len().saturating_sub(1);
    for (i, key) in keys.into_iter().enumerate() {
        let &(dtype, stored) = types
            .get(&*key)
            .ok_or_else(|| format!("holds the storage {} of no tensor", key.escape_debug()))?;
        let start = at
            .checked_add(size_of::<u64>() as u64)
            .filter(|&start| start <= whole)
            .ok_or("ends within its storages")?;
        // Each storage is preceded by its count. Far away, where the last one is right, those before it are.
        if source.near() || i == last {
            let count = source.read(at..start)?;
            let count = count.first_chunk().copied().map(u64::from_le_bytes);
            if count != Some(stored) {
                return Err("has a storage of another length than it says".into());
            }
        }
        let length = stored
            .checked_mul(dtype.size() as u64)
            .ok_or("has a storage beyond all sizes")?;
        at = start
            .checked_add(length)
            .filter(|&end| end <= whole)
            .ok_or("ends within its storages")?;
        storages.insert(key, (start, length));
    }
    places(tensors, &storages)
}

/// Tensors, keys of storages in their order, and the byte after them.
type Pickles = (Vec<(Rc<str>, Tensor)>, Vec<Rc<str>>, u64);

fn pickles(begin: &[u8]) -> Result<Pickles> {
    let mut machine = Machine::new(begin);
    // Magic number, version, what the machine was like.
    for _ in 0..3 {
        machine.skip()?;
    }
    let tensors = machine.tensors()?;
    let keys = machine.texts()?;
    Ok((tensors, keys, machine.position() as u64))
}

/// The place of each tensor in its storage in the file.
fn places(
    tensors: Vec<(Rc<str>, Tensor)>,
    storages: &HashMap<Rc<str>, Place>,
) -> Result<BTreeMap<String, TorchTensor>> {
    let mut places = BTreeMap::new();
    for (name, tensor) in tensors {
        valid_tensor_name(&name).map_err(|error| error.to_string())?;
        let of = |problem: &str| format!("`{name}` {problem}");
        let &(start, length) = storages
            .get(&tensor.storage)
            .ok_or_else(|| of("has no storage"))?;
        let size = tensor.dtype.size() as u64;
        if tensor.stored.checked_mul(size) != Some(length) {
            return Err(of("has a storage of another length than it says"));
        }
        let first = tensor.offset.checked_mul(size);
        let bytes = tensor.dtype.bytes(&tensor.shape);
        let (Some(first), Some(bytes)) = (first, bytes) else {
            return Err(of("is larger than all sizes"));
        };
        let range = if in_rows(&tensor) {
            let end = first.checked_add(bytes).filter(|&end| end <= length);
            let end = end.ok_or_else(|| of("reaches beyond its storage"))?;
            Some((start + first, start + end))
        } else {
            None
        };
        let found = TorchTensor {
            dtype: tensor.dtype,
            shape: tensor.shape,
            range,
        };
        if places.insert(name.to_string(), found).is_some() {
            return Err(of("is there twice"));
        }
    }
    Ok(places)
}

/// Whether the elements follow each other, the last dimension fastest.
fn in_rows(tensor: &Tensor) -> bool {
    let mut expected = Some(1_u64);
    tensor.shape.len() == tensor.strides.len()
        && tensor
            .shape
            .iter()
            .zip(&tensor.strides)
            .rev()
            .all(|(&d, &stride)| {
                let fits = d == 1 || expected == Some(stride);
                expected = expected.and_then(|e| e.checked_mul(d));
                fits
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same tensors, as `peers/torch_files.py` had three versions of PyTorch save them, in both forms.
    macro_rules! saved_by {
        ($($version:literal)*) => {[
            $(
                ($version, include_bytes!(concat!("../../../tests/torch/", $version, ".bin")) as &[u8]),
                (
                    concat!($version, ", stream"),
                    include_bytes!(concat!("../../../tests/torch/", $version, "-stream.bin")),
                ),
            )*
        ]};
    }
    const FILES: [(&str, &[u8]); 6] = saved_by!["2.15.0" "2.1.2" "1.13.1"];
    const TURNED: [&[u8]; 3] = [
        include_bytes!("../../../tests/torch/2.15.0-turned.bin"),
        include_bytes!("../../../tests/torch/2.1.2-turned.bin"),
        include_bytes!("../../../tests/torch/1.13.1-turned.bin"),
    ];
    const MODULES: [&[u8]; 3] = [
        include_bytes!("../../../tests/torch/2.15.0-module.bin"),
        include_bytes!("../../../tests/torch/2.1.2-module.bin"),
        include_bytes!("../../../tests/torch/1.13.1-module.bin"),
    ];

    fn read(map: &[u8]) -> std::result::Result<BTreeMap<String, TensorInfo>, String> {
        tensors(map, Path::new("x.bin")).map_err(|error| error.to_string())
    }

    #[test]
    fn files_of_torch_are_read_where_they_lie() {
        for (what, map) in FILES {
            let all = read(map).expect(what);
            let bytes = |name: &str| {
                let (start, end) = all[name].range;
                &map[start as usize..end as usize]
            };
            let floats = |name: &str| -> Vec<f32> {
                let chunks = bytes(name).as_chunks().0.iter();
                chunks.map(|&x| f32::from_le_bytes(x)).collect()
            };
            assert_eq!(all.len(), 5, "{what}");
            assert_eq!(floats("a.weight"), [0., 1., 2., 3., 4., 5.], "{what}");
            assert_eq!(floats("b.weight"), [6., 7., 8., 9., 10., 11.], "{what}");
            assert_eq!(all["b.weight"].shape, [3, 2], "{what}");
            assert_eq!(all["c.bias"].dtype, Dtype::Bf16, "{what}");
            assert_eq!(bytes("c.bias"), [0x80, 0x3f, 0, 0xc0, 0, 0x3f], "{what}");
            assert_eq!(
                (all["d.half"].dtype, &all["d.half"].shape[..]),
                (Dtype::F16, &[2, 1][..])
            );
            assert!(
                all["e.scalar"].shape.is_empty() && bytes("e.scalar")[0] == 7,
                "{what}"
            );
        }
    }

    #[test]
    fn what_is_no_tensor_in_rows_is_refused() {
        for turned in TURNED {
            let refused = read(turned);
            assert!(refused.is_err_and(|e| e.contains("`a.weight` does not lie row by row")));
        }
        for module in MODULES {
            let refused = read(module);
            assert!(
                refused.is_err_and(|e| e.contains("asks for `torch.nn.modules.linear.Linear`"))
            );
        }
    }

    /// A file that is not at hand: counts the stretches that are read of it.
    struct Far<'m>(&'m [u8], std::cell::RefCell<Vec<Range<u64>>>);

    impl Bytes for Far<'_> {
        fn length(&self) -> u64 {
            self.0.length()
        }

        fn read(&self, range: Range<u64>) -> std::result::Result<Cow<'_, [u8]>, String> {
            self.1.borrow_mut().push(range.clone());
            self.0.read(range)
        }

        fn near(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_far_file_gives_the_same_places_and_its_storages_are_not_read() {
        for (what, map) in FILES {
            let far = Far(map, Vec::new().into());
            let tensors = torch_tensors(&far).expect(what);
            let near = torch_tensors(map).expect(what);
            assert_eq!(tensors, near, "{what}");
            let reads = far.1.into_inner();
            assert!(reads.len() <= 6, "{what}: {reads:?}");
        }
    }

    #[test]
    fn a_turned_tensor_is_listed_without_a_place() {
        for map in TURNED {
            let tensor = &torch_tensors(map).expect("is a file of torch")["a.weight"];
            assert_eq!((&tensor.shape[..], tensor.range), (&[4, 3][..], None));
        }
    }

    #[test]
    fn attack_archives_that_pack_or_repeat() {
        let (_, map) = FILES[0];
        let central = |map: &[u8]| {
            map.windows(4)
                .position(|w| w == b"PK\x01\x02")
                .expect("is there")
        };
        // Method 8, deflate; flag 1, encrypted.
        for (place, value) in [(10, 8), (8, 1)] {
            let mut packed = map.to_vec();
            packed[central(map) + place] = value;
            let refused = read(&packed);
            assert!(refused.is_err_and(|e| e.contains("compressed or encrypted")));
        }
        let mut longer = map.to_vec();
        let at = central(map);
        longer[at + 20..at + 24].fill(0xfe);
        longer[at + 24..at + 28].fill(0xfe);
        assert!(read(&longer).is_err_and(|e| e.contains("does not lie in the file")));
        let behind = [b"PK\x03\x04", map].concat();
        assert!(read(&behind).is_err_and(|e| e.contains("its end lies elsewhere")));
    }

    /// Cut anywhere, and with any byte changed, a file is an error or other tensors within it.
    #[test]
    fn attack_damaged_files() {
        for (what, map) in FILES {
            for end in 0..map.len() {
                assert!(read(&map[..end]).is_err(), "{what} cut at {end}");
            }
            let mut damaged = map.to_vec();
            for at in 0..map.len() {
                for value in [0, 0x80, 0xff, map[at] ^ 1] {
                    damaged[at] = value;
                    for info in read(&damaged).into_iter().flatten() {
                        assert!(
                            info.1.range.0 <= info.1.range.1 && info.1.range.1 <= map.len() as u64
                        );
                    }
                }
                damaged[at] = map[at];
            }
        }
    }
}
