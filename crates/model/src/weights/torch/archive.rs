//! The directory of a zip archive as `torch.save` writes it: where every entry's bytes lie in the file.
//!
//! Compressed or encrypted entries, names that are there twice, archives in parts or behind other bytes are refused:
//! `torch.save` makes none of these, and each is a way to hide something or to have memory filled.

use super::{Bytes, Result};
use std::collections::BTreeMap;
use std::ops::Range;

/// Signatures: end of the directory, its 64-bit form, what leads to that, an entry of it, an entry itself.
const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const TO_END64: &[u8] = b"PK\x06\x07";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// Their lengths, without what varies.
const END_LENGTH: u64 = 22;
const END64_LENGTH: u64 = 56;
const TO_END64_LENGTH: u64 = 20;
const ENTRY_LENGTH: usize = 46;
const LOCAL_LENGTH: u64 = 30;

/// Longest directory that is read: that of a hundred thousand entries.
const MAX_DIRECTORY: u64 = 16 << 20;
/// Read from the end of the file at once: the directory is mostly in it.
const TAIL: u64 = 64 << 10;
/// A 32-bit number that stands for a longer one elsewhere.
const ELSEWHERE: u64 = 0xffff_ffff;
/// Storages begin at multiples of this, since PyTorch 1.6.
const ALIGNMENT: u64 = 64;
/// Lengths of what may follow an entry's bytes: nothing, or its checksum and lengths, of 32 or 64 bits.
const FOOTERS: [u64; 3] = [0, 16, 24];

/// One entry.
#[derive(Debug)]
struct Entry {
    /// Where its own header begins.
    header: u64,
    /// Its bytes.
    length: u64,
    /// Where the next entry begins, or the directory.
    next: u64,
}

/// The entries of an archive.
pub(super) struct Archive<'s, S: Bytes + ?Sized> {
    source: &'s S,
    entries: BTreeMap<String, Entry>,
}

/// A little-endian number at a place of bytes that were checked to be long enough.
fn number(bytes: &[u8], range: Range<usize>) -> u64 {
    bytes[range]
        .iter()
        .rev()
        .fold(0, |sum, &b| sum << 8 | u64::from(b))
}

fn damaged(what: &str) -> String {
    format!("is a damaged zip archive: {what}")
}

