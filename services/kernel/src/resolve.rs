//! Avro's schema resolution: how a writer's bytes become the bytes that the reader's schema would have had.

use std::collections::{HashMap, HashSet};

use crate::defaults::encode_default;
use crate::schema::{Field, Node, NodeId, Schema, unqualified};
use crate::walk::{MOST_BYTES, Walker};
use crate::wire::{Reason, read_long, read_span, take, write_long};

/// A writer's schema, compiled against the reader's: the walk, and the change of bytes where one is needed.
#[derive(Debug)]
pub struct Writer {
    pub schema: Schema,
    /// None where the writer's bytes are the reader's bytes already.
    change: Option<Change>,
}

#[derive(Debug)]
struct Change {
    actions: Vec<Action>,
    root: usize,
}

/// How one value of the writer is written for the reader. Numbers are indexes into the actions.
#[derive(Debug, Clone)]
enum Action {
    /// Stands for an action that is being made: a recursive type refers to itself.
    Pending,
    Copy(NodeId),
    LongToFloat,
    LongToDouble,
    FloatToDouble,
    BytesToText,
    Symbols(Vec<i64>),
    Items {
        action: usize,
        keyed: bool,
    },
    /// By the writer's branch.
    Branches(Vec<usize>),
    /// Into this branch of the reader.
    Into {
        branch: i64,
        action: usize,
    },
    Record {
        written: Vec<NodeId>,
        read: Vec<Source>,
    },
}

#[derive(Debug, Clone)]
enum Source {
    Field { index: usize, action: usize },
    Default(Vec<u8>),
}

impl Writer {
    /// Compiles; the error says what of the writer the reader cannot take, and where.
    pub fn compile(schema: Schema, reader: &Schema) -> Result<Self, String> {
        if same_bytes(&schema, schema.root, reader, reader.root) {
            return Ok(Self { schema, change: None });
        }
        let mut resolver = Resolver { writer: &schema, reader, actions: Vec::new(), made: HashMap::new() };
        let root = resolver.action(schema.root, reader.root, "the record")?;
        let change = Change { actions: resolver.actions, root };
        Ok(Self { schema, change: Some(change) })
    }

    #[must_use]
    pub const fn changes_bytes(&self) -> bool {
        self.change.is_some()
    }

    /// Appends the reader's bytes of a walked record to `out`.
    pub fn rewrite(&self, body: &[u8], position: usize, out: &mut Vec<u8>) -> Result<(), Reason> {
        if let Some(change) = &self.change {
            let mut rewriter = Rewriter {
                writer: &self.schema,
                actions: &change.actions,
                walker: Walker::trusted(body, position),
                out,
            };
            rewriter.apply(change.root)?;
        }
        Ok(())
    }
}

/// Whether both schemas encode the same values in the same bytes: an int is a long's bytes, names do not matter below
/// the fields of a record.
#[must_use]
pub fn same_bytes(writer: &Schema, written: NodeId, reader: &Schema, read: NodeId) -> bool {
    // A pair that was met before is taken as equal: were it not, the whole answer would be no already, or will be.
    fn same(
        writer: &Schema,
        w: NodeId,
        reader: &Schema,
        r: NodeId,
        met: &mut HashSet<(NodeId, NodeId)>,
    ) -> bool {
        if logical_clash(writer, w, reader, r) {
            return false;
        }
        match (&writer.nodes[w], &reader.nodes[r]) {
            (Node::Int, Node::Long) => true,
            (Node::Fixed { name, size }, Node::Fixed { name: other, size: needed }) => {
                size == needed && unqualified(name) == unqualified(other)
            }
            (Node::Enum { name, symbols, .. }, Node::Enum { name: other, symbols: known, .. }) => {
                symbols == known && unqualified(name) == unqualified(other)
            }
            (Node::Array(a), Node::Array(b)) | (Node::Map(a), Node::Map(b)) => {
                same(writer, *a, reader, *b, met)
            }
            (Node::Union(a), Node::Union(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(writer, *a, reader, *b, met))
            }
            (Node::Record { name, fields }, Node::Record { name: other, fields: wanted }) => {
                if !met.insert((w, r)) {
                    return true;
                }
                fields.len() == wanted.len()
                    && unqualified(name) == unqualified(other)
                    && fields
                        .iter()
                        .zip(wanted)
                        .all(|(a, b)| a.name == b.name && same(writer, a.node, reader, b.node, met))
            }
            (a, b) => a == b,
        }
    }
    same(writer, written, reader, read, &mut HashSet::new())
}

/// Whether both sides declare a logical type, and not the same: micros read as millis would be wrong in silence.
fn logical_clash(writer: &Schema, written: NodeId, reader: &Schema, read: NodeId) -> bool {
    matches!((&writer.logical[written], &reader.logical[read]), (Some(a), Some(b)) if a != b)
}

