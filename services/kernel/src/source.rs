//! A source: its contract's rules, the schemas that its records were written with, and one record made ready.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::check::{Arrival, Rules};
use crate::limit::Ceiling;
use crate::path::Fields;
use crate::plan::SourcePlan;
use crate::resolve::Writer;
use crate::schema::Schema;
use crate::walk::{MOST_BYTES, Walker};
use crate::wire::Reason;

/// The bytes before the Avro: a zero, then the schema's id.
pub const HEADER: usize = 5;

/// One Kafka topic of the source, and the party that owns it.
#[derive(Debug)]
pub struct Topic {
    pub name: String,
    pub party: String,
}

#[derive(Debug)]
enum Known {
    Writer(Box<Writer>),
    Refused(String),
}

#[derive(Debug)]
pub struct Source {
    pub name: String,
    pub topics: Vec<Topic>,
    /// Written by a lane, which checked its records: they are walked again, and believed.
    pub internal: bool,
    pub schema: Schema,
    pub rules: Rules,
    pub ceiling: Ceiling,
    /// A tree, because it holds a few ids: no hash is as near.
    known: BTreeMap<u32, Known>,
}

/// Why a record does not go on.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// A dead letter: reason, detail and place.
    Dead { reason: String, detail: String, place: String },
    /// Its schema is not known yet.
    UnknownSchema(u32),
}

/// Buffers that one record after the other is read into.
#[derive(Default)]
pub struct Scratch {
    pub offsets: Vec<u32>,
    pub rewritten: Vec<u8>,
}

impl Source {
    pub fn compile(plan: &SourcePlan) -> Result<Self, String> {
        let place = |error: String| format!("source {}: {error}", plan.name);
        let schema = Schema::parse(&plan.schema).map_err(place)?;
        if schema.has_aliases {
            return Err(place("the schema has aliases, which are not supported; remove them".to_owned()));
        }
        let rules = Rules::compile(&schema, &plan.key, plan.past_ms, plan.future_ms).map_err(place)?;
        let topics =
            plan.topics.iter().map(|(name, party)| Topic { name: name.clone(), party: party.clone() });
        Ok(Self {
            name: plan.name.clone(),
            topics: topics.collect(),
            internal: plan.internal,
            schema,
            rules,
            ceiling: Ceiling::new(plan.in_a_row, plan.ratio),
            known: BTreeMap::new(),
        })
    }

    pub fn add_writer_schema(&mut self, id: u32, json: &str) -> Result<(), String> {
        let place = |error: String| format!("source {}: schema {id}: {error}", self.name);
        let value: Value = serde_json::from_str(json).map_err(|error| place(error.to_string()))?;
        let writer = Schema::parse(&value).map_err(place)?;
        let writer = Writer::compile(writer, &self.schema).map_err(place)?;
        self.known.insert(id, Known::Writer(Box::new(writer)));
        Ok(())
    }

    pub fn refuse_schema(&mut self, id: u32, reason: String) {
        self.known.insert(id, Known::Refused(reason));
    }

    /// Whether the record stands under the key that its entity left.
    #[must_use]
    pub fn moved(&self, fields: &Fields<'_>, key: Option<&[u8]>) -> bool {
        self.internal && !key.is_some_and(|key| self.rules.key.is(key, fields))
    }

    /// Walks and checks one record. Afterwards the scratch holds where its fields are, and the answer is the bytes
    /// that they are in: the record's own, or the scratch's where the writer's schema differs.
    pub fn read<'a>(
        &self,
        value: Option<&'a [u8]>,
        arrival: &Arrival<'_>,
        scratch: &'a mut Scratch,
    ) -> Result<Fields<'a>, Stop> {
        let dead = |reason: Reason, place: &str| Stop::Dead {
            reason: reason.name().to_owned(),
            detail: reason.detail().to_owned(),
            place: place.to_owned(),
        };
        let value = value.ok_or_else(|| dead(Reason::Tombstone, ""))?;
        let id = schema_id(value).map_err(|reason| dead(reason, ""))?;
        let writer = match self.known.get(&id) {
            None => return Err(Stop::UnknownSchema(id)),
            Some(Known::Refused(reason)) => {
                let detail = format!("schema {id} is not one that this source takes");
                return Err(Stop::Dead { reason: reason.clone(), detail, place: String::new() });
            }
            Some(Known::Writer(writer)) => writer,
        };
        let Scratch { offsets, rewritten } = scratch;
        let walked = |schema: &Schema, body: &[u8], start: usize, offsets: &mut Vec<u32>| {
            Walker::new(body, start).record(schema, offsets).map_err(|reason| {
                let names = schema.fields(schema.root);
                let place = offsets.len().checked_sub(1).and_then(|index| names.get(index));
                dead(reason, place.map_or("", |field| &field.name))
            })
        };
        walked(&writer.schema, value, HEADER, offsets)?;
        let mut body = value;
        if writer.changes_bytes() {
            rewritten.clear();
            writer.rewrite(value, HEADER, rewritten).map_err(|reason| dead(reason, ""))?;
            walked(&self.schema, rewritten, 0, offsets)?;
            body = rewritten;
        }
        let fields = Fields { body, offsets };
        if self.internal {
            return Ok(fields);
        }
        self.rules.check(&fields, arrival).map_err(|(reason, place)| Stop::Dead {
            reason: reason.name().to_owned(),
            detail: self.rules.detail(reason, &fields, arrival),
            place: place.to_owned(),
        })?;
        Ok(fields)
    }
}

fn schema_id(value: &[u8]) -> Result<u32, Reason> {
    if value.len() > MOST_BYTES {
        return Err(Reason::TooLarge);
    }
    match value {
        [0, a, b, c, d, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
        [_, _, _, _, _, ..] => Err(Reason::NotAvro),
        _ => Err(Reason::Short),
    }
}
