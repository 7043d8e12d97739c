//! Composite records: an envelope, derived from the records that were brought together, then these records.
//!
//! Ids are the first 16 bytes, as hexadecimal digits, of a SHA-256 over parts, each with its length (u32, little-endian)
//! before it. A join's `event_id`: the step's name, the left and the right `event_id`; its `entity_id`: the step's name,
//! then `source` and `entity_id` of the left and of the right record, for a table of the left one alone. What is missing
//! is empty. A table that is followed adds to the `event_id`, from the second emission of a left entity on, the emission's
//! number in decimal, for a left record may come back to a row that it had; and to the `entity_id` the text of the key,
//! for an entity that moves is taken back under its old key and begins anew under its new one, maybe in another slice.
//! A reconcile's: see `reconcile`.

use sha2::{Digest, Sha256};

use crate::path::Fields;
use crate::schema::{Node, NodeId, Schema};
use crate::wire::{read_long, read_span, write_long, write_span};

/// The fields of the envelope.
pub const ENVELOPE: usize = 8;
/// All composites that one record makes together: beyond it the record is one of too many matches.
pub const MOST_MADE: usize = 32 << 20;

/// The envelope of a record, as it lies before the record's other fields.
#[derive(Debug, Clone, Copy, Default)]
pub struct Envelope<'a> {
    pub event_id: &'a [u8],
    pub entity_id: &'a [u8],
    pub revision: i64,
    pub retracted: bool,
    pub occurred_at: i64,
    pub published_at: i64,
    pub source: &'a [u8],
    pub region: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Of a record that was walked before.
    #[must_use]
    pub fn read(record: &'a [u8]) -> Self {
        let mut position = 0;
        let text = |position: &mut usize| read_span(record, position).unwrap_or_default();
        let (event_id, entity_id) = (text(&mut position), text(&mut position));
        let long = |position: &mut usize| read_long(record, position).unwrap_or_default();
        let revision = long(&mut position);
        let retracted = text(&mut position) == b"RETRACTED";
        let (occurred_at, published_at) = (long(&mut position), long(&mut position));
        let (source, region) = (text(&mut position), text(&mut position));
        Self { event_id, entity_id, revision, retracted, occurred_at, published_at, source, region }
    }
}

/// The parts of a digest, put together before they are digested at once.
#[derive(Default)]
pub struct Parts(Vec<u8>);

impl Parts {
    pub fn of(&mut self, parts: &[&[u8]]) -> &mut Self {
        self.0.clear();
        for part in parts {
            self.add(part);
        }
        self
    }

    pub fn add(&mut self, part: &[u8]) {
        self.0.extend_from_slice(&(part.len() as u32).to_le_bytes());
        self.0.extend_from_slice(part);
    }

    #[must_use]
    pub fn digest(&self) -> u128 {
        digest(&self.0)
    }
}

/// The first 128 bits of the SHA-256.
#[must_use]
pub fn digest(bytes: &[u8]) -> u128 {
    let mut first = [0; 16];
    first.copy_from_slice(&Sha256::digest(bytes)[..16]);
    u128::from_be_bytes(first)
}

/// The composites that a record, or the passing of time, made; each is a record of the relation's composite schema.
#[derive(Default)]
pub struct Made {
    pub bytes: Vec<u8>,
    /// The range of each in `bytes`.
    pub composites: Vec<(usize, usize)>,
    /// The range of each one's text key in `bytes`; empty where it is the key of the record that made it.
    pub keys: Vec<(usize, usize)>,
    /// Of what time made: the side that a record waited on, and when its time was over.
    pub due: Vec<(usize, i64)>,
    offsets: Vec<u32>,
}

