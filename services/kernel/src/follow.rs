//! What a feed whose corrections are followed remembers: of each entity the revision that its consumer has, and its tail.
//!
//! The tail is what was delivered from the region on, as the consumer got it; a retraction repeats it, and so shows
//! nothing that the consumer has not seen.

use sha2::{Digest, Sha256};

use crate::check::{ENTITY_ID, SOURCE};
use crate::path::Fields;
use crate::store::Store;

/// Tails may be larger than what one entry of a store may be; each part has a number as its identity.
const MOST_PART: usize = 256 * 1024;
const GONE: u8 = 0;
const DELIVERED: u8 = 1;
/// The kind, then the revision.
const HEAD: usize = 1 + size_of::<i64>();

/// How an entity stands with the consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub revision: i64,
    /// Whether the consumer has it; else it was retracted, and the revision alone is remembered.
    pub delivered: bool,
}

/// The digest of the entity that a record is about: of its id, and of its source unless a relation made it.
#[must_use]
pub fn entity(fields: &Fields<'_>, with_source: bool) -> u128 {
    let mut sha = Sha256::new();
    if with_source {
        let party = fields.text(SOURCE);
        sha.update((party.len() as u32).to_le_bytes());
        sha.update(party);
    }
    sha.update(fields.text(ENTITY_ID));
    digest(sha)
}

/// Where the numbers of a composite's entity begin of which the relation knows nothing: above what its consumer has.
pub fn first_number(told: Option<&Store>, entity_id: &[u8], clock_ms: i64) -> i64 {
    let held = told.and_then(|store| held(store, composite(entity_id), clock_ms));
    held.map_or(0, |held| held.revision.saturating_add(1))
}

/// The digest of a composite's entity.
pub fn composite(entity_id: &[u8]) -> u128 {
    digest(Sha256::new().chain_update(entity_id))
}

fn digest(sha: Sha256) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&sha.finalize()[..16]);
    u128::from_le_bytes(bytes)
}

pub fn held(store: &Store, entity: u128, clock_ms: i64) -> Option<Held> {
    let value = store.get(entity, 0, clock_ms)?.value();
    let (kind, rest) = value.split_first()?;
    let revision = i64::from_le_bytes(*rest.first_chunk()?);
    Some(Held { revision, delivered: *kind == DELIVERED })
}

/// Remembers that the consumer has this revision of the entity, with this tail; or, without one, that it has none.
pub fn hold(store: &mut Store, entity: u128, append_ms: i64, revision: i64, tail: Option<&[u8]>) {
    let tail_bytes = tail.unwrap_or_default();
    let mut parts = tail_bytes.chunks(MOST_PART);
    let mut first = Vec::with_capacity(HEAD + tail_bytes.len().min(MOST_PART));
    first.push(if tail.is_some() { DELIVERED } else { GONE });
    first.extend_from_slice(&revision.to_le_bytes());
    first.extend_from_slice(parts.next().unwrap_or_default());
    store.put(entity, 0, append_ms, &first);
    let mut number = 1;
    for part in parts {
        store.put(entity, number, append_ms, part);
        number += 1;
    }
    while store.get(entity, number, append_ms).is_some() {
        store.remove(entity, number);
        number += 1;
    }
}

/// Appends the entity's tail.
pub fn write_tail(store: &Store, entity: u128, clock_ms: i64, out: &mut Vec<u8>) {
    let mut number = 0;
    while let Some(part) = store.get(entity, number, clock_ms) {
        out.extend_from_slice(if number == 0 {
            part.value().get(HEAD..).unwrap_or_default()
        } else {
            part.value()
        });
        number += 1;
    }
}

#[cfg(test)]
mod tests;
