//! A hash table of 128-bit keys with one byte each, in at most 20 bytes a key once it has grown.
//!
//! Each of 256 shards is one array, sorted by key from every key's home slot on (linear probing in order, as Robin
//! Hood hashing leaves it). That bears a load of nine tenths, and a shard grows by a sixteenth in one sequential pass;
//! a table that doubles would hold half its memory for nothing and stop the lane to do so.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// A key and, in its last byte, the label that came with it; the label 0 marks a free slot.
type Slot = [u8; 17];

const SHARDS: usize = 256;
const FREE: Slot = [0; 17];
const FEWEST_SLOTS: usize = 16;

/// A set of (key, label): a key may be there with several labels. Labels are 1 to 255.
pub struct Table {
    shards: Vec<Shard>,
    secret: u64,
}

#[derive(Default)]
struct Shard {
    slots: Vec<Slot>,
    used: usize,
}

impl Default for Table {
    fn default() -> Self {
        let mut shards = Vec::with_capacity(SHARDS);
        shards.resize_with(SHARDS, Shard::default);
        Self { shards, secret: RandomState::new().hash_one(0u8) }
    }
}

impl Table {
    /// Whether `key` is there with a label that `matches`.
    pub fn contains(&self, key: u128, matches: impl Fn(u8) -> bool) -> bool {
        let placed = self.place(key);
        let shard = &self.shards[shard_of(placed)];
        let mut at = shard.home(placed);
        while let Some(slot) = shard.slots.get(at) {
            if slot[16] == 0 || key_of(slot) > placed {
                return false;
            }
            if key_of(slot) == placed && matches(slot[16]) {
                return true;
            }
            at += 1;
        }
        false
    }

    /// Adds `key` with `label`; the caller knows that this pair is not there.
    pub fn insert(&mut self, key: u128, label: u8) {
        let placed = self.place(key);
        self.shards[shard_of(placed)].insert(placed, label);
    }

    /// Takes the pair out; does nothing where it is not there.
    pub fn remove(&mut self, key: u128, label: u8) {
        let placed = self.place(key);
        self.shards[shard_of(placed)].remove(placed, label);
    }

    /// Gives each entry the label that `relabel` returns, drops those for which it returns None, says how many.
    pub fn relabel(&mut self, relabel: impl Fn(u8) -> Option<u8>) -> usize {
        self.shards.iter_mut().map(|shard| shard.relabel(&relabel)).sum()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.used).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.used == 0)
    }

    /// The bytes that the entries' arrays occupy.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.slots.capacity() * size_of::<Slot>()).sum()
    }

    /// Moves a key to where nobody outside this process can aim: its upper half, which decides the slot, is masked by
    /// a secret function of its lower half. Without that, a publisher could search for ids that fall into one slot
    /// and make every look-up walk over them. The same key always goes to the same place, and no two to one.
    fn place(&self, key: u128) -> u128 {
        let low = key as u64;
        let product = u128::from(low ^ self.secret).wrapping_mul(u128::from(self.secret | 1));
        key ^ (u128::from((product >> 64) as u64 ^ product as u64) << 64)
    }
}

const fn shard_of(placed: u128) -> usize {
    (placed >> 120) as usize
}

fn key_of(slot: &Slot) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&slot[..16]);
    u128::from_be_bytes(bytes)
}

fn slot_of(placed: u128, label: u8) -> Slot {
    let mut slot = FREE;
    slot[..16].copy_from_slice(&placed.to_be_bytes());
    slot[16] = label;
    slot
}

impl Shard {
    /// The slot that a key belongs to: in proportion to its place among all keys, so that order by key is order by
    /// home. The last slots are left over for what spills past the end.
    fn home(&self, placed: u128) -> usize {
        home_among(self.slots.len(), placed)
    }

    fn insert(&mut self, placed: u128, label: u8) {
        if (self.used + 1) * 100 > self.slots.len() * 92 {
            self.grow();
        }
        let slot = slot_of(placed, label);
        loop {
            let mut at = self.home(placed);
            while at < self.slots.len() && self.slots[at][16] != 0 && key_of(&self.slots[at]) <= placed {
                at += 1;
            }
            let free = (at..self.slots.len()).find(|index| self.slots[*index][16] == 0);
            let Some(free) = free else {
                // The run reaches the end of the array, which chance alone makes rare: more room ends it.
                self.grow();
                continue;
            };
            self.slots.copy_within(at..free, at + 1);
            self.slots[at] = slot;
            self.used += 1;
            return;
        }
    }

    fn remove(&mut self, placed: u128, label: u8) {
        let wanted = slot_of(placed, label);
        let mut at = self.home(placed);
        while at < self.slots.len() && self.slots[at][16] != 0 && key_of(&self.slots[at]) <= placed {
            if self.slots[at] == wanted {
                // What follows moves back by one, up to the first that is at home or a free slot.
                let mut end = at + 1;
                while end < self.slots.len()
                    && self.slots[end][16] != 0
                    && self.home(key_of(&self.slots[end])) < end
                {
                    end += 1;
                }
                self.slots.copy_within(at + 1..end, at);
                self.slots[end - 1] = FREE;
                self.used -= 1;
                return;
            }
            at += 1;
        }
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() + self.slots.len() / 16).max(self.slots.len() + FEWEST_SLOTS);
        self.rebuild(slots, Some);
    }

    fn relabel(&mut self, relabel: &impl Fn(u8) -> Option<u8>) -> usize {
        let before = self.used;
        let kept = self.slots.iter().filter(|slot| slot[16] != 0 && relabel(slot[16]).is_some()).count();
        self.rebuild(kept + kept / 8 + FEWEST_SLOTS, relabel);
        before - self.used
    }

    /// Writes the entries, which lie in order of key, into a new array of `slots`, or more if they do not fit.
    fn rebuild(&mut self, slots: usize, relabel: impl Fn(u8) -> Option<u8>) {
        let mut slots = slots;
        'larger: loop {
            let mut rebuilt = Vec::new();
            rebuilt.reserve_exact(slots);
            rebuilt.resize(slots, FREE);
            let (mut next, mut used) = (0, 0);
            for slot in self.slots.iter().filter(|slot| slot[16] != 0) {
                let Some(label) = relabel(slot[16]) else { continue };
                let at = next.max(home_among(slots, key_of(slot)));
                if at >= slots {
                    slots += FEWEST_SLOTS;
                    continue 'larger;
                }
                rebuilt[at] = *slot;
                rebuilt[at][16] = label;
                next = at + 1;
                used += 1;
            }
            (self.slots, self.used) = (rebuilt, used);
            return;
        }
    }
}

fn home_among(slots: usize, placed: u128) -> usize {
    // The eight bits above chose the shard; the next 64 choose the slot.
    let within = (placed >> 56) as u64;
    ((u128::from(within) * slots as u128) >> 64) as usize
}
