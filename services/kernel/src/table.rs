//! A hash table of 128-bit keys with one byte each, in at most 20 bytes a key once it has grown.
//!
//! Each of 64 shards is a pair of arrays, sorted by key from every key's home slot on (linear probing in order, as
//! Robin Hood hashing leaves it). That bears a load of nine tenths, and a shard grows by a sixteenth in one sequential
//! pass; a table that doubles would hold half its memory for nothing and stop the lane to do so.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

const SHARDS: usize = 64;
const FEWEST_SLOTS: usize = 16;
const MOST_SPARE: usize = 32;
/// The key of a free slot; its label is 0 too.
const FREE: u128 = 0;

/// A set of (key, label): a key may be there with several labels. Labels are 1 to 255.
pub struct Table {
    /// Empty until the first key comes: a lane may have thousands of tables, most of them unused in a slice.
    shards: Vec<Shard>,
    entries: usize,
    places: Places,
}

/// Where keys lie: see `place`.
#[derive(Clone, Copy)]
pub struct Places {
    secret: u64,
}

#[derive(Default)]
struct Shard {
    keys: Vec<u128>,
    labels: Vec<u8>,
    used: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { shards: Vec::new(), entries: 0, places: Places { secret: RandomState::new().hash_one(0u8) } }
    }
}

impl Table {
    /// Adds `key` with `label`, unless it is there with a label that `matches`; says whether it was added.
    pub fn insert_unless(&mut self, key: u128, label: u8, matches: impl Fn(u8) -> bool) -> bool {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Shard::default);
        }
        let placed = self.places.place(key);
        let shard = &mut self.shards[shard_of(placed)];
        match shard.find(placed, matches) {
            Ok(_) => false,
            Err(at) => {
                shard.insert(at, placed, label);
                self.entries += 1;
                true
            }
        }
    }

    /// Whether `key` is there with a label that `matches`.
    pub fn contains(&self, key: u128, matches: impl Fn(u8) -> bool) -> bool {
        let placed = self.places.place(key);
        self.shards.get(shard_of(placed)).is_some_and(|shard| shard.find(placed, matches).is_ok())
    }

    /// Takes the pair out; does nothing where it is not there.
    pub fn remove(&mut self, key: u128, label: u8) {
        let placed = self.places.place(key);
        if let Some(shard) = self.shards.get_mut(shard_of(placed))
            && let Ok(at) = shard.find(placed, |other| other == label)
        {
            shard.remove(at);
            self.entries -= 1;
        }
    }

    /// All pairs, in no order that means anything.
    pub fn entries(&self) -> impl Iterator<Item = (u128, u8)> {
        let pairs = self.shards.iter().flat_map(|shard| shard.keys.iter().zip(&shard.labels));
        // What `place` masks, it masks back.
        pairs.filter(|(key, _)| **key != FREE).map(|(key, label)| (self.places.place(*key), *label))
    }

    /// Gives each entry the label that `relabel` returns, drops those for which it returns None, says how many.
    pub fn relabel(&mut self, relabel: impl Fn(u8) -> Option<u8>) -> usize {
        let dropped = self.shards.iter_mut().map(|shard| shard.relabel(&relabel)).sum();
        self.entries -= dropped;
        dropped
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries
    }

    /// The bytes that the arrays occupy.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.keys.capacity() * size_of::<u128>() + shard.labels.capacity())
            .sum()
    }

    #[must_use]
    pub const fn places(&self) -> Places {
        self.places
    }

    /// How many entries have each label.
    #[must_use]
    pub fn counts(&self) -> [usize; 256] {
        let mut counts = [0; 256];
        for label in self.shards.iter().flat_map(|shard| &shard.labels) {
            counts[usize::from(*label)] += 1;
        }
        counts[0] = 0;
        counts
    }

    /// The places of the entries with a label, rising: shards lie in order, and so do the entries of each.
    pub fn labelled(&self, label: u8) -> impl Iterator<Item = [u8; 16]> {
        let pairs = self.shards.iter().flat_map(|shard| shard.keys.iter().zip(&shard.labels));
        pairs.filter(move |(_, other)| **other == label).map(|(key, _)| key.to_be_bytes())
    }
}

impl Places {
    /// Moves a key to where nobody outside this process can aim: its upper half, which decides the slot, is masked by
    /// a secret function of its lower half. Without that, a publisher could search for ids that fall into one slot
    /// and make every look-up walk over them. The same key always goes to the same place, and no two to one, but that
    /// 0 is kept for free slots, at the price of one chance in 2^128.
    #[must_use]
    pub fn place(self, key: u128) -> u128 {
        let low = key as u64;
        let product = u128::from(low ^ self.secret).wrapping_mul(u128::from(self.secret | 1));
        (key ^ (u128::from((product >> 64) as u64 ^ product as u64) << 64)).max(1)
    }

