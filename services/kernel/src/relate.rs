//! A record's turn in a relation, and what time brings: each composite goes through the feed's further steps.

use crate::batch::{Dead, Key};
use crate::composite::Made;
use crate::lane::Way;
use crate::path::Fields;
use crate::relation::{Offered, Taken};
use crate::slice::Slice;
use crate::turn::{Passed, Turn};

impl Turn<'_, '_> {
    /// Offers a record that passed its side's steps, or one that failed and whose entity may have passed before.
    pub fn relate(&mut self, number: usize, way: &Way, fields: &Fields<'_>, passed: Passed) {
        let lane = self.lane;
        let relation = &lane.relations[number];
        let mut made = std::mem::take(&mut self.work.made);
        made.clear();
        let Slice { relations, stores, .. } = &mut *self.slice;
        let offered = Offered {
            key: self.kafka_key,
            append_ms: self.append_ms,
            moved: self.moved,
            retracted: passed == Passed::Failed,
            told: lane.feeds[way.feed].follow.map(|store| &stores[store]),
        };
        let state = &mut relations[number];
        let taken = relation.relation.take(state, way.side, fields, &offered, &mut made);
        let (units, key, moved) = (made.len() as u64, self.key, self.moved);
        self.moved = false;
        (0..made.len()).for_each(|index| self.compose(number, &made, index));
        (self.key, self.moved) = (key, moved);
        let count = &mut self.slice.accounts[self.account].open.feeds[way.feed];
        match taken {
            Taken::TooMany => {
                count.more += units;
                let detail = relation.relation.too_many(&self.slice.relations[number], way.side);
                self.refuse(number, "too_many_matches", &detail);
            }
            Taken::TooLarge => self.refuse(number, "too_large", "more is kept of it than 448 KiB"),
            _ if units > 0 => count.more += units - 1,
            Taken::Stored => count.waiting += 1,
            Taken::Withdrawn | Taken::Superseded => {}
        }
        self.work.made = made;
    }

    /// Puts a composite through what follows its relation.
    fn compose(&mut self, number: usize, made: &Made, index: usize) {
        let lane = self.lane;
        let relation = &lane.relations[number];
        if let Some(text) = made.key(index) {
            let start = self.outcome.arena.len();
            self.outcome.arena.extend_from_slice(text);
            self.key = Key::Text(start, self.outcome.arena.len());
        }
        // A payload that was made for another composite is not this one's.
        self.work.record += 1;
        let (schema, fields) = (relation.relation.schema(), made.fields(index));
        match self.pass(&lane.feeds[relation.feed].steps, schema, &fields) {
            Passed::Repeat => self.slice.accounts[self.account].open.feeds[relation.feed].duplicate += 1,
            passed => self.finish(relation.feed, schema, &fields, passed),
        }
    }

    /// Makes the record a dead letter of one feed.
    fn refuse(&mut self, number: usize, reason: &str, detail: &str) {
        let relation = &self.lane.relations[number];
        let feed = &self.lane.feeds[relation.feed];
        self.slice.accounts[self.account].open.feeds[relation.feed].dead += 1;
        if let Key::Message(record) = self.key {
            let place = format!("{}: {}", feed.name, relation.step);
            let (reason, detail) = (reason.to_owned(), detail.to_owned());
            self.outcome.dead.push(Dead { record, reason, detail, place });
        }
    }

    /// Makes what is due at `clock_ms`, as of the time at which it became due: a tick and the next record bring the same.
    /// Says no where the batch has no room for all of it.
    pub fn expire(&mut self, clock_ms: i64) -> bool {
        let lane = self.lane;
        let mut made = std::mem::take(&mut self.work.made);
        for (number, relation) in lane.relations.iter().enumerate() {
            loop {
                made.clear();
                let more = relation.relation.expire(&mut self.slice.relations[number], clock_ms, &mut made);
                for index in 0..made.len() {
                    let (side, due_ms) = made.due[index];
                    self.account = lane.ports[relation.ports[side]].first_topic;
                    self.append_ms = due_ms;
                    self.key = Key::Text(0, 0);
                    let open = &mut self.slice.accounts[self.account].open;
                    open.ticked = true;
                    open.feeds[relation.feed].more += 1;
                    self.compose(number, &made, index);
                }
                if !more || self.outcome.full() {
                    break;
                }
            }
        }
        self.work.made = made;
        !self.outcome.full()
    }
}
