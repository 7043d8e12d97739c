//! The join with a table: the left record waits for, or takes, the row of the right side that holds for it.
//!
//! A row's end of time changes nothing by itself: what was made of it stands until another row comes.

use crate::composite::{Envelope, Made};
use crate::follow::first_number;
use crate::join::{Frame, Joint, too_large};
use crate::kept::{Kept, MARKER, write_marker};
use crate::relation::{Arrival, Bench, Taken};
use crate::store::{Place, Store};

/// Under follow: the consumer has a composite of the left record.
const OUT: u8 = 8;
/// The left record has a row.
const ROW: u8 = 16;

pub struct TableJoin {
    pub frame: Frame,
    pub follow: bool,
    pub most: usize,
    /// Whether the row must have happened before the left record; else the newest row holds.
    pub valid_at: bool,
    /// Whether a left record without a row is told at once.
    pub alone: bool,
}

/// What is known of a remembered left record, before the record itself.
#[derive(Debug, Clone, Copy, Default)]
struct Answer {
    flags: u8,
    /// The number of the next emission.
    number: i64,
    /// The identity of the row that it has.
    row: u128,
}

const ANSWER_BYTES: usize = 25;

impl Answer {
    fn read(value: &[u8]) -> (Self, Kept<'_>) {
        Self::parse(value).unwrap_or_else(|| (Self::default(), Kept::read(&[])))
    }

    fn parse(value: &[u8]) -> Option<(Self, Kept<'_>)> {
        let (flags, rest) = value.split_first()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (row, rest) = rest.split_first_chunk::<16>()?;
        let (number, row) = (i64::from_le_bytes(*number), u128::from_le_bytes(*row));
        Some((Self { flags: *flags, number, row }, Kept::read(rest)))
    }

    fn bytes(&self) -> [u8; ANSWER_BYTES] {
        let mut bytes = [0; ANSWER_BYTES];
        bytes[0] = self.flags;
        bytes[1..9].copy_from_slice(&self.number.to_le_bytes());
        bytes[9..].copy_from_slice(&self.row.to_le_bytes());
        bytes
    }

    const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The next state, after an emission with this row, or without one.
    fn emitted(self, row: Option<u128>, retracted: bool) -> Self {
        let flags = if retracted { 0 } else { OUT } | if row.is_some() { ROW } else { 0 };
        Self { flags, number: self.number.saturating_add(1), row: row.unwrap_or_default() }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    identity: u128,
    record: &'a [u8],
}

impl TableJoin {
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
        match (side, self.follow) {
            (0, false) => self.ask(stores, arrival, bench, made),
            (0, true) => self.ask_again(stores, arrival, bench, made),
            (_, false) => self.answer(stores, arrival, bench, made),
            (_, true) => self.correct(stores, arrival, bench, made),
        }
    }

    /// The rows of a key that can hold, in the order in which the later one of two wins: of newest rows the last alone.
    fn rows(&self, rows: &Store, key: u128, now: i64, bench: &mut Bench) {
        bench.others.clear();
        bench.rows.clear();
        rows.entries(key, now, &mut bench.others);
        for place in bench.others.iter().rev() {
            let Some(entry) = rows.at(*place) else { continue };
            let kept = Kept::read(entry.value());
            if !kept.is(MARKER) {
                let occurred = if self.valid_at { Envelope::read(kept.record).occurred_at } else { i64::MIN };
                bench.rows.push((occurred, *place));
                if !self.valid_at {
                    break;
                }
            }
        }
        bench.rows.reverse();
        bench.rows.sort_by_key(|(occurred, _)| *occurred);
    }

    /// The row that holds for a left record.
    fn choose<'a>(rows: &'a Store, sorted: &[(i64, Place)], left: &Envelope<'_>) -> Option<Row<'a>> {
        let end = sorted.partition_point(|(occurred, _)| *occurred <= left.occurred_at);
        let (_, place) = sorted.get(end.checked_sub(1)?)?;
        let entry = rows.at(*place)?;
        Some(Row { identity: entry.identity, record: Kept::read(entry.value()).record })
    }

