//! A slice: the state of one partition number of a lane, and what the open transaction changed in it.

use std::sync::Arc;

use crate::account::{Account, AccountRecord, account_records};
use crate::fingerprint::other_form;
use crate::kernel::Spillable;
use crate::lane::Lane;
use crate::relation_state::RelationState;
use crate::seen::{Delta, Seen};
use crate::source::Source;
use crate::spill::{Dump, Piece};
use crate::store::{Store, StoreDelta};

/// The key of account records in the state topic; deltas have the key `table/<name>` or `store/<name>`.
pub const ACCOUNT_KEY: &[u8] = b"account";
const TABLE_KEY: &[u8] = b"table/";
const STORE_KEY: &[u8] = b"store/";

/// Key and value of a record of the state topic.
pub type StateRecord = (Vec<u8>, Vec<u8>);

pub struct Slice {
    /// By the lane's tables.
    pub seen: Vec<Seen>,
    /// By the lane's stores.
    pub stores: Vec<Store>,
    /// By the lane's relations.
    pub relations: Vec<RelationState>,
    /// By the topics of the lane's ports.
    pub accounts: Vec<Account>,
    /// The clock to which the stores go when the open transaction is committed.
    clock_ms: Option<i64>,
}

impl Slice {
    #[must_use]
    pub fn new(lane: &Lane, sources: &[Source]) -> Self {
        let accounts = lane.topics(sources).into_iter();
        Self {
            seen: lane.tables.iter().map(|table| Seen::new(table.generation_ms)).collect(),
            stores: lane.stores.iter().map(|store| Store::new(store.window_ms)).collect(),
            relations: lane.relations.iter().map(|def| def.relation.new_state()).collect(),
            accounts: accounts.map(|(port, _)| Account::new(port.groups.len(), lane.feeds.len())).collect(),
            clock_ms: None,
        }
    }

    #[must_use]
    pub fn changed(&self) -> bool {
        let related = || self.relations.iter().any(RelationState::changed);
        self.accounts.iter().any(Account::changed) || related()
    }

    pub fn commit(&mut self, lane: &Lane, sources: &[Source]) {
        if self.changed() {
            for (account, (port, _)) in self.accounts.iter_mut().zip(lane.topics(sources)) {
                account.commit(&port.members);
            }
            self.seen.iter_mut().for_each(Seen::commit);
            self.stores.iter_mut().for_each(Store::commit);
            self.relations.iter_mut().for_each(RelationState::commit);
            if let Some(clock_ms) = self.clock_ms.take() {
                self.advance(clock_ms);
            }
        }
    }

    pub fn rollback(&mut self) {
        if self.changed() {
            self.accounts.iter_mut().for_each(Account::rollback);
            self.seen.iter_mut().for_each(Seen::rollback);
            self.stores.iter_mut().for_each(Store::rollback);
            self.relations.iter_mut().for_each(RelationState::rollback);
            self.clock_ms = None;
        }
    }

    /// The records for the state topic that make the open transaction's changes last.
    #[must_use]
    pub fn records(&self, lane: &Lane, sources: &[Source]) -> Vec<StateRecord> {
        let mut records = Vec::new();
        for (table, seen) in lane.tables.iter().zip(&self.seen) {
            let key = [TABLE_KEY, table.name.as_bytes()].concat();
            let deltas = seen.deltas(&table.name, table.fingerprint).into_iter();
            records.extend(deltas.map(|delta| (key.clone(), delta)));
        }
        for (def, store) in lane.stores.iter().zip(&self.stores) {
            let key = [STORE_KEY, def.name.as_bytes()].concat();
            let deltas = store.deltas(&def.name, def.fingerprint).into_iter();
            records.extend(deltas.map(|delta| (key.clone(), delta)));
        }
        for (table, deltas) in self.relations.iter().flat_map(RelationState::deltas) {
            let key = [STORE_KEY, table.as_bytes()].concat();
            records.extend(deltas.into_iter().map(|delta| (key.clone(), delta)));
        }
        self.account_records(lane, sources, &mut records, Account::changed);
        records
    }

    /// The whole state, committed, as records of the state topic.
    pub fn dump(&self, lane: &Lane, sources: &[Source]) -> Result<Dump, String> {
        if self.changed() {
            return Err("a transaction is open; commit it or roll it back, then dump".to_owned());
        }
        let mut dump = Dump::default();
        let mut add = |kind: &[u8], table: &str, pieces: Vec<Piece>| {
            let key: Arc<[u8]> = [kind, table.as_bytes()].concat().into();
            for piece in pieces {
                dump.add(&key, piece);
            }
        };
        for (table, seen) in lane.tables.iter().zip(&self.seen) {
            add(TABLE_KEY, &table.name, seen.dump(&table.name, table.fingerprint));
        }
        for (def, store) in lane.stores.iter().zip(&self.stores) {
            add(STORE_KEY, &def.name, store.dump(&def.name, def.fingerprint));
        }
        for (table, pieces) in self.relations.iter().flat_map(RelationState::dump) {
            add(STORE_KEY, table, pieces);
        }
        let mut records = Vec::new();
        self.account_records(lane, sources, &mut records, |_| true);
        let key: Arc<[u8]> = ACCOUNT_KEY.into();
        for (_, record) in records {
            dump.add(&key, Piece::Ready(record));
        }
        Ok(dump)
    }

