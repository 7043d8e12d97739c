//! The values of a store's older entries, on the disk. Keys, identities and times stay in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use lsm_tree::UserValue;

use super::Store;
use super::arena::{Arena, Head};
use super::delta::{Change, PUT_BYTES, Writer};
use crate::spill::{Disk, Piece, Run};

/// Values that are read come in lines of so many.
const LINE: usize = 64;
/// What a value takes on the disk beyond itself.
const VALUE_BYTES: usize = 24;

type Line = Box<[OnceLock<UserValue>]>;

/// The values of one generation, by number.
pub struct Values {
    run: Arc<Run>,
    /// What was written over since it was written to the disk.
    changed: BTreeMap<u32, Vec<u8>>,
    /// What the open transaction has read: whoever asked for it may hold it until the end.
    read: Vec<OnceLock<Line>>,
    touched: AtomicBool,
}

impl Values {
    /// Writes values by rising numbers below `count`, of so many bytes together.
    pub fn write<'a>(
        disk: &Arc<Disk>,
        count: usize,
        bytes: usize,
        values: impl Iterator<Item = (u32, &'a [u8])>,
    ) -> Result<Self, String> {
        let bytes = bytes + count * VALUE_BYTES;
        let run = Run::new(disk, bytes)?;
        let mut values = values.map(|(number, value)| (number.to_be_bytes(), value)).peekable();
        if values.peek().is_some() {
            run.add(bytes, values)?;
        }
        let mut read = Vec::new();
        read.resize_with(count.div_ceil(LINE), OnceLock::new);
        Ok(Self { run: Arc::new(run), changed: BTreeMap::new(), read, touched: AtomicBool::new(false) })
    }

    /// A value; nothing where reading failed, which the disk tells.
    pub fn get(&self, number: u32) -> &[u8] {
        if let Some(value) = self.changed.get(&number) {
            return value;
        }
        let number = number as usize;
        let Some(line) = self.read.get(number / LINE) else { return &[] };
        let line = line.get_or_init(|| (0..LINE).map(|_| OnceLock::new()).collect());
        self.touched.store(true, Ordering::Relaxed);
        let key = (number as u32).to_be_bytes();
        line[number % LINE].get_or_init(|| self.run.value(&key))
    }

    /// A value of so many bytes to be written over, which stays in memory from now on.
    pub fn change(&mut self, number: u32, length: usize) -> &mut [u8] {
        if !self.changed.contains_key(&number) {
            let mut value = self.get(number).to_vec();
            // Only where reading failed: what follows is not committed.
            value.resize(length, 0);
            self.changed.insert(number, value);
        }
        self.changed.get_mut(&number).map_or(&mut [], Vec::as_mut_slice)
    }

    /// Forgets a value that is gone.
    pub fn forget(&mut self, number: u32) {
        self.changed.remove(&number);
    }

    /// Gives back what was read.
    pub fn settle(&mut self) {
        if std::mem::take(self.touched.get_mut()) {
            self.read.iter_mut().for_each(|line| {
                line.take();
            });
        }
    }

    pub fn changed_bytes(&self) -> usize {
        self.changed.values().map(|value| value.capacity() + size_of::<(u32, Vec<u8>)>()).sum()
    }

    pub fn bytes(&self) -> usize {
        self.changed_bytes() + self.read.capacity() * size_of::<OnceLock<Line>>()
    }

    /// Writes the values that changed; not while a dump is yet to read what they were.
    pub fn spill(&mut self) -> Result<(), String> {
        if Arc::strong_count(&self.run) > 1 {
            return Ok(());
        }
        let changed = self.changed.iter().filter(|(_, value)| !value.is_empty());
        let mut changed = changed.map(|(number, value)| (number.to_be_bytes(), value.as_slice())).peekable();
        if changed.peek().is_some() {
            self.run.add(self.changed_bytes(), changed)?;
        }
        self.changed.clear();
        Ok(())
    }
}

/// An entry whose value is yet to be read for a dump.
pub struct Spilt {
    head: Head,
    changed: Option<Vec<u8>>,
}

impl Spilt {
    /// Appends the entry as a change, its value read by number.
    pub fn write(
        &self,
        read: impl Fn(&[u8]) -> Result<UserValue, String>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let found = match &self.changed {
            None if self.head.value_length() > 0 => Some(read(&self.head.at.to_be_bytes())?),
            _ => None,
        };
        let value = self.changed.as_deref().or(found.as_deref()).unwrap_or_default();
        let (key, identity, append_ms) = (self.head.key(), self.head.identity(), self.head.append_ms);
        Change::Put { key, identity, append_ms, value }.write(out);
        Ok(())
    }
}

impl Arena {
    /// The entries of a generation on the disk as pieces of a dump, each as long as a record may be.
    pub(super) fn pieces(&self, values: &Values, writer: &Writer, pieces: &mut Vec<Piece>) {
        let (mut entries, mut length) = (Vec::new(), 0);
        let piece = |entries| Piece::Entries { run: Arc::clone(&values.run), head: writer.head(), entries };
        for (_, head) in self.heads().filter(|(_, head)| !head.gone()) {
            entries.push(Spilt { head: *head, changed: values.changed.get(&head.at).cloned() });
            length += PUT_BYTES + head.value_length();
            if Writer::full(length) {
                pieces.push(piece(std::mem::take(&mut entries)));
                length = 0;
            }
        }
        if !entries.is_empty() {
            pieces.push(piece(entries));
        }
    }
}

impl Store {
    /// Moves values of generations to the disk, the oldest first, those of which `least` bytes or more are in memory,
    /// until `goal` bytes are free; says how many are. The newest generation only if `newest`. While a transaction is
    /// open nothing moves.
    pub fn spill(
        &mut self,
        disk: &Arc<Disk>,
        goal: usize,
        least: usize,
        newest: bool,
    ) -> (usize, Result<(), String>) {
        let mut freed = 0;
        let end = if newest { self.arenas.len() } else { self.arenas.len().saturating_sub(1) };
        for number in 0..if self.changed() { 0 } else { end } {
            let arena = &mut self.arenas[number];
            let before = arena.bytes();
            if arena.values_bytes() < least.max(1) {
                continue;
            }
            if freed >= goal {
                break;
            }
            let result = arena.spill(disk);
            freed += before.saturating_sub(arena.bytes());
            if result.is_err() {
                return (freed, result);
            }
        }
        (freed, Ok(()))
    }

    /// The bytes on the disk.
    #[must_use]
    pub fn spilt_bytes(&self) -> u64 {
        let values = self.arenas.iter().filter_map(|arena| arena.spilt.as_ref());
        values.map(|values| values.run.bytes()).sum()
    }

    /// Gives back what the transaction that ends has read from the disk.
    pub(super) fn settle(&mut self) {
        self.arenas.iter_mut().filter_map(|arena| arena.spilt.as_mut()).for_each(|values| values.settle());
    }
}
