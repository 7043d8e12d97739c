//! A record's turn in one lane: through the groups of its port, the steps of each feed, to what goes out.

use crate::batch::{Delivery, Key, Outcome, Output};
use crate::check::{ENTITY_ID, RETRACTED, REVISION, STATUS};
use crate::composite::Made;
use crate::feed::Feed;
use crate::follow;
use crate::lane::{Lane, Port, Step};
use crate::leaf::{Tag, tag};
use crate::modes::Modes;
use crate::path::Fields;
use crate::rekey;
use crate::schema::Schema;
use crate::slice::Slice;
use crate::source::HEADER;
use crate::token::{PeriodKey, PeriodKeys};
use crate::wire::write_span;

/// What is used again from record to record.
#[derive(Default)]
pub struct Work {
    digest: Vec<u8>,
    /// For each payload: the number of the record that it was last made for, and its range in the arena.
    pub payloads: Vec<(u64, usize, usize)>,
    pub record: u64,
    /// The number of a record, and the tag of its entity.
    tag: (u64, Tag),
    pub made: Made,
    pub period_keys: PeriodKeys,
}

/// What a transaction delivered, as runs of equal append times.
pub type Delivered = Vec<(i64, u64)>;

pub struct Turn<'a, 'o> {
    pub number: usize,
    pub lane: &'a Lane,
    pub slice: &'a mut Slice,
    /// The account of the record's topic.
    pub account: usize,
    pub append_ms: i64,
    /// The key of what is delivered.
    pub key: Key,
    pub kafka_key: &'a [u8],
    /// Whether the record stands under the key that its entity left.
    pub moved: bool,
    pub outcome: &'o mut Outcome,
    pub delivered: &'o mut Delivered,
    pub work: &'o mut Work,
    pub modes: &'a Modes,
}

/// What steps make of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    Whole,
    Failed,
    Repeat,
}

impl Turn<'_, '_> {
    /// Takes a record that is no dead letter.
    pub fn take(&mut self, port: &Port, schema: &Schema, fields: &Fields<'_>) {
        self.slice.accounts[self.account].open.taken += 1;
        for (number, group) in port.groups.iter().enumerate() {
            if let Some(table) = group.table
                && !self.first(table, schema, fields)
            {
                self.slice.accounts[self.account].open.groups[number] += 1;
                continue;
            }
            group.index.visit(schema, fields, |way| self.enter(way, schema, fields));
        }
        for rekey in &port.rekeys {
            self.rekey(*rekey, fields);
        }
    }

    /// Counts a record that became a dead letter before any lane saw it.
    pub fn dead(&mut self) {
        let open = &mut self.slice.accounts[self.account].open;
        open.taken += 1;
        open.dead += 1;
    }

    fn first(&mut self, table: usize, schema: &Schema, fields: &Fields<'_>) -> bool {
        // A copy under the old key is no repeat of the one under the new key.
        if self.moved {
            return true;
        }
        let key = self.lane.tables[table].digest(schema, fields, &mut self.work.digest);
        self.slice.seen[table].first(key, self.append_ms)
    }

    /// Puts the record on the way into one feed.
    fn enter(&mut self, way: usize, schema: &Schema, fields: &Fields<'_>) {
        let way = &self.lane.ways[way];
        let passed = self.pass(&way.steps, schema, fields);
        match passed {
            Passed::Repeat => self.slice.accounts[self.account].open.feeds[way.feed].duplicate += 1,
            Passed::Failed if !way.follows => {}
            _ => match self.lane.feeds[way.feed].relation {
                None if self.moved => {}
                Some(relation) => self.relate(relation, way, fields, passed),
                None => self.finish(way.feed, schema, fields, passed),
            },
        }
    }

    #[inline]
    pub fn pass(&mut self, steps: &[Step], schema: &Schema, fields: &Fields<'_>) -> Passed {
        for step in steps {
            match step {
                Step::Where(condition) => {
                    if !condition.holds(schema, fields) {
                        return Passed::Failed;
                    }
                }
                Step::Deduplicate(table) => {
                    if !self.first(*table, schema, fields) {
                        return Passed::Repeat;
                    }
                }
            }
        }
        Passed::Whole
    }

    /// Ends the way of a record that is no repeat.
    pub fn finish(&mut self, number: usize, schema: &Schema, fields: &Fields<'_>, passed: Passed) {
        match self.lane.feeds[number].follow {
            Some(store) => self.follow(number, store, schema, fields, passed),
            None if passed == Passed::Whole => {
                self.grant(number, schema, fields);
            }
            None => {}
        }
    }

    /// Delivers what passed every step, unless the grant has expired or the mode is not the feed's; says whether it did.
    fn grant(&mut self, number: usize, schema: &Schema, fields: &Fields<'_>) -> bool {
        let feed = &self.lane.feeds[number];
        let mode = self.modes.at(fields, self.append_ms);
        let count = &mut self.slice.accounts[self.account].open.feeds[number];
        if self.append_ms >= feed.grant_expires_ms || !feed.flows(mode) {
            count.withheld += 1;
            return false;
        }
        count.delivered += 1;
        self.deliver(number, feed, if feed.heeds() { mode } else { 0 }, schema, fields);
        true
    }

