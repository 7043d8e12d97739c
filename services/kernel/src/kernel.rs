//! The kernel: a batch of records in, the records to deliver out, with the state that follows.

use std::collections::{BTreeMap, HashMap};

use crate::batch::{Blocked, Dead, Outcome, Output, Record};
use crate::check::Arrival;
use crate::lane::{Feed, Lane, Step};
use crate::path::Fields;
use crate::plan::LanePlan;
use crate::slice::Slice;
use crate::source::{Scratch, Stop};

/// The upper bounds of the buckets that end-to-end latencies are counted in; a last bucket takes what lies above.
pub const LATENCY_BOUNDS_MS: [i64; 14] =
    [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000];

/// What is used again from record to record.
#[derive(Default)]
struct Bench {
    scratch: Scratch,
    digest: Vec<u8>,
    /// For each payload of the lane: the number of the record that it was last made for, and its range in the arena.
    payloads: Vec<(u64, usize, usize)>,
    record: u64,
}

#[derive(Default)]
pub struct Kernel {
    lanes: Vec<Lane>,
    /// By lane, then by slice number.
    slices: Vec<BTreeMap<u32, Slice>>,
    topics: HashMap<String, (usize, usize)>,
    feeds: HashMap<String, (usize, usize)>,
    ready: bool,
    bench: Bench,
    /// The append times of what the open transaction delivered, as runs of equal ones.
    delivered: Vec<(i64, u64)>,
}

impl Kernel {
    pub fn compile<S: AsRef<str>>(plans: &[S]) -> Result<Self, String> {
        let mut kernel = Self::default();
        for plan in plans {
            kernel.add(Lane::compile(&LanePlan::parse(plan.as_ref())?)?)?;
        }
        Ok(kernel)
    }

    fn add(&mut self, lane: Lane) -> Result<(), String> {
        let number = self.lanes.len();
        if self.lanes.iter().any(|other| other.name == lane.name || other.source.name == lane.source.name) {
            return Err(format!("lane {}: the lane or its source is there twice", lane.name));
        }
        for (index, topic) in lane.source.topics.iter().enumerate() {
            if self.topics.insert(topic.name.clone(), (number, index)).is_some() {
                return Err(format!("lane {}: the topic {} is another lane's", lane.name, topic.name));
            }
        }
        for (index, feed) in lane.feeds.iter().enumerate() {
            if self.feeds.insert(feed.name.clone(), (number, index)).is_some() {
                return Err(format!("lane {}: the feed {} is there twice", lane.name, feed.name));
            }
        }
        let payloads = lane.projections.len() + lane.feeds.len();
        self.bench.payloads.resize(self.bench.payloads.len().max(payloads), (0, 0, 0));
        self.lanes.push(lane);
        self.slices.push(BTreeMap::new());
        Ok(())
    }

    #[must_use]
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// The open slices of a lane, in order.
    pub fn slices(&self, lane: usize) -> impl Iterator<Item = (u32, &Slice)> {
        self.slices[lane].iter().map(|(number, slice)| (*number, slice))
    }

    pub fn source(&mut self, name: &str) -> Result<&mut crate::source::Source, String> {
        let found = self.lanes.iter_mut().map(|lane| &mut lane.source).find(|source| source.name == name);
        found.ok_or_else(|| format!("no lane has the source {name}"))
    }

    pub fn feed(&mut self, name: &str) -> Result<&mut Feed, String> {
        let (lane, feed) = *self.feeds.get(name).ok_or_else(|| format!("no lane has the feed {name}"))?;
        self.ready = false;
        Ok(&mut self.lanes[lane].feeds[feed])
    }

    fn lane_number(&self, name: &str) -> Result<usize, String> {
        self.lanes.iter().position(|lane| lane.name == name).ok_or_else(|| format!("there is no lane {name}"))
    }

    pub fn open(&mut self, lane: &str, slice: u32) -> Result<(), String> {
        let number = self.lane_number(lane)?;
        let partitions = self.lanes[number].partitions;
        if slice >= partitions {
            return Err(format!("lane {lane}: there is no slice {slice}; it has {partitions}"));
        }
        if self.slices[number].contains_key(&slice) {
            return Err(format!("lane {lane}: slice {slice} is open already; close it first"));
        }
        self.slices[number].insert(slice, Slice::new(&self.lanes[number]));
        Ok(())
    }