    /// An independent left record: answered at once, or waiting.
    fn ask(
        &self,
        stores: &mut [Store; 2],
        arrival: &Arrival<'_>,
        bench: &mut Bench,
        made: &mut Made,
    ) -> Taken {
        let [lefts, rows] = stores;
        let (key, now) = (arrival.key, arrival.append_ms);
        self.rows(rows, key, now, bench);
        let row = Self::choose(rows, &bench.rows, &arrival.envelope);
        if row.is_some() || self.alone {
            let records = [Some(arrival.record), row.map(|row| row.record)];
            let revision = Some(arrival.envelope.revision);
            self.frame.write(&Joint { records, revision, ..Joint::default() }, &mut bench.parts, made);
            return Taken::Stored;
        }
        if self.full(lefts, arrival, &mut bench.places) {
            return Taken::TooMany;
        }
        write_left(&self.frame, Answer::default(), arrival, &mut bench.value);
        lefts.put(key, arrival.identity, now, &bench.value);
        Taken::Stored
    }

    /// Whether one more entry of the key would be one too many.
    fn full(&self, store: &Store, arrival: &Arrival<'_>, places: &mut Vec<Place>) -> bool {
        places.clear();
        store.entries(arrival.key, arrival.append_ms, places);
        places.len() >= self.most
            && !places
                .iter()
                .any(|place| store.at(*place).is_some_and(|entry| entry.identity == arrival.identity))
    }

    /// An independent row: answers those that wait for it.
    fn answer(
        &self,
        stores: &mut [Store; 2],
        arrival: &Arrival<'_>,
        bench: &mut Bench,
        made: &mut Made,
    ) -> Taken {
        let [lefts, rows] = stores;
        let (key, now) = (arrival.key, arrival.append_ms);
        // Of rows that the newest one alone holds, no earlier one is needed again.
        let identity = if self.valid_at { arrival.identity } else { 0 };
        if self.valid_at && self.full(rows, arrival, &mut bench.places) {
            return Taken::TooMany;
        }
        bench.places.clear();
        lefts.entries(key, now, &mut bench.places);
        if self.makes_too_much(lefts, &bench.places, arrival.record.len()) {
            return Taken::TooMany;
        }
        for place in &bench.places {
            let Some(entry) = lefts.at(*place) else { continue };
            let (left_identity, kept) = (entry.identity, Answer::read(entry.value()).1);
            let envelope = Envelope::read(kept.record);
            if self.valid_at && arrival.envelope.occurred_at > envelope.occurred_at {
                continue;
            }
            let records = [Some(kept.record), Some(arrival.record)];
            let (revision, key_of_pair) =
                (Some(envelope.revision), self.frame.key_of_pair(1, arrival, &kept));
            let joint = Joint { records, revision, key: key_of_pair, ..Joint::default() };
            self.frame.write(&joint, &mut bench.parts, made);
            lefts.remove(key, left_identity);
        }
        write_row(arrival, &mut bench.value);
        rows.put(key, identity, now, &bench.value);
        Taken::Stored
    }

    /// Whether the composites of these left records would be too large together, with rows of so many bytes.
    fn makes_too_much(&self, lefts: &Store, places: &[Place], row: usize) -> bool {
        let bytes = places.iter().filter_map(|place| lefts.at(*place)).map(|entry| entry.value().len()).sum();
        too_large(places.len(), bytes, row.max(self.frame.blank_bytes()))
    }

    /// A followed left record: its revision replaces the one before.
    fn ask_again(
        &self,
        stores: &mut [Store; 2],
        arrival: &Arrival<'_>,
        bench: &mut Bench,
        made: &mut Made,
    ) -> Taken {
        let [lefts, rows] = stores;
        let (key, now) = (arrival.key, arrival.append_ms);
        let earlier = lefts.get(key, arrival.identity, now).map(|entry| Answer::read(entry.value()));
        if earlier.is_some_and(|(_, kept)| arrival.envelope.revision <= kept.revision()) {
            return Taken::Superseded;
        }
        if earlier.is_none() && self.full(lefts, arrival, &mut bench.places) {
            return Taken::TooMany;
        }
        let mut answer = earlier.map_or_else(|| self.anew(arrival, bench), |(answer, _)| answer);
        self.rows(rows, key, now, bench);
        let row = Self::choose(rows, &bench.rows, &arrival.envelope);
        let stands = !arrival.withdraws && (row.is_some() || self.alone);
        if stands || answer.is(OUT) {
            let records = [Some(arrival.record), row.map(|row| row.record)];
            let joint = emission(answer, records, !stands, arrival.text, &[]);
            self.frame.write(&joint, &mut bench.parts, made);
            answer = answer.emitted(row.map(|row| row.identity).filter(|_| stands), !stands);
        }
        write_left(&self.frame, answer, arrival, &mut bench.value);
        lefts.put(key, arrival.identity, now, &bench.value);
        if arrival.withdraws { Taken::Withdrawn } else { Taken::Stored }
    }

