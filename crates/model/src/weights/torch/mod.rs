//! Weights as `torch.save` writes them (`pytorch_model.bin`), read where they lie.
//!
//! Since PyTorch 1.6 such a file is a zip archive whose entries are not compressed: `NAME/data.pkl`, a pickle of
//! names, shapes and storages, and `NAME/data/KEY`, the bytes of each storage. Before, it was five pickles, one
//! after the other, and then the storages. Both give the place of every tensor in the file; nothing is executed
//! ([`pickle`]), unpacked or copied.

mod pickle;

use crate::ModelError;
use glasswork_release::safetensors::{Dtype, TensorInfo, valid_tensor_name};
use pickle::{Machine, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;
use std::path::Path;
use std::rc::Rc;

/// Longest pickle that is read: some eighty times that of a 65B model.
const MAX_PICKLE: usize = 16 << 20;
/// The first pickle of a file from before PyTorch 1.6, whole: a magic number.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

type Result<T> = std::result::Result<T, String>;
type Archive<'m> = zip::ZipArchive<Cursor<&'m [u8]>>;
/// Where a storage begins in the file, and its bytes.
type Place = (u64, u64);

/// Lists the tensors of a mapped file.
pub(super) fn tensors(
    map: &[u8],
    path: &Path,
) -> std::result::Result<BTreeMap<String, TensorInfo>, ModelError> {
    let found = if map.starts_with(b"PK") {
        of_archive(map)
    } else if map.starts_with(MAGIC) {
        of_stream(map)
    } else {
        Err("is no file of `torch.save`".into())
    };
    found.map_err(|problem| {
        let path = path.into();
        ModelError::Torch { path, problem }
    })
}

fn of_archive(map: &[u8]) -> Result<BTreeMap<String, TensorInfo>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(map))
        .map_err(|error| format!("is a damaged zip archive: {error}"))?;
    let pickles: Vec<&str> = archive
        .file_names()
        .filter(|name| name.ends_with("/data.pkl"))
        .collect();
    let [name] = pickles[..] else {
        return Err(format!(
            "holds {} entries data.pkl where one is due",
            pickles.len()
        ));
    };
    let name = name.to_owned();
    let root = name.strip_suffix("data.pkl").expect("it ends so");
    if let Some((start, length)) = entry(&mut archive, map.len(), &format!("{root}byteorder"))?
        && map[start as usize..][..length as usize] != *b"little"
    {
        return Err("was written by a big-endian machine".into());
    }
    let (start, length) = entry(&mut archive, map.len(), &name)?.expect("it was listed");
    if length > MAX_PICKLE as u64 {
        return Err(format!(
            "has a pickle of {length} bytes; at most {MAX_PICKLE} are read"
        ));
    }
    let pickle = &map[start as usize..][..length as usize];
    let tensors = Machine::new(pickle)
        .tensors()
        .map_err(|problem| format!("{name}: {problem}"))?;
    let mut storages: HashMap<Rc<str>, Place> = HashMap::new();
    for (_, tensor) in &tensors {
        if !storages.contains_key(&tensor.storage) {
            let name = format!("{root}data/{}", tensor.storage);
            let place = entry(&mut archive, map.len(), &name)?;
            let place = place.ok_or_else(|| format!("lacks the entry {}", name.escape_debug()))?;
            storages.insert(Rc::clone(&tensor.storage), place);
        }
    }
    places(tensors, &storages)
}

/// Where an entry lies, if it is there.
fn entry(archive: &mut Archive, whole: usize, name: &str) -> Result<Option<Place>> {
    let Some(index) = archive.index_for_name(name) else {
        return Ok(None);
    };
    let name = name.escape_debug();
    let entry = archive
        .by_index_raw(index)
        .map_err(|error| format!("{name}: {error}"))?;
    if entry.encrypted() || entry.compression() != zip::CompressionMethod::Stored {
        return Err(format!(
            "{name} is compressed or encrypted, which `torch.save` never does"
        ));
    }
    let (start, length) = (entry.data_start(), entry.compressed_size());
    match start.checked_add(length) {
        Some(end) if end <= whole as u64 && entry.size() == length => Ok(Some((start, length))),
        _ => Err(format!("{name} does not lie in the file")),
    }
}

fn of_stream(map: &[u8]) -> Result<BTreeMap<String, TensorInfo>> {
    let mut machine = Machine::new(&map[..map.len().min(MAX_PICKLE)]);
    // Magic number, version, what the machine was like.
    for _ in 0..3 {
        machine.skip()?;
    }
    let tensors = machine.tensors()?;
    let keys = machine.texts()?;
    let types: HashMap<&str, Dtype> = tensors
        .iter()
        .map(|(_, tensor)| (&*tensor.storage, tensor.dtype))
        .collect();
    let (mut at, mut storages) = (machine.position() as u64, HashMap::new());
    for key in keys {
        let dtype = types
            .get(&*key)
            .ok_or_else(|| format!("holds the storage {} of no tensor", key.escape_debug()))?;
        let count = map.get(at as usize..).and_then(|rest| rest.first_chunk());
        let count = u64::from_le_bytes(*count.ok_or("ends within its storages")?);
        let length = count
            .checked_mul(dtype.size() as u64)
            .ok_or("has a storage beyond all sizes")?;
        let start = at + size_of::<u64>() as u64;
        at = start
            .checked_add(length)
            .filter(|&end| end <= map.len() as u64)
            .ok_or("ends within its storages")?;
        storages.insert(key, (start, length));
    }
    places(tensors, &storages)
}

/// The place of each tensor in its storage in the file.
fn places(
    tensors: Vec<(Rc<str>, Tensor)>,
    storages: &HashMap<Rc<str>, Place>,
) -> Result<BTreeMap<String, TensorInfo>> {
    let mut places = BTreeMap::new();
    for (name, tensor) in tensors {
        valid_tensor_name(&name).map_err(|error| error.to_string())?;
        let of = |problem: &str| format!("`{name}` {problem}");
        let &(start, length) = storages
            .get(&tensor.storage)
            .ok_or_else(|| of("has no storage"))?;
        if !in_rows(&tensor) {
            return Err(of("does not lie row by row"));
        }
        let size = tensor.dtype.size() as u64;
        let first = tensor.offset.checked_mul(size);
        let bytes = tensor.dtype.bytes(&tensor.shape);
        let (Some(first), Some(bytes)) = (first, bytes) else {
            return Err(of("is larger than all sizes"));
        };
        if tensor.stored.checked_mul(size) != Some(length) {
            return Err(of("has a storage of another length than it says"));
        }
        let Some(end) = first.checked_add(bytes).filter(|&end| end <= length) else {
            return Err(of("reaches beyond its storage"));
        };
        let info = TensorInfo {
            dtype: tensor.dtype,
            shape: tensor.shape,
            range: (start + first, start + end),
        };
        if places.insert(name.to_string(), info).is_some() {
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

    const FILES: [(&str, &[u8]); 2] = [
        ("archive", include_bytes!("../../../tests/torch/2.15.0.bin")),
        (
            "stream",
            include_bytes!("../../../tests/torch/2.15.0-stream.bin"),
        ),
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
        let turned = read(include_bytes!("../../../tests/torch/2.15.0-turned.bin"));
        assert!(turned.is_err_and(|e| e.contains("`a.weight` does not lie row by row")));
        let module = read(include_bytes!("../../../tests/torch/2.15.0-module.bin"));
        assert!(module.is_err_and(|e| e.contains("asks for `torch.nn.modules.linear.Linear`")));
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
