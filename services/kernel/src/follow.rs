//! What a feed whose corrections follow remembers: of each entity the revision that its consumer has, and its payload.

use crate::kept::{Kept, MARKER, write_marker};
use crate::store::{MOST_VALUE, Store};

/// What a record that went through the steps means for the consumer.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// The consumer gets it; then `remember` its payload.
    Deliver,
    /// The consumer has an earlier revision of what no longer stands: it gets the envelope of the new one, RETRACTED,
    /// before this tail; then `forget`.
    Retract(&'a [u8]),
    /// The consumer has nothing of it that this changes.
    Filter,
}

/// Decides for a record of an entity; `stands`: it passed every condition and is not RETRACTED.
///
/// Promised: a revision that is not above the one which the consumer has, or which was taken back, is filtered, and a
/// retraction carries nothing that the consumer had not seen. Not promised: anything of an entity that was not delivered
/// within the window of the table.
#[must_use]
pub fn decide(table: &Store, entity: u128, revision: i64, stands: bool, append_ms: i64) -> Decision<'_> {
    let Some(entry) = table.get(entity, 0, append_ms) else {
        return if stands { Decision::Deliver } else { Decision::Filter };
    };
    let kept = Kept::read(entry.value);
    match (revision > revision_of(&kept), stands, kept.is(MARKER)) {
        (true, true, _) => Decision::Deliver,
        (true, false, false) => Decision::Retract(kept.record),
        _ => Decision::Filter,
    }
}

/// The revision that the consumer has, or that was taken back.
fn revision_of(kept: &Kept<'_>) -> i64 {
    if kept.is(MARKER) {
        return kept.revision();
    }
    kept.key.first_chunk::<8>().map_or(i64::MIN, |bytes| i64::from_le_bytes(*bytes))
}

/// Whether a payload's tail can be remembered; one that cannot is a dead letter, for it could never be taken back.
#[must_use]
pub const fn fits(tail: &[u8]) -> bool {
    tail.len() <= MOST_VALUE - 64
}

/// Remembers what the consumer got: its payload from the region on.
pub fn remember(
    table: &mut Store,
    entity: u128,
    revision: i64,
    append_ms: i64,
    tail: &[u8],
    value: &mut Vec<u8>,
) {
    value.clear();
    Kept { flags: 0, key: &revision.to_le_bytes(), record: tail }.write(value);
    table.put(entity, 0, append_ms, value);
}

/// Keeps of what was retracted the revision alone.
pub fn forget(table: &mut Store, entity: u128, revision: i64, append_ms: i64, value: &mut Vec<u8>) {
    value.clear();
    write_marker(revision, value);
    table.put(entity, 0, append_ms, value);
}
