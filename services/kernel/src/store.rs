//! Entries by key, each under an identity of its own, that expire by time: what joins, reconciles and follow remember.
//!
//! Log-structured: a generation (an eighth of the window) is an arena that entries are appended to and that is dropped
//! whole. The index leads from a key to its newest entry, and each entry to the one before it; an entry that is
//! replaced or removed is unlinked and marked as gone. An arena of which most is gone is rewritten at a commit.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use arena::{Arena, Filled, Head, NOWHERE};

mod arena;
mod delta;
mod log;
mod spilt;
mod time;

pub use arena::Place;
pub use delta::{MOST_VALUE, StoreDelta};
pub use spilt::Spilt;

/// The generations that a window is divided into.
const GENERATIONS: u64 = 8;
/// The index grows one shard at a time, so that no record waits for all of it.
const SHARDS: usize = 64;

/// The hash is the key: it was mixed with a secret already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Shard = HashMap<u64, Place, BuildHasherDefault<Hashed>>;

/// An entry as it is remembered.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub place: Place,
    pub key: u128,
    pub identity: u128,
    pub append_ms: i64,
    head: &'a Head,
    arena: &'a Arena,
}

impl<'a> Entry<'a> {
    /// The value, read from the disk if it lies there.
    #[must_use]
    pub fn value(&self) -> &'a [u8] {
        self.arena.value(self.head)
    }
}

/// How to take back one change of the open transaction.
enum Undo {
    Index {
        hash: u64,
        before: Option<Place>,
    },
    Link {
        place: Place,
        before: Place,
    },
    Gone {
        place: Place,
        removed: bool,
    },
    /// The bytes that were there are the next ones of the journal's.
    Patch {
        place: Place,
        length: u32,
    },
}

/// How things stood when the transaction began.
struct Open {
    arenas: usize,
    filled: Filled,
    live: usize,
}

/// Entries by key and identity, in the order in which they were put.
///
/// Promised: between two commits everything can be taken back; the deltas of all transactions, or a dump, give the same
/// entries in the same order again, provided that they were put with append times that do not fall. Not promised: an
/// order among entries where the append times fell; such an entry is kept as long as the newest one, and is not found
/// when it is too old. Nothing is dropped while a transaction is open.
pub struct Store {
    window_ms: i64,
    generation_ms: i64,
    secret: [u64; 2],
    /// Empty until the first entry comes: a lane may have thousands of stores, most of them unused in a slice.
    index: Vec<Shard>,
    arenas: VecDeque<Arena>,
    /// The number of the first arena.
    first: u32,
    live: usize,
    /// The entries before it were passed by whoever asks for what is due.
    passed: Place,
    /// How far that was at the last commit.
    settled: Place,
    waits: bool,
    open: Option<Open>,
    undo: Vec<Undo>,
    old: Vec<u8>,
}

impl Store {
    #[must_use]
    pub fn new(window_ms: i64) -> Self {
        let window_ms = window_ms.max(1);
        let random = RandomState::new();
        Self {
            window_ms,
            generation_ms: (window_ms as u64).div_ceil(GENERATIONS) as i64,
            secret: [random.hash_one(0u8), random.hash_one(1u8)],
            index: Vec::new(),
            arenas: VecDeque::new(),
            first: 0,
            live: 0,
            passed: Place { arena: 0, entry: 0 },
            settled: Place { arena: 0, entry: 0 },
            waits: false,
            open: None,
            undo: Vec::new(),
            old: Vec::new(),
        }
    }

    /// A store that keeps its entries until they were passed after their time.
    #[must_use]
    pub fn waiting(window_ms: i64) -> Self {
        Self { waits: true, ..Self::new(window_ms) }
    }

    /// The earliest append time of what is remembered at `clock_ms`.
    const fn since(&self, clock_ms: i64) -> i64 {
        clock_ms.saturating_sub(self.window_ms)
    }

