//! What every event must be beyond valid Avro: its envelope, its key, its time.

use crate::calendar::civil;
use crate::path::Fields;
use crate::schema::{Node, Schema};
use crate::text_key::TextKey;
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
pub const EVENT_ID: usize = 0;
pub const ENTITY_ID: usize = 1;
pub const REVISION: usize = 2;
pub const STATUS: usize = 3;
pub const OCCURRED_AT: usize = 4;
pub const SOURCE: usize = 6;
pub const REGION: usize = 7;

/// The status of an event that its source takes back.
pub const RETRACTED: &[u8] = b"RETRACTED";

const MOST_EVENT_ID_BYTES: usize = 256;

/// The rules of one source.
#[derive(Debug)]
pub struct Rules {
    /// What the Kafka key is made of.
    pub key: TextKey,
    past_ms: i64,
    future_ms: i64,
}

/// An instant in words, to the second.
fn instant(milliseconds: i64) -> String {
    let seconds = milliseconds.div_euclid(1_000);
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(day);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
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

/// Refuses a schema that does not begin with the fields of every event.
pub fn check_envelope(schema: &Schema) -> Result<(), String> {
    let fields = schema.fields(schema.root);
    for (index, (name, node)) in ENVELOPE.iter().enumerate() {
        let found = fields.get(index);
        if !found.is_some_and(|field| field.name == *name && schema.nodes[field.node] == *node) {
            return Err(format!("field {index} of the schema is not the envelope's `{name}`"));
        }
    }
    Ok(())
}

impl Rules {
    pub fn compile(schema: &Schema, key: &[String], past_ms: i64, future_ms: i64) -> Result<Self, String> {
        check_envelope(schema)?;
        Ok(Self { key: TextKey::compile(schema, key)?, past_ms, future_ms })
    }

    /// Checks a walked record; the first rule that it breaks, in the order of the fields, after the key.
    pub fn check(&self, fields: &Fields<'_>, arrival: &Arrival<'_>) -> Result<(), Broken> {
        if !arrival.key.is_some_and(|key| self.key.is(key, fields)) {
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
        let [found, first, last] = [occurred, first, last].map(instant);
        format!("{}: found {found}, allowed {first} to {last}", reason.detail())
    }

    /// The earliest and the latest `occurred_at` that a record with this append time may have.
    fn times(&self, arrival: &Arrival<'_>) -> (i64, i64) {
        (arrival.append_ms.saturating_sub(self.past_ms), arrival.append_ms.saturating_add(self.future_ms))
    }
}
