//! Where an entity stands: under which key of a relation, for sides whose Kafka key is not that key.
//!
//! The reader of a rekeyed input is told by a moved record that an entity left its key. Nobody tells the reader of an
//! input that is as it is, or of one that every slice has a copy of; so it remembers by itself.

use crate::store::Store;

/// A key longer than this is not remembered: that its entity left it is not seen.
const MOST_KEY: usize = 64 * 1024;

/// What a record says of where its entity stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// Where it stood, or nothing is known of it.
    Here,
    /// It left another key.
    Left,
    /// It stands under another key by a revision that is not lower.
    Late,
}

/// Compares the key of a record with the one that its entity stands under, which is written to `other` if it is another.
pub fn stand(
    store: &Store,
    entity: u128,
    revision: i64,
    append_ms: i64,
    text: &[u8],
    other: &mut Vec<u8>,
) -> Stand {
    let known = store.get(entity, 0, append_ms).and_then(|entry| entry.value().split_first_chunk::<8>());
    match known {
        Some((known, key)) if key != text => {
            other.clear();
            other.extend_from_slice(key);
            if i64::from_le_bytes(*known) >= revision { Stand::Late } else { Stand::Left }
        }
        _ => Stand::Here,
    }
}

/// Remembers where an entity stands, unless a revision that is not lower said so.
pub fn settle(
    store: &mut Store,
    entity: u128,
    revision: i64,
    append_ms: i64,
    text: &[u8],
    value: &mut Vec<u8>,
) {
    let known = store.get(entity, 0, append_ms).and_then(|entry| entry.value().first_chunk::<8>());
    if known.is_some_and(|known| i64::from_le_bytes(*known) >= revision) {
        return;
    }
    if text.len() > MOST_KEY {
        store.remove(entity, 0);
        return;
    }
    value.clear();
    value.extend_from_slice(&revision.to_le_bytes());
    value.extend_from_slice(text);
    store.put(entity, 0, append_ms, value);
}
