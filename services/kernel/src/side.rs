//! A side of a relation: what is kept of a source's records.

use crate::composite::{Branches, ENVELOPE, write_blank};
use crate::path::Fields;
use crate::relation_plan::SidePlan;
use crate::resolve::same_bytes;
use crate::schema::{NodeId, Schema};

#[derive(Debug)]
pub struct Side {
    /// Ranges of the source's top-level fields, from the first up to, not including, the second.
    ranges: Vec<(usize, usize)>,
    /// How the composite holds it.
    pub branches: Branches,
    /// What stands for it where there is none, and the composite allows no null.
    pub blank: Vec<u8>,
    /// Its record in the composite's schema.
    pub record: NodeId,
}

impl Side {
    /// Compiles a side that is field number `field` of the composite.
    pub fn compile(
        plan: &SidePlan,
        source: &Schema,
        composite: &Schema,
        field: usize,
    ) -> Result<Self, String> {
        let place = |error: String| format!("side {}: {error}", plan.alias);
        let known = source.fields(source.root);
        let mut indexes = Vec::with_capacity(plan.fields.len());
        for name in &plan.fields {
            let index = known.iter().position(|field| field.name == *name);
            indexes.push(index.ok_or_else(|| place(format!("the source has no field `{name}`")))?);
        }
        let ordered = indexes.windows(2).all(|pair| pair[0] < pair[1]);
        if !ordered || indexes.get(ENVELOPE - 1) != Some(&(ENVELOPE - 1)) {
            let allowed = "the eight of the envelope, then others in the order of the schema";
            return Err(place(format!("its fields are {}; allowed: {allowed}", plan.fields.join(", "))));
        }
        let (branches, record) = part_of(composite, field, &plan.alias).map_err(place)?;
        let kept = composite.fields(record);
        let same = |(field, index): (&crate::schema::Field, &usize)| {
            field.name == known[*index].name && same_bytes(source, known[*index].node, composite, field.node)
        };
        if kept.len() != indexes.len() || !kept.iter().zip(&indexes).all(same) {
            return Err(place("the composite holds other fields of it than the plan says".to_owned()));
        }
        let mut blank = Vec::new();
        write_blank(composite, record, 0, &mut blank).map_err(place)?;
        Ok(Self { ranges: ranges(&indexes), branches, blank, record })
    }

    /// Appends what is kept of a record.
    pub fn write(&self, fields: &Fields<'_>, out: &mut Vec<u8>) {
        for (first, end) in &self.ranges {
            out.extend_from_slice(fields.range(*first, *end));
        }
    }
}

/// The record called `name` in field number `field` of the composite, and how it may be missing.
pub fn part_of(composite: &Schema, field: usize, name: &str) -> Result<(Branches, NodeId), String> {
    let found = composite.fields(composite.root).get(field).filter(|found| found.name == name);
    let found = found.ok_or_else(|| format!("field {field} of the composite is not `{name}`"))?;
    let (null, record) = composite.nullable(found.node);
    Ok((null.map(|null| (null << 1, (1 - null) << 1)), record))
}

/// Neighbours as one range.
fn ranges(indexes: &[usize]) -> Vec<(usize, usize)> {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for index in indexes {
        match ranges.last_mut() {
            Some((_, end)) if *end == *index => *end += 1,
            _ => ranges.push((*index, *index + 1)),
        }
    }
    ranges
}