    /// Moves a key to where nobody outside this process can aim: see `Table::place`.
    fn hash(&self, key: u128) -> u64 {
        let (low, high) = (key as u64 ^ self.secret[0], (key >> 64) as u64 ^ self.secret[1]);
        let product = u128::from(low).wrapping_mul(u128::from(high | 1));
        (product >> 64) as u64 ^ product as u64 ^ high
    }

    fn arena(&self, place: Place) -> Option<&Arena> {
        self.arenas.get(place.arena.checked_sub(self.first)? as usize)
    }

    /// Only for places that are known to be there.
    fn arena_mut(&mut self, place: Place) -> &mut Arena {
        let number = (place.arena - self.first) as usize;
        &mut self.arenas[number]
    }

    fn newest(&self, hash: u64) -> Place {
        let found = self.index.get(shard_of(hash)).and_then(|shard| shard.get(&hash));
        found.copied().unwrap_or(NOWHERE)
    }

    /// The entries of a key, newest first, whatever their age.
    fn chain(&self, key: u128) -> impl Iterator<Item = (Place, &Head, &Arena)> {
        let mut place = self.newest(self.hash(key));
        std::iter::from_fn(move || {
            loop {
                let arena = self.arena(place)?;
                let (at, head) = (place, arena.head(place.entry));
                place = head.before;
                if head.is(key) {
                    return Some((at, head, arena));
                }
            }
        })
    }

    /// Appends the places of the key's entries that are remembered at `clock_ms`, oldest first.
    pub fn entries(&self, key: u128, clock_ms: i64, out: &mut Vec<Place>) {
        let (start, since) = (out.len(), self.since(clock_ms));
        out.extend(self.chain(key).filter(|(_, head, _)| head.append_ms >= since).map(|(place, ..)| place));
        out[start..].reverse();
    }

