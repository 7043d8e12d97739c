//! What a deduplicate step remembers: keys by 128 bits, in generations of an eighth of the window.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::spill::{Disk, Piece, Run};
use crate::table::Table;

pub use delta::Delta;

mod delta;
mod spilt;

/// A key counts as seen while its generation is at most this far from the record's own.
const GENERATIONS: i64 = 8;
/// The generations that a label reaches: 1 to 255 above the base.
const MOST_LABEL: i64 = u8::MAX as i64;
/// Where the first generation is put among the labels: records may still come from before it.
const ROOM_BEFORE: i64 = 64;

/// The version of the delta's bytes; a reader that does not know it must not guess.
pub const DELTA_VERSION: u8 = 2;
/// Keys in one delta: 16 bytes each, so that one stays below 512 KiB with its head.
const MOST_KEYS: usize = 32_000;

/// The keys that a slice has seen for one table.
///
/// Promised: of equal keys whose generations lie at most eight apart, the first is new and the others are not, in
/// whatever order they come. Not promised: that two keys are told apart whose 128-bit digests collide; with SHA-256 cut
/// to 128 bits nobody can make one for another's key, and so suppress that event, and no secret has to be kept for it.
pub struct Seen {
    generation_ms: i64,
    table: Table,
    base: i64,
    /// Entries whose generation no label reaches from the base: none, while the inputs keep near each other in time.
    far: BTreeSet<(u128, i64)>,
    /// The keys of the open transaction: what to write into the log, and what to take back.
    pending: Vec<(u128, i64)>,
    /// By generation, what went to the disk: by the keys' places, nothing else.
    spilt: BTreeMap<i64, Spilt>,
}

/// The keys of a generation that lie on the disk.
struct Spilt {
    run: Arc<Run>,
    keys: usize,
}

impl Seen {
    #[must_use]
    pub fn new(generation_ms: i64) -> Self {
        Self {
            generation_ms,
            table: Table::default(),
            base: 0,
            far: BTreeSet::new(),
            pending: Vec::new(),
            spilt: BTreeMap::new(),
        }
    }

    /// Remembers `key` at `append_ms`, and says whether it is new.
    pub fn first(&mut self, key: u128, append_ms: i64) -> bool {
        let generation = append_ms.div_euclid(self.generation_ms);
        if !self.far.is_empty() {
            let reach = (key, generation - GENERATIONS)..=(key, generation + GENERATIONS);
            if self.far.range(reach).next().is_some() {
                return false;
            }
        }
        if !self.spilt.is_empty() && self.lies_on_disk(key, generation, GENERATIONS) {
            return false;
        }
        let added = self.add(key, generation, GENERATIONS);
        if added {
            self.pending.push((key, generation));
        }
        added
    }

    /// Adds the key, unless it is in the table with a generation at most `reach` away; says whether it was added.
    fn add(&mut self, key: u128, generation: i64, reach: i64) -> bool {
        if self.table.len() == 0 && self.far.is_empty() {
            self.base = generation.saturating_sub(ROOM_BEFORE);
        }
        let offset = generation.saturating_sub(self.base);
        let near = |label: u8| (i64::from(label) - offset).abs() <= reach;
        match self.label(generation) {
            Some(label) => self.table.insert_unless(key, label, near),
            None => !self.table.contains(key, near) && self.far.insert((key, generation)),
        }
    }

    fn label(&self, generation: i64) -> Option<u8> {
        let offset = generation.saturating_sub(self.base);
        if (1..=MOST_LABEL).contains(&offset) { Some(offset as u8) } else { None }
    }

    pub fn commit(&mut self) {
        self.pending.clear();
    }

    pub fn rollback(&mut self) {
        for (key, generation) in std::mem::take(&mut self.pending) {
            self.far.remove(&(key, generation));
            if let Some(label) = self.label(generation) {
                self.table.remove(key, label);
            }
        }
    }

    /// Drops the entries that no record at or after `clock_ms` could match, and says how many.
    pub fn advance(&mut self, clock_ms: i64) -> usize {
        let oldest = clock_ms.div_euclid(self.generation_ms) - GENERATIONS;
        let mut dropped = self.drop_runs(oldest);
        if oldest <= self.base + 1 {
            return dropped;
        }
        let shift = oldest - 1 - self.base;
        dropped +=
            self.table.relabel(|label| u8::try_from(i64::from(label) - shift).ok().filter(|to| *to > 0));
        self.base = oldest - 1;
        for (key, generation) in std::mem::take(&mut self.far) {
            if generation < oldest {
                dropped += 1;
            } else {
                self.add(key, generation, 0);
            }
        }
        dropped
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len() + self.far.len() + self.spilt.values().map(|spilt| spilt.keys).sum::<usize>()
    }

    #[must_use]
    pub fn bytes(&self) -> usize {
        self.table.bytes() + self.far.len() * size_of::<(u128, i64)>()
    }

    /// The keys of the open transaction as records for the log:
    /// version, table name, fingerprint, length of a generation, then for each generation its number, a count and the
    /// keys.
    #[must_use]
    pub fn deltas(&self, table: &str, fingerprint: u64) -> Vec<Vec<u8>> {
        self.pending.chunks(MOST_KEYS).map(|keys| self.delta(table, fingerprint, keys)).collect()
    }

    /// All keys, as deltas from which `restore` makes the same again.
    #[must_use]
    pub fn dump(&self, table: &str, fingerprint: u64) -> Vec<Piece> {
        let near = self.table.entries().map(|(key, label)| (key, self.base + i64::from(label)));
        let all: Vec<(u128, i64)> = near.chain(self.far.iter().copied()).collect();
        let deltas = all.chunks(MOST_KEYS).map(|keys| Piece::Ready(self.delta(table, fingerprint, keys)));
        deltas.chain(self.spilt_pieces(table, fingerprint)).collect()
    }

    fn delta(&self, table: &str, fingerprint: u64, keys: &[(u128, i64)]) -> Vec<u8> {
        let mut generations: BTreeMap<i64, Vec<u128>> = BTreeMap::new();
        for (key, generation) in keys {
            generations.entry(*generation).or_default().push(*key);
        }
        let mut out = self.head(table, fingerprint, keys.len());
        for (generation, keys) in generations {
            out.extend_from_slice(&generation.to_le_bytes());
            out.extend_from_slice(&(keys.len() as u32).to_le_bytes());
            for key in keys {
                out.extend_from_slice(&key.to_le_bytes());
            }
        }
        out
    }

    /// How a delta with room for so many keys begins.
    fn head(&self, table: &str, fingerprint: u64, keys: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(keys * 16 + table.len() + 64);
        out.push(DELTA_VERSION);
        out.extend_from_slice(&(table.len() as u16).to_le_bytes());
        out.extend_from_slice(table.as_bytes());
        out.extend_from_slice(&fingerprint.to_le_bytes());
        out.extend_from_slice(&self.generation_ms.to_le_bytes());
        out
    }

    /// Takes in the keys of a delta. A delta that comes twice changes nothing.
    pub fn restore(&mut self, delta: &Delta<'_>) {
        for (generation, keys) in &delta.generations {
            // The window of a step may have changed since: the key keeps the time at which its generation began.
            let generation = generation.saturating_mul(delta.generation_ms).div_euclid(self.generation_ms);
            for key in keys.chunks_exact(16) {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(key);
                let key = u128::from_le_bytes(bytes);
                if self.spilt.is_empty() || !self.lies_on_disk(key, generation, 0) {
                    self.add(key, generation, 0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