    fn deliver(&mut self, number: usize, feed: &Feed, mode: u32, schema: &Schema, fields: &Fields<'_>) {
        let view = feed.views[usize::from(mode > 0)];
        let arena = &mut self.outcome.arena;
        let begin = arena.len();
        arena.push(0);
        arena.extend_from_slice(&feed.schema_id.unwrap_or_default().to_be_bytes());
        let start = arena.len();
        let payload = &mut self.work.payloads[view.payload];
        if payload.0 == self.work.record {
            arena.extend_from_within(payload.1..payload.2);
        } else {
            let key = period_key(&mut self.work.period_keys, feed, self.append_ms);
            self.lane.projections[view.projection].write(schema, fields, key, arena);
            *payload = (self.work.record, start, arena.len());
        }
        if self.work.tag.0 != self.work.record {
            self.work.tag = (self.work.record, tag(fields.text(ENTITY_ID)));
        }
        self.put(number, begin, Delivery { tag: self.work.tag.1, projection: view.projection, mode });
    }

    /// Delivers a record of a feed that is followed if it says something new to the consumer.
    fn follow(&mut self, number: usize, store: usize, schema: &Schema, fields: &Fields<'_>, passed: Passed) {
        let feed = &self.lane.feeds[number];
        let (revision, now) = (fields.long(REVISION), self.append_ms);
        let entity = follow::entity(fields, feed.relation.is_none());
        let held = follow::held(&self.slice.stores[store], entity, now);
        if held.is_some_and(|held| held.revision >= revision) {
            return;
        }
        let stands = passed == Passed::Whole && fields.text(STATUS) != RETRACTED;
        if !stands && !held.is_some_and(|held| held.delivered) {
            return;
        }
        if !self.grant(number, schema, fields) {
            return;
        }
        let Some(output) = self.outcome.outputs.last_mut() else { return };
        let (arena, start) = (&mut self.outcome.arena, output.start + HEADER);
        let normal = &self.lane.projections[feed.views[0].projection];
        let (status, status_end, tail) = normal.tail(&arena[start..]);
        let store = &mut self.slice.stores[store];
        if stands {
            // What an emergency showed is not shown again when the record is taken back after its end.
            let end = output.end;
            let told = if output.delivery.is_some_and(|delivery| delivery.mode > 0) {
                normal.write(schema, fields, period_key(&mut self.work.period_keys, feed, now), arena);
                end + normal.tail(&arena[end..]).2
            } else {
                start + tail
            };
            follow::hold(store, entity, now, revision, Some(&arena[told..]));
            arena.truncate(end);
            return;
        }
        // The consumer hears nothing of the new record but that its own is taken back.
        let retracted = arena.len();
        arena.extend_from_within(output.start..start + status);
        write_span(arena, RETRACTED);
        arena.extend_from_within(start + status_end..start + tail);
        follow::write_tail(store, entity, now, arena);
        (output.start, output.end) = (retracted, arena.len());
        follow::hold(store, entity, now, revision, None);
    }

    /// Puts out what the arena holds from `start` on, for a feed.
    fn put(&mut self, feed: usize, start: usize, delivery: Delivery) {
        let (lane, key, end) = (self.number, self.key, self.outcome.arena.len());
        self.outcome.outputs.push(Output {
            lane,
            target: feed,
            key,
            partition: None,
            start,
            end,
            delivery: Some(delivery),
        });
        match self.delivered.last_mut() {
            Some((append_ms, count)) if *append_ms == self.append_ms => *count += 1,
            _ => self.delivered.push((self.append_ms, 1)),
        }
    }

    /// Copies the record under another key.
    fn rekey(&mut self, number: usize, fields: &Fields<'_>) {
        let rekey = &self.lane.rekeys[number];
        let arena = &mut self.outcome.arena;
        let start = arena.len();
        rekey.write(fields, arena);
        let value = (start, arena.len());
        rekey.key.write(fields, arena);
        let key = (value.1, arena.len());
        let Some(store) = rekey.moves else { return self.copies(number, value, key) };
        let store = &mut self.slice.stores[store];
        let (now, old) = rekey::keys(store, fields, self.append_ms, arena, key);
        self.copies(number, value, now);
        if let Some(old) = old {
            self.copies(number, value, old);
        }
    }

    /// Puts out a value under a key for a rekey: once, or to every partition.
    fn copies(&mut self, number: usize, (start, end): (usize, usize), key: (usize, usize)) {
        let rekey = &self.lane.rekeys[number];
        let (lane, target, key) = (self.number, self.lane.feeds.len() + number, Key::Text(key.0, key.1));
        let mut put = |partition| {
            self.outcome.outputs.push(Output { lane, target, key, partition, start, end, delivery: None });
        };
        if rekey.all {
            (0..rekey.partitions).for_each(|partition| put(Some(partition)));
        } else {
            put(None);
        }
    }
}

/// The key of a feed's tokens at an instant; None where it has no tokens.
fn period_key<'k>(keys: &'k mut PeriodKeys, feed: &Feed, at_ms: i64) -> Option<&'k PeriodKey> {
    keys.at(feed.number, feed.token_key.as_ref()?, feed.tokens?, at_ms)
}
