//! The join of each pair: both sides wait, and every two records that agree make a composite.

use crate::composite::{Branches, Envelope, MOST_MADE, Made, Parts, hex, part};
use crate::kept::{EXPLICIT, Kept, MARKER, MATCHED, write_marker};
use crate::relation::{Arrival, Bench, Taken};
use crate::relation_plan::Unmatched;
use crate::side::Side;
use crate::store::Store;

/// What the composites of a join have in common.
pub struct Frame {
    step: Vec<u8>,
    branches: [Branches; 2],
    blanks: [Vec<u8>; 2],
    /// Whether the left record's entity alone is the composite's.
    left_entity: bool,
    /// The side whose Kafka key the composite has; None where both have the same.
    keyed_by: Option<usize>,
}

/// One composite of a join.
#[derive(Default)]
pub struct Joint<'a> {
    /// The left and the right record.
    pub records: [Option<&'a [u8]>; 2],
    /// The revision; without one, the sum of the parents'.
    pub revision: Option<i64>,
    /// The number of the emission, where the event's id depends on it.
    pub number: Option<i64>,
    pub retracted: bool,
    /// The text of the relation's key, where the composite's entity is one under this key alone.
    pub under: Option<&'a [u8]>,
    /// Its text key; empty for that of the record that makes it.
    pub key: &'a [u8],
}

impl Frame {
    #[must_use]
    pub fn new(step: &str, sides: &[Side; 2], left_entity: bool, keyed_by: Option<usize>) -> Self {
        let [left, right] = sides;
        Self {
            step: step.as_bytes().to_vec(),
            branches: [left.branches, right.branches],
            blanks: [left.blank.clone(), right.blank.clone()],
            left_entity,
            keyed_by,
        }
    }

    /// What is kept of the Kafka key of a record: nothing, where it is the text of the relation's key, or where a pair
    /// never needs it.
    #[must_use]
    pub fn kept_key<'a>(&self, side: usize, arrival: &Arrival<'a>) -> (u8, &'a [u8]) {
        let needed = arrival.explicit && self.keyed_by == Some(side);
        if needed { (EXPLICIT, arrival.kafka_key) } else { (0, &[]) }
    }

    /// The key of the pair of an arrival at a side and what was kept of its partner; empty for the arrival's.
    #[must_use]
    pub fn key_of_pair<'a>(&self, side: usize, arrival: &Arrival<'a>, partner: &Kept<'a>) -> &'a [u8] {
        match self.keyed_by {
            Some(keyed) if keyed != side && partner.is(EXPLICIT) => partner.key,
            Some(keyed) if keyed != side && arrival.explicit => arrival.text,
            _ => &[],
        }
    }

    /// The bytes that stand for a side where there is none.
    #[must_use]
    pub fn blank_bytes(&self) -> usize {
        self.blanks[0].len().max(self.blanks[1].len())
    }

    /// The id of a composite's entity.
    #[must_use]
    pub fn entity(
        &self,
        left: &Envelope<'_>,
        right: Option<&Envelope<'_>>,
        under: Option<&[u8]>,
        parts: &mut Parts,
    ) -> [u8; 32] {
        let entity = parts.of(&[&self.step, left.source, left.entity_id]);
        if let Some(right) = right {
            entity.add(right.source);
            entity.add(right.entity_id);
        }
        if let Some(text) = under {
            entity.add(text);
        }
        hex(entity.digest())
    }

    /// Appends the composite to what was made.
    pub fn write(&self, joint: &Joint<'_>, parts: &mut Parts, made: &mut Made) {
        let [left, right] = joint.records.map(|record| record.map(Envelope::read).unwrap_or_default());
        parts.of(&[&self.step, left.event_id, right.event_id]);
        if let Some(number) = joint.number {
            parts.add(number.to_string().as_bytes());
        }
        let event = hex(parts.digest());
        let right_entity = (!self.left_entity).then_some(&right);
        let entity = self.entity(&left, right_entity, joint.under, parts);
        let main = if joint.records[0].is_some() { &left } else { &right };
        // A missing parent says nothing of the time.
        let latest = |left: i64, right: i64| match joint.records {
            [Some(_), Some(_)] => left.max(right),
            [Some(_), None] => left,
            [None, _] => right,
        };
        let derived = Envelope {
            event_id: &event,
            entity_id: &entity,
            revision: joint.revision.unwrap_or_else(|| left.revision.saturating_add(right.revision)),
            retracted: joint.retracted || left.retracted || right.retracted,
            occurred_at: latest(left.occurred_at, right.occurred_at),
            published_at: latest(left.published_at, right.published_at),
            source: main.source,
            region: main.region,
        };
        let side = |index: usize| part(self.branches[index], joint.records[index], &self.blanks[index]);
        made.add(&derived, &[side(0), side(1)], joint.key);
    }
}

/// Whether so many composites of one record with partners of so many bytes are too large to make.
#[must_use]
pub const fn too_large(partners: usize, bytes: usize, record: usize) -> bool {
    bytes.saturating_add(partners.saturating_mul(record + 256)) > MOST_MADE
}

