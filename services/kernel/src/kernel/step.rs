//! What changes the slices: a batch, or time alone.

use super::{Kernel, not_open};
use crate::batch::{Blocked, Dead, Key, Outcome, Record};
use crate::check::Arrival;
use crate::source::{Scratch, Stop};
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
        let Some(heard) = self.heard[record.source].get_mut(&record.slice) else { return };
        let recent = &mut heard.recent[record.topic];
        let party = source.topics[record.topic].party.as_bytes();
        let arrival = Arrival { key: record.key, party, append_ms: record.append_ms };
        let mut moved = false;
        let fields = match source.read(record.value, &arrival, scratch) {
            Ok(fields) => {
                recent.good();
                moved = source.moved(&fields, record.key);
                Some(fields)
            }
            Err(Stop::UnknownSchema(id)) => {
                return outcome.blocked.push(Blocked { record: number, schema_id: Some(id) });
            }
            Err(Stop::Dead { reason, detail, place }) => {
                if !recent.dead(source.ceiling) {
                    return outcome.blocked.push(Blocked { record: number, schema_id: None });
                }
                outcome.dead.push(Dead { record: number, reason, detail, place });
                None
            }
        };
        heard.changed = true;
        self.work.record += 1;
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
            };
            if lane.ordered {
                turn.expire(record.append_ms);
                turn.account = port.first_topic + record.topic;
                turn.append_ms = record.append_ms;
                turn.key = Key::Message(number);
            }
            match &fields {
                Some(fields) => turn.take(port, &source.schema, fields),
                None => turn.dead(),
            }
        }
    }

    /// Makes what is due in an ordered lane at `clock_ms`.
    pub fn tick(
        &mut self,
        lane: &str,
        slice: u32,
        clock_ms: i64,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let number = self.lane_number(lane)?;
        let lane = &self.lanes[number];
        let state = self.slices[number].get_mut(&slice).ok_or_else(|| not_open(&lane.name, slice))?;
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
        };
        turn.expire(clock_ms);
        Ok(())
    }
}