    /// The entry at a place that this store gave, and that was not removed since.
    #[must_use]
    pub fn at(&self, place: Place) -> Option<Entry<'_>> {
        let arena = self.arena(place)?;
        let head = arena.head(place.entry);
        let (key, identity) = (head.key(), head.identity());
        Some(Entry { place, key, identity, append_ms: head.append_ms, head, arena })
    }

    /// The entry of a key and an identity, if it is remembered at `clock_ms`.
    #[must_use]
    pub fn get(&self, key: u128, identity: u128, clock_ms: i64) -> Option<Entry<'_>> {
        let (place, head, _) = self.chain(key).find(|(_, head, _)| head.identity() == identity)?;
        if head.append_ms < self.since(clock_ms) { None } else { self.at(place) }
    }

    fn begin(&mut self) {
        if self.open.is_none() {
            let filled = self.arenas.back().map_or_else(Filled::default, Arena::filled);
            self.open = Some(Open { arenas: self.arenas.len(), filled, live: self.live });
        }
    }

    /// Puts an entry behind all others, in the place of the one of the same key and identity.
    pub fn put(&mut self, key: u128, identity: u128, append_ms: i64, value: &[u8]) {
        self.begin();
        self.unlink(key, identity, false);
        let hash = self.hash(key);
        let before = self.newest(hash);
        let generation = append_ms.div_euclid(self.generation_ms);
        if self.arenas.back().is_none_or(|last| last.generation < generation || last.full()) {
            let latest = self.arenas.back().map_or(generation, |last| last.generation.max(generation));
            self.arenas.push_back(Arena::new(latest));
        }
        let number = self.first + self.arenas.len() as u32 - 1;
        let Some(arena) = self.arenas.back_mut() else { return };
        let entry = arena.push(key, identity, append_ms, before, value);
        self.set_newest(hash, Some(Place { arena: number, entry }));
        self.live += 1;
    }

    /// Removes the entry of a key and an identity, if there is one.
    pub fn remove(&mut self, key: u128, identity: u128) {
        self.begin();
        self.unlink(key, identity, true);
    }

    /// Writes over the first bytes of the value of an entry, which keeps its place among the others.
    pub fn patch(&mut self, place: Place, bytes: &[u8]) {
        let Some(length) = self.at(place).map(|entry| entry.head.value_length().min(bytes.len())) else {
            return;
        };
        self.begin();
        let number = (place.arena - self.first) as usize;
        let value = &mut self.arenas[number].value_mut(place.entry)[..length];
        self.old.extend_from_slice(value);
        value.copy_from_slice(&bytes[..length]);
        self.undo.push(Undo::Patch { place, length: length as u32 });
    }

    fn unlink(&mut self, key: u128, identity: u128, removed: bool) {
        let hash = self.hash(key);
        let (mut newer, mut place) = (None, self.newest(hash));
        let before = loop {
            let Some(arena) = self.arena(place) else { return };
            let head = arena.head(place.entry);
            if head.is(key) && head.identity() == identity {
                break head.before;
            }
            newer = Some(place);
            place = head.before;
        };
        match newer {
            None => self.set_newest(hash, (before != NOWHERE).then_some(before)),
            Some(newer) => {
                let old = self.arena_mut(newer).link(newer.entry, before);
                self.undo.push(Undo::Link { place: newer, before: old });
            }
        }
        self.arena_mut(place).set_gone(place.entry, true);
        self.undo.push(Undo::Gone { place, removed });
        self.live -= 1;
    }

    fn set_newest(&mut self, hash: u64, place: Option<Place>) {
        let before = self.write_index(hash, place);
        self.undo.push(Undo::Index { hash, before });
    }

    fn write_index(&mut self, hash: u64, place: Option<Place>) -> Option<Place> {
        if self.index.is_empty() {
            self.index.resize_with(SHARDS, Shard::default);
        }
        let shard = &mut self.index[shard_of(hash)];
        match place {
            None => shard.remove(&hash),
            Some(place) => shard.insert(hash, place),
        }
    }

    #[must_use]
    pub const fn changed(&self) -> bool {
        self.open.is_some()
    }

    pub fn commit(&mut self) {
        self.open = None;
        self.undo.clear();
        self.old.clear();
        let total = self.arenas.iter().map(Arena::len).sum();
        for number in 0..self.arenas.len() {
            if self.arenas[number].wasteful(total) {
                self.compact(number);
            }
        }
        self.settled = self.passed;
        self.settle();
    }

    /// Rewrites one arena without what is gone, and every link into it.
    fn compact(&mut self, number: usize) {
        let numbers = self.arenas[number].compact();
        let arena = self.first + number as u32;
        for later in self.arenas.range_mut(number..) {
            later.relink(arena, &numbers);
        }
        for (old, new) in numbers.iter().enumerate().filter(|(_, new)| **new != u32::MAX) {
            let hash = self.hash(self.arenas[number].head(*new).key());
            let (old, new) = (Place { arena, entry: old as u32 }, Place { arena, entry: *new });
            if self.newest(hash) == old {
                self.write_index(hash, Some(new));
            }
        }
        if self.passed.arena == arena {
            let passed = numbers.iter().take(self.passed.entry as usize);
            self.passed.entry = passed.filter(|new| **new != u32::MAX).count() as u32;
        }
    }

    pub fn rollback(&mut self) {
        let Some(open) = self.open.take() else { return };
        for undo in std::mem::take(&mut self.undo).into_iter().rev() {
            match undo {
                Undo::Index { hash, before } => {
                    self.write_index(hash, before);
                }
                Undo::Link { place, before } => {
                    self.arena_mut(place).link(place.entry, before);
                }
                Undo::Gone { place, .. } => self.arena_mut(place).set_gone(place.entry, false),
                Undo::Patch { place, length } => {
                    let bytes = self.old.split_off(self.old.len() - length as usize);
                    self.arena_mut(place).value_mut(place.entry)[..bytes.len()].copy_from_slice(&bytes);
                }
            }
        }
        self.arenas.truncate(open.arenas);
        if let Some(last) = self.arenas.back_mut() {
            last.truncate(open.filled);
        }
        self.live = open.live;
        self.passed = self.settled;
        self.settle();
    }
}

const fn shard_of(hash: u64) -> usize {
    (hash >> 48) as usize % SHARDS
}

#[cfg(test)]
mod tests;