pub struct EachPair {
    pub frame: Frame,
    pub follow: bool,
    pub most: usize,
    pub unmatched: Unmatched,
}

impl EachPair {
    /// Takes a record of a side; the stores are those of the left and of the right side.
    pub fn take(
        &self,
        stores: &mut [Store; 2],
        side: usize,
        arrival: &Arrival<'_>,
        bench: &mut Bench,
        made: &mut Made,
    ) -> Taken {
        if arrival.withdraws && !self.follow {
            return Taken::Withdrawn;
        }
        let (now, key) = (arrival.append_ms, arrival.key);
        bench.places.clear();
        stores[side].entries(key, now, &mut bench.places);
        let places = bench.places.iter().filter_map(|place| stores[side].at(*place));
        let earlier = places.into_iter().find(|entry| entry.identity == arrival.identity);
        let earlier = earlier.map(|entry| Kept::read(entry.value()));
        if self.follow && earlier.is_some_and(|kept| arrival.envelope.revision <= kept.revision()) {
            return Taken::Superseded;
        }
        if earlier.is_none() && bench.places.len() >= self.most {
            return Taken::TooMany;
        }
        let stood = earlier.is_some_and(|kept| !kept.is(MARKER));
        bench.others.clear();
        if stood || !arrival.withdraws {
            stores[1 - side].entries(key, now, &mut bench.others);
        }
        if !self.pair(stores, side, arrival, bench, made) {
            return Taken::TooMany;
        }
        let matched = if bench.others.is_empty() { 0 } else { MATCHED };
        bench.value.clear();
        if arrival.withdraws {
            write_marker(arrival.envelope.revision, &mut bench.value);
        } else {
            let (explicit, mut key) = self.frame.kept_key(side, arrival);
            if self.told(side) {
                key = arrival.kafka_key;
            }
            Kept { flags: matched | explicit, key, record: arrival.record }.write(&mut bench.value);
        }
        stores[side].put(key, arrival.identity, now, &bench.value);
        if arrival.withdraws { Taken::Withdrawn } else { Taken::Stored }
    }

    /// Whether a record of the side is told when nothing matched it.
    #[must_use]
    pub const fn told(&self, side: usize) -> bool {
        if side == 0 { self.unmatched.left() } else { self.unmatched.right() }
    }

    /// Makes a composite with each partner; says no, and makes none, where they would be too large together.
    fn pair(
        &self,
        stores: &mut [Store; 2],
        side: usize,
        arrival: &Arrival<'_>,
        bench: &mut Bench,
        made: &mut Made,
    ) -> bool {
        let partners = &mut stores[1 - side];
        bench
            .others
            .retain(|place| partners.at(*place).is_some_and(|entry| !Kept::read(entry.value()).is(MARKER)));
        let bytes =
            bench.others.iter().filter_map(|place| partners.at(*place)).map(|entry| entry.value().len());
        if too_large(bench.others.len(), bytes.sum(), arrival.record.len()) {
            return false;
        }
        for place in &bench.others {
            let Some(entry) = partners.at(*place) else { continue };
            let kept = Kept::read(entry.value());
            let mut records = [Some(arrival.record), Some(kept.record)];
            if side == 1 {
                records.swap(0, 1);
            }
            let key = self.frame.key_of_pair(side, arrival, &kept);
            let joint = Joint { records, retracted: arrival.withdraws, key, ..Joint::default() };
            self.frame.write(&joint, &mut bench.parts, made);
            if self.told(1 - side) && !kept.is(MATCHED) {
                let flags = kept.flags | MATCHED;
                partners.patch(*place, &[flags]);
            }
        }
        true
    }

    /// Makes the next composite of a record that matched nothing in its time; says no when there is none.
    pub fn expire(&self, stores: &mut [Store; 2], clock_ms: i64, bench: &mut Bench, made: &mut Made) -> bool {
        loop {
            let due = [0, 1].map(|side| {
                let place = if self.told(side) { stores[side].due(clock_ms) } else { None };
                place.and_then(|place| stores[side].at(place)).map(|entry| (entry.append_ms, entry.place))
            });
            let side = match due {
                [None, None] => return false,
                [Some((left, _)), Some((right, _))] => usize::from(right < left),
                [left, _] => usize::from(left.is_none()),
            };
            let store = &mut stores[side];
            let Some((_, place)) = due[side] else { return false };
            let Some(entry) = store.at(place) else { return false };
            let (key, identity, kept) = (entry.key, entry.identity, Kept::read(entry.value()));
            let alone = kept.flags & (MARKER | MATCHED) == 0;
            if alone {
                let mut records = [Some(kept.record), None];
                if side == 1 {
                    records.swap(0, 1);
                }
                let joint = Joint { records, key: kept.key, ..Joint::default() };
                self.frame.write(&joint, &mut bench.parts, made);
                made.due.push((side, store.over_at(entry.append_ms)));
                store.remove(key, identity);
            }
            store.pass(place);
            if alone {
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests;