struct Resolver<'a> {
    writer: &'a Schema,
    reader: &'a Schema,
    actions: Vec<Action>,
    made: HashMap<(NodeId, NodeId), usize>,
}

impl Resolver<'_> {
    fn action(&mut self, written: NodeId, read: NodeId, place: &str) -> Result<usize, String> {
        if let Some(known) = self.made.get(&(written, read)) {
            return Ok(*known);
        }
        let id = self.actions.len();
        self.actions.push(Action::Pending);
        self.made.insert((written, read), id);
        self.actions[id] = self.make(written, read, place)?;
        Ok(id)
    }

    fn make(&mut self, written: NodeId, read: NodeId, place: &str) -> Result<Action, String> {
        let (writer, reader) = (self.writer, self.reader);
        if logical_clash(writer, written, reader, read) {
            let found = writer.logical[written].as_deref().unwrap_or_default();
            let allowed = reader.logical[read].as_deref().unwrap_or_default();
            return Err(format!("{place}: the writer's logical type is {found}, the reader's {allowed}"));
        }
        if same_bytes(writer, written, reader, read) {
            return Ok(Action::Copy(written));
        }
        Ok(match (&writer.nodes[written], &reader.nodes[read]) {
            (Node::Union(branches), _) => {
                let actions = branches.iter().map(|branch| self.action(*branch, read, place));
                Action::Branches(actions.collect::<Result<_, _>>()?)
            }
            (_, Node::Union(branches)) => {
                let branch = self.branch(written, branches);
                let branch = branch.ok_or_else(|| self.mismatch(written, read, place))?;
                Action::Into { branch: branch as i64, action: self.action(written, branches[branch], place)? }
            }
            (Node::Int | Node::Long, Node::Float) => Action::LongToFloat,
            (Node::Int | Node::Long, Node::Double) => Action::LongToDouble,
            (Node::Float, Node::Double) => Action::FloatToDouble,
            (Node::Bytes, Node::String) => Action::BytesToText,
            (Node::String, Node::Bytes) => Action::Copy(written),
            (Node::Enum { name, symbols, .. }, Node::Enum { name: other, symbols: known, default })
                if unqualified(name) == unqualified(other) =>
            {
                Action::Symbols(symbol_map(symbols, known, *default, place)?)
            }
            (Node::Array(a), Node::Array(b)) => {
                Action::Items { action: self.action(*a, *b, place)?, keyed: false }
            }
            (Node::Map(a), Node::Map(b)) => {
                Action::Items { action: self.action(*a, *b, place)?, keyed: true }
            }
            (Node::Record { name, fields }, Node::Record { name: other, fields: wanted })
                if unqualified(name) == unqualified(other) =>
            {
                self.record(other, fields, wanted)?
            }
            _ => return Err(self.mismatch(written, read, place)),
        })
    }

    fn record(&mut self, name: &str, fields: &[Field], wanted: &[Field]) -> Result<Action, String> {
        let mut read = Vec::with_capacity(wanted.len());
        for want in wanted {
            read.push(match fields.iter().position(|field| field.name == want.name) {
                Some(index) => {
                    let place = format!("{}.{}", unqualified(name), want.name);
                    Source::Field { index, action: self.action(fields[index].node, want.node, &place)? }
                }
                None => Source::Default(encode_default(self.reader, name, want)?),
            });
        }
        Ok(Action::Record { written: fields.iter().map(|field| field.node).collect(), read })
    }

    /// The reader's branch for a writer's type: the same type first, then the first that it can be promoted to.
    fn branch(&self, written: NodeId, branches: &[NodeId]) -> Option<usize> {
        let fits = |exact: bool| {
            branches.iter().position(|branch| {
                match (&self.writer.nodes[written], &self.reader.nodes[*branch]) {
                    (Node::Fixed { name: a, .. }, Node::Fixed { name: b, .. })
                    | (Node::Enum { name: a, .. }, Node::Enum { name: b, .. })
                    | (Node::Record { name: a, .. }, Node::Record { name: b, .. }) => {
                        unqualified(a) == unqualified(b)
                    }
                    (Node::Array(_), Node::Array(_)) | (Node::Map(_), Node::Map(_)) => true,
                    (Node::Int, Node::Long | Node::Float | Node::Double)
                    | (Node::Long, Node::Float | Node::Double)
                    | (Node::Float, Node::Double)
                    | (Node::Bytes, Node::String)
                    | (Node::String, Node::Bytes) => !exact,
                    (a, b) => a == b,
                }
            })
        };
        fits(true).or_else(|| fits(false))
    }

    fn mismatch(&self, written: NodeId, read: NodeId, place: &str) -> String {
        let (found, allowed) = (kind(&self.writer.nodes[written]), kind(&self.reader.nodes[read]));
        format!("{place}: the writer's {found} cannot be read as the reader's {allowed}")
    }
}

