//! A store to the log and back.

use super::delta::{Change, StoreDelta, Writer};
use super::{Arena, Place, Store, Undo};
use crate::spill::Piece;

impl Store {
    /// What the open transaction changed, as records for the log, each smaller than 512 KiB if the values are.
    #[must_use]
    pub fn deltas(&self, table: &str, fingerprint: u64) -> Vec<Vec<u8>> {
        let Some(open) = &self.open else { return Vec::new() };
        let mut writer = Writer::new(table, fingerprint);
        let begin = match open.arenas.checked_sub(1) {
            None => Place { arena: self.first, entry: 0 },
            Some(last) => Place { arena: self.first + last as u32, entry: open.filled.count as u32 },
        };
        // What is there at the end was put after it was last removed, so that all removals may come first.
        for undo in &self.undo {
            if let Undo::Gone { place, removed: true } = undo
                && let Some(arena) = self.arena(*place)
            {
                let head = arena.head(place.entry);
                writer.add(Change::Remove { key: head.key(), identity: head.identity() });
            }
        }
        for undo in &self.undo {
            if let Undo::Patch { place, length } = undo
                && (place.arena, place.entry) < (begin.arena, begin.entry)
                && let Some(entry) = self.at(*place)
                && !self.gone(*place)
            {
                let bytes = &entry.value()[..*length as usize];
                writer.add(Change::Patch { key: entry.key, identity: entry.identity, bytes });
            }
        }
        self.write_from(begin, &mut writer);
        writer.finish()
    }

    /// All that is committed, as records which give it again when an empty store takes them in. To be called while no
    /// transaction is open.
    #[must_use]
    pub fn dump(&self, table: &str, fingerprint: u64) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut writer = Writer::new(table, fingerprint);
        for arena in &self.arenas {
            if let Some(values) = &arena.spilt {
                let before = std::mem::replace(&mut writer, Writer::new(table, fingerprint));
                pieces.extend(before.finish().into_iter().map(Piece::Ready));
                arena.pieces(values, &writer, &mut pieces);
            } else {
                arena.write_from(0, &mut writer);
            }
        }
        pieces.extend(writer.finish().into_iter().map(Piece::Ready));
        pieces
    }

    fn gone(&self, place: Place) -> bool {
        self.arena(place).is_none_or(|arena| arena.head(place.entry).gone())
    }

    /// Writes the entries from a place on that are not gone.
    fn write_from(&self, begin: Place, writer: &mut Writer) {
        let skipped = (begin.arena - self.first) as usize;
        for (number, arena) in self.arenas.iter().enumerate().skip(skipped) {
            arena.write_from(if number == skipped { begin.entry } else { 0 }, writer);
        }
    }

    /// Takes in a delta, or one record of a dump, and commits it.
    pub fn restore(&mut self, delta: &StoreDelta<'_>) {
        for change in &delta.changes {
            match *change {
                Change::Remove { key, identity } => {
                    self.remove(key, identity);
                }
                Change::Patch { key, identity, bytes } => {
                    let found = self.chain(key).find(|(_, head, _)| head.identity() == identity);
                    if let Some(place) = found.map(|(place, ..)| place) {
                        self.patch(place, bytes);
                    }
                }
                Change::Put { key, identity, append_ms, value } => self.put(key, identity, append_ms, value),
            }
        }
        self.commit();
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.live
    }

    /// The memory of entries and index, gone ones and spare room included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // A slot of the index is a hash, a place and a byte of control; one in eight stays free.
        let slots: usize = self.index.iter().map(|shard| shard.capacity() * 8 / 7).sum();
        slots * (size_of::<(u64, Place)>() + 1) + self.arenas.iter().map(Arena::bytes).sum::<usize>()
    }
}

impl Arena {
    /// Writes the entries from a number on that are not gone.
    fn write_from(&self, first: u32, writer: &mut Writer) {
        for (_, head) in self.heads().filter(|(entry, head)| *entry >= first && !head.gone()) {
            writer.add(Change::Put {
                key: head.key(),
                identity: head.identity(),
                append_ms: head.append_ms,
                value: self.value(head),
            });
        }
    }
}