impl Made {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(MOST_MADE);
        self.composites.clear();
        self.keys.clear();
        self.due.clear();
        self.offsets.clear();
    }

    #[must_use]
    pub const fn len(&self) -> usize {
        self.composites.len()
    }

    /// A composite as a walked record.
    #[must_use]
    pub fn fields(&self, index: usize) -> Fields<'_> {
        let stride = self.offsets.len() / self.composites.len();
        let offsets = &self.offsets[index * stride..(index + 1) * stride];
        Fields { body: &self.bytes[..self.composites[index].1], offsets }
    }

    /// The text key of a composite; None where it is the key of the record that made it.
    #[must_use]
    pub fn key(&self, index: usize) -> Option<&[u8]> {
        let (start, end) = self.keys[index];
        (start < end).then(|| &self.bytes[start..end])
    }

    /// Appends a composite: its envelope, then each part with the byte of its union's branch before it, if it has one.
    pub fn add(&mut self, derived: &Envelope<'_>, parts: &[Part<'_>], key: &[u8]) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let start = self.bytes.len();
        self.keys.push((at, start));
        self.envelope(derived);
        for part in parts {
            self.offsets.push(self.bytes.len() as u32);
            self.bytes.extend(part.branch);
            self.bytes.extend_from_slice(part.bytes);
        }
        let end = self.bytes.len();
        self.offsets.push(end as u32);
        self.composites.push((start, end));
    }

    fn envelope(&mut self, derived: &Envelope<'_>) {
        let status: &[u8] = match (derived.retracted, derived.revision > 0) {
            (true, _) => b"RETRACTED",
            (false, true) => b"CORRECTED",
            (false, false) => b"ASSERTED",
        };
        self.text(derived.event_id);
        self.text(derived.entity_id);
        self.long(derived.revision);
        self.text(status);
        self.long(derived.occurred_at);
        self.long(derived.published_at);
        self.text(derived.source);
        self.text(derived.region);
    }

    fn text(&mut self, text: &[u8]) {
        self.offsets.push(self.bytes.len() as u32);
        write_span(&mut self.bytes, text);
    }

    fn long(&mut self, number: i64) {
        self.offsets.push(self.bytes.len() as u32);
        write_long(&mut self.bytes, number);
    }
}

/// One field of a composite after the envelope.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The branch, where the field is a union with null.
    pub branch: Option<u8>,
    pub bytes: &'a [u8],
}

/// The branch bytes of a side that may be missing: that of null, and that of the record.
pub type Branches = Option<(u8, u8)>;

/// A side's part: its record, null if it is missing, and `blank` if it may not be.
#[must_use]
pub fn part<'a>(branches: Branches, record: Option<&'a [u8]>, blank: &'a [u8]) -> Part<'a> {
    match (branches, record) {
        (None, record) => Part { branch: None, bytes: record.unwrap_or(blank) },
        (Some((_, value)), Some(bytes)) => Part { branch: Some(value), bytes },
        (Some((null, _)), None) => Part { branch: Some(null), bytes: &[] },
    }
}

/// An id as text.
#[must_use]
pub fn hex(id: u128) -> [u8; 32] {
    let mut text = [0; 32];
    for (index, digit) in text.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(id >> (124 - 4 * index)) as usize & 15];
    }
    text
}

/// The smallest value of a type: empty, zero, null where that is allowed.
pub fn write_blank(schema: &Schema, node: NodeId, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if depth > 64 {
        return Err("a type holds itself".to_owned());
    }
    match &schema.nodes[node] {
        Node::Null => {}
        Node::Boolean
        | Node::Int
        | Node::Long
        | Node::Bytes
        | Node::String
        | Node::Enum { .. }
        | Node::Array(_)
        | Node::Map(_) => out.push(0),
        Node::Float => out.extend_from_slice(&[0; 4]),
        Node::Double => out.extend_from_slice(&[0; 8]),
        Node::Fixed { size, .. } => out.resize(out.len() + (*size).min(1 << 20) as usize, 0),
        Node::Union(branches) => {
            let null = branches.iter().position(|branch| schema.nodes[*branch] == Node::Null);
            let chosen = null.unwrap_or_default();
            write_long(out, chosen as i64);
            write_blank(schema, branches[chosen], depth + 1, out)?;
        }
        Node::Record { fields, .. } => {
            for field in fields {
                write_blank(schema, field.node, depth + 1, out)?;
            }
        }
    }
    if out.len() > 1 << 20 { Err("a type's smallest value is above 1 MiB".to_owned()) } else { Ok(()) }
}