    /// Forgets a slice; one that is not open is closed already.
    pub fn close(&mut self, lane: &str, slice: u32) -> Result<(), String> {
        let number = self.lane_number(lane)?;
        self.slices[number].remove(&slice);
        Ok(())
    }

    fn slice_mut(&mut self, lane: &str, slice: u32) -> Result<(&Lane, &mut Slice), String> {
        let number = self.lane_number(lane)?;
        let found = self.slices[number].get_mut(&slice);
        let found =
            found.ok_or_else(|| format!("lane {lane}: slice {slice} is not open; call open first"))?;
        Ok((&self.lanes[number], found))
    }

    pub fn restore(&mut self, lane: &str, slice: u32, key: &[u8], value: &[u8]) -> Result<(), String> {
        let (compiled, state) = self.slice_mut(lane, slice)?;
        state.restore(compiled, key, value).map_err(|error| format!("lane {lane}: slice {slice}: {error}"))
    }

    pub fn advance(&mut self, lane: &str, slice: u32, clock_ms: i64) -> Result<usize, String> {
        let (_, state) = self.slice_mut(lane, slice)?;
        Ok(state.seen.iter_mut().map(|seen| seen.advance(clock_ms)).sum())
    }

    /// The name of a Kafka topic, and its lane and topic by number.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<(&str, usize, usize)> {
        self.topics.get_key_value(name).map(|(name, (lane, topic))| (name.as_str(), *lane, *topic))
    }

    #[must_use]
    pub fn is_open(&self, lane: usize, slice: u32) -> bool {
        self.slices[lane].contains_key(&slice)
    }

    /// Fails if something is not set yet without which a record could not be delivered.
    pub fn check_ready(&mut self) -> Result<(), String> {
        if !self.ready {
            if let Some(missing) = self.lanes.iter().find_map(Lane::missing) {
                return Err(missing);
            }
            self.ready = true;
        }
        Ok(())
    }

    /// Takes a batch. Records of slices that are not open are passed over: whoever calls has checked that there are none.
    pub fn step(&mut self, records: &[Record<'_>], outcome: &mut Outcome) {
        for (number, record) in records.iter().enumerate() {
            let waits = |blocked: &Blocked| {
                let other = &records[blocked.record];
                (other.lane, other.topic, other.slice) == (record.lane, record.topic, record.slice)
            };
            if outcome.blocked.iter().any(waits) {
                continue;
            }
            let lane = &self.lanes[record.lane];
            if let Some(slice) = self.slices[record.lane].get_mut(&record.slice) {
                let mut turn = Turn {
                    lane,
                    slice,
                    number,
                    record,
                    outcome,
                    delivered: &mut self.delivered,
                    bench: &mut self.bench,
                };
                turn.take();
            }
        }
    }

    /// The records that make the open transaction's changes last: lane, slice, key, value.
    #[must_use]
    pub fn state(&self) -> Vec<(&str, u32, Vec<u8>, Vec<u8>)> {
        let mut records = Vec::new();
        for (number, lane) in self.lanes.iter().enumerate() {
            for (slice, state) in self.slices(number) {
                records.extend(
                    state
                        .records(lane)
                        .into_iter()
                        .map(|(key, value)| (lane.name.as_str(), slice, key, value)),
                );
            }
        }
        records
    }

    /// The open transaction is committed; counts what it delivered by latency.
    pub fn commit(&mut self, now_ms: i64) -> Vec<u64> {
        for (lane, slices) in self.lanes.iter().zip(&mut self.slices) {
            for slice in slices.values_mut() {
                slice.commit(lane);
            }
        }
        let mut buckets = vec![0; LATENCY_BOUNDS_MS.len() + 1];
        for (append_ms, count) in self.delivered.drain(..) {
            let latency = now_ms.saturating_sub(append_ms);
            buckets[LATENCY_BOUNDS_MS.partition_point(|bound| *bound < latency)] += count;
        }
        buckets
    }

    /// The open transaction is aborted; all is as it was after the last commit.
    pub fn rollback(&mut self) {
        self.slices.iter_mut().flat_map(BTreeMap::values_mut).for_each(Slice::rollback);
        self.delivered.clear();
    }
}

