//! The pickles of a zip archive as PyTorch writes it. Compressed ones are unpacked within bounds: PyTorch's own
//! writer packs nothing, but its reader unpacks what others packed.

use std::io::Read;
use std::ops::Range;

use crate::ranged::Ranged;

/// Read from the end at once: the directory is mostly in it.
const TAIL: u64 = 64 << 10;
/// Longest directory that is read.
const MOST_DIRECTORY: u64 = 16 << 20;
/// Pickles of one archive.
const MOST_PICKLES: usize = 16;
/// Lengths of the end, of what leads to its 64-bit form, of that, of an entry and of the header of its bytes.
const END: usize = 22;
const TO_END64: usize = 20;
const END64: u64 = 56;
const ENTRY: usize = 46;
const LOCAL: u64 = 30;
/// A 32-bit number that stands for a longer one in the extra field.
const ELSEWHERE: u64 = 0xffff_ffff;

fn damaged(what: &str) -> String {
    format!("is a damaged zip archive: {what}")
}

fn number(bytes: &[u8], range: Range<usize>) -> Option<u64> {
    let bytes = bytes.get(range)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |sum, &b| sum << 8 | u64::from(b)),
    )
}

/// The entries that end in `.pkl`, unpacked, of at most `most` bytes each, and why there may be more.
pub(super) fn pickles(file: &Ranged<'_>, length: u64, most: u64) -> (Vec<Vec<u8>>, Option<String>) {
    let mut pickles = Vec::new();
    let problem = gather(file, length, most, &mut pickles).err();
    (pickles, problem)
}

fn gather(
    file: &Ranged<'_>,
    length: u64,
    most: u64,
    pickles: &mut Vec<Vec<u8>>,
) -> Result<(), String> {
    let read = |range: Range<u64>| file.stretch(range).map_err(|error| error.to_string());
    let directory = directory(&read, length)?;
    let mut at = 0;
    while directory
        .get(at..)
        .is_some_and(|rest| rest.starts_with(b"PK\x01\x02"))
    {
        let field = |range: Range<usize>| {
            number(&directory, at + range.start..at + range.end)
                .ok_or_else(|| damaged("an entry is cut"))
        };
        let (flags, method) = (field(8..10)?, field(10..12)?);
        let lengths = [28..30, 30..32, 32..34].map(field);
        let [name, extra, comment] = lengths;
        let (name, extra, comment) = (name? as usize, extra? as usize, comment? as usize);
        let begin = at + ENTRY;
        let cut = || damaged("an entry is cut");
        let named = directory.get(begin..begin + name).ok_or_else(cut)?;
        let extra = directory
            .get(begin + name..begin + name + extra)
            .ok_or_else(cut)?;
        let packed_at = [24..28, 20..24, 42..46].map(field);
        let [unpacked, packed, header] = packed_at;
        let sizes = [unpacked?, packed?, header?];
        at = begin + name + extra.len() + comment;
        if !named.ends_with(b".pkl") {
            continue;
        }
        let [_, packed, header] = widened(sizes, extra).ok_or_else(cut)?;
        let shown = String::from_utf8_lossy(named).escape_debug().to_string();
        if flags & 1 != 0 || ![0, 8].contains(&method) {
            return Err(format!("{shown} is encrypted, or packed in an unusual way"));
        }
        if packed > most || pickles.len() == MOST_PICKLES {
            return Err(format!(
                "{shown} has {packed} bytes; at most {MOST_PICKLES} pickles of {most} bytes are looked into"
            ));
        }
        let outside = || format!("{shown} does not lie in the file");
        let within = |start: u64, count: u64| {
            let end = start.checked_add(count).filter(|&end| end <= length);
            end.map(|end| start..end).ok_or_else(outside)
        };
        let local = read(within(header, LOCAL)?)?;
        if !local.starts_with(b"PK\x03\x04") {
            return Err(outside());
        }
        let skip = number(&local, 26..28).zip(number(&local, 28..30));
        let (name, extra) = skip.ok_or_else(outside)?;
        let bytes = read(within(header + LOCAL + name + extra, packed)?)?;
        pickles.push(match method {
            0 => bytes,
            _ => unpack(&bytes, most).map_err(|problem| format!("{shown} {problem}"))?,
        });
    }
    match pickles.is_empty() {
        true => Err("is an archive without a pickle".into()),
        false => Ok(()),
    }
}

fn unpack(packed: &[u8], most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut reader = flate2::read::DeflateDecoder::new(packed).take(most + 1);
    let read = reader.read_to_end(&mut bytes);
    if bytes.len() as u64 > most {
        return Err(format!("unpacks to more than {most} bytes"));
    }
    read.map_err(|error| format!("cannot be unpacked: {error}"))?;
    Ok(bytes)
}

/// The directory's bytes.
fn directory(
    read: &dyn Fn(Range<u64>) -> Result<Vec<u8>, String>,
    length: u64,
) -> Result<Vec<u8>, String> {
    let tail_start = length.saturating_sub(TAIL);
    let tail = read(tail_start..length)?;
    let is_end = |at: &usize| tail[*at..].starts_with(b"PK\x05\x06");
    let last = tail.len().checked_sub(END);
    let end = last.and_then(|last| (0..=last).rev().find(is_end));
    let end = end.ok_or_else(|| damaged("it has no end"))?;
    let field = |range: Range<usize>| number(&tail, range).unwrap_or_default();
    let (mut size, mut start) = (field(end + 12..end + 16), field(end + 16..end + 20));
    if let Some(leads) = end.checked_sub(TO_END64)
        && tail[leads..].starts_with(b"PK\x06\x07")
    {
        let at = field(leads + 8..leads + 16);
        let stop = at.checked_add(END64).filter(|&stop| stop <= length);
        let stop = stop.ok_or_else(|| damaged("its end lies elsewhere"))?;
        let end64 = read(at..stop)?;
        let field = |range: Range<usize>| number(&end64, range).unwrap_or_default();
        (size, start) = (field(40..48), field(48..56));
    }
    if size > MOST_DIRECTORY {
        return Err(format!(
            "has a directory of {size} bytes; at most {MOST_DIRECTORY} are read"
        ));
    }
    let stop = start.checked_add(size).filter(|&stop| stop <= length);
    read(start..stop.ok_or_else(|| damaged("its directory is not where it says"))?)
}

/// Unpacked length, packed length and place, from the 64-bit extra field where they do not fit.
fn widened(mut sizes: [u64; 3], mut extra: &[u8]) -> Option<[u64; 3]> {
    while let (Some(id), Some(count)) = (number(extra, 0..2), number(extra, 2..4)) {
        let field = extra.get(4..4 + count as usize)?;
        if id == 1 {
            let mut at = 0;
            for size in sizes.iter_mut().filter(|size| **size == ELSEWHERE) {
                *size = number(field, at..at + 8)?;
                at += 8;
            }
        }
        extra = &extra[4 + count as usize..];
    }
    Some(sizes)
}
