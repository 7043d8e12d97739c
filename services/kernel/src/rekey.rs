//! A rekey: a source's records once more, under another key, for the lane that joins by it.

use crate::check::REVISION;
use crate::follow;
use crate::path::Fields;
use crate::plan::RekeyPlan;
use crate::schema::Schema;
use crate::store::Store;
use crate::text_key::TextKey;

#[derive(Debug)]
pub struct Rekey {
    pub name: String,
    pub topic: String,
    /// The id of the schema that the copies are in: the reader's.
    pub schema_id: Option<u32>,
    pub key: TextKey,
    pub partitions: u32,
    /// Whether every partition gets a copy.
    pub all: bool,
    /// The lane's store of the entities' keys; None: their moves are nobody's concern.
    pub moves: Option<usize>,
}

/// A key longer than this is not remembered: who leaves it is not heard of under it.
const MOST_KEY: usize = 64 * 1024;

/// A range of the arena.
type Range = (usize, usize);

/// The keys to write a record under: the one that its entity stands under from now on, and the one that it left, which
/// is appended to the arena. A revision that comes late moves nothing: it goes to the key where its entity stands.
pub fn keys(
    store: &mut Store,
    fields: &Fields<'_>,
    append_ms: i64,
    arena: &mut Vec<u8>,
    own: Range,
) -> (Range, Option<Range>) {
    let (entity, revision) = (follow::entity(fields, true), fields.long(REVISION));
    let known = store.get(entity, 0, append_ms).and_then(|entry| entry.value().split_first_chunk::<8>());
    let mut left = None;
    if let Some((known, key)) = known {
        let (late, same) = (i64::from_le_bytes(*known) >= revision, *key == arena[own.0..own.1]);
        if !same {
            let start = arena.len();
            arena.extend_from_slice(key);
            left = Some((start, arena.len()));
        }
        if late {
            return (left.unwrap_or(own), None);
        }
    }
    let key = &arena[own.0..own.1];
    if key.len() <= MOST_KEY {
        store.put(entity, 0, append_ms, &[&revision.to_le_bytes(), key].concat());
    } else {
        store.remove(entity, 0);
    }
    (own, left)
}

impl Rekey {
    /// Compiles; `moves` is the number of the lane's store for it.
    pub fn compile(schema: &Schema, plan: &RekeyPlan, moves: Option<usize>) -> Result<Self, String> {
        let place = |error: String| format!("rekey {}: {error}", plan.name);
        if plan.partitions == 0 || plan.moves_ms.is_some_and(|window| window < 1) {
            return Err(place("partitions and moves_ms are at least 1".to_owned()));
        }
        Ok(Self {
            name: plan.name.clone(),
            topic: plan.topic.clone(),
            schema_id: None,
            key: TextKey::compile(schema, &plan.key).map_err(place)?,
            partitions: plan.partitions,
            all: plan.all,
            moves,
        })
    }

    /// Appends the copy of a record: what it is in the reader's schema.
    pub fn write(&self, fields: &Fields<'_>, out: &mut Vec<u8>) {
        out.push(0);
        out.extend_from_slice(&self.schema_id.unwrap_or_default().to_be_bytes());
        out.extend_from_slice(fields.range(0, fields.offsets.len() - 1));
    }
}