    /// What is known of a left record of which nothing is remembered.
    fn anew(&self, arrival: &Arrival<'_>, bench: &mut Bench) -> Answer {
        let entity = self.frame.entity(&arrival.envelope, None, Some(arrival.text), &mut bench.parts);
        Answer { number: first_number(arrival.told, &entity, arrival.append_ms), ..Answer::default() }
    }

    /// A followed row: every left record whose row it is, was, or becomes is told again.
    fn correct(
        &self,
        stores: &mut [Store; 2],
        arrival: &Arrival<'_>,
        bench: &mut Bench,
        made: &mut Made,
    ) -> Taken {
        let [lefts, rows] = stores;
        let (key, now) = (arrival.key, arrival.append_ms);
        let earlier = rows.get(key, arrival.identity, now).map(|entry| Kept::read(entry.value()));
        if earlier.is_some_and(|kept| arrival.envelope.revision <= kept.revision()) {
            return Taken::Superseded;
        }
        let mut surplus = 0;
        if earlier.is_none() && self.full(rows, arrival, &mut bench.places) {
            if self.valid_at {
                return Taken::TooMany;
            }
            if arrival.withdraws {
                return Taken::Withdrawn;
            }
            // Where the newest row holds, the oldest ones give way to it.
            surplus = bench.places.len() + 1 - self.most;
        }
        bench.places.clear();
        bench.others.clear();
        lefts.entries(key, now, &mut bench.places);
        rows.entries(key, now, &mut bench.others);
        let others = bench.others.iter().filter_map(|place| rows.at(*place)).map(|entry| entry.value().len());
        let largest = others.fold(arrival.record.len(), usize::max);
        if self.makes_too_much(lefts, &bench.places, largest) {
            return Taken::TooMany;
        }
        for place in &bench.others[..surplus] {
            let Some(entry) = rows.at(*place) else { continue };
            rows.remove(key, entry.identity);
        }
        if arrival.withdraws {
            bench.value.clear();
            write_marker(arrival.envelope.revision, &mut bench.value);
        } else {
            write_row(arrival, &mut bench.value);
        }
        rows.put(key, arrival.identity, now, &bench.value);
        self.rows(rows, key, now, bench);
        for index in 0..bench.places.len() {
            self.tell(lefts, rows, bench.places[index], arrival, bench, made);
        }
        if arrival.withdraws { Taken::Withdrawn } else { Taken::Stored }
    }

    /// Tells one left record again, if the row that came is, was or becomes its row.
    fn tell(
        &self,
        lefts: &mut Store,
        rows: &Store,
        place: Place,
        arrival: &Arrival<'_>,
        bench: &mut Bench,
        made: &mut Made,
    ) {
        let Some(entry) = lefts.at(place) else { return };
        let (answer, kept) = Answer::read(entry.value());
        if kept.is(MARKER) {
            return;
        }
        let row = Self::choose(rows, &bench.rows, &Envelope::read(kept.record));
        let had = answer.is(ROW) && answer.row == arrival.identity;
        if !had && row.is_none_or(|row| row.identity != arrival.identity) {
            return;
        }
        let stands = row.is_some() || self.alone;
        if !stands && !answer.is(OUT) {
            return;
        }
        let key = self.frame.key_of_pair(1, arrival, &kept);
        let right = row.map(|row| row.record).or_else(|| (!stands).then_some(arrival.record));
        let joint = emission(answer, [Some(kept.record), right], !stands, arrival.text, key);
        self.frame.write(&joint, &mut bench.parts, made);
        let answer = answer.emitted(row.map(|row| row.identity), !stands);
        lefts.patch(place, &answer.bytes());
    }
}

/// The next composite of a followed left record. Its numbers begin at 0 under each key, so its entity does too.
fn emission<'a>(
    answer: Answer,
    records: [Option<&'a [u8]>; 2],
    retracted: bool,
    text: &'a [u8],
    key: &'a [u8],
) -> Joint<'a> {
    let number = (answer.number > 0).then_some(answer.number);
    Joint { records, revision: Some(answer.number), number, retracted, under: Some(text), key }
}

fn write_left(frame: &Frame, answer: Answer, arrival: &Arrival<'_>, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&answer.bytes());
    if arrival.withdraws {
        write_marker(arrival.envelope.revision, out);
        return;
    }
    let (flags, key) = frame.kept_key(0, arrival);
    Kept { flags, key, record: arrival.record }.write(out);
}

fn write_row(arrival: &Arrival<'_>, out: &mut Vec<u8>) {
    out.clear();
    Kept { flags: 0, key: &[], record: arrival.record }.write(out);
}

#[cfg(test)]
mod tests;
