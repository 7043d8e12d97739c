//! The kernel: a batch of records in, the records to deliver out, with the state that follows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::lane::Lane;
use crate::leaf::{Leaf, Leaves};
use crate::limit::Recent;
use crate::modes::{Mode, Modes};
use crate::plan::{LanePlan, SourcePlan};
use crate::slice::Slice;
use crate::source::{Scratch, Source};
use crate::spill::{Disk, Dump};
use crate::token::TokenKey;
use crate::turn::{Delivered, Work};

pub use spill::Spillable;

/// The upper bounds of the buckets that end-to-end latencies are counted in; a last bucket takes what lies above.
pub const LATENCY_BOUNDS_MS: [i64; 14] =
    [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000];

fn not_open(lane: &str, slice: u32) -> String {
    format!("lane {lane}: slice {slice} is not open; call open first")
}

/// The recent past of a source's topics in one slice, for the ceiling of dead letters.
struct Heard {
    recent: Vec<Recent>,
    committed: Vec<Recent>,
    changed: bool,
}

/// Where a feed or a rekey is: lane, and number among the lane's feeds, above them all its rekeys.
type Target = (usize, usize);

#[derive(Default)]
pub struct Kernel {
    sources: Vec<Source>,
    plans: Vec<SourcePlan>,
    lanes: Vec<Lane>,
    /// By source: the lanes that read it, each with its port.
    readers: Vec<Vec<(usize, usize)>>,
    /// By source: the lanes that are bound by order to it, a number each, or None where order does not matter.
    ordered: Vec<Option<usize>>,
    /// By source, then by slice number.
    heard: Vec<BTreeMap<u32, Heard>>,
    /// By lane, then by slice number.
    slices: Vec<BTreeMap<u32, Slice>>,
    topics: HashMap<String, (usize, usize)>,
    targets: HashMap<String, Target>,
    ready: bool,
    scratch: Scratch,
    work: Work,
    delivered: Delivered,
    /// Where what is remembered goes beyond its memory.
    disk: Option<Arc<Disk>>,
    leaves: Leaves,
    modes: Modes,
}

impl Kernel {
    pub fn compile<S: AsRef<str>>(plans: &[S]) -> Result<Self, String> {
        let mut kernel = Self::default();
        for plan in plans {
            kernel.add(&LanePlan::parse(plan.as_ref())?)?;
        }
        kernel.ordered = kernel.orders();
        Ok(kernel)
    }

    fn add(&mut self, plan: &LanePlan) -> Result<(), String> {
        let place = |error: String| format!("lane {}: {error}", plan.lane);
        let number = self.lanes.len();
        if self.lanes.iter().any(|other| other.name == plan.lane) {
            return Err(place("the lane is there twice".to_owned()));
        }
        let numbers = plan.sources.iter().map(|source| self.add_source(source).map_err(place));
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        let mut lane = Lane::compile(plan, &numbers, &self.sources)?;
        for (port, source) in numbers.iter().enumerate() {
            if self.readers[*source].iter().any(|(lane, _)| *lane == number) {
                return Err(place(format!("the source {} is there twice", self.sources[*source].name)));
            }
            self.readers[*source].push((number, port));
        }
        let rekeys = lane.rekeys.iter().map(|rekey| &rekey.name);
        for (index, name) in lane.feeds.iter().map(|feed| &feed.name).chain(rekeys).enumerate() {
            if self.targets.insert(name.clone(), (number, index)).is_some() {
                return Err(place(format!("the feed {name} is there twice")));
            }
        }
        // Payloads are numbered through all lanes: one record passes several.
        let before = self.work.payloads.len();
        let feeds_before: usize = self.lanes.iter().map(|lane| lane.feeds.len()).sum();
        for feed in &mut lane.feeds {
            feed.views.iter_mut().for_each(|view| view.payload += before);
            feed.number += feeds_before;
        }
        self.work.payloads.resize(before + lane.projections.len() + 2 * lane.feeds.len(), (0, 0, 0));
        self.work.period_keys.make_room(feeds_before + lane.feeds.len());
        self.lanes.push(lane);
        self.slices.push(BTreeMap::new());
        Ok(())
    }

