//! What became of every record, by Kafka topic and feed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of the account record in the log.
pub const ACCOUNT_VERSION: u32 = 2;
/// The feeds in one account record, so that one stays below 512 KiB.
const MOST_FEEDS: usize = 2_000;

/// Where the records of one Kafka topic went for one feed: taken + more is the sum of all others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub taken: u64,
    /// What came of a record beyond one: further matches, and what was made when its time was over.
    #[serde(default)]
    pub more: u64,
    pub delivered: u64,
    pub filtered: u64,
    pub duplicate: u64,
    pub withheld: u64,
    pub dead: u64,
    /// Remembered by a relation, and nothing came of it when it arrived.
    #[serde(default)]
    pub waiting: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, more: Self) {
        self.taken += more.taken;
        self.more += more.more;
        self.delivered += more.delivered;
        self.filtered += more.filtered;
        self.duplicate += more.duplicate;
        self.withheld += more.withheld;
        self.dead += more.dead;
        self.waiting += more.waiting;
    }
}

/// What is counted for a feed when a record reaches it; a record that an index kept away costs nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedCount {
    pub more: u64,
    pub delivered: u64,
    /// By a deduplicate of its own, after other steps.
    pub duplicate: u64,
    pub withheld: u64,
    /// By a step of the feed.
    pub dead: u64,
    pub waiting: u64,
}

/// The counts of one Kafka topic since the last commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub taken: u64,
    pub dead: u64,
    /// Duplicates by the group whose first step found them.
    pub groups: Vec<u64>,
    /// By the lane's feeds; those that do not read the topic stay at nothing.
    pub feeds: Vec<FeedCount>,
    /// Whether time alone brought something.
    pub ticked: bool,
}

/// The account of one Kafka topic in one slice.
pub struct Account {
    pub open: Counts,
    source: Totals,
    feeds: Vec<Totals>,
}

impl Account {
    #[must_use]
    pub fn new(groups: usize, feeds: usize) -> Self {
        let open =
            Counts { groups: vec![0; groups], feeds: vec![FeedCount::default(); feeds], ..Counts::default() };
        Self { open, source: Totals::default(), feeds: vec![Totals::default(); feeds] }
    }

    #[must_use]
    pub const fn changed(&self) -> bool {
        self.open.taken > 0 || self.open.ticked
    }

    /// The source's own row: only taken and dead have a meaning.
    #[must_use]
    pub fn source(&self, with_open: bool) -> Totals {
        let mut totals = self.source;
        if with_open {
            totals += Totals { taken: self.open.taken, dead: self.open.dead, ..Totals::default() };
        }
        totals
    }

    /// A feed's row; `group` is the one by which the topic's records reach the feed.
    #[must_use]
    pub fn feed(&self, feed: usize, group: usize, with_open: bool) -> Totals {
        let mut totals = self.feeds[feed];
        if with_open {
            let count = self.open.feeds[feed];
            let duplicate = self.open.groups[group] + count.duplicate;
            let dead = self.open.dead + count.dead;
            let elsewhere = dead + duplicate + count.delivered + count.withheld + count.waiting;
            totals += Totals {
                taken: self.open.taken,
                more: count.more,
                delivered: count.delivered,
                filtered: self.open.taken + count.more - elsewhere,
                duplicate,
                withheld: count.withheld,
                dead,
                waiting: count.waiting,
            };
        }
        totals
    }

    /// `members` are the feeds that read the topic, each with its group.
    pub fn commit(&mut self, members: &[(usize, usize)]) {
        if self.changed() {
            self.source = self.source(true);
            for (feed, group) in members {
                self.feeds[*feed] = self.feed(*feed, *group, true);
            }
            self.rollback();
        }
    }

    pub fn rollback(&mut self) {
        if self.changed() {
            self.open.taken = 0;
            self.open.dead = 0;
            self.open.ticked = false;
            self.open.groups.fill(0);
            self.open.feeds.fill(FeedCount::default());
        }
    }

    pub fn restore<'a>(&mut self, record: &TopicRecord, feed_names: impl Iterator<Item = &'a str>) {
        self.source.taken = record.taken;
        self.source.dead = record.dead;
        for (feed, name) in feed_names.enumerate() {
            if let Some(totals) = record.feeds.get(name) {
                self.feeds[feed] = *totals;
            }
        }
    }
}

/// The account of a slice in the log, cumulative. An entry replaces the earlier entry of the same topic and feed;
/// what a record does not name stays as it was.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountRecord {
    pub version: u32,
    pub topics: BTreeMap<String, TopicRecord>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct TopicRecord {
    pub taken: u64,
    pub dead: u64,
    pub feeds: BTreeMap<String, Totals>,
}

impl AccountRecord {
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let record: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("the account is damaged: {error}"))?;
        // The first version knew neither more nor waiting: nothing made any then.
        if !(1..=ACCOUNT_VERSION).contains(&record.version) {
            return Err(format!(
                "the account is of format version {}, this kernel reads {ACCOUNT_VERSION}; \
                 run the version of gebus-kernel that wrote it, or a later one",
                record.version
            ));
        }
        Ok(record)
    }
}

/// The account of one topic, the open transaction in it, as records for the log. The rows are the feeds that read the
/// topic: name, number, group.
pub fn account_records(topic: &str, account: &Account, feeds: &[(&str, usize, usize)]) -> Vec<Vec<u8>> {
    let source = account.source(true);
    let mut records = Vec::new();
    let mut chunks: Vec<_> = feeds.chunks(MOST_FEEDS).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    for chunk in chunks {
        let rows =
            chunk.iter().map(|(name, feed, group)| ((*name).to_owned(), account.feed(*feed, *group, true)));
        let entry = TopicRecord { taken: source.taken, dead: source.dead, feeds: rows.collect() };
        let record =
            AccountRecord { version: ACCOUNT_VERSION, topics: BTreeMap::from([(topic.to_owned(), entry)]) };
        // Maps of strings and numbers always have a JSON form.
        records.push(serde_json::to_vec(&record).unwrap_or_default());
    }
    records
}
