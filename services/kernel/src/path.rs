//! Where a field lies in a walked record, and what its bytes mean.

use crate::schema::{Node, NodeId, Schema};
use crate::walk::end_of;
use crate::wire::{read_long, read_span};

/// A walked record in the reader's bytes: every top-level field starts at its offset, the last offset is the end.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    pub body: &'a [u8],
    pub offsets: &'a [u32],
}

impl<'a> Fields<'a> {
    /// The bytes of top-level fields from `first` up to, not including, `end`.
    #[must_use]
    pub fn range(&self, first: usize, end: usize) -> &'a [u8] {
        &self.body[self.offsets[first] as usize..self.offsets[end] as usize]
    }

    /// The content of a top-level string field.
    #[must_use]
    pub fn text(&self, field: usize) -> &'a [u8] {
        span_at(self.body, self.offsets[field] as usize)
    }

    /// The number in a top-level int or long field.
    #[must_use]
    pub fn long(&self, field: usize) -> i64 {
        long_at(self.body, self.offsets[field] as usize)
    }
}

/// The string or bytes at a position that has been walked.
#[must_use]
pub fn span_at(body: &[u8], mut position: usize) -> &[u8] {
    read_span(body, &mut position).unwrap_or_default()
}

/// The int or long at a position that has been walked.
#[must_use]
pub fn long_at(body: &[u8], mut position: usize) -> i64 {
    read_long(body, &mut position).unwrap_or_default()
}

/// A step into a nested record: the branch of null in front of it, if any, then the field and all before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Descent {
    null_branch: Option<u8>,
    skipped: Vec<NodeId>,
}

/// The way to a field: a top-level field, then down through records that may be null.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path {
    pub field: usize,
    descents: Vec<Descent>,
    null_branch: Option<u8>,
    /// The field's own node, its union with null included.
    pub node: NodeId,
    /// The type without null.
    pub leaf: NodeId,
}

impl Path {
    pub fn compile(schema: &Schema, names: &[String]) -> Result<Self, String> {
        let place = names.join(".");
        let mut record = schema.root;
        let mut descents = Vec::new();
        let mut found: Option<(usize, NodeId)> = None;
        for name in names {
            if let Some((_, node)) = found {
                let (null_branch, inner) = schema.nullable(node);
                record = inner;
                descents.push(Descent { null_branch, skipped: Vec::new() });
            }
            let fields = schema.fields(record);
            let index = fields.iter().position(|field| field.name == *name);
            let index = index.ok_or_else(|| format!("`{place}`: the source has no field `{name}` there"))?;
            if let Some(descent) = descents.last_mut() {
                descent.skipped = fields[..index].iter().map(|field| field.node).collect();
            }
            found = Some((found.map_or(index, |(field, _)| field), fields[index].node));
        }
        let (field, node) = found.ok_or("a path is empty")?;
        let (null_branch, leaf) = schema.nullable(node);
        Ok(Self { field, descents, null_branch, node, leaf })
    }

    /// Whether the value can be null: by itself, or because a record around it can.
    #[must_use]
    pub fn nullable(&self) -> bool {
        self.null_branch.is_some() || self.descents.iter().any(|descent| descent.null_branch.is_some())
    }

    #[must_use]
    pub const fn top_level(&self) -> bool {
        self.descents.is_empty()
    }

    /// Where the value without its union starts; None where it is null.
    #[inline]
    #[must_use]
    pub fn find(&self, schema: &Schema, fields: &Fields<'_>) -> Option<usize> {
        let mut position = fields.offsets[self.field] as usize;
        for descent in &self.descents {
            position = not_null(fields.body, position, descent.null_branch)?;
            for node in &descent.skipped {
                position = end_of(schema, *node, fields.body, position);
            }
        }
        not_null(fields.body, position, self.null_branch)
    }
}

/// Past the branch of a union of null and one type: its index is 0 or 1, one byte.
#[inline]
fn not_null(body: &[u8], position: usize, null_branch: Option<u8>) -> Option<usize> {
    match null_branch {
        None => Some(position),
        Some(branch) if body.get(position).is_none_or(|byte| byte >> 1 == branch) => None,
        Some(_) => Some(position + 1),
    }
}

/// What a condition, a key or a mask can do with a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Integer,
    Float,
    Double,
    Text,
    Boolean,
}

/// The kind of a leaf, or None where it is no plain value.
#[must_use]
pub fn kind_of(schema: &Schema, leaf: NodeId) -> Option<Kind> {
    Some(match schema.nodes[leaf] {
        Node::Int | Node::Long => Kind::Integer,
        Node::Float => Kind::Float,
        Node::Double => Kind::Double,
        Node::String => Kind::Text,
        Node::Boolean => Kind::Boolean,
        _ => return None,
    })
}
