//! A slice: the state of one partition number of a lane, and what the open transaction changed in it.

use crate::account::{Account, AccountRecord, account_records};
use crate::lane::Lane;
use crate::limit::Recent;
use crate::seen::{Delta, Seen};

/// The key of account records in the state topic; deltas have the key `table/<name>`.
pub const ACCOUNT_KEY: &[u8] = b"account";
const TABLE_KEY: &[u8] = b"table/";

pub struct Slice {
    /// By the lane's tables.
    pub seen: Vec<Seen>,
    /// By the source's topics.
    pub accounts: Vec<Account>,
    pub recent: Vec<Recent>,
    committed: Vec<Recent>,
}

impl Slice {
    #[must_use]
    pub fn new(lane: &Lane) -> Self {
        let topics = lane.source.topics.len();
        let accounts = (0..topics).map(|_| Account::new(lane.groups.len(), lane.feeds.len()));
        Self {
            seen: lane.tables.iter().map(|table| Seen::new(table.generation_ms)).collect(),
            accounts: accounts.collect(),
            recent: vec![Recent::default(); topics],
            committed: vec![Recent::default(); topics],
        }
    }

    #[must_use]
    fn changed(&self) -> bool {
        self.accounts.iter().any(Account::changed)
    }

    pub fn commit(&mut self, lane: &Lane) {
        if self.changed() {
            let groups: Vec<usize> = lane.feeds.iter().map(|feed| feed.group).collect();
            self.accounts.iter_mut().for_each(|account| account.commit(&groups));
            self.seen.iter_mut().for_each(Seen::commit);
            self.committed.clone_from(&self.recent);
        }
    }

    pub fn rollback(&mut self) {
        if self.changed() {
            self.accounts.iter_mut().for_each(Account::rollback);
            self.seen.iter_mut().for_each(Seen::rollback);
            self.recent.clone_from(&self.committed);
        }
    }

    /// The records for the state topic that make the open transaction's changes last.
    #[must_use]
    pub fn records(&self, lane: &Lane) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut records = Vec::new();
        for (table, seen) in lane.tables.iter().zip(&self.seen) {
            let key = [TABLE_KEY, table.name.as_bytes()].concat();
            records.extend(seen.deltas(&table.name).into_iter().map(|delta| (key.clone(), delta)));
        }
        let feeds: Vec<(&str, usize)> =
            lane.feeds.iter().map(|feed| (feed.name.as_str(), feed.group)).collect();
        for (topic, account) in lane.source.topics.iter().zip(&self.accounts) {
            if account.changed() {
                let rows = account_records(&topic.name, account, &feeds);
                records.extend(rows.into_iter().map(|row| (ACCOUNT_KEY.to_vec(), row)));
            }
        }
        records
    }

    /// Takes in one record of the state topic. A table, topic or feed that the plan no longer has is passed over.
    pub fn restore(&mut self, lane: &Lane, key: &[u8], value: &[u8]) -> Result<(), String> {
        if key == ACCOUNT_KEY {
            let record = AccountRecord::parse(value)?;
            let names: Vec<&str> = lane.feeds.iter().map(|feed| feed.name.as_str()).collect();
            for (topic, account) in lane.source.topics.iter().zip(&mut self.accounts) {
                if let Some(row) = record.topics.get(&topic.name) {
                    account.restore(row, &names);
                }
            }
            return Ok(());
        }
        if !key.starts_with(TABLE_KEY) {
            return Err(format!(
                "the record's key is neither `account` nor `table/...` but {:?}; something else writes to the \
                 state topic: find it, and keep it out by an ACL",
                String::from_utf8_lossy(&key[..key.len().min(64)])
            ));
        }
        let delta = Delta::parse(value)?;
        if let Some(table) = lane.tables.iter().position(|table| table.name == delta.table) {
            self.seen[table].restore(&delta);
        }
        Ok(())
    }
}
