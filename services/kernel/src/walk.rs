//! The walk: every record is read once, within limits, before anything else looks at it.

use crate::schema::{Node, NodeId, Schema, Shape};
use crate::wire::{Reason, read_int, read_long, read_span, take};

/// The largest record, its five leading bytes included.
pub const MOST_BYTES: usize = 1 << 20;
/// The deepest nesting of records, arrays and maps, the record itself included.
pub const MOST_DEPTH: u32 = 64;
/// The elements of all arrays and maps of a record together.
pub const MOST_ELEMENTS: u64 = 65_536;
/// The fields of all records of a record together. Fields may take no bytes at all (null, or a record of nulls), so
/// neither the record's size nor its elements bound the work of a schema that nests such fields by the thousand.
const MOST_FIELDS: u64 = 1 << 21;

/// Reads one value after the other from hostile bytes: no count or length is believed before it is checked.
pub struct Walker<'a> {
    pub body: &'a [u8],
    pub position: usize,
    elements_left: u64,
    fields_left: u64,
}

impl<'a> Walker<'a> {
    #[must_use]
    pub fn new(body: &'a [u8], position: usize) -> Self {
        Self { body, position, elements_left: MOST_ELEMENTS, fields_left: MOST_FIELDS }
    }

    /// For bytes that were walked before, which alone keep the work bounded.
    #[must_use]
    pub fn trusted(body: &'a [u8], position: usize) -> Self {
        Self { body, position, elements_left: u64::MAX, fields_left: u64::MAX }
    }

    /// Walks the root record up to the end of the bytes. Afterwards `offsets` holds the start of every field, and last
    /// the end. Where it fails, the field that it failed in is the last of `offsets`.
    pub fn record(&mut self, schema: &Schema, offsets: &mut Vec<u32>) -> Result<(), Reason> {
        offsets.resize(schema.shapes.len() + 1, 0);
        let mut position = self.position;
        for (index, (shape, offset)) in schema.shapes.iter().zip(offsets.iter_mut()).enumerate() {
            *offset = position as u32;
            if let Err(reason) = self.field(schema, *shape, &mut position) {
                offsets.truncate(index + 1);
                return Err(reason);
            }
        }
        offsets[schema.shapes.len()] = position as u32;
        self.position = position;
        if position < self.body.len() { Err(Reason::TrailingBytes) } else { Ok(()) }
    }

    /// Walks a top-level field. The position is the caller's own, so that it can stay in a register.
    #[inline(always)]
    fn field(&mut self, schema: &Schema, shape: Shape, position: &mut usize) -> Result<(), Reason> {
        match shape {
            Shape::Text => check_utf8(read_span(self.body, position)?),
            Shape::Long => read_long(self.body, position).map(drop),
            Shape::MaybeText(null) => {
                if self.is_null(null, position)? {
                    return Ok(());
                }
                check_utf8(read_span(self.body, position)?)
            }
            Shape::MaybeLong(null) => {
                if self.is_null(null, position)? {
                    return Ok(());
                }
                read_long(self.body, position).map(drop)
            }
            Shape::Other(node) => {
                self.position = *position;
                let walked = self.value(schema, node, 1);
                *position = self.position;
                walked
            }
        }
    }

    /// Reads the branch of a union of null and one type: a single byte, 0 or 2.
    #[inline(always)]
    fn is_null(&self, null: u8, position: &mut usize) -> Result<bool, Reason> {
        let branch = read_long(self.body, position)?;
        if matches!(branch, 0 | 1) { Ok(branch << 1 == i64::from(null)) } else { Err(Reason::BadUnion) }
    }

    /// Walks one value; `depth` counts the records, arrays and maps around it.
    #[inline]
    pub fn value(&mut self, schema: &Schema, node: NodeId, depth: u32) -> Result<(), Reason> {
        let mut node = node;
        if let Node::Union(branches) = &schema.nodes[node] {
            let branch = read_long(self.body, &mut self.position)?;
            let chosen = usize::try_from(branch).ok().and_then(|branch| branches.get(branch));
            node = *chosen.ok_or(Reason::BadUnion)?;
        }
        match &schema.nodes[node] {
            Node::String => {
                let text = read_span(self.body, &mut self.position)?;
                check_utf8(text)
            }
            Node::Long => read_long(self.body, &mut self.position).map(drop),
            Node::Null => Ok(()),
            Node::Int => read_int(self.body, &mut self.position).map(drop),
            _ => self.other(schema, node, depth),
        }
    }