fn symbol_map(
    symbols: &[String],
    known: &[String],
    default: Option<usize>,
    place: &str,
) -> Result<Vec<i64>, String> {
    let index = |symbol: &String| known.iter().position(|other| other == symbol).or(default);
    symbols
        .iter()
        .map(|symbol| {
            let found = index(symbol).map(|index| index as i64);
            found.ok_or_else(|| {
                format!("{place}: the reader's enum has neither the symbol `{symbol}` nor a default")
            })
        })
        .collect()
}

fn kind(node: &Node) -> String {
    match node {
        Node::Fixed { name, size } => format!("fixed {name} of {size} bytes"),
        Node::Enum { name, .. } => format!("enum {name}"),
        Node::Record { name, .. } => format!("record {name}"),
        Node::Array(_) => "array".to_owned(),
        Node::Map(_) => "map".to_owned(),
        Node::Union(_) => "union".to_owned(),
        plain => format!("{plain:?}").to_lowercase(),
    }
}

/// Applies actions to bytes that have passed the walk of the writer's schema; defaults may still make them too large.
struct Rewriter<'a> {
    writer: &'a Schema,
    actions: &'a [Action],
    walker: Walker<'a>,
    out: &'a mut Vec<u8>,
}

impl Rewriter<'_> {
    fn apply(&mut self, action: usize) -> Result<(), Reason> {
        let actions = self.actions;
        let body = self.walker.body;
        match &actions[action] {
            Action::Pending => return Err(Reason::BadUnion),
            Action::Copy(node) => {
                let start = self.walker.position;
                self.skip(*node)?;
                self.out.extend_from_slice(&body[start..self.walker.position]);
            }
            Action::LongToFloat => {
                let number = read_long(body, &mut self.walker.position)? as f32;
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            Action::LongToDouble => {
                let number = read_long(body, &mut self.walker.position)? as f64;
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            Action::FloatToDouble => {
                let bytes = take(body, &mut self.walker.position, 4)?;
                let number = f32::from_le_bytes(bytes.try_into().map_err(|_| Reason::Truncated)?);
                self.out.extend_from_slice(&f64::from(number).to_le_bytes());
            }
            Action::BytesToText => {
                let start = self.walker.position;
                let text = read_span(body, &mut self.walker.position)?;
                std::str::from_utf8(text).map_err(|_| Reason::BadUtf8)?;
                self.out.extend_from_slice(&body[start..self.walker.position]);
            }
            Action::Symbols(map) => {
                let index = read_long(body, &mut self.walker.position)?;
                let symbol = usize::try_from(index).ok().and_then(|index| map.get(index));
                write_long(self.out, *symbol.ok_or(Reason::BadEnum)?);
            }
            Action::Items { action, keyed } => return self.items(*action, *keyed),
            Action::Branches(branches) => {
                let branch = read_long(body, &mut self.walker.position)?;
                let action = usize::try_from(branch).ok().and_then(|branch| branches.get(branch));
                return self.apply(*action.ok_or(Reason::BadUnion)?);
            }
            Action::Into { branch, action } => {
                write_long(self.out, *branch);
                return self.apply(*action);
            }
            Action::Record { written, read } => return self.record(written, read),
        }
        self.within_size()
    }

    fn within_size(&self) -> Result<(), Reason> {
        if self.out.len() > MOST_BYTES { Err(Reason::TooLarge) } else { Ok(()) }
    }

    fn skip(&mut self, node: NodeId) -> Result<(), Reason> {
        // The walk has counted the depth already: this value lies no deeper than it did then.
        self.walker.value(self.writer, node, 0)
    }

    fn items(&mut self, action: usize, keyed: bool) -> Result<(), Reason> {
        let body = self.walker.body;
        while let Some((count, _)) = self.walker.block()? {
            write_long(self.out, count as i64);
            for _ in 0..count {
                if keyed {
                    let start = self.walker.position;
                    read_span(body, &mut self.walker.position)?;
                    self.out.extend_from_slice(&body[start..self.walker.position]);
                }
                self.apply(action)?;
                self.within_size()?;
            }
        }
        self.out.push(0);
        self.within_size()
    }

    /// The writer's fields are found first, because the reader may want them in another order.
    fn record(&mut self, written: &[NodeId], read: &[Source]) -> Result<(), Reason> {
        let mut starts = Vec::with_capacity(written.len());
        for node in written {
            starts.push(self.walker.position);
            self.skip(*node)?;
        }
        let end = self.walker.position;
        for source in read {
            match source {
                Source::Default(bytes) => self.out.extend_from_slice(bytes),
                Source::Field { index, action } => {
                    self.walker.position = starts[*index];
                    self.apply(*action)?;
                }
            }
            self.within_size()?;
        }
        self.walker.position = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
