//! What changed in a store as records for the log, and such a record read back.

use crate::fingerprint::other_form;

/// The version of a store's delta; a reader that does not know it must not guess. Lower ones are deduplicate's.
const STORE_VERSION: u8 = 3;
/// Where one delta ends and the next begins, so that each with its last change stays below 512 KiB.
const FULL: usize = 60 * 1024;
/// What a put takes beside its value.
pub const PUT_BYTES: usize = 1 + 16 + 16 + 8 + 4;
/// The largest value that a store may be given.
pub const MOST_VALUE: usize = 448 * 1024;

const REMOVE: u8 = 0;
const PATCH: u8 = 1;
const PUT: u8 = 2;

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    Remove { key: u128, identity: u128 },
    Patch { key: u128, identity: u128, bytes: &'a [u8] },
    Put { key: u128, identity: u128, append_ms: i64, value: &'a [u8] },
}

impl Change<'_> {
    pub fn write(&self, out: &mut Vec<u8>) {
        let (kind, key, identity) = match *self {
            Self::Remove { key, identity } => (REMOVE, key, identity),
            Self::Patch { key, identity, .. } => (PATCH, key, identity),
            Self::Put { key, identity, .. } => (PUT, key, identity),
        };
        out.push(kind);
        out.extend_from_slice(&key.to_le_bytes());
        out.extend_from_slice(&identity.to_le_bytes());
        if let Self::Put { append_ms, .. } = *self {
            out.extend_from_slice(&append_ms.to_le_bytes());
        }
        if let Self::Put { value: bytes, .. } | Self::Patch { bytes, .. } = *self {
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        }
    }
}

/// Writes changes into as many records as they need: version, table name, fingerprint, then the changes.
pub struct Writer {
    head: Vec<u8>,
    records: Vec<Vec<u8>>,
}

impl Writer {
    pub fn new(table: &str, fingerprint: u64) -> Self {
        let mut head = vec![STORE_VERSION];
        head.extend_from_slice(&(table.len() as u16).to_le_bytes());
        head.extend_from_slice(table.as_bytes());
        head.extend_from_slice(&fingerprint.to_le_bytes());
        Self { records: vec![head.clone()], head }
    }

    /// Where a further record begins, and so one that is written elsewhere.
    pub fn head(&self) -> Vec<u8> {
        self.head.clone()
    }

    /// Whether a record with changes of so many bytes is to be the last one's.
    pub const fn full(length: usize) -> bool {
        length > FULL
    }

    pub fn add(&mut self, change: Change<'_>) {
        if self.records.last().is_none_or(|record| Self::full(record.len())) {
            self.records.push(self.head.clone());
        }
        if let Some(out) = self.records.last_mut() {
            change.write(out);
        }
    }

    /// The records; none if there was no change.
    pub fn finish(mut self) -> Vec<Vec<u8>> {
        self.records.retain(|record| record.len() > self.head.len());
        self.records
    }
}

/// A delta as it was read from the log, checked.
#[derive(Debug)]
pub struct StoreDelta<'a> {
    pub table: &'a str,
    pub fingerprint: u64,
    pub changes: Vec<Change<'a>>,
}

impl<'a> StoreDelta<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let (version, rest) = bytes.split_first().ok_or("the delta is empty")?;
        if *version != STORE_VERSION {
            return Err(format!(
                "the delta is of format version {version}, this kernel reads {STORE_VERSION}; \
                 run the version of gebus-kernel that wrote it, or a later one"
            ));
        }
        Self::parse_content(rest).ok_or_else(|| {
            "the delta is damaged: its lengths do not add up; restore the state topic from a replica"
                .to_owned()
        })
    }

    fn parse_content(rest: &'a [u8]) -> Option<Self> {
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (name, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let table = std::str::from_utf8(name).ok()?;
        let (fingerprint, mut rest) = rest.split_first_chunk::<8>()?;
        let mut changes = Vec::new();
        while !rest.is_empty() {
            let (change, after) = parse_change(rest)?;
            changes.push(change);
            rest = after;
        }
        Some(Self { table, fingerprint: u64::from_le_bytes(*fingerprint), changes })
    }

    /// Refuses what was written by another form of the step.
    pub fn check(&self, fingerprint: u64) -> Result<(), String> {
        if self.fingerprint == fingerprint { Ok(()) } else { Err(other_form(self.table)) }
    }
}

fn parse_change(rest: &[u8]) -> Option<(Change<'_>, &[u8])> {
    let (kind, rest) = rest.split_first()?;
    let (key, rest) = rest.split_first_chunk::<16>()?;
    let (identity, rest) = rest.split_first_chunk::<16>()?;
    let (key, identity) = (u128::from_le_bytes(*key), u128::from_le_bytes(*identity));
    match *kind {
        REMOVE => Some((Change::Remove { key, identity }, rest)),
        PATCH => {
            let (bytes, rest) = parse_bytes(rest)?;
            Some((Change::Patch { key, identity, bytes }, rest))
        }
        PUT => {
            let (append_ms, rest) = rest.split_first_chunk::<8>()?;
            let (value, rest) = parse_bytes(rest)?;
            Some((Change::Put { key, identity, append_ms: i64::from_le_bytes(*append_ms), value }, rest))
        }
        _ => None,
    }
}

fn parse_bytes(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}
