//! What a transaction delivers, as the ledger keeps it: of each feed and slice the digests of the records, in their
//! order, the head of the Merkle tree over them (RFC 6962), and the counts.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

/// The classes of fields, and before them that of the envelope, which is the bus's own.
pub const CLASSES: usize = 5;
/// So many entries are 1.25 MiB: with the leaf before them they fit a Kafka message of 2 MiB.
pub const MOST_ENTRIES: u64 = 1 << 15;
/// Domain separators: a leaf and a node of the tree by RFC 6962, then the tag of an entity.
const LEAF: u8 = 0;
const NODE: u8 = 1;
const TAG: u8 = 2;

pub type Hash = [u8; 32];
pub type Tag = [u8; 8];

/// What the ledger is asked by for an entity: the first bytes of a digest of its id.
#[must_use]
pub fn tag(entity: &[u8]) -> Tag {
    let digest = Sha256::new().chain_update([TAG]).chain_update(entity).finalize();
    let mut tag = Tag::default();
    let length = tag.len();
    tag.copy_from_slice(&digest[..length]);
    tag
}

/// The digest of a delivered record, which is its hash as a leaf of a tree.
#[must_use]
pub fn digest(key: &[u8], value: &[u8]) -> Hash {
    let mut head = [LEAF; 5];
    head[1..].copy_from_slice(&(key.len() as u32).to_le_bytes());
    Sha256::new().chain_update(head).chain_update(key).chain_update(value).finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([NODE]).chain_update(left).chain_update(right).finalize().into()
}

/// The tree over what was added so far, as the heads of its whole subtrees, the largest first.
#[derive(Debug, Default)]
struct Tree {
    heads: Vec<Hash>,
    count: u64,
}

impl Tree {
    fn add(&mut self, mut hash: Hash) {
        // A subtree for each bit of the count: where adding carries, two of a size become one.
        for _ in 0..self.count.trailing_ones() {
            if let Some(left) = self.heads.pop() {
                hash = node(&left, &hash);
            }
        }
        self.heads.push(hash);
        self.count += 1;
    }

    fn root(&self) -> Hash {
        let mut heads = self.heads.iter().rev();
        let last = heads.next().copied();
        let root = last.map(|last| heads.fold(last, |right, left| node(left, &right)));
        root.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// Whose records a leaf is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Of {
    pub lane: usize,
    pub feed: usize,
    pub slice: u32,
    /// 0 is the normal mode, above it the number of the mode's region as `set_modes` gave it, from 1.
    pub mode: u32,
}

pub struct Leaf {
    pub of: Of,
    /// Of keys and values.
    pub size: u64,
    /// Delivered values by class; what is null is no value.
    pub values: [u64; CLASSES],
    /// A tag and a digest each.
    pub entries: Vec<u8>,
    tree: Tree,
}

impl Leaf {
    fn new(of: Of) -> Self {
        Self { of, size: 0, values: [0; CLASSES], entries: Vec::new(), tree: Tree::default() }
    }

    #[must_use]
    pub const fn count(&self) -> u64 {
        self.tree.count
    }

    #[must_use]
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Adds a record, but for its values.
    fn add(&mut self, tag: Tag, key: &[u8], value: &[u8]) {
        let digest = digest(key, value);
        self.entries.extend_from_slice(&tag);
        self.entries.extend_from_slice(&digest);
        self.size += (key.len() + value.len()) as u64;
        self.tree.add(digest);
    }
}

/// The leaves of the open transaction.
#[derive(Default)]
pub struct Leaves {
    all: Vec<Leaf>,
    /// The leaf of each that is not full.
    open: HashMap<Of, usize>,
    /// The one that was asked for last: records come in runs.
    last: Option<(Of, usize)>,
}

impl Leaves {
    /// Adds a delivered record, and gives the counts to which its values are to be added.
    pub fn add(&mut self, of: Of, tag: Tag, key: &[u8], value: &[u8]) -> &mut [u64; CLASSES] {
        let number = match self.last {
            Some((last, number)) if last == of => number,
            _ => *self.open.entry(of).or_insert(self.all.len()),
        };
        if number == self.all.len() {
            self.all.push(Leaf::new(of));
        }
        self.last = Some((of, number));
        let leaf = &mut self.all[number];
        leaf.add(tag, key, value);
        if leaf.count() == MOST_ENTRIES {
            self.open.remove(&of);
            self.last = None;
        }
        &mut leaf.values
    }

    #[must_use]
    pub fn all(&self) -> &[Leaf] {
        &self.all
    }

    pub fn clear(&mut self) {
        self.all.clear();
        self.open.clear();
        self.last = None;
    }
}

#[cfg(test)]
mod tests;