    /// Walks a value of one of the less frequent types. A union holds no union, so none comes here.
    fn other(&mut self, schema: &Schema, node: NodeId, depth: u32) -> Result<(), Reason> {
        match &schema.nodes[node] {
            Node::Boolean => match take(self.body, &mut self.position, 1)? {
                [0 | 1] => Ok(()),
                _ => Err(Reason::BadBoolean),
            },
            Node::Double => take(self.body, &mut self.position, 8).map(drop),
            Node::Float => take(self.body, &mut self.position, 4).map(drop),
            Node::Bytes => read_span(self.body, &mut self.position).map(drop),
            Node::Fixed { size, .. } => take(self.body, &mut self.position, *size).map(drop),
            Node::Enum { symbols, .. } => {
                let index = read_int(self.body, &mut self.position)?;
                let known = usize::try_from(index).is_ok_and(|index| index < symbols.len());
                if known { Ok(()) } else { Err(Reason::BadEnum) }
            }
            Node::Record { .. } => self.nested(schema, node, deeper(depth)?),
            Node::Array(item) => self.blocks(schema, *item, false, deeper(depth)?),
            Node::Map(value) => self.blocks(schema, *value, true, deeper(depth)?),
            Node::String | Node::Long | Node::Int | Node::Null | Node::Union(_) => Err(Reason::BadUnion),
        }
    }

    fn nested(&mut self, schema: &Schema, record: NodeId, depth: u32) -> Result<(), Reason> {
        let fields = schema.fields(record);
        self.fields_left =
            self.fields_left.checked_sub(fields.len() as u64).ok_or(Reason::TooManyElements)?;
        for field in fields {
            self.value(schema, field.node, depth)?;
        }
        Ok(())
    }

    fn blocks(&mut self, schema: &Schema, item: NodeId, keyed: bool, depth: u32) -> Result<(), Reason> {
        while let Some((count, end)) = self.block()? {
            for _ in 0..count {
                if keyed {
                    let key = read_span(self.body, &mut self.position)?;
                    check_utf8(key)?;
                }
                self.value(schema, item, depth)?;
            }
            if end.is_some_and(|end| end != self.position) {
                return Err(Reason::Truncated);
            }
        }
        Ok(())
    }

    /// The count of the next block, and where it says that it ends, if it does; None after the last. The count is
    /// taken off the budget before anyone loops over it.
    pub fn block(&mut self) -> Result<Option<(u64, Option<usize>)>, Reason> {
        let count = read_long(self.body, &mut self.position)?;
        if count == 0 {
            return Ok(None);
        }
        self.elements_left =
            self.elements_left.checked_sub(count.unsigned_abs()).ok_or(Reason::TooManyElements)?;
        if count > 0 {
            return Ok(Some((count as u64, None)));
        }
        let size = read_long(self.body, &mut self.position)?;
        let size = usize::try_from(size).map_err(|_| Reason::NegativeLength)?;
        let end = self.position.checked_add(size).filter(|end| *end <= self.body.len());
        Ok(Some((count.unsigned_abs(), Some(end.ok_or(Reason::Truncated)?))))
    }
}

/// Most texts are ASCII, which is faster to see than UTF-8.
#[inline(always)]
fn check_utf8(text: &[u8]) -> Result<(), Reason> {
    if text.is_ascii() || std::str::from_utf8(text).is_ok() { Ok(()) } else { Err(Reason::BadUtf8) }
}

fn deeper(depth: u32) -> Result<u32, Reason> {
    if depth >= MOST_DEPTH { Err(Reason::TooDeep) } else { Ok(depth + 1) }
}

/// The end of the value that starts at `position` of a record that has been walked.
#[must_use]
pub fn end_of(schema: &Schema, node: NodeId, body: &[u8], position: usize) -> usize {
    let mut end = position;
    let walked = match &schema.nodes[node] {
        Node::String | Node::Bytes => read_span(body, &mut end).map(drop),
        Node::Int | Node::Long => read_long(body, &mut end).map(drop),
        _ => {
            let mut walker = Walker::trusted(body, position);
            let result = walker.value(schema, node, 0);
            end = walker.position;
            result
        }
    };
    // A value that was walked cannot fail; were it to, an empty range copies nothing.
    if walked.is_ok() { end } else { position }
}

#[cfg(test)]
pub mod tests;
