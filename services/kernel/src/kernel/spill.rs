//! Which tables go to the disk when the memory of all of them is at its end.

use std::path::Path;

use super::Kernel;
use crate::seen::Seen;
use crate::spill::Disk;
use crate::store::Store;

/// A piece smaller than this part of what is to be freed, or than these bytes, is not worth files of its own.
const LEAST_PART: usize = 256;
const LEAST_BYTES: usize = 1 << 20;

/// A table with what it can move to the disk.
pub enum Spillable<'a> {
    Seen(&'a mut Seen),
    Store(&'a mut Store),
}

impl Spillable<'_> {
    fn bytes(&self) -> usize {
        match self {
            Self::Seen(seen) => seen.bytes(),
            Self::Store(store) => store.bytes(),
        }
    }

    /// The bytes on the disk.
    fn spilt_bytes(&self) -> u64 {
        match self {
            Self::Seen(seen) => seen.spilt_bytes(),
            Self::Store(store) => store.spilt_bytes(),
        }
    }
}

impl Kernel {
    /// From now on what tables remember may go to a folder, see `Disk::new`.
    pub fn spill_to(&mut self, folder: &Path, most: u64, cache: u64) {
        self.disk = Some(Disk::new(folder, most, cache));
    }

    /// Fails if a read of the disk has failed: what came of it must not be committed.
    pub fn check_disk(&self) -> Result<(), String> {
        self.disk.as_ref().and_then(|disk| disk.failure()).map_or(Ok(()), |failure| Err(failure.to_owned()))
    }

    /// Moves what is remembered to the disk until all tables together take at most `most` bytes of memory: the largest
    /// tables first, of each the oldest generations, the newest ones only if that is not enough. Says how many bytes it
    /// freed, and why no more if it could have been more. While a transaction is open nothing moves.
    pub fn spill(&mut self, most: usize) -> (usize, Option<String>) {
        let Some(disk) = &self.disk else { return (0, None) };
        let slices = || self.slices.iter().flat_map(std::collections::BTreeMap::values);
        if slices().any(crate::slice::Slice::changed) || disk.failure().is_some() {
            return (0, None);
        }
        let slices = self.slices.iter_mut().zip(&self.lanes);
        let slices = slices.flat_map(|(slices, lane)| slices.values_mut().map(move |slice| (slice, lane)));
        let mut tables: Vec<_> =
            slices.flat_map(|(slice, lane)| slice.spillable(lane).map(|(_, table)| table)).collect();
        tables.sort_by_key(|table| std::cmp::Reverse(table.bytes()));
        let goal = tables.iter().map(Spillable::bytes).sum::<usize>().saturating_sub(most);
        let mut freed = 0;
        for newest in [false, true] {
            for table in &mut tables {
                if freed >= goal {
                    return (freed, None);
                }
                let (goal, least) = (goal - freed, (goal / LEAST_PART).min(LEAST_BYTES));
                let (more, result) = match table {
                    Spillable::Seen(seen) => seen.spill(disk, goal, least, newest),
                    Spillable::Store(store) => store.spill(disk, goal, least, newest),
                };
                freed += more;
                if let Err(reason) = result {
                    return (freed, Some(reason));
                }
            }
        }
        (freed, None)
    }

    /// Lane, slice, table and bytes on the disk of the tables that have any there.
    pub fn spilt(&mut self) -> Vec<(&str, u32, &str, u64)> {
        let mut rows = Vec::new();
        for (slices, lane) in self.slices.iter_mut().zip(&self.lanes) {
            for (number, slice) in slices {
                let tables = slice.spillable(lane).map(|(name, table)| (name, table.spilt_bytes()));
                let held = tables.filter(|(_, bytes)| *bytes > 0);
                rows.extend(held.map(|(name, bytes)| (lane.name.as_str(), *number, name, bytes)));
            }
        }
        rows
    }
}
