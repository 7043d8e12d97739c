//! Reconciling: of what several parties assert of one thing, the winner, or what the losers say against it.
//!
//! Ids (see `composite`): `event_id` of the step's name, the key's text, the emission's number in decimal and the winner's
//! `event_id`; `entity_id` of the step's name and the key's text; both, for a conflict, also of the losing party and the
//! losing record's `entity_id`. Conflicts of one record are told in the order of the losers' parties and entities. What
//! is forgotten because its time is over is not taken back.

use std::cmp::Reverse;

use crate::composite::{ENVELOPE, Envelope, MOST_MADE, Made, Part, digest, hex};
use crate::follow::first_number;
use crate::kept::{Kept, MARKER, write_marker};
use crate::reconcile_book::{Book, Told};
use crate::relation::{Arrival, Bench, Taken};
use crate::relation_plan::{Gives, ReconcilePlan};
use crate::resolve::same_bytes;
use crate::schema::{NodeId, Schema};
use crate::side::{Side, part_of};
use crate::store::{Place, Store};
use crate::walk::end_of;
use crate::wire::write_span;

/// The identity of a key's book; an assertion's is a digest of its party and entity.
const BOOK: u128 = 0;

pub struct Reconcile {
    step: Vec<u8>,
    /// Party ids, the first wins.
    authority: Vec<Vec<u8>>,
    most: usize,
    conflicts: bool,
    /// The fields of an assertion, each with whether it is compared.
    fields: Vec<(NodeId, Option<String>)>,
}

/// An assertion that stands, or that was just withdrawn.
#[derive(Clone, Copy)]
struct Assertion<'a> {
    identity: u128,
    record: &'a [u8],
    envelope: Envelope<'a>,
}

impl<'a> Assertion<'a> {
    fn of(identity: u128, record: &'a [u8]) -> Self {
        Self { identity, record, envelope: Envelope::read(record) }
    }

    /// Party, then entity: what tells assertions of one key apart, and decides where all else is equal.
    fn name(&self) -> (&'a [u8], &'a [u8]) {
        (self.envelope.source, self.envelope.entity_id)
    }
}

/// By authority, revision, time, then name.
type Rank<'a> = (usize, Reverse<i64>, Reverse<i64>, (&'a [u8], &'a [u8]));

/// A composite in the making.
struct Emission<'a> {
    loser: Option<&'a Assertion<'a>>,
    winner: &'a Assertion<'a>,
    number: i64,
    retracted: bool,
    differs: &'a str,
}

impl Reconcile {
    pub fn compile(plan: &ReconcilePlan, composite: &Schema, of: &Side) -> Result<Self, String> {
        let conflicts = plan.gives == Gives::Conflicts;
        let expected = ENVELOPE + if conflicts { 3 } else { 1 };
        let found = composite.fields(composite.root).len();
        if found != expected {
            return Err(format!("its composite has {found} fields; allowed: {expected} with what it gives"));
        }
        if of.branches.is_some() {
            return Err(format!(
                "the composite's `{}` can be null; an assertion is always there",
                plan.of.alias
            ));
        }
        if conflicts {
            let (branches, winner) = part_of(composite, ENVELOPE + 1, "winner")?;
            if branches.is_some() || !same_fields(composite, of.record, winner) {
                return Err("the composite's `winner` has other fields than the assertion".to_owned());
            }
            part_of(composite, ENVELOPE + 2, "differs")?;
        }
        let known = composite.fields(of.record);
        if let Some(unknown) = plan.compare.iter().find(|name| known.iter().all(|field| field.name != **name))
        {
            return Err(format!("`compare`: the side keeps no field `{unknown}`"));
        }
        let compared = |name: &String| plan.compare.contains(name).then(|| name.clone());
        Ok(Self {
            step: plan.name.as_bytes().to_vec(),
            authority: plan.authority.iter().map(|party| party.as_bytes().to_vec()).collect(),
            most: plan.most,
            conflicts,
            fields: known.iter().map(|field| (field.node, compared(&field.name))).collect(),
        })
    }

