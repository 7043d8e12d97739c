//! The generations of a deduplicate's table that went to the disk.

use std::sync::{Arc, Mutex};

use super::{Disk, MOST_KEYS, Piece, Run, Seen, Spilt};

/// What a key takes on the disk, with its part of filter and index.
pub(super) const KEY_BYTES: usize = 24;

impl Seen {
    /// Whether a key is on the disk with a generation at most `reach` away.
    pub(super) fn lies_on_disk(&self, key: u128, generation: i64, reach: i64) -> bool {
        let place = self.table.places().place(key).to_be_bytes();
        let reach = generation.saturating_sub(reach)..=generation.saturating_add(reach);
        self.spilt.range(reach).any(|(_, spilt)| spilt.run.has(&place))
    }

    /// Moves generations of `least` bytes or more to the disk, the oldest first, until `goal` bytes of memory are free,
    /// and says how many are; the newest one only if `newest`. To be called while no transaction is open.
    pub fn spill(
        &mut self,
        disk: &Arc<Disk>,
        goal: usize,
        least: usize,
        newest: bool,
    ) -> (usize, Result<(), String>) {
        let before = self.table.bytes();
        if !self.pending.is_empty() || self.table.len() == 0 {
            return (0, Ok(()));
        }
        let each = before.div_ceil(self.table.len());
        let counts = self.table.counts();
        let highest = counts.iter().rposition(|count| *count > 0).unwrap_or_default();
        let (mut moved, mut result, mut freed) = ([false; 256], Ok(()), 0);
        for label in 1..=u8::MAX {
            let (number, count) = (usize::from(label), counts[usize::from(label)]);
            if count * each < least.max(1) || (number == highest && !newest) {
                continue;
            }
            if freed >= goal {
                break;
            }
            result = self.move_label(disk, label, count);
            if result.is_err() {
                break;
            }
            moved[number] = true;
            freed += count * each;
        }
        if moved.contains(&true) {
            self.table.relabel(|label| (!moved[usize::from(label)]).then_some(label));
        }
        (before.saturating_sub(self.table.bytes()), result)
    }

    fn move_label(&mut self, disk: &Arc<Disk>, label: u8, count: usize) -> Result<(), String> {
        let generation = self.base + i64::from(label);
        let keys = self.table.labelled(label).map(|key| (key, &[][..]));
        if let Some(spilt) = self.spilt.get_mut(&generation) {
            spilt.run.add(count * KEY_BYTES, keys)?;
            spilt.keys += count;
            return Ok(());
        }
        let run = Run::new(disk, count * KEY_BYTES)?;
        run.add(count * KEY_BYTES, keys)?;
        self.spilt.insert(generation, Spilt { run: Arc::new(run), keys: count });
        Ok(())
    }

    /// Drops the generations before `oldest`; says how many keys that were.
    pub(super) fn drop_runs(&mut self, oldest: i64) -> usize {
        let mut dropped = 0;
        while let Some(first) = self.spilt.first_entry().filter(|first| *first.key() < oldest) {
            dropped += first.remove().keys;
        }
        dropped
    }

    pub(super) fn spilt_pieces(&self, table: &str, fingerprint: u64) -> impl Iterator<Item = Piece> {
        self.spilt.iter().flat_map(move |(generation, spilt)| {
            let keys = Arc::new(Mutex::new(spilt.run.keys()));
            (0..spilt.keys).step_by(MOST_KEYS).map(move |start| {
                let count = MOST_KEYS.min(spilt.keys - start);
                let mut head = self.head(table, fingerprint, count);
                head.extend_from_slice(&generation.to_le_bytes());
                Piece::Keys { keys: Arc::clone(&keys), count, head, places: self.table.places() }
            })
        })
    }

    /// The bytes on the disk.
    #[must_use]
    pub fn spilt_bytes(&self) -> u64 {
        self.spilt.values().map(|spilt| spilt.run.bytes()).sum()
    }
}
