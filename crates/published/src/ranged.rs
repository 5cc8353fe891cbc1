//! A stored file as readers of headers want it: a stream, or stretches, with few reads of the store behind.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::ops::Range;

use glasswork_model::Bytes;

use crate::error::Result;
use crate::store::Store;

/// What is read at least: most headers lie in it whole.
const WINDOW: u64 = 128 << 10;
/// Stretches that are kept; a header takes two or three.
const KEPT: usize = 4;

/// A file of a store. What was read once is kept.
pub(crate) struct Ranged<'s> {
    store: &'s dyn Store,
    path: &'s str,
    length: u64,
    kept: RefCell<Vec<(u64, Vec<u8>)>>,
    /// Where the stream stands.
    at: Cell<u64>,
}

impl<'s> Ranged<'s> {
    pub(crate) fn new(store: &'s dyn Store, path: &'s str) -> Result<Self> {
        Ok(Self {
            store,
            path,
            length: store.file(path)?.bytes,
            kept: RefCell::default(),
            at: Cell::new(0),
        })
    }

    /// Bytes `range`, which lies within the file.
    pub(crate) fn stretch(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let mut kept = self.kept.borrow_mut();
        let within = |(start, bytes): &&(u64, Vec<u8>)| {
            *start <= range.start && range.end <= start + bytes.len() as u64
        };
        if let Some((start, bytes)) = kept.iter().find(within) {
            let first = (range.start - start) as usize;
            return Ok(bytes[first..first + (range.end - range.start) as usize].to_vec());
        }
        let end = range
            .end
            .max(range.start.saturating_add(WINDOW).min(self.length));
        let bytes = self.store.read(self.path, range.start..end)?;
        let asked = bytes[..(range.end - range.start) as usize].to_vec();
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((range.start, bytes));
        Ok(asked)
    }
}

impl Bytes for Ranged<'_> {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, range: Range<u64>) -> std::result::Result<Cow<'_, [u8]>, String> {
        let bytes = self.stretch(range).map_err(|error| error.to_string())?;
        Ok(Cow::Owned(bytes))
    }

    fn near(&self) -> bool {
        false
    }
}

impl Read for &Ranged<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let at = self.at.get();
        let end = self.length.min(at.saturating_add(into.len() as u64));
        let bytes = self.stretch(at..end).map_err(io::Error::other)?;
        into[..bytes.len()].copy_from_slice(&bytes);
        self.at.set(end);
        Ok(bytes.len())
    }
}
