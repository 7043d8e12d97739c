//! What changes the slices: a batch, or time alone.

use super::{Kernel, not_open};
use crate::batch::{Blocked, Dead, Key, Outcome, Record, Wait};
use crate::check::Arrival;
use crate::leaf::Of;
use crate::source::{HEADER, Scratch, Stop};
use crate::turn::Turn;

impl Kernel {
    /// Takes a batch. Records of slices that are not open are passed over: whoever calls has checked that there are none.
    pub fn step(&mut self, records: &[Record<'_>], outcome: &mut Outcome) {
        let mut scratch = std::mem::take(&mut self.scratch);
        for (number, record) in records.iter().enumerate() {
            let waits = |blocked: &Blocked| self.waits(record, &records[blocked.record]);
            if outcome.blocked.is_empty() || !outcome.blocked.iter().any(waits) {
                self.take(number, record, outcome, &mut scratch);
            }
        }
        self.scratch = scratch;
    }

    /// Whether a record waits for another that is blocked: one of the same partition, or, where order matters, one of
    /// the same slice number of the group of lanes.
    fn waits(&self, record: &Record<'_>, other: &Record<'_>) -> bool {
        let same = match self.ordered[record.source] {
            Some(group) => self.ordered[other.source] == Some(group),
            None => (other.source, other.topic) == (record.source, record.topic),
        };
        same && record.slice == other.slice
    }

    /// Reads and checks a record once, then puts it through every lane of its source.
    fn take(&mut self, number: usize, record: &Record<'_>, outcome: &mut Outcome, scratch: &mut Scratch) {
        let source = &self.sources[record.source];
        let party = source.topics[record.topic].party.as_bytes();
        let arrival = Arrival { key: record.key, party, append_ms: record.append_ms };
        let read = source.read(record.value, &arrival, scratch);
        if let Err(Stop::UnknownSchema(id)) = read {
            return outcome.blocked.push(Blocked { record: number, wait: Wait::Schema(id) });
        }
        if self.ordered[record.source].is_some() && !self.make_due(record, outcome) {
            return outcome.blocked.push(Blocked { record: number, wait: Wait::Room });
        }
        let source = &self.sources[record.source];
        let Some(heard) = self.heard[record.source].get_mut(&record.slice) else { return };
        let recent = &mut heard.recent[record.topic];
        let fields = match read {
            Ok(fields) => {
                recent.good();
                Some(fields)
            }
            Err(Stop::Dead { .. }) if !recent.dead(source.ceiling) => {
                return outcome.blocked.push(Blocked { record: number, wait: Wait::People });
            }
            Err(Stop::Dead { reason, detail, place }) => {
                outcome.dead.push(Dead { record: number, reason, detail, place });
                None
            }
            Err(Stop::UnknownSchema(_)) => None,
        };
        let moved = fields.as_ref().is_some_and(|fields| source.moved(fields, record.key));
        heard.changed = true;
        self.work.record += 1;
        let before = outcome.outputs.len();
        for (lane_number, port) in &self.readers[record.source] {
            let lane = &self.lanes[*lane_number];
            let port = &lane.ports[*port];
            let Some(slice) = self.slices[*lane_number].get_mut(&record.slice) else { continue };
            let mut turn = Turn {
                number: *lane_number,
                lane,
                slice,
                account: port.first_topic + record.topic,
                append_ms: record.append_ms,
                key: Key::Message(number),
                kafka_key: record.key.unwrap_or_default(),
                moved,
                outcome,
                delivered: &mut self.delivered,
                work: &mut self.work,
                modes: &self.modes,
            };
            match &fields {
                Some(fields) => turn.take(port, &source.schema, fields),
                None => turn.dead(),
            }
        }
        self.remember(record.slice, record.key.unwrap_or_default(), outcome, before);
    }

    /// Adds what was delivered since the outcome had `before` outputs to the leaves of its transaction.
    fn remember(&mut self, slice: u32, message_key: &[u8], outcome: &Outcome, before: usize) {
        for output in &outcome.outputs[before..] {
            let Some(delivery) = output.delivery else { continue };
            let value = &outcome.arena[output.start..output.end];
            let key = match output.key {
                Key::Message(_) => message_key,
                Key::Text(start, end) => &outcome.arena[start..end],
            };
            let of = Of { lane: output.lane, feed: output.target, slice, mode: delivery.mode };
            let counts = self.leaves.add(of, delivery.tag, key, value);
            self.lanes[output.lane].projections[delivery.projection].count(&value[HEADER..], counts);
        }
    }

    /// Makes what is due before a record in the lanes that it will pass; says no where the batch has no room.
    fn make_due(&mut self, record: &Record<'_>, outcome: &mut Outcome) -> bool {
        let readers = self.readers[record.source].len();
        (0..readers).all(|reader| {
            let (lane, _) = self.readers[record.source][reader];
            self.expire(lane, record.slice, record.append_ms, outcome)
        }) && !outcome.full()
    }

    /// Makes what is due in a lane at `clock_ms`; says no where the batch has no room for all of it.
    fn expire(&mut self, number: usize, slice: u32, clock_ms: i64, outcome: &mut Outcome) -> bool {
        let lane = &self.lanes[number];
        let Some(state) = self.slices[number].get_mut(&slice) else { return true };
        let before = outcome.outputs.len();
        let mut turn = Turn {
            number,
            lane,
            slice: state,
            account: 0,
            append_ms: clock_ms,
            key: Key::Text(0, 0),
            kafka_key: &[],
            moved: false,
            outcome,
            delivered: &mut self.delivered,
            work: &mut self.work,
            modes: &self.modes,
        };
        let whole = turn.expire(clock_ms);
        self.remember(slice, &[], outcome, before);
        whole
    }

    /// Makes what is due in an ordered lane at `clock_ms`, or as much of it as a batch may make.
    pub fn tick(
        &mut self,
        lane: &str,
        slice: u32,
        clock_ms: i64,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let number = self.lane_number(lane)?;
        if !self.slices[number].contains_key(&slice) {
            return Err(not_open(lane, slice));
        }
        self.expire(number, slice, clock_ms, outcome);
        Ok(())
    }
}