    /// Takes an assertion, or what withdraws one; `schema` is the composite's.
    pub fn take(
        &self,
        store: &mut Store,
        schema: &Schema,
        arrival: &Arrival<'_>,
        bench: &mut Bench,
        made: &mut Made,
    ) -> Taken {
        let (key, now) = (arrival.key, arrival.append_ms);
        bench.places.clear();
        store.entries(key, now, &mut bench.places);
        let entries = || bench.places.iter().filter_map(|place| store.at(*place));
        let earlier = entries().find(|entry| entry.identity == arrival.identity);
        if earlier.is_some_and(|entry| arrival.envelope.revision <= Kept::read(entry.value()).revision()) {
            return Taken::Superseded;
        }
        let (mut held, mut standing, mut largest) = (0, 0, arrival.record.len());
        for entry in entries().filter(|entry| entry.identity != BOOK) {
            let value = entry.value();
            held += 1;
            standing += usize::from(entry.identity != arrival.identity && !Kept::read(value).is(MARKER));
            largest = largest.max(value.len());
        }
        // What never stood is no assertion too many; what guards against its older revisions takes as much room at most.
        let no_room = earlier.is_none() && held >= 2 * self.most;
        if arrival.withdraws && no_room {
            return Taken::Withdrawn;
        }
        let whole = (held + usize::from(earlier.is_none())).saturating_mul(2 * largest + 512);
        if (!arrival.withdraws && (no_room || standing >= self.most)) || whole > MOST_MADE {
            return Taken::TooMany;
        }
        let before = earlier.map(|entry| entry.place);
        bench.value.clear();
        if arrival.withdraws {
            write_marker(arrival.envelope.revision, &mut bench.value);
        } else {
            Kept { flags: 0, key: &[], record: arrival.record }.write(&mut bench.value);
        }
        store.put(key, arrival.identity, now, &bench.value);
        bench.places.clear();
        store.entries(key, now, &mut bench.places);
        let book = self.tell(&State { store, schema, before, arrival }, bench, made);
        bench.value.clear();
        book.write(&mut bench.value);
        // The book is put again with every assertion, so that it is remembered as long as any of them.
        store.put(key, BOOK, now, &bench.value);
        if arrival.withdraws { Taken::Withdrawn } else { Taken::Stored }
    }

    /// Tells what changed by a record that was put; gives the book of what was told.
    fn tell(&self, state: &State<'_>, bench: &mut Bench, made: &mut Made) -> Book {
        let mut book = Book::default();
        let (mut standing, mut known) = (Vec::new(), vec![BOOK]);
        for entry in bench.places.iter().filter_map(|place| state.store.at(*place)) {
            if entry.identity == BOOK {
                book = Book::read(entry.value());
                continue;
            }
            let kept = Kept::read(entry.value());
            known.push(entry.identity);
            if !kept.is(MARKER) {
                standing.push(Assertion::of(entry.identity, kept.record));
            }
        }
        book.retain(|subject| known.contains(&subject));
        let winner = standing.iter().min_by_key(|assertion| self.rank(assertion)).copied();
        if self.conflicts {
            self.tell_conflicts(state, standing, winner, &mut book, bench, made);
        } else {
            self.tell_winner(state, winner, &mut book, bench, made);
        }
        book
    }

