//! The entries of one generation: heads of a fixed size, and values in blocks, or on the disk.

use std::sync::Arc;

use super::spilt::Values;
use crate::spill::Disk;

/// What a head says instead of a place where there is none.
pub const NOWHERE: Place = Place { arena: u32::MAX, entry: u32::MAX };

const BLOCK_HEADS: usize = 4096;
const BLOCK_BYTES: usize = 1 << BLOCK_BITS;
const BLOCK_BITS: u32 = 20;
const MOST_BLOCKS: usize = 1 << (32 - BLOCK_BITS);
/// The bit of a length that marks an entry as gone.
const GONE: u32 = 1 << 31;

/// Where an entry lies: the running number of its arena, and its own number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub arena: u32,
    pub entry: u32,
}

/// What is known of an entry beside its value, in 56 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    key: [u64; 2],
    identity: [u64; 2],
    pub append_ms: i64,
    /// The entry before this one whose key has the same hash.
    pub before: Place,
    /// Where the value begins in the blocks; on the disk, its number.
    pub(super) at: u32,
    length: u32,
}

impl Head {
    pub const fn key(&self) -> u128 {
        join(self.key)
    }

    pub const fn identity(&self) -> u128 {
        join(self.identity)
    }

    pub const fn gone(&self) -> bool {
        self.length & GONE != 0
    }

    pub const fn value_length(&self) -> usize {
        (self.length & !GONE) as usize
    }

    pub const fn is(&self, key: u128) -> bool {
        join(self.key) == key
    }
}

const fn join(halves: [u64; 2]) -> u128 {
    (halves[1] as u128) << 64 | halves[0] as u128
}

const fn split(number: u128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}

/// A generation's entries, in the order in which they were put.
#[derive(Default)]
pub struct Arena {
    /// The number of the generation: its time divided by its length.
    pub generation: i64,
    heads: Vec<Vec<Head>>,
    blocks: Vec<Vec<u8>>,
    count: usize,
    gone: usize,
    gone_bytes: usize,
    live_bytes: usize,
    /// The values, once they went to the disk: nothing is appended any more.
    pub(super) spilt: Option<Box<Values>>,
}

/// How far an arena was filled.
#[derive(Clone, Copy, Default)]
pub struct Filled {
    pub count: usize,
    blocks: usize,
    last: usize,
}

impl Arena {
    pub fn new(generation: i64) -> Self {
        Self { generation, ..Self::default() }
    }

    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether numbers of entries or of blocks run out, or nothing may be appended any more.
    pub fn full(&self) -> bool {
        self.spilt.is_some() || self.count >= (u32::MAX - 1) as usize || self.blocks.len() >= MOST_BLOCKS - 1
    }

    pub fn head(&self, entry: u32) -> &Head {
        &self.heads[entry as usize / BLOCK_HEADS][entry as usize % BLOCK_HEADS]
    }

    fn head_mut(&mut self, entry: u32) -> &mut Head {
        &mut self.heads[entry as usize / BLOCK_HEADS][entry as usize % BLOCK_HEADS]
    }

    pub fn value(&self, head: &Head) -> &[u8] {
        if let Some(values) = &self.spilt {
            return if head.value_length() == 0 { &[] } else { values.get(head.at) };
        }
        let start = head.at as usize % BLOCK_BYTES;
        &self.blocks[head.at as usize >> BLOCK_BITS][start..start + head.value_length()]
    }

    pub fn value_mut(&mut self, entry: u32) -> &mut [u8] {
        let (at, length) = (self.head(entry).at as usize, self.head(entry).value_length());
        if let Some(values) = &mut self.spilt {
            return if length == 0 { &mut [] } else { values.change(at as u32, length) };
        }
        let start = at % BLOCK_BYTES;
        &mut self.blocks[at >> BLOCK_BITS][start..start + length]
    }

    pub fn push(&mut self, key: u128, identity: u128, append_ms: i64, before: Place, value: &[u8]) -> u32 {
        let at = self.store(value);
        let length = value.len() as u32 & !GONE;
        self.live_bytes += value.len();
        self.push_head(Head { key: split(key), identity: split(identity), append_ms, before, at, length })
    }

    fn push_head(&mut self, head: Head) -> u32 {
        let entry = self.count;
        if entry.is_multiple_of(BLOCK_HEADS) {
            // The first block grows as it must: many stores hold a handful of entries.
            self.heads.push(Vec::with_capacity(if entry == 0 { 0 } else { BLOCK_HEADS }));
        }
        self.heads[entry / BLOCK_HEADS].push(head);
        self.count += 1;
        entry as u32
    }