    /// The key at a place: what `place` masks, it masks back.
    #[must_use]
    pub fn key(self, place: &[u8]) -> u128 {
        place.first_chunk().map_or(0, |bytes| self.place(u128::from_be_bytes(*bytes)))
    }
}

const fn shard_of(placed: u128) -> usize {
    (placed >> 122) as usize
}

/// The slot that a key belongs to: in proportion to its place among all keys, so that order by key is order by home.
/// The bits above chose the shard. The last slots are nobody's home, so that a run of entries may spill into them.
const fn home(slots: usize, placed: u128) -> usize {
    let spare = if slots < 8 * MOST_SPARE { slots / 8 } else { MOST_SPARE };
    let within = (placed >> 58) as u64;
    ((within as u128 * (slots - spare) as u128) >> 64) as usize
}

impl Shard {
    /// The slot of the entry, or the slot that it would have to be inserted at.
    #[inline]
    fn find(&self, placed: u128, matches: impl Fn(u8) -> bool) -> Result<usize, usize> {
        let mut at = home(self.keys.len(), placed);
        while let Some(&key) = self.keys.get(at) {
            if key == FREE || key > placed {
                break;
            }
            if key == placed && matches(self.labels[at]) {
                return Ok(at);
            }
            at += 1;
        }
        Err(at)
    }

    fn insert(&mut self, at: usize, placed: u128, label: u8) {
        let mut at = at;
        let room = (self.used + 1) * 100 <= self.keys.len() * 92;
        let mut free = if room { first_zero(&self.labels, at) } else { None };
        while free.is_none() {
            // Full, or, by rare chance, a run of entries reaches the end of the array.
            self.grow();
            at = self.find(placed, |_| false).unwrap_or_else(|at| at);
            free = first_zero(&self.labels, at);
        }
        if let Some(free) = free {
            self.keys.copy_within(at..free, at + 1);
            self.labels.copy_within(at..free, at + 1);
            self.keys[at] = placed;
            self.labels[at] = label;
            self.used += 1;
        }
    }

    /// What follows moves back by one, up to a free slot or the first entry that is at home.
    fn remove(&mut self, at: usize) {
        let slots = self.keys.len();
        let stays = |index: &usize| self.keys[*index] == FREE || home(slots, self.keys[*index]) == *index;
        let end = (at + 1..slots).find(stays).unwrap_or(slots);
        self.keys.copy_within(at + 1..end, at);
        self.labels.copy_within(at + 1..end, at);
        self.keys[end - 1] = FREE;
        self.labels[end - 1] = 0;
        self.used -= 1;
    }

    fn grow(&mut self) {
        let slots = self.keys.len();
        self.rebuild((slots + slots / 16).max(slots + FEWEST_SLOTS), Some);
    }

    fn relabel(&mut self, relabel: &impl Fn(u8) -> Option<u8>) -> usize {
        let before = self.used;
        let kept = self.labels.iter().filter(|label| **label != 0 && relabel(**label).is_some()).count();
        self.rebuild(kept + kept / 8 + FEWEST_SLOTS, relabel);
        before - self.used
    }

    /// Writes the entries, which lie in order of key, into new arrays of so many slots, or more if they do not fit.
    fn rebuild(&mut self, slots: usize, relabel: impl Fn(u8) -> Option<u8>) {
        let mut slots = slots;
        'larger: loop {
            let (mut keys, mut labels) = (vec![FREE; slots], vec![0; slots]);
            let (mut next, mut used) = (0, 0);
            for (key, label) in self.keys.iter().zip(&self.labels).filter(|(key, _)| **key != FREE) {
                let Some(label) = relabel(*label) else { continue };
                let at = home(slots, *key).max(next);
                if at >= slots {
                    slots += FEWEST_SLOTS;
                    continue 'larger;
                }
                (keys[at], labels[at]) = (*key, label);
                next = at + 1;
                used += 1;
            }
            (self.keys, self.labels, self.used) = (keys, labels, used);
            return;
        }
    }
}

/// The first zero at or after `start`, eight bytes at a time: at a load of nine tenths it may lie a hundred away.
fn first_zero(bytes: &[u8], start: usize) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let rest = bytes.get(start..)?;
    let (words, _) = rest.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let zeros = word.wrapping_sub(LOW) & !word & HIGH;
        if zeros != 0 {
            return Some(start + index * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    let tail = words.len() * 8;
    rest[tail..].iter().position(|byte| *byte == 0).map(|index| start + tail + index)
}

#[cfg(test)]
mod tests;
