//! What time does to a store: entries become due, and generations are dropped.

use std::collections::hash_map::Entry as Slot;

use super::{Place, Store, shard_of};

impl Store {
    /// The first entry, in the order in which they were put, whose time is over before `clock_ms` and that was not
    /// passed yet. What has passed is not remembered by the log: mark or remove what must not be told again.
    pub fn due(&mut self, clock_ms: i64) -> Option<Place> {
        if self.passed.arena < self.first {
            self.passed = Place { arena: self.first, entry: 0 };
        }
        let since = self.since(clock_ms);
        while let Some(arena) = self.arena(self.passed) {
            if self.passed.entry as usize >= arena.len() {
                self.arena(Place { arena: self.passed.arena + 1, entry: 0 })?;
                self.passed = Place { arena: self.passed.arena + 1, entry: 0 };
                continue;
            }
            let head = arena.head(self.passed.entry);
            if !head.gone() {
                return (head.append_ms < since).then_some(self.passed);
            }
            self.passed.entry += 1;
        }
        None
    }

    /// When the time of an entry is over.
    #[must_use]
    pub const fn over_at(&self, append_ms: i64) -> i64 {
        append_ms.saturating_add(self.window_ms)
    }

    /// Passes what `due` gave.
    pub const fn pass(&mut self, place: Place) {
        self.passed = Place { arena: place.arena, entry: place.entry + 1 };
    }

    /// Drops the generations of which nothing is remembered at `clock_ms`; says how many entries that were. The clock
    /// must be that of what is committed: after a rollback the records before it come again.
    pub fn advance(&mut self, clock_ms: i64) -> usize {
        let (since, before) = (self.since(clock_ms), self.live);
        while let (Some(first), None) = (self.arenas.front(), &self.open) {
            let passed = (self.passed.arena, self.passed.entry as usize) >= (self.first, first.len());
            let end = first.generation.saturating_add(1).saturating_mul(self.generation_ms);
            if end > since || (self.waits && !passed) {
                break;
            }
            let Some(dropped) = self.arenas.pop_front() else { break };
            for (entry, head) in dropped.heads().filter(|(_, head)| !head.gone()) {
                let hash = self.hash(head.key());
                let place = Place { arena: self.first, entry };
                if let Slot::Occupied(slot) = self.index[shard_of(hash)].entry(hash)
                    && *slot.get() == place
                {
                    slot.remove();
                }
                self.live -= 1;
            }
            self.first += 1;
            self.index.iter_mut().for_each(|shard| shard.shrink_to(4 * shard.len()));
        }
        before - self.live
    }
}