    /// The smallest wins.
    fn rank<'a>(&self, assertion: &Assertion<'a>) -> Rank<'a> {
        let envelope = &assertion.envelope;
        let authority = self.authority.iter().position(|party| party == envelope.source);
        let authority = authority.unwrap_or(self.authority.len());
        (authority, Reverse(envelope.revision), Reverse(envelope.occurred_at), assertion.name())
    }

    fn tell_winner(
        &self,
        state: &State<'_>,
        winner: Option<Assertion<'_>>,
        book: &mut Book,
        bench: &mut Bench,
        made: &mut Made,
    ) {
        let told = book.told(BOOK);
        let of = winner.map(|winner| (winner.identity, digest(winner.envelope.event_id)));
        let changed = if of.is_some() { !told.out || of != Some(told.of) } else { told.out };
        if changed {
            let number = self.number(told, state, None, of, bench);
            let winner = winner.unwrap_or_else(|| state.withdrawn());
            let (loser, retracted) = (None, of.is_none());
            let emission = Emission { loser, winner: &winner, number, retracted, differs: "" };
            self.write(state, &emission, bench, made);
        }
    }

    fn tell_conflicts<'a>(
        &self,
        state: &State<'a>,
        standing: Vec<Assertion<'a>>,
        winner: Option<Assertion<'a>>,
        book: &mut Book,
        bench: &mut Bench,
        made: &mut Made,
    ) {
        let last = book.told(BOOK).of.0;
        let mut losers = standing;
        if state.arrival.withdraws {
            losers.push(state.withdrawn());
        }
        // Who wins now; for a conflict that ends because its loser wins or nobody is left, who won before.
        let last = losers.iter().find(|one| one.identity == last).copied();
        losers.sort_by_key(Assertion::name);
        for loser in &losers {
            let gone = state.arrival.withdraws && loser.identity == state.arrival.identity;
            let rival = winner.filter(|winner| winner.identity != loser.identity);
            let differs = match rival {
                Some(winner) if !gone => self.differences(state.schema, loser.record, winner.record),
                _ => String::new(),
            };
            let told = book.told(loser.identity);
            let winner = rival.or(last).unwrap_or(*loser);
            let of = (digest(winner.envelope.event_id), digest(loser.envelope.event_id));
            let retracted = differs.is_empty();
            let changed = if retracted { told.out } else { !told.out || told.of != of };
            if changed {
                let of = (!retracted).then_some(of);
                let number = self.number(told, state, Some(&loser.envelope), of, bench);
                let emission =
                    Emission { loser: Some(loser), winner: &winner, number, retracted, differs: &differs };
                self.write(state, &emission, bench, made);
            }
        }
        if let Some(winner) = winner {
            book.told(BOOK).of.0 = winner.identity;
        }
    }

    /// The compared fields that differ, joined by commas.
    fn differences(&self, schema: &Schema, loser: &[u8], winner: &[u8]) -> String {
        let mut names: Vec<&str> = Vec::new();
        let (mut left, mut right) = (0, 0);
        for (node, compared) in &self.fields {
            let (left_end, right_end) =
                (end_of(schema, *node, loser, left), end_of(schema, *node, winner, right));
            if let Some(name) = compared
                && loser[left..left_end] != winner[right..right_end]
            {
                names.push(name);
            }
            (left, right) = (left_end, right_end);
        }
        names.join(",")
    }

    /// The number of an emission, which is noted; they go on from what the consumer has.
    fn number(
        &self,
        told: &mut Told,
        state: &State<'_>,
        loser: Option<&Envelope<'_>>,
        of: Option<(u128, u128)>,
        bench: &mut Bench,
    ) -> i64 {
        let arrival = state.arrival;
        if told.number == 0 {
            let entity = self.entity(arrival.text, loser, bench);
            told.number = first_number(arrival.told, &entity, arrival.append_ms);
        }
        told.emit(of)
    }

    /// The id of an emission's entity.
    fn entity(&self, text: &[u8], loser: Option<&Envelope<'_>>, bench: &mut Bench) -> [u8; 32] {
        let entity = bench.parts.of(&[&self.step, text]);
        if let Some(loser) = loser {
            entity.add(loser.source);
            entity.add(loser.entity_id);
        }
        hex(entity.digest())
    }

    fn write(&self, state: &State<'_>, emission: &Emission<'_>, bench: &mut Bench, made: &mut Made) {
        let (winner, loser) = (&emission.winner.envelope, emission.loser.map(|loser| &loser.envelope));
        let number = emission.number.to_string();
        let text = state.arrival.text;
        let event = bench.parts.of(&[&self.step, text, number.as_bytes(), winner.event_id]);
        if let Some(loser) = loser {
            event.add(loser.source);
            event.add(loser.entity_id);
        }
        let event = hex(event.digest());
        let entity = self.entity(text, loser, bench);
        let derived = Envelope {
            event_id: &event,
            entity_id: &entity,
            revision: emission.number,
            retracted: emission.retracted,
            occurred_at: loser.map_or(winner.occurred_at, |loser| loser.occurred_at.max(winner.occurred_at)),
            published_at: loser
                .map_or(winner.published_at, |loser| loser.published_at.max(winner.published_at)),
            ..*winner
        };
        let whole = |bytes| Part { branch: None, bytes };
        match emission.loser {
            None => made.add(&derived, &[whole(emission.winner.record)], &[]),
            Some(loser) => {
                let mut differs = Vec::with_capacity(emission.differs.len() + 2);
                write_span(&mut differs, emission.differs.as_bytes());
                let parts = [loser.record, emission.winner.record, &differs].map(whole);
                made.add(&derived, &parts, &[]);
            }
        }
    }
}

/// What an arrival finds.
struct State<'a> {
    store: &'a Store,
    /// The composite's.
    schema: &'a Schema,
    /// Where the entity's assertion before it lies; its bytes stay until the commit.
    before: Option<Place>,
    arrival: &'a Arrival<'a>,
}

impl<'a> State<'a> {
    /// What the arrival withdrew, or itself where nothing stood any more.
    fn withdrawn(&self) -> Assertion<'a> {
        let before =
            self.before.and_then(|place| self.store.at(place)).map(|entry| Kept::read(entry.value()));
        let record = before.filter(|kept| !kept.is(MARKER)).map_or(self.arrival.record, |kept| kept.record);
        Assertion::of(self.arrival.identity, record)
    }
}

fn same_fields(schema: &Schema, one: NodeId, other: NodeId) -> bool {
    let (one, other) = (schema.fields(one), schema.fields(other));
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(one, other)| one.name == other.name && same_bytes(schema, one.node, schema, other.node))
}

#[cfg(test)]
mod tests;
