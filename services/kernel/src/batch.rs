//! What a step is given and what it answers: records in, and what became of them.

use crate::leaf::Tag;

/// The bytes for deliveries that are kept from batch to batch.
const MOST_ARENA: usize = 32 << 20;
/// Beyond so many bytes of deliveries the records of ordered lanes wait for the next batch: there one record may make
/// thousands, and a batch of them more than there is memory.
const MOST_MADE: usize = 64 << 20;

/// One record of a batch, on its source and topic by number.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub source: usize,
    pub topic: usize,
    pub slice: u32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub append_ms: i64,
}

/// The key of what goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// That of the message with this number.
    Message(usize),
    /// A range of the outcome's arena.
    Text(usize, usize),
}

/// A record that goes out: its bytes are a range of the outcome's arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    pub lane: usize,
    /// The lane's feed; above them all, its rekey.
    pub target: usize,
    pub key: Key,
    /// None: where the key belongs.
    pub partition: Option<u32>,
    pub start: usize,
    pub end: usize,
    /// Of a feed: what the ledger keeps of it beside its bytes.
    pub delivery: Option<Delivery>,
}

/// What is known of a delivered record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Of the entity that it is about.
    pub tag: Tag,
    /// The lane's projection that made it.
    pub projection: usize,
    /// As a leaf names it.
    pub mode: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    pub record: usize,
    pub reason: String,
    pub detail: String,
    pub place: String,
}

/// Why a record must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// For this schema id.
    Schema(u32),
    /// For people: it would be one dead letter too many.
    People,
    /// For the next batch: this one has made as much as it may.
    Room,
}

/// The first record of a partition, or in order of a slice, that must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    pub record: usize,
    pub wait: Wait,
}

#[derive(Debug, Default)]
pub struct Outcome {
    pub arena: Vec<u8>,
    pub outputs: Vec<Output>,
    pub dead: Vec<Dead>,
    pub blocked: Vec<Blocked>,
}

impl Outcome {
    #[must_use]
    pub const fn full(&self) -> bool {
        self.arena.len() > MOST_MADE
    }

    /// Makes ready for the next batch; the buffers keep their room, but not that of a batch beyond the usual.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.arena.shrink_to(MOST_ARENA);
        self.outputs.clear();
        self.dead.clear();
        self.blocked.clear();
    }
}
