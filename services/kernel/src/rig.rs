//! What relations are tested with: two sources, records, and composites read back.

use serde_json::{Value, json};

use crate::composite::{ENVELOPE, Envelope, Made};
use crate::path::{Fields, long_at, span_at};
use crate::relation::{Input, Offered, Relation, Taken};
use crate::relation_plan::RelationPlan;
use crate::relation_state::RelationState;
use crate::schema::Schema;
use crate::spill::tests::records;
use crate::store::StoreDelta;
use crate::text_key::TextKey;
use crate::walk::Walker;
use crate::wire::{write_long, write_span};

pub const WITHIN: i64 = 10_000;

const NAMES: [&str; 8] =
    ["event_id", "entity_id", "revision", "status", "occurred_at", "published_at", "source", "region"];

fn envelope() -> Vec<Value> {
    let kind = |name: &str| {
        if matches!(name, "revision" | "occurred_at" | "published_at") { "long" } else { "string" }
    };
    NAMES.iter().map(|name| json!({"name": name, "type": kind(name)})).collect()
}

/// A source: the envelope, `line`, `note` (which no side keeps), `seat`, maybe null.
fn source() -> Value {
    let mut fields = envelope();
    fields.push(json!({"name": "line", "type": "string"}));
    fields.push(json!({"name": "note", "type": "string"}));
    fields.push(json!({"name": "seat", "type": ["null", "long"]}));
    json!({"type": "record", "name": "Source", "fields": fields})
}

fn kept() -> Vec<Value> {
    let mut fields = envelope();
    fields.push(json!({"name": "line", "type": "string"}));
    fields.push(json!({"name": "seat", "type": ["null", "long"]}));
    fields
}

fn part(name: &str, optional: bool) -> Value {
    let record = json!({"type": "record", "name": name, "fields": kept()});
    let kind = if optional { json!(["null", record]) } else { record };
    json!({"name": name, "type": kind})
}

fn side(source: usize, alias: &str) -> Value {
    let mut fields = NAMES.to_vec();
    fields.extend(["line", "seat"]);
    json!({"source": source, "alias": alias, "steps": [], "fields": fields})
}

pub fn join(matches: &str, unmatched: &str, follow: bool) -> Value {
    let mut fields = envelope();
    fields.push(part("trip", matches!(unmatched, "right" | "both")));
    fields.push(part("seat", matches!(unmatched, "left" | "both")));
    json!({"kind": "join", "name": "near", "state": "c/f.near", "left": side(0, "trip"), "right": side(1, "seat"),
        "on": ["line"], "within_ms": WITHIN, "matches": matches, "unmatched": unmatched, "broadcast": "none", "most": 5, "follow": follow,
        "schema": {"type": "record", "name": "Composite", "fields": fields}})
}

pub fn reconcile(gives: &str) -> Value {
    let mut fields = envelope();
    fields.push(part("claim", false));
    if gives == "conflicts" {
        fields.push(part("winner", false));
        fields.push(json!({"name": "differs", "type": "string"}));
    }
    json!({"kind": "reconcile", "name": "truth", "state": "c/f.truth", "of": side(0, "claim"), "key": ["line"],
        "authority": ["gov", "rail"], "within_ms": WITHIN, "compare": ["region", "seat"], "gives": gives, "most": 4,
        "schema": {"type": "record", "name": "Composite", "fields": fields}})
}

/// A record, about line `x` unless it says otherwise.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: String,
    pub entity: String,
    pub revision: i64,
    pub status: &'static str,
    pub occurred: i64,
    pub source: &'static str,
    pub region: &'static str,
    pub line: String,
    pub seat: Option<i64>,
}

pub fn event(id: &str, entity: &str, revision: i64) -> Event {
    let status = if revision > 0 { "CORRECTED" } else { "ASSERTED" };
    let (id, entity, line) = (id.to_owned(), entity.to_owned(), "x".to_owned());
    Event { id, entity, revision, status, occurred: 100, source: "rail", region: "110000", line, seat: None }
}

impl Event {
    pub fn retracted(self) -> Self {
        Self { status: "RETRACTED", ..self }
    }

    pub fn on(self, line: &str) -> Self {
        Self { line: line.to_owned(), ..self }
    }

    pub fn occurred(self, occurred: i64) -> Self {
        Self { occurred, ..self }
    }

    pub fn seat(self, seat: i64) -> Self {
        Self { seat: Some(seat), ..self }
    }

    pub fn from(self, source: &'static str) -> Self {
        Self { source, ..self }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_span(&mut out, self.id.as_bytes());
        write_span(&mut out, self.entity.as_bytes());
        write_long(&mut out, self.revision);
        write_span(&mut out, self.status.as_bytes());
        write_long(&mut out, self.occurred);
        write_long(&mut out, self.occurred + 1);
        write_span(&mut out, self.source.as_bytes());
        write_span(&mut out, self.region.as_bytes());
        write_span(&mut out, self.line.as_bytes());
        write_span(&mut out, b"not for anyone");
        match self.seat {
            None => out.push(0),
            Some(seat) => {
                out.push(2);
                write_long(&mut out, seat);
            }
        }
        out
    }
}

/// A composite as a test looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composite {
    pub event_id: String,
    pub entity_id: String,
    pub revision: i64,
    pub status: String,
    pub occurred: i64,
    pub published: i64,
    pub source: String,
    pub region: String,
    /// The event ids of its parts, or "-" for one that is missing; `differs` as it is.
    pub parts: Vec<String>,
    pub key: Option<String>,
}