    /// The number of a source, which other lanes may have named before.
    fn add_source(&mut self, plan: &SourcePlan) -> Result<usize, String> {
        if let Some(known) = self.plans.iter().position(|other| other.name == plan.name) {
            if self.plans[known] == *plan {
                return Ok(known);
            }
            return Err(format!("source {}: another lane says something else of it", plan.name));
        }
        let source = Source::compile(plan)?;
        let number = self.sources.len();
        for (index, topic) in source.topics.iter().enumerate() {
            if self.topics.insert(topic.name.clone(), (number, index)).is_some() {
                return Err(format!("the topic {} is another source's", topic.name));
            }
        }
        self.sources.push(source);
        self.plans.push(plan.clone());
        self.readers.push(Vec::new());
        self.heard.push(BTreeMap::new());
        Ok(number)
    }

    /// For each source the group of lanes it is in, by the lowest of its lanes' numbers, if one of the group is ordered.
    fn orders(&self) -> Vec<Option<usize>> {
        let mut group: Vec<usize> = (0..self.lanes.len()).collect();
        // As many rounds as there are lanes, at most: each round that changes nothing is the last.
        loop {
            let before = group.clone();
            for readers in &self.readers {
                let lowest = readers.iter().map(|(lane, _)| group[*lane]).min().unwrap_or_default();
                for (lane, _) in readers {
                    group[*lane] = lowest;
                }
            }
            if group == before {
                break;
            }
        }
        let ordered = |number: usize| {
            self.lanes.iter().zip(&group).any(|(lane, group)| *group == number && lane.ordered)
        };
        let of_source = self.readers.iter().map(|readers| readers.first().map(|(lane, _)| group[*lane]));
        of_source.map(|number| number.filter(|number| ordered(*number))).collect()
    }

    #[must_use]
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The open slices of a lane, in order.
    pub fn slices(&self, lane: usize) -> impl Iterator<Item = (u32, &Slice)> {
        self.slices[lane].iter().map(|(number, slice)| (*number, slice))
    }

    pub fn source(&mut self, name: &str) -> Result<&mut Source, String> {
        let found = self.sources.iter_mut().find(|source| source.name == name);
        found.ok_or_else(|| format!("no lane has the source {name}"))
    }

    fn target(&self, name: &str) -> Result<Target, String> {
        self.targets.get(name).copied().ok_or_else(|| format!("no lane has the feed {name}"))
    }

    /// Sets the schema id of a feed or of a rekey.
    pub fn set_schema(&mut self, name: &str, id: u32) -> Result<(), String> {
        let (lane, number) = self.target(name)?;
        let Lane { feeds, rekeys, .. } = &mut self.lanes[lane];
        match feeds.get_mut(number) {
            Some(feed) => feed.schema_id = Some(id),
            None => rekeys[number - feeds.len()].schema_id = Some(id),
        }
        self.ready = false;
        Ok(())
    }

    /// Sets the secret of a feed's tokens.
    pub fn set_token_key(&mut self, name: &str, key: &[u8]) -> Result<(), String> {
        let (lane, number) = self.target(name)?;
        let found = self.lanes[lane].feeds.get_mut(number);
        let feed = found.ok_or_else(|| format!("{name} is a rekey, not a feed"))?;
        feed.token_key = Some(TokenKey::new(key));
        self.work.period_keys.forget(feed.number);
        self.ready = false;
        Ok(())
    }

    /// Sets until when each feed's records may flow, by append time; not at all where a feed is not named.
    pub fn set_grants(&mut self, mut until_ms: HashMap<String, i64>) -> Result<(), String> {
        for name in until_ms.keys() {
            let (lane, number) = self.target(name)?;
            if number >= self.lanes[lane].feeds.len() {
                return Err(format!("{name} is a rekey, not a feed"));
            }
        }
        for feed in self.lanes.iter_mut().flat_map(|lane| &mut lane.feeds) {
            feed.grant_expires_ms = until_ms.remove(&feed.name).unwrap_or(0);
        }
        Ok(())
    }

    /// Sets the modes that are known from now on. Not while something is delivered and not committed: a leaf names its
    /// mode by its place in this list.
    pub fn set_modes(&mut self, modes: Vec<Mode>) -> Result<(), String> {
        if !self.leaves.all().is_empty() {
            return Err("modes change between transactions; commit or roll back first".to_owned());
        }
        self.modes = Modes::new(modes)?;
        Ok(())
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
        self.slices[number].insert(slice, Slice::new(&self.lanes[number], &self.sources));
        for port in &self.lanes[number].ports {
            let topics = self.sources[port.source].topics.len();
            self.heard[port.source].entry(slice).or_insert_with(|| Heard::new(topics));
        }
        Ok(())
    }

