//! What a step is given and what it answers: records in, and what became of them.

/// The bytes for deliveries that are kept from batch to batch.
const MOST_ARENA: usize = 32 << 20;

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
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    pub record: usize,
    pub reason: String,
    pub detail: String,
    pub place: String,
}

/// The first record of a partition that must wait: for this schema id, or for people, if there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked {
    pub record: usize,
    pub schema_id: Option<u32>,
}

#[derive(Debug, Default)]
pub struct Outcome {
    pub arena: Vec<u8>,
    pub outputs: Vec<Output>,
    pub dead: Vec<Dead>,
    pub blocked: Vec<Blocked>,
}

impl Outcome {
    /// Makes ready for the next batch; the buffers keep their room, but not that of a batch beyond the usual.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.arena.shrink_to(MOST_ARENA);
        self.outputs.clear();
        self.dead.clear();
        self.blocked.clear();
    }
}
