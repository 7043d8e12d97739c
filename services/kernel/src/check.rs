//! What every event must be beyond valid Avro: its envelope, its key, its time.

use crate::path::Fields;
use crate::schema::{Node, Schema};
use crate::wire::Reason;

/// The fields that every event schema begins with.
const ENVELOPE: [(&str, Node); 8] = [
    ("event_id", Node::String),
    ("entity_id", Node::String),
    ("revision", Node::Long),
    ("status", Node::String),
    ("occurred_at", Node::Long),
    ("published_at", Node::Long),
    ("source", Node::String),
    ("region", Node::String),
];
const EVENT_ID: usize = 0;
const REVISION: usize = 2;
const STATUS: usize = 3;
const OCCURRED_AT: usize = 4;
const SOURCE: usize = 6;
const REGION: usize = 7;

const MOST_EVENT_ID_BYTES: usize = 256;

/// The rules of one source.
#[derive(Debug)]
pub struct Rules {
    /// The top-level fields that make the Kafka key, and whether each is a text (else a number).
    key: Vec<(usize, bool)>,
    past_ms: i64,
    future_ms: i64,
}

/// What the log says of a record.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    pub key: Option<&'a [u8]>,
    /// The party that owns the Kafka topic.
    pub party: &'a [u8],
    pub append_ms: i64,
}

/// A rule that a record breaks, and the field that it is about.
pub type Broken = (Reason, &'static str);

impl Rules {
    pub fn compile(schema: &Schema, key: &[String], past_ms: i64, future_ms: i64) -> Result<Self, String> {
        let fields = schema.fields(schema.root);
        for (index, (name, node)) in ENVELOPE.iter().enumerate() {
            if !fields
                .get(index)
                .is_some_and(|field| field.name == *name && schema.nodes[field.node] == *node)
            {
                return Err(format!("field {index} of the schema is not the envelope's `{name}`"));
            }
        }
        let mut found = Vec::with_capacity(key.len());
        for name in key {
            let index = fields.iter().position(|field| field.name == *name);
            let index = index.ok_or_else(|| format!("the key field `{name}` is not in the schema"))?;
            match schema.nodes[fields[index].node] {
                Node::String => found.push((index, true)),
                Node::Int | Node::Long => found.push((index, false)),
                _ => return Err(format!("the key field `{name}` is neither a string nor an integer")),
            }
        }
        if found.is_empty() {
            return Err("the source has no key".to_owned());
        }
        Ok(Self { key: found, past_ms, future_ms })
    }

    /// Checks a walked record; the first rule that it breaks, in the order of the fields, after the key.
    pub fn check(&self, fields: &Fields<'_>, arrival: &Arrival<'_>) -> Result<(), Broken> {
        if !arrival.key.is_some_and(|key| self.is_key(key, fields)) {
            return Err((Reason::WrongKey, ""));
        }
        if !(1..=MOST_EVENT_ID_BYTES).contains(&fields.text(EVENT_ID).len()) {
            return Err((Reason::BadEventId, "event_id"));
        }
        if fields.long(REVISION) < 0 {
            return Err((Reason::NegativeRevision, "revision"));
        }
        if !matches!(fields.text(STATUS), b"ASSERTED" | b"CORRECTED" | b"RETRACTED") {
            return Err((Reason::BadStatus, "status"));
        }
        let occurred = fields.long(OCCURRED_AT);
        let (first, last) = self.times(arrival);
        if occurred < first {
            return Err((Reason::TooEarly, "occurred_at"));
        }
        if occurred > last {
            return Err((Reason::TooLate, "occurred_at"));
        }
        if fields.text(SOURCE) != arrival.party {
            return Err((Reason::ForgedSource, "source"));
        }
        let region = fields.text(REGION);
        if !(6..=12).contains(&region.len()) || !region.iter().all(u8::is_ascii_digit) {
            return Err((Reason::BadRegion, "region"));
        }
        Ok(())
    }

    /// What is wrong in words; of a time also what was found and what is allowed, which tells of no person.
    pub fn detail(&self, reason: Reason, fields: &Fields<'_>, arrival: &Arrival<'_>) -> String {
        if !matches!(reason, Reason::TooEarly | Reason::TooLate) {
            return reason.detail().to_owned();
        }
        let (first, last) = self.times(arrival);
        let occurred = fields.long(OCCURRED_AT);
        format!("{}: found {occurred}, allowed {first} to {last} (ms since 1970, UTC)", reason.detail())
    }

    /// The earliest and the latest `occurred_at` that a record with this append time may have.
    fn times(&self, arrival: &Arrival<'_>) -> (i64, i64) {
        (arrival.append_ms.saturating_sub(self.past_ms), arrival.append_ms.saturating_add(self.future_ms))
    }

    /// Whether `key` is the key fields of the record: their text joined by `|`, with `\` and `|` escaped by `\`.
    fn is_key(&self, key: &[u8], fields: &Fields<'_>) -> bool {
        let mut rest = key;
        for (index, (field, is_text)) in self.key.iter().enumerate() {
            if index > 0 {
                match rest.split_first() {
                    Some((b'|', after)) => rest = after,
                    _ => return false,
                }
            }
            let after = if *is_text {
                strip_escaped(rest, fields.text(*field))
            } else {
                rest.strip_prefix(fields.long(*field).to_string().as_bytes())
            };
            match after {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

/// What follows in `key` after the escaped `value`, or None where the key does not start with it.
fn strip_escaped<'a>(key: &'a [u8], value: &[u8]) -> Option<&'a [u8]> {
    if !value.iter().any(|byte| matches!(byte, b'\\' | b'|')) {
        return key.strip_prefix(value);
    }
    let mut rest = key;
    for byte in value {
        if matches!(byte, b'\\' | b'|') {
            rest = rest.strip_prefix(b"\\")?;
        }
        rest = rest.strip_prefix(std::slice::from_ref(byte))?;
    }
    Some(rest)
}