impl<'s, S: Bytes + ?Sized> Archive<'s, S> {
    pub(super) fn open(source: &'s S) -> Result<Self> {
        let whole = source.length();
        if whole < END_LENGTH {
            return Err(damaged("it is too short"));
        }
        let tail_start = whole.saturating_sub(TAIL);
        let tail = source.read(tail_start..whole)?;
        // The end lies where its comment reaches exactly to the end of the file.
        let end = (0..=tail.len() - END_LENGTH as usize).rev().find(|&at| {
            tail[at..].starts_with(END)
                && at + END_LENGTH as usize + number(&tail, at + 20..at + 22) as usize == tail.len()
        });
        let end = end.ok_or_else(|| damaged("it has no end"))?;
        let mut count = number(&tail, end + 10..end + 12);
        let mut length = number(&tail, end + 12..end + 16);
        let mut start = number(&tail, end + 16..end + 20);
        let mut after = tail_start + end as u64;
        let parts = number(&tail, end + 4..end + 8);
        if let Some(leads) = (end as u64)
            .checked_sub(TO_END64_LENGTH)
            .filter(|&at| tail[at as usize..].starts_with(TO_END64))
        {
            let leads = leads as usize;
            let at = number(&tail, leads + 8..leads + 16);
            let stop = at
                .checked_add(END64_LENGTH)
                .filter(|&stop| stop <= tail_start + leads as u64)
                .ok_or_else(|| damaged("its end lies elsewhere"))?;
            let end64 = source.read(at..stop)?;
            if !end64.starts_with(END64) || number(&end64, 16..24) != 0 {
                return Err(damaged("its end lies elsewhere"));
            }
            (count, length, start) = (
                number(&end64, 32..40),
                number(&end64, 40..48),
                number(&end64, 48..56),
            );
            after = at;
        } else if parts != 0 {
            return Err(damaged("it has parts"));
        }
        if start.checked_add(length) != Some(after) {
            return Err(damaged("its directory is not where it says"));
        }
        if length > MAX_DIRECTORY {
            return Err(format!(
                "has a directory of {length} bytes; at most {MAX_DIRECTORY} are read"
            ));
        }
        let read;
        let directory = if start >= tail_start {
            &tail[(start - tail_start) as usize..][..length as usize]
        } else {
            read = source.read(start..after)?;
            &read[..]
        };
        Ok(Self {
            source,
            entries: entries(directory, count, start)?,
        })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Where an entry's bytes begin and how many there are, if it is there.
    pub(super) fn place(&self, name: &str) -> Result<Option<(u64, u64)>> {
        let Some(entry) = self.entries.get(name) else {
            return Ok(None);
        };
        let start = match self.source.near() {
            true => None,
            false => entry.expected_start(name),
        };
        let start = match start {
            Some(start) => start,
            None => self.start(entry, name)?,
        };
        match start.checked_add(entry.length) {
            Some(end) if end <= entry.next => Ok(Some((start, entry.length))),
            _ => Err(format!("{} does not lie in the file", name.escape_debug())),
        }
    }

    /// Where the bytes begin, by the entry's own header.
    fn start(&self, entry: &Entry, name: &str) -> Result<u64> {
        let shown = name.escape_debug();
        let after = entry.header + LOCAL_LENGTH + name.len() as u64;
        if after > entry.next {
            return Err(format!("{shown} does not lie in the file"));
        }
        let header = self.source.read(entry.header..after)?;
        if !header.starts_with(LOCAL)
            || number(&header, 26..28) != name.len() as u64
            || header[LOCAL_LENGTH as usize..] != *name.as_bytes()
        {
            return Err(format!("{shown} is not where the directory says"));
        }
        Ok(after + number(&header, 28..30))
    }
}

impl Entry {
    /// Where PyTorch puts the bytes: at the next multiple of 64 after the header and what pads it. Only where the next
    /// entry follows as it then must; else the header has to be read.
    fn expected_start(&self, name: &str) -> Option<u64> {
        let mut least = self.header + LOCAL_LENGTH + name.len() as u64 + 4;
        if self.length >= ELSEWHERE || self.header >= ELSEWHERE {
            least += 4;
            least += if self.length >= ELSEWHERE { 16 } else { 0 };
            least += if self.header >= ELSEWHERE { 8 } else { 0 };
        }
        let start = least.next_multiple_of(ALIGNMENT);
        let rest = self.next.checked_sub(start.checked_add(self.length)?)?;
        FOOTERS.contains(&rest).then_some(start)
    }
}

fn entries(directory: &[u8], count: u64, start: u64) -> Result<BTreeMap<String, Entry>> {
    let (mut at, mut all) = (0, Vec::new());
    while at < directory.len() {
        let entry = &directory[at..];
        if entry.len() < ENTRY_LENGTH || !entry.starts_with(ENTRY) {
            return Err(damaged("its directory has no entry where one is due"));
        }
        let lengths = [28..30, 30..32, 32..34].map(|range| number(entry, range) as usize);
        let [name_length, extra_length, comment_length] = lengths;
        let fixed = ENTRY_LENGTH + name_length;
        let whole = fixed + extra_length + comment_length;
        let (Some(name), Some(extra)) = (
            entry.get(ENTRY_LENGTH..fixed),
            entry.get(fixed..fixed + extra_length),
        ) else {
            return Err(damaged("its directory is cut"));
        };
        let name = std::str::from_utf8(name).map_err(|_| damaged("a name is no text"))?;
        let shown = name.escape_debug();
        if number(entry, 8..10) & 1 != 0 || number(entry, 10..12) != 0 {
            return Err(format!(
                "{shown} is compressed or encrypted, which `torch.save` never does"
            ));
        }
        let mut wide = extra_numbers(extra);
        let mut resolved = |short: u64| match short {
            ELSEWHERE => wide.next(),
            short => Some(short),
        };
        // In the order of the format: length, stored length, place.
        let values = [24..28, 20..24, 42..46].map(|range| resolved(number(entry, range)));
        let [Some(length), Some(stored), Some(header)] = values else {
            return Err(damaged("a length is not there"));
        };
        if length != stored || header >= start {
            return Err(format!("{shown} does not lie in the file"));
        }
        all.push((header, length, name.to_owned()));
        at += whole;
    }
    if at != directory.len() || all.len() as u64 != count {
        return Err(damaged("its directory is cut"));
    }
    all.sort_unstable();
    let ends: Vec<u64> = all.iter().skip(1).map(|(header, ..)| *header).collect();
    let mut entries = BTreeMap::new();
    for (i, (header, length, name)) in all.into_iter().enumerate() {
        let next = ends.get(i).copied().unwrap_or(start);
        let entry = Entry {
            header,
            length,
            next,
        };
        if let Some(twice) = entries.insert(name, entry) {
            return Err(damaged(&format!(
                "the entry at byte {} is there twice",
                twice.header
            )));
        }
    }
    Ok(entries)
}

/// The 64-bit numbers of an entry's extra field 1.
fn extra_numbers(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut found = Vec::new();
    while let Some((head, rest)) = extra.split_first_chunk::<4>() {
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let Some((field, rest)) = rest.split_at_checked(length) else {
            break;
        };
        if head[..2] == [1, 0] {
            found.extend(field.as_chunks().0.iter().map(|&b| u64::from_le_bytes(b)));
            break;
        }
        extra = rest;
    }
    found.into_iter()
}