impl Composite {
    /// Status, revision and parts: what most tests ask for.
    pub fn short(&self) -> String {
        format!("{} {} {}", self.status, self.revision, self.parts.join(" "))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A relation with its state.
pub struct Rig {
    pub relation: Relation,
    pub state: RelationState,
    source: Schema,
    pub made: Made,
}

pub fn compile(plan: &Value) -> Result<Relation, String> {
    let plan: RelationPlan = serde_json::from_value(plan.clone()).map_err(|error| error.to_string())?;
    compile_keyed(&plan, &["line"])
}

/// Compiles for sources whose Kafka key is of these fields.
fn compile_keyed(plan: &RelationPlan, key: &[&str]) -> Result<Relation, String> {
    let schema = Schema::parse(&source())?;
    let names: Vec<String> = key.iter().map(|name| (*name).to_owned()).collect();
    let input = Input { schema: &schema, key: &TextKey::compile(&schema, &names)? };
    Relation::compile(plan, &[input, input])
}

impl Rig {
    pub fn new(plan: &Value) -> Self {
        Self::keyed(plan, "line")
    }

    /// With sources whose Kafka key is another field than the relation's.
    pub fn keyed(plan: &Value, key: &str) -> Self {
        let parsed: Result<RelationPlan, _> = serde_json::from_value(plan.clone());
        let relation =
            parsed.map_err(|error| error.to_string()).and_then(|plan| compile_keyed(&plan, &[key]));
        let (Ok(relation), Ok(source)) = (relation, Schema::parse(&source())) else {
            unreachable!("{:?}", compile(plan).err())
        };
        Self { state: relation.new_state(), relation, source, made: Made::default() }
    }

    /// Offers an event under the key of its line.
    pub fn offer(&mut self, side: usize, event: &Event, append_ms: i64) -> (Taken, Vec<Composite>) {
        let key = event.line.clone();
        self.offer_as(
            side,
            event,
            &Offered { key: key.as_bytes(), append_ms, moved: false, retracted: false, told: None },
        )
    }

    pub fn offer_as(&mut self, side: usize, event: &Event, offered: &Offered<'_>) -> (Taken, Vec<Composite>) {
        let (bytes, mut offsets) = (event.bytes(), Vec::new());
        assert_eq!(Walker::new(&bytes, 0).record(&self.source, &mut offsets), Ok(()));
        self.made.clear();
        let fields = Fields { body: &bytes, offsets: &offsets };
        let taken = self.relation.take(&mut self.state, side, &fields, offered, &mut self.made);
        (taken, self.composites())
    }

    /// What an event makes, in short.
    pub fn makes(&mut self, side: usize, event: &Event, append_ms: i64) -> Vec<String> {
        let (taken, composites) = self.offer(side, event, append_ms);
        assert!(matches!(taken, Taken::Stored | Taken::Withdrawn), "{taken:?}");
        composites.iter().map(Composite::short).collect()
    }

    pub fn expire(&mut self, clock_ms: i64) -> Vec<Composite> {
        let mut all = Vec::new();
        loop {
            self.made.clear();
            let more = self.relation.expire(&mut self.state, clock_ms, &mut self.made);
            all.extend(self.composites());
            if !more {
                return all;
            }
        }
    }

    /// Each composite, walked by its schema first.
    fn composites(&self) -> Vec<Composite> {
        (0..self.made.len()).map(|index| self.composite(index)).collect()
    }

    fn composite(&self, index: usize) -> Composite {
        let (schema, fields, mut offsets) = (self.relation.schema(), self.made.fields(index), Vec::new());
        let walked = Walker::new(fields.body, self.made.composites[index].0).record(schema, &mut offsets);
        assert_eq!((walked, offsets.as_slice()), (Ok(()), fields.offsets));
        let named = schema.fields(schema.root).iter().enumerate().skip(ENVELOPE);
        let parts = named.map(|(number, field)| {
            let (null, node) = schema.nullable(field.node);
            let at = fields.offsets[number] as usize;
            if schema.fields(node).is_empty() {
                return text(span_at(fields.body, at));
            }
            match null {
                Some(null) if fields.body[at] == null << 1 => "-".to_owned(),
                branch => text(Envelope::read(&fields.body[at + usize::from(branch.is_some())..]).event_id),
            }
        });
        let string = |field: usize| text(fields.text(field));
        let long = |field: usize| long_at(fields.body, fields.offsets[field] as usize);
        Composite {
            event_id: string(0),
            entity_id: string(1),
            revision: long(2),
            status: string(3),
            occurred: long(4),
            published: long(5),
            source: string(6),
            region: string(7),
            parts: parts.collect(),
            key: self.made.key(index).map(text),
        }
    }

    /// The same relation with a state that took in these records.
    pub fn restored(&self, records: &[(String, Vec<Vec<u8>>)]) -> RelationState {
        let mut state = self.relation.new_state();
        restore(&mut state, records);
        state
    }

    /// The entries and the bytes of its state.
    pub fn size(&self) -> (usize, usize) {
        let sizes = self.state.tables().map(|(_, store)| (store.len(), store.bytes()));
        sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
    }

    pub fn deltas(&self) -> Vec<(String, Vec<Vec<u8>>)> {
        owned(self.state.deltas())
    }

    pub fn dump(&self) -> Vec<(String, Vec<Vec<u8>>)> {
        let dump = self.state.dump().into_iter();
        owned(dump.map(|(table, pieces)| (table, records(pieces))).collect())
    }
}

fn owned(records: Vec<(&str, Vec<Vec<u8>>)>) -> Vec<(String, Vec<Vec<u8>>)> {
    records.into_iter().map(|(table, records)| (table.to_owned(), records)).collect()
}

pub fn restore(state: &mut RelationState, records: &[(String, Vec<Vec<u8>>)]) {
    for bytes in records.iter().flat_map(|(_, records)| records) {
        let restored = StoreDelta::parse(bytes).and_then(|delta| state.restore(&delta));
        assert_eq!(restored, Ok(true));
    }
}
