//! A relation: the step of a feed that brings records together, compiled, and its state in a slice.
//!
//! How it is used: before each record of its lane `expire` with the record's append time, until it says that there is
//! no more; then, for a record that passes its side's steps, `take`; each composite of `made` then goes through the
//! feed's further steps. Under follow a record that fails a condition of its side is offered as `retracted`, because
//! what was made of its entity may not stand.
//!
//! A record that is withdrawn by a moved one is, as by a retracted one, remembered by its revision: an older revision that
//! comes late must not bring it back under its old key.

use crate::composite::{ENVELOPE, Envelope, MOST_MADE, Made, Parts, digest, hex};
use crate::fingerprint::fingerprint;
use crate::join::{EachPair, Frame};
use crate::path::Fields;
use crate::reconcile::Reconcile;
use crate::relation_plan::{JoinPlan, Matches, ReconcilePlan, RelationPlan, SidePlan};
use crate::relation_state::RelationState;
use crate::schema::{Node, Schema};
use crate::side::Side;
use crate::stand::{Stand, settle, stand};
use crate::store::{MOST_VALUE, Place, Store};
use crate::table_join::TableJoin;
use crate::text_key::TextKey;

/// A record that passed its side's steps, or under follow failed a condition of them.
#[derive(Clone, Copy)]
pub struct Offered<'a> {
    /// Its Kafka key.
    pub key: &'a [u8],
    pub append_ms: i64,
    /// Whether its Kafka key is the one that its entity had before.
    pub moved: bool,
    /// Whether it fails a condition of its side.
    pub retracted: bool,
    /// What the feed's consumer has, where its corrections are followed.
    pub told: Option<&'a Store>,
}

/// What became of a record; `made` tells the composites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is remembered, or was answered at once.
    Stored,
    /// It withdrew what was remembered of its entity, if anything was.
    Withdrawn,
    /// Its revision is not above the remembered one; it changed nothing.
    Superseded,
    /// The key has too many records remembered, or too large ones together; it is not remembered. What is made then
    /// takes back what was made of its entity under the key that it left.
    TooMany,
    /// More is kept of it than an entry may hold; it changed nothing.
    TooLarge,
}

/// A record on its way into a relation.
#[derive(Clone, Copy)]
pub struct Arrival<'a> {
    pub key: u128,
    pub identity: u128,
    /// What is kept of it.
    pub record: &'a [u8],
    pub envelope: Envelope<'a>,
    /// Its Kafka key, and whether that is another text than the relation's key.
    pub kafka_key: &'a [u8],
    pub explicit: bool,
    /// The text of the relation's key.
    pub text: &'a [u8],
    pub append_ms: i64,
    /// Whether it takes back what its entity made: retracted and followed, moved away, or failing a condition.
    pub withdraws: bool,
    /// What the feed's consumer has.
    pub told: Option<&'a Store>,
}

/// What is used again from record to record.
#[derive(Default)]
pub struct Bench {
    pub places: Vec<Place>,
    pub others: Vec<Place>,
    /// Rows of a table with their `occurred_at`.
    pub rows: Vec<(i64, Place)>,
    pub parts: Parts,
    pub value: Vec<u8>,
}

enum Kind {
    EachPair(EachPair),
    Table(TableJoin),
    Reconcile(Reconcile),
}

/// An input of the lane.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub schema: &'a Schema,
    /// What its Kafka key is made of.
    pub key: &'a TextKey,
}

pub struct Relation {
    kind: Kind,
    sides: Vec<Side>,
    /// By side: the relation's key of a record.
    keys: Vec<TextKey>,
    /// By side: whether an entity can leave a key unseen, so that it is remembered where it stands.
    stands: Vec<bool>,
    schema: Schema,
    /// Of what the entries of its state mean.
    fingerprint: u64,
    tables: Vec<String>,
    within_ms: i64,
    most: usize,
}

/// The bytes of a value beside its record and its key, at most.
const MOST_HEAD: usize = 64;
/// The composites that one call of `expire` makes at most.
const MOST_DUE: usize = 256;
const MOST_DUE_BYTES: usize = 1 << 20;

