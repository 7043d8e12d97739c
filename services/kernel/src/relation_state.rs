//! The state of a relation in a slice.

use crate::relation::Bench;
use crate::spill::Piece;
use crate::store::{Store, StoreDelta};

/// The stores of a relation, by their table names, and what is used again from record to record.
pub struct RelationState {
    pub(crate) stores: Vec<Store>,
    tables: Vec<String>,
    fingerprint: u64,
    /// What is kept of the record in hand, the text of its key, and that of the key which its entity left.
    pub(crate) record: Vec<u8>,
    pub(crate) text: Vec<u8>,
    pub(crate) left: Vec<u8>,
    pub(crate) bench: Bench,
}

impl RelationState {
    #[must_use]
    pub fn new(stores: Vec<Store>, tables: Vec<String>, fingerprint: u64) -> Self {
        let (record, text, left, bench) = (Vec::new(), Vec::new(), Vec::new(), Bench::default());
        Self { stores, tables, fingerprint, record, text, left, bench }
    }

    /// The stores with the names that they have in the log.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &Store)> {
        self.tables.iter().map(String::as_str).zip(&self.stores)
    }

    pub fn tables_mut(&mut self) -> impl Iterator<Item = (&str, &mut Store)> {
        self.tables.iter().map(String::as_str).zip(&mut self.stores)
    }

    #[must_use]
    pub fn changed(&self) -> bool {
        self.stores.iter().any(Store::changed)
    }

    pub fn commit(&mut self) {
        self.stores.iter_mut().for_each(Store::commit);
    }

    pub fn rollback(&mut self) {
        self.stores.iter_mut().for_each(Store::rollback);
    }

    /// See `Store::advance`.
    pub fn advance(&mut self, clock_ms: i64) -> usize {
        self.stores.iter_mut().map(|store| store.advance(clock_ms)).sum()
    }

    /// What the open transaction changed: table names, and records for the log.
    pub fn deltas(&self) -> Vec<(&str, Vec<Vec<u8>>)> {
        self.tables().map(|(table, store)| (table, store.deltas(table, self.fingerprint))).collect()
    }

    /// All that is committed: table names, and records that give it again.
    pub fn dump(&self) -> Vec<(&str, Vec<Piece>)> {
        self.tables().map(|(table, store)| (table, store.dump(table, self.fingerprint))).collect()
    }

    /// Takes in a delta of one of its tables; says no where it is another's.
    pub fn restore(&mut self, delta: &StoreDelta<'_>) -> Result<bool, String> {
        let Some(number) = self.tables.iter().position(|table| table == delta.table) else {
            return Ok(false);
        };
        delta.check(self.fingerprint)?;
        self.stores[number].restore(delta);
        Ok(true)
    }
}