    fn account_records(
        &self,
        lane: &Lane,
        sources: &[Source],
        records: &mut Vec<StateRecord>,
        wanted: impl Fn(&Account) -> bool,
    ) {
        let accounts = self.accounts.iter().zip(lane.topics(sources));
        for (account, (port, topic)) in accounts.filter(|(account, _)| wanted(account)) {
            let feeds = port.members.iter();
            let feeds: Vec<_> =
                feeds.map(|(feed, group)| (lane.feeds[*feed].name.as_str(), *feed, *group)).collect();
            let rows = account_records(&sources[port.source].topics[topic].name, account, &feeds);
            records.extend(rows.into_iter().map(|row| (ACCOUNT_KEY.to_vec(), row)));
        }
    }

    /// Drops what no record appended at or after `clock_ms` could match, and says how many entries that was. Stores drop
    /// nothing while a transaction is open, for what it did may be taken back: they do so when it is committed.
    pub fn advance(&mut self, clock_ms: i64) -> usize {
        if self.changed() {
            self.clock_ms = Some(clock_ms);
        }
        let seen: usize = self.seen.iter_mut().map(|seen| seen.advance(clock_ms)).sum();
        let stores: usize = self.stores.iter_mut().map(|store| store.advance(clock_ms)).sum();
        let relations = self.relations.iter_mut().map(|relation| relation.advance(clock_ms));
        seen + stores + relations.sum::<usize>()
    }

    /// Of each table its name, its entries and its bytes.
    pub fn sizes<'a>(&'a self, lane: &'a Lane) -> impl Iterator<Item = (&'a str, usize, usize)> {
        let seen = lane.tables.iter().zip(&self.seen);
        let stores = lane.stores.iter().zip(&self.stores);
        let seen = seen.map(|(table, seen)| (table.name.as_str(), seen.len(), seen.bytes()));
        let stores = stores.map(|(def, store)| (def.name.as_str(), store));
        let stores = stores.chain(self.relations.iter().flat_map(RelationState::tables));
        seen.chain(stores.map(|(name, store)| (name, store.len(), store.bytes())))
    }

    /// The tables that may spill, each with its name.
    pub fn spillable<'a>(&'a mut self, lane: &'a Lane) -> impl Iterator<Item = (&'a str, Spillable<'a>)> {
        let seen = lane.tables.iter().zip(&mut self.seen);
        let seen = seen.map(|(table, seen)| (table.name.as_str(), Spillable::Seen(seen)));
        let stores = lane.stores.iter().zip(&mut self.stores);
        let stores = stores.map(|(def, store)| (def.name.as_str(), store));
        let related = self.relations.iter_mut().flat_map(RelationState::tables_mut);
        seen.chain(stores.chain(related).map(|(name, store)| (name, Spillable::Store(store))))
    }

    /// Takes in one record of the state topic. A table, topic or feed that the plan no longer has is passed over.
    pub fn restore(
        &mut self,
        lane: &Lane,
        sources: &[Source],
        key: &[u8],
        value: &[u8],
    ) -> Result<(), String> {
        if key == ACCOUNT_KEY {
            let record = AccountRecord::parse(value)?;
            for (account, (port, topic)) in self.accounts.iter_mut().zip(lane.topics(sources)) {
                if let Some(row) = record.topics.get(&sources[port.source].topics[topic].name) {
                    account.restore(row, lane.feeds.iter().map(|feed| feed.name.as_str()));
                }
            }
            return Ok(());
        }
        if key.starts_with(STORE_KEY) {
            let delta = StoreDelta::parse(value)?;
            if let Some(number) = lane.stores.iter().position(|store| store.name == delta.table) {
                delta.check(lane.stores[number].fingerprint)?;
                self.stores[number].restore(&delta);
                return Ok(());
            }
            for relation in &mut self.relations {
                if relation.restore(&delta)? {
                    break;
                }
            }
            return Ok(());
        }
        if !key.starts_with(TABLE_KEY) {
            return Err(format!(
                "the record's key is neither `account` nor `table/...` nor `store/...` but {:?}; something else writes to the \
                 state topic: find it, and keep it out by an ACL",
                String::from_utf8_lossy(&key[..key.len().min(64)])
            ));
        }
        let delta = Delta::parse(value)?;
        if let Some(table) = lane.tables.iter().position(|table| table.name == delta.table) {
            if delta.fingerprint.is_some_and(|found| found != lane.tables[table].fingerprint) {
                return Err(other_form(delta.table));
            }
            self.seen[table].restore(&delta);
        }
        Ok(())
    }
}
