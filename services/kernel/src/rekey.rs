//! A rekey: a source's records once more, under another key, for the lane that joins by it.

use crate::fingerprint::fingerprint;
use crate::path::Fields;
use crate::plan::RekeyPlan;
use crate::schema::Schema;
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
    /// How long an entity's key is remembered; None: its moves are nobody's concern.
    pub moves_ms: Option<i64>,
    /// Of the table of keys.
    pub fingerprint: u64,
}

impl Rekey {
    pub fn compile(schema: &Schema, plan: &RekeyPlan) -> Result<Self, String> {
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
            moves_ms: plan.moves_ms,
            fingerprint: fingerprint("rekey", plan.key.iter().map(String::as_str)),
        })
    }

    /// Appends the copy of a record: what it is in the reader's schema.
    pub fn write(&self, fields: &Fields<'_>, out: &mut Vec<u8>) {
        out.push(0);
        out.extend_from_slice(&self.schema_id.unwrap_or_default().to_be_bytes());
        out.extend_from_slice(fields.range(0, fields.offsets.len() - 1));
    }
}