    /// Forgets a slice; one that is not open is closed already.
    pub fn close(&mut self, lane: &str, slice: u32) -> Result<(), String> {
        let number = self.lane_number(lane)?;
        self.slices[number].remove(&slice);
        for port in &self.lanes[number].ports {
            self.heard[port.source].remove(&slice);
        }
        Ok(())
    }

    fn slice_mut(&mut self, lane: &str, slice: u32) -> Result<(&Lane, &[Source], &mut Slice), String> {
        let number = self.lane_number(lane)?;
        let found = self.slices[number].get_mut(&slice);
        let found = found.ok_or_else(|| not_open(lane, slice))?;
        Ok((&self.lanes[number], &self.sources, found))
    }

    pub fn restore(&mut self, lane: &str, slice: u32, key: &[u8], value: &[u8]) -> Result<(), String> {
        let (compiled, sources, state) = self.slice_mut(lane, slice)?;
        state
            .restore(compiled, sources, key, value)
            .map_err(|error| format!("lane {lane}: slice {slice}: {error}"))
    }

    /// The committed state of a slice, as records of its state topic.
    pub fn dump(&self, lane: &str, slice: u32) -> Result<Dump, String> {
        let number = self.lane_number(lane)?;
        let place = |error: String| format!("lane {lane}: slice {slice}: {error}");
        let state = self.slices[number].get(&slice).ok_or_else(|| not_open(lane, slice))?;
        state.dump(&self.lanes[number], &self.sources).map_err(place)
    }

    pub fn advance(&mut self, lane: &str, slice: u32, clock_ms: i64) -> Result<usize, String> {
        let (_, _, state) = self.slice_mut(lane, slice)?;
        Ok(state.advance(clock_ms))
    }

    /// The name of a Kafka topic, and its source and topic by number.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<(&str, usize, usize)> {
        self.topics.get_key_value(name).map(|(name, (source, topic))| (name.as_str(), *source, *topic))
    }

    /// Whether the slice is open in every lane that reads the source.
    #[must_use]
    pub fn is_open(&self, source: usize, slice: u32) -> bool {
        self.readers[source].iter().all(|(lane, _)| self.slices[*lane].contains_key(&slice))
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

    /// The records that make the open transaction's changes last: lane, slice, key, value.
    #[must_use]
    pub fn state(&self) -> Vec<(&str, u32, Vec<u8>, Vec<u8>)> {
        let mut records = Vec::new();
        for (number, lane) in self.lanes.iter().enumerate() {
            for (slice, state) in self.slices(number) {
                records.extend(
                    state
                        .records(lane, &self.sources)
                        .into_iter()
                        .map(|(key, value)| (lane.name.as_str(), slice, key, value)),
                );
            }
        }
        records
    }

    /// What the open transaction delivered, as the ledger keeps it.
    #[must_use]
    pub fn leaves(&self) -> &[Leaf] {
        self.leaves.all()
    }

    /// The open transaction is committed; counts what it delivered by latency.
    pub fn commit(&mut self, now_ms: i64) -> Vec<u64> {
        for (lane, slices) in self.lanes.iter().zip(&mut self.slices) {
            for slice in slices.values_mut() {
                slice.commit(lane, &self.sources);
            }
        }
        self.heard.iter_mut().flat_map(BTreeMap::values_mut).for_each(Heard::commit);
        self.leaves.clear();
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
        self.heard.iter_mut().flat_map(BTreeMap::values_mut).for_each(Heard::rollback);
        self.delivered.clear();
        self.leaves.clear();
    }
}

impl Heard {
    fn new(topics: usize) -> Self {
        let recent = vec![Recent::default(); topics];
        Self { committed: recent.clone(), recent, changed: false }
    }

    fn commit(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.committed.clone_from(&self.recent);
        }
    }

    fn rollback(&mut self) {
        if std::mem::take(&mut self.changed) {
            self.recent.clone_from(&self.committed);
        }
    }
}

mod spill;
mod step;
#[cfg(test)]
mod tests;