    /// Appends a value to the last block, or to a new one where it does not fit; says where.
    fn store(&mut self, value: &[u8]) -> u32 {
        if self.blocks.last().is_none_or(|block| block.len() + value.len() > BLOCK_BYTES) {
            let room = if self.blocks.is_empty() { value.len() } else { BLOCK_BYTES };
            self.blocks.push(Vec::with_capacity(room));
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        let start = block.len();
        block.extend_from_slice(value);
        (number << BLOCK_BITS | start) as u32
    }

    pub fn link(&mut self, entry: u32, before: Place) -> Place {
        std::mem::replace(&mut self.head_mut(entry).before, before)
    }

    /// Marks an entry as gone, or takes that back.
    pub fn set_gone(&mut self, entry: u32, gone: bool) {
        let head = self.head_mut(entry);
        head.length = if gone { head.length | GONE } else { head.length & !GONE };
        let length = head.value_length();
        if gone {
            self.gone += 1;
            self.gone_bytes += length;
            self.live_bytes -= length;
        } else {
            self.gone -= 1;
            self.gone_bytes -= length;
            self.live_bytes += length;
        }
    }

    pub fn filled(&self) -> Filled {
        let last = self.blocks.last().map_or(0, Vec::len);
        Filled { count: self.count, blocks: self.blocks.len(), last }
    }

    /// Drops what came after; none of it may be marked as gone.
    pub fn truncate(&mut self, filled: Filled) {
        for entry in filled.count..self.count {
            self.live_bytes -= self.head(entry as u32).value_length();
        }
        self.heads.truncate(filled.count.div_ceil(BLOCK_HEADS));
        if let Some(last) = self.heads.last_mut() {
            last.truncate((filled.count - 1) % BLOCK_HEADS + 1);
        }
        self.blocks.truncate(filled.blocks);
        if let Some(last) = self.blocks.last_mut() {
            last.truncate(filled.last);
        }
        self.count = filled.count;
    }

    /// Whether more of it is gone than is left, and that is worth a walk over `total` entries.
    pub const fn wasteful(&self, total: usize) -> bool {
        let live = self.count - self.gone;
        (self.gone > live && self.gone > total / 32 + BLOCK_HEADS)
            || (self.spilt.is_none()
                && self.gone_bytes > self.live_bytes + BLOCK_BYTES
                && self.gone_bytes / 256 > total / 32)
    }

    /// Drops what is gone; gives for each old number the new one, `u32::MAX` for what was dropped. Values on the disk
    /// stay where they are until the generation is dropped.
    pub fn compact(&mut self) -> Vec<u32> {
        let mut old = std::mem::replace(self, Self::new(self.generation));
        self.spilt = old.spilt.take();
        let mut numbers = Vec::with_capacity(old.count);
        for head in old.heads.iter().flatten() {
            if head.gone() {
                numbers.push(u32::MAX);
                self.spilt.iter_mut().for_each(|values| values.forget(head.at));
            } else if self.spilt.is_some() {
                self.live_bytes += head.value_length();
                numbers.push(self.push_head(*head));
            } else {
                let value = old.value(head);
                numbers.push(self.push(head.key(), head.identity(), head.append_ms, head.before, value));
            }
        }
        numbers
    }

    /// Every link to an entry of arena number `arena` gets the entry's new number.
    pub fn relink(&mut self, arena: u32, numbers: &[u32]) {
        for head in self.heads.iter_mut().flatten().filter(|head| head.before.arena == arena) {
            head.before.entry = numbers.get(head.before.entry as usize).copied().unwrap_or(u32::MAX);
        }
    }

    /// Every head with its number.
    pub fn heads(&self) -> impl Iterator<Item = (u32, &Head)> {
        self.heads.iter().flatten().enumerate().map(|(entry, head)| (entry as u32, head))
    }

    pub fn bytes(&self) -> usize {
        let heads: usize = self.heads.iter().map(Vec::capacity).sum();
        let spilt = self.spilt.as_ref().map_or(0, |values| values.bytes());
        heads * size_of::<Head>() + self.blocks.iter().map(Vec::capacity).sum::<usize>() + spilt
    }

    /// The bytes of values in memory.
    pub fn values_bytes(&self) -> usize {
        self.spilt
            .as_ref()
            .map_or_else(|| self.blocks.iter().map(Vec::capacity).sum(), |values| values.changed_bytes())
    }

    /// Moves the values to the disk; those that changed since the last time, once they are there. Nothing may be taken
    /// back any more of what was done.
    pub fn spill(&mut self, disk: &Arc<Disk>) -> Result<(), String> {
        if let Some(values) = &mut self.spilt {
            return values.spill();
        }
        let live = || self.heads().filter(|(_, head)| !head.gone() && head.value_length() > 0);
        let values = live().map(|(entry, head)| (entry, self.value(head)));
        let values = Values::write(disk, self.count, self.live_bytes, values)?;
        for (entry, head) in self.heads.iter_mut().flatten().enumerate() {
            head.at = entry as u32;
        }
        self.blocks = Vec::new();
        self.spilt = Some(Box::new(values));
        Ok(())
    }
}
