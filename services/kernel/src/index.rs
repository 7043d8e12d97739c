//! Finding the feeds whose condition can hold, by what a record's attributes are.
//!
//! A condition that demands `field == constant`, `field in [constants]` or `field.startsWith(constant)` is looked up by
//! the record's value, so that five thousand such feeds cost about as much as one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::expression::{Comparison, Constant, Expr, TextTest};
use crate::path::{Fields, Kind, Path, long_at, span_at};
use crate::schema::Schema;

type FeedIds = Vec<usize>;
type Hashing = BuildHasherDefault<Quick>;

/// A hash in a few instructions. It need not withstand anyone: what is stored comes from the catalogue, and what a
/// record brings is only looked up.
#[derive(Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write_i64(&mut self, word: i64) {
        self.write_u64(word as u64);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// One attribute by which feeds are found.
#[derive(Debug)]
struct Attribute {
    path: Path,
    texts: HashMap<Vec<u8>, FeedIds, Hashing>,
    numbers: HashMap<i64, FeedIds, Hashing>,
    /// By the length of the prefix.
    prefixes: BTreeMap<usize, HashMap<Vec<u8>, FeedIds, Hashing>>,
}

/// The feeds of a group, by what their first condition demands. Every feed is in exactly one place.
#[derive(Debug, Default)]
pub struct Index {
    /// Those whose condition demands nothing that can be looked up.
    always: FeedIds,
    attributes: Vec<Attribute>,
}

/// What a condition demands of one field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Demand {
    Texts(Vec<Vec<u8>>),
    Numbers(Vec<i64>),
    Prefix(Vec<u8>),
}

impl Index {
    /// Sorts the feeds in. Where a condition demands several things, the attribute decides that tells most feeds apart.
    #[must_use]
    pub fn build<'a>(feeds: impl Iterator<Item = (usize, Option<&'a Expr>)>) -> Self {
        let mut index = Self::default();
        let demanding: Vec<(usize, Vec<(Path, Demand)>)> =
            feeds.map(|(feed, condition)| (feed, condition.map(demands).unwrap_or_default())).collect();
        let mut values: HashMap<&Path, HashSet<&Demand>> = HashMap::new();
        for (path, demand) in demanding.iter().flat_map(|(_, demands)| demands) {
            values.entry(path).or_default().insert(demand);
        }
        for (feed, demands) in &demanding {
            let best = demands.iter().max_by_key(|(path, _)| values.get(path).map_or(0, HashSet::len));
            match best {
                None => index.always.push(*feed),
                Some((path, demand)) => index.attribute(path).add(*feed, demand),
            }
        }
        index
    }

    fn attribute(&mut self, path: &Path) -> &mut Attribute {
        let known = self.attributes.iter().position(|attribute| attribute.path == *path);
        let at = known.unwrap_or(self.attributes.len());
        if known.is_none() {
            let (texts, numbers, prefixes) = (HashMap::default(), HashMap::default(), BTreeMap::new());
            self.attributes.push(Attribute { path: path.clone(), texts, numbers, prefixes });
        }
        &mut self.attributes[at]
    }

    /// Calls `visit` once with each feed whose condition can hold for the record.
    pub fn visit(&self, schema: &Schema, fields: &Fields<'_>, mut visit: impl FnMut(usize)) {
        self.always.iter().for_each(|feed| visit(*feed));
        for attribute in &self.attributes {
            // A null field equals no constant and starts with none.
            if let Some(position) = attribute.path.find(schema, fields) {
                attribute.visit(fields.body, position, &mut visit);
            }
        }
    }
}

impl Attribute {
    fn add(&mut self, feed: usize, demand: &Demand) {
        match demand {
            Demand::Texts(texts) => {
                for text in texts {
                    self.texts.entry(text.clone()).or_default().push(feed);
                }
            }
            Demand::Numbers(numbers) => {
                for number in numbers {
                    self.numbers.entry(*number).or_default().push(feed);
                }
            }
            Demand::Prefix(prefix) => {
                let of_length = self.prefixes.entry(prefix.len()).or_default();
                of_length.entry(prefix.clone()).or_default().push(feed);
            }
        }
    }

    fn visit(&self, body: &[u8], position: usize, visit: &mut impl FnMut(usize)) {
        if !self.numbers.is_empty() {
            let found = self.numbers.get(&long_at(body, position));
            found.into_iter().flatten().for_each(|feed| visit(*feed));
        }
        if !self.texts.is_empty() || !self.prefixes.is_empty() {
            let text = span_at(body, position);
            self.texts.get(text).into_iter().flatten().for_each(|feed| visit(*feed));
            for (length, prefixes) in &self.prefixes {
                let Some(prefix) = text.get(..*length) else { break };
                prefixes.get(prefix).into_iter().flatten().for_each(|feed| visit(*feed));
            }
        }
    }
}

/// What a condition demands, each of which alone must hold for the whole to hold.
fn demands(condition: &Expr) -> Vec<(Path, Demand)> {
    match condition {
        Expr::And(operands) => operands.iter().flat_map(demands).collect(),
        Expr::Compare(Comparison::Equal, operands) => match &**operands {
            [Expr::Field(path, kind), Expr::Constant(constant)]
            | [Expr::Constant(constant), Expr::Field(path, kind)] => {
                one_of(*kind, std::slice::from_ref(constant))
                    .map(|demand| (path.clone(), demand))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        },
        Expr::In(operand, constants) => match &**operand {
            Expr::Field(path, kind) => {
                one_of(*kind, constants).map(|demand| (path.clone(), demand)).into_iter().collect()
            }
            _ => Vec::new(),
        },
        Expr::Text(TextTest::StartsWith, operands) => match &**operands {
            [Expr::Field(path, Kind::Text), Expr::Constant(Constant::Text(prefix))] => {
                vec![(path.clone(), Demand::Prefix(prefix.clone()))]
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// A demand for one of these constants, if all of them are of the field's kind. Each value is named once.
fn one_of(kind: Kind, constants: &[Constant]) -> Option<Demand> {
    match kind {
        Kind::Text => {
            let texts: Option<HashSet<Vec<u8>>> = constants
                .iter()
                .map(|constant| if let Constant::Text(text) = constant { Some(text.clone()) } else { None })
                .collect();
            texts.map(|texts| Demand::Texts(texts.into_iter().collect()))
        }
        Kind::Integer => {
            let numbers: Option<HashSet<i64>> = constants
                .iter()
                .map(|constant| if let Constant::Integer(number) = constant { Some(*number) } else { None })
                .collect();
            numbers.map(|numbers| Demand::Numbers(numbers.into_iter().collect()))
        }
        _ => None,
    }
}
