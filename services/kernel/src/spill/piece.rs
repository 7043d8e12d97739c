//! The committed state of a slice as records, of which those on the disk are read one by one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Keys, Run};
use crate::store::Spilt;
use crate::table::Places;

/// One record of a dump: there already, or yet to be read.
pub enum Piece {
    Ready(Vec<u8>),
    /// The next keys of one generation of a deduplicate's table, which share the reading of its run.
    Keys {
        keys: Arc<Mutex<Keys>>,
        count: usize,
        head: Vec<u8>,
        places: Places,
    },
    /// Entries of a relation's store.
    Entries {
        run: Arc<Run>,
        head: Vec<u8>,
        entries: Vec<Spilt>,
    },
}

impl Piece {
    pub fn record(self) -> Result<Vec<u8>, String> {
        match self {
            Self::Ready(record) => Ok(record),
            Self::Keys { keys, count, head, places } => {
                let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
                let mut record = head;
                record.extend_from_slice(&(count as u32).to_le_bytes());
                for key in keys.by_ref().take(count) {
                    record.extend_from_slice(&places.key(&key?).to_le_bytes());
                }
                Ok(record)
            }
            Self::Entries { run, head, entries } => {
                let mut record = head;
                for entry in entries {
                    entry.write(|key| run.read(key), &mut record)?;
                }
                Ok(record)
            }
        }
    }
}

/// The committed state of a slice as (key, value) records of its state topic.
///
/// What was in memory is copied, so what changes later is not in it; what is on the disk is read when its turn comes,
/// and stays there as long as this.
#[derive(Default)]
pub struct Dump {
    pieces: VecDeque<(Arc<[u8]>, Piece)>,
}

impl Dump {
    pub fn add(&mut self, key: &Arc<[u8]>, piece: Piece) {
        self.pieces.push_back((Arc::clone(key), piece));
    }

    /// The records that are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }
}

impl Iterator for Dump {
    type Item = Result<(Vec<u8>, Vec<u8>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key, piece) = self.pieces.pop_front()?;
        Some(piece.record().map(|value| (key.to_vec(), value)))
    }
}