/// One record's turn.
struct Turn<'a, 'b> {
    lane: &'a Lane,
    slice: &'a mut Slice,
    number: usize,
    record: &'a Record<'b>,
    outcome: &'a mut Outcome,
    delivered: &'a mut Vec<(i64, u64)>,
    bench: &'a mut Bench,
}

impl Turn<'_, '_> {
    fn take(&mut self) {
        let topic = self.record.topic;
        let source = &self.lane.source;
        let arrival = Arrival {
            key: self.record.key,
            party: source.topics[topic].party.as_bytes(),
            append_ms: self.record.append_ms,
        };
        self.bench.record += 1;
        let mut scratch = std::mem::take(&mut self.bench.scratch);
        match source.read(self.record.value, &arrival, &mut scratch) {
            Ok(fields) => {
                self.slice.recent[topic].good();
                self.slice.accounts[topic].open.taken += 1;
                self.pass(&fields);
            }
            Err(Stop::UnknownSchema(id)) => self.block(Some(id)),
            Err(Stop::Dead { reason, detail, place }) => {
                if self.slice.recent[topic].dead(source.ceiling) {
                    let open = &mut self.slice.accounts[topic].open;
                    open.taken += 1;
                    open.dead += 1;
                    self.outcome.dead.push(Dead { record: self.number, reason, detail, place });
                } else {
                    self.block(None);
                }
            }
        }
        self.bench.scratch = scratch;
    }

    fn block(&mut self, schema_id: Option<u32>) {
        self.outcome.blocked.push(Blocked { record: self.number, schema_id });
    }

    fn pass(&mut self, fields: &Fields<'_>) {
        let lane = self.lane;
        for (number, group) in lane.groups.iter().enumerate() {
            if let Some(table) = group.table
                && !self.first(table, fields)
            {
                self.slice.accounts[self.record.topic].open.groups[number] += 1;
                continue;
            }
            group.index.visit(&lane.source.schema, fields, |feed| self.offer(feed, fields));
        }
    }

    fn first(&mut self, table: usize, fields: &Fields<'_>) -> bool {
        let key = self.lane.tables[table].digest(&self.lane.source.schema, fields, &mut self.bench.digest);
        self.slice.seen[table].first(key, self.record.append_ms)
    }

    /// Puts the record through the steps of one feed.
    fn offer(&mut self, number: usize, fields: &Fields<'_>) {
        let lane = self.lane;
        let feed = &lane.feeds[number];
        for step in &feed.steps {
            match step {
                Step::Where(condition) => {
                    if !condition.holds(&lane.source.schema, fields) {
                        return;
                    }
                }
                Step::Deduplicate(table) => {
                    if !self.first(*table, fields) {
                        self.slice.accounts[self.record.topic].open.feeds[number].duplicate += 1;
                        return;
                    }
                }
            }
        }
        let count = &mut self.slice.accounts[self.record.topic].open.feeds[number];
        if self.record.append_ms >= feed.grant_expires_ms {
            count.withheld += 1;
        } else {
            count.delivered += 1;
            self.deliver(number, feed, fields);
        }
    }

    fn deliver(&mut self, number: usize, feed: &Feed, fields: &Fields<'_>) {
        let arena = &mut self.outcome.arena;
        let begin = arena.len();
        arena.push(0);
        arena.extend_from_slice(&feed.schema_id.unwrap_or_default().to_be_bytes());
        let start = arena.len();
        let made = &mut self.bench.payloads[feed.payload];
        if made.0 == self.bench.record {
            arena.extend_from_within(made.1..made.2);
        } else {
            let projection = &self.lane.projections[feed.projection];
            projection.write(&self.lane.source.schema, fields, feed.token_key.as_ref(), arena);
            *made = (self.bench.record, start, arena.len());
        }
        let end = arena.len();
        self.outcome.outputs.push(Output {
            lane: self.record.lane,
            feed: number,
            record: self.number,
            start: begin,
            end,
        });
        match self.delivered.last_mut() {
            Some((append_ms, count)) if *append_ms == self.record.append_ms => *count += 1,
            _ => self.delivered.push((self.record.append_ms, 1)),
        }
    }
}

#[cfg(test)]
mod tests;