impl Relation {
    /// Compiles a relation; `sources` are the lane's inputs.
    pub fn compile(plan: &RelationPlan, sources: &[Input<'_>]) -> Result<Self, String> {
        match plan {
            RelationPlan::Join(plan) => Self::join(plan, sources).map_err(|error| named(&plan.name, &error)),
            RelationPlan::Reconcile(plan) => {
                Self::reconcile(plan, sources).map_err(|error| named(&plan.name, &error))
            }
        }
    }

    fn join(plan: &JoinPlan, sources: &[Input<'_>]) -> Result<Self, String> {
        let schema = Schema::parse(&plan.schema)?;
        let (left, left_key) = side(&plan.left, sources, &schema, ENVELOPE, &plan.on)?;
        let (right, right_key) = side(&plan.right, sources, &schema, ENVELOPE + 1, &plan.on)?;
        let fields = schema.fields(schema.root).len();
        if fields != ENVELOPE + 2 {
            return Err(format!(
                "its composite has {fields} fields; allowed: the envelope and the two sides"
            ));
        }
        let alone = (plan.unmatched.right(), plan.unmatched.left());
        if plan.matches != Matches::EachPair && alone.0 {
            return Err(
                "a table's rows are not told when nothing matches them; allowed: wait, left".to_owned()
            );
        }
        if (alone.0 && left.branches.is_none()) || (alone.1 && right.branches.is_none()) {
            return Err("a side that can be missing is a union with null in the composite".to_owned());
        }
        let sides = [left, right];
        let table = plan.matches != Matches::EachPair;
        let frame = Frame::new(&plan.name, &sides, table, plan.broadcast.keyed_by());
        let (follow, most, unmatched) = (plan.follow, plan.most, plan.unmatched);
        let kind = if plan.matches == Matches::EachPair {
            Kind::EachPair(EachPair { frame, follow, most, unmatched })
        } else {
            let (valid_at, alone) = (plan.matches == Matches::ValidAt, unmatched.left());
            Kind::Table(TableJoin { frame, follow, most, valid_at, alone })
        };
        let way = format!("{:?} {:?} {follow}", plan.matches, plan.unmatched);
        let copied = |side: &SidePlan| plan.broadcast.copies(side.alias == plan.left.alias);
        Self {
            kind,
            sides: sides.into(),
            stands: [(&plan.left, &left_key), (&plan.right, &right_key)]
                .map(|(side, key)| follow && (copied(side) || !sources[side.source].key.covers(key)))
                .into(),
            keys: vec![left_key, right_key],
            fingerprint: form_of(&way, &schema, &plan.on),
            schema,
            tables: ["left", "right"].map(|side| format!("{}.{side}", plan.state)).into(),
            within_ms: plan.within_ms,
            most,
        }
        .checked(&plan.state)
    }

    fn reconcile(plan: &ReconcilePlan, sources: &[Input<'_>]) -> Result<Self, String> {
        let schema = Schema::parse(&plan.schema)?;
        let (of, key) = side(&plan.of, sources, &schema, ENVELOPE, &plan.key)?;
        let kind = Kind::Reconcile(Reconcile::compile(plan, &schema, &of)?);
        Self {
            kind,
            sides: vec![of],
            stands: vec![!sources[plan.of.source].key.covers(&key)],
            keys: vec![key],
            fingerprint: form_of(&format!("{:?}", plan.gives), &schema, &plan.key),
            schema,
            tables: vec![plan.state.clone()],
            within_ms: plan.within_ms,
            most: plan.most,
        }
        .checked(&plan.state)
    }

    fn checked(mut self, state: &str) -> Result<Self, String> {
        if self.stands.contains(&true) {
            self.tables.push(format!("{state}.stands"));
        }
        if self.within_ms < 1 || self.tables.iter().any(|table| table.len() > usize::from(u16::MAX)) {
            return Err("`within` is at least 1 ms, the name of its state at most 65,535 bytes".to_owned());
        }
        Ok(self)
    }

    /// Why the record that was taken last was one too many; its key, which may lead to a person, as a digest.
    #[must_use]
    pub fn too_many(&self, state: &RelationState, side: usize) -> String {
        let (schema, key) = (&self.schema, hex(digest(&state.text)));
        let alias = &schema.fields(schema.root)[ENVELOPE + side].name;
        format!(
            "side `{alias}` remembers as many records of its key as `most` allows, {}, or they make more than {} MiB \
             together; the key's digest is {}; let `most` be larger or `within` shorter, then publish the record again",
            self.most,
            MOST_MADE >> 20,
            &String::from_utf8_lossy(&key)[..8],
        )
    }

    /// The schema of what it makes.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    #[must_use]
    pub fn new_state(&self) -> RelationState {
        let store = |side: usize| match &self.kind {
            Kind::EachPair(join) if join.told(side) => Store::waiting(self.within_ms),
            _ => Store::new(self.within_ms),
        };
        let stores = (0..self.tables.len()).map(store).collect();
        RelationState::new(stores, self.tables.clone(), self.fingerprint)
    }

    /// Takes a record of a side: 0 is the left or the only one. What it makes is appended to `made`.
    pub fn take(
        &self,
        state: &mut RelationState,
        side: usize,
        fields: &Fields<'_>,
        offered: &Offered<'_>,
        made: &mut Made,
    ) -> Taken {
        let RelationState { stores, record, text, left, bench, .. } = state;
        record.clear();
        self.sides[side].write(fields, record);
        if record.len() + offered.key.len() > MOST_VALUE - MOST_HEAD {
            return Taken::TooLarge;
        }
        text.clear();
        if offered.moved {
            text.extend_from_slice(offered.key);
        } else {
            self.keys[side].write(fields, text);
        }
        let envelope = Envelope::read(record);
        let identity = if self.follows() || matches!(self.kind, Kind::Reconcile(_)) {
            bench.parts.of(&[envelope.source, envelope.entity_id])
        } else {
            bench.parts.of(&[envelope.event_id])
        };
        let arrival = Arrival {
            key: digest(text),
            identity: identity.digest(),
            record,
            envelope,
            kafka_key: offered.key,
            explicit: text != offered.key,
            text,
            append_ms: offered.append_ms,
            withdraws: offered.moved || offered.retracted || (self.follows() && envelope.retracted),
            told: offered.told,
        };
        if self.stands[side] && !offered.moved {
            return self.settle(stores, side, &arrival, (bench, left), made);
        }
        self.relate(stores, side, &arrival, bench, made)
    }

    /// Takes a record whose entity may have left a key unseen: then first what withdraws it there.
    fn settle(
        &self,
        stores: &mut [Store],
        side: usize,
        arrival: &Arrival<'_>,
        (bench, left): (&mut Bench, &mut Vec<u8>),
        made: &mut Made,
    ) -> Taken {
        let (envelope, now, text) = (&arrival.envelope, arrival.append_ms, arrival.text);
        let entity = bench.parts.of(&[&[side as u8], envelope.source, envelope.entity_id]).digest();
        let (stands, revision) = (self.tables.len() - 1, envelope.revision);
        match stand(&stores[stands], entity, revision, now, text, left) {
            Stand::Here => {}
            Stand::Late => return Taken::Superseded,
            Stand::Left => {
                let (key, explicit) = (digest(left), left != arrival.kafka_key);
                let gone = Arrival { key, explicit, text: left, withdraws: true, ..*arrival };
                let stood = stores[side].get(key, gone.identity, now).is_some();
                if self.relate(stores, side, &gone, bench, made) == Taken::TooMany && stood {
                    return Taken::TooMany;
                }
            }
        }
        settle(&mut stores[stands], entity, revision, now, text, &mut bench.value);
        self.relate(stores, side, arrival, bench, made)
    }

    fn relate(
        &self,
        stores: &mut [Store],
        side: usize,
        arrival: &Arrival<'_>,
        bench: &mut Bench,
        made: &mut Made,
    ) -> Taken {
        match (&self.kind, stores) {
            (Kind::Reconcile(reconcile), [store, ..]) => {
                reconcile.take(store, &self.schema, arrival, bench, made)
            }
            (kind, stores) => match (kind, stores.first_chunk_mut()) {
                (Kind::EachPair(join), Some(stores)) => join.take(stores, side, arrival, bench, made),
                (Kind::Table(join), Some(stores)) => join.take(stores, side, arrival, bench, made),
                _ => Taken::Superseded,
            },
        }
    }

    /// Makes composites of what matched nothing and whose time is over before `clock_ms`; says whether there may be
    /// more of them, for which it is to be called again.
    pub fn expire(&self, state: &mut RelationState, clock_ms: i64, made: &mut Made) -> bool {
        let RelationState { stores, bench, .. } = state;
        let (Kind::EachPair(join), Some(stores)) = (&self.kind, stores.first_chunk_mut()) else {
            return false;
        };
        while join.expire(stores, clock_ms, bench, made) {
            if made.len() >= MOST_DUE || made.bytes.len() >= MOST_DUE_BYTES {
                return true;
            }
        }
        false
    }

    const fn follows(&self) -> bool {
        match &self.kind {
            Kind::EachPair(join) => join.follow,
            Kind::Table(join) => join.follow,
            Kind::Reconcile(_) => true,
        }
    }
}

/// A side and its key; `field` is its place in the composite.
fn side(
    plan: &SidePlan,
    sources: &[Input<'_>],
    composite: &Schema,
    field: usize,
    key: &[String],
) -> Result<(Side, TextKey), String> {
    let source = sources.get(plan.source).ok_or_else(|| {
        format!("side {}: there is no source {}; the lane has {}", plan.alias, plan.source, sources.len())
    })?;
    Ok((Side::compile(plan, source.schema, composite, field)?, TextKey::compile(source.schema, key)?))
}

/// What decides the meaning of the entries: how it matches, by which fields, and what is kept of each side.
fn form_of(way: &str, schema: &Schema, key: &[String]) -> u64 {
    let types = schema.nodes.iter().zip(&schema.logical).map(|(node, logical)| match node {
        Node::Record { name, fields } => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{} {}", field.name, field.node)).collect();
            format!("record {name} {}", fields.join(","))
        }
        Node::Enum { name, symbols, .. } => format!("enum {name} {}", symbols.join(",")),
        Node::Fixed { name, size } => format!("fixed {name} {size}"),
        Node::Array(item) => format!("array {item}"),
        Node::Map(value) => format!("map {value}"),
        Node::Union(branches) => format!("union {branches:?}"),
        plain => format!("{plain:?} {}", logical.as_deref().unwrap_or_default()),
    });
    let types: Vec<String> = types.collect();
    fingerprint("relation", key.iter().chain(&types).map(String::as_str).chain([way]))
}

fn named(name: &str, error: &str) -> String {
    format!("step {name}: {error}")
}

#[cfg(test)]
mod tests;
