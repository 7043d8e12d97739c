//! A projection: from a walked record to the delivered one, by copying ranges and writing masked values.

use serde_json::{Value, json};

use crate::check::{REGION, STATUS, check_envelope};
use crate::leaf::CLASSES;
use crate::mask::Mask;
use crate::path::{Fields, Path, kind_of};
use crate::plan::SelectedPlan;
use crate::resolve::same_bytes;
use crate::schema::{Node, NodeId, Schema};
use crate::token::PeriodKey;
use crate::walk::end_of;

/// The branches of a union of null and one type in the output, each one byte; None where the output is no union.
type Wrap = Option<(u8, u8)>;

#[derive(Debug)]
enum Part {
    Constant(Vec<u8>),
    /// Top-level fields from the first up to, not including, the second.
    Range(usize, usize),
    Plain {
        path: Path,
        wrap: Wrap,
    },
    Masked {
        path: Path,
        mask: Mask,
        wrap: Wrap,
    },
}

#[derive(Debug)]
pub struct Projection {
    parts: Vec<Part>,
    output: Schema,
    /// The classes of the fields that are never null, as often as there are such fields.
    always: [u64; CLASSES],
    /// Those that may be, with what stands for null.
    sometimes: Vec<Nullable>,
    pub needs_key: bool,
}

#[derive(Debug)]
struct Nullable {
    field: usize,
    class: usize,
    null: u8,
}

impl Projection {
    /// Compiles, and checks that what will be written is of the types that the plan says.
    pub fn compile(source: &Schema, select: &[SelectedPlan]) -> Result<Self, String> {
        let fields: Vec<Value> =
            select.iter().map(|field| json!({"name": field.name, "type": field.avro})).collect();
        let output = Schema::parse(&json!({"type": "record", "name": "Delivered", "fields": fields}))?;
        let (always, sometimes) = classes(select, &output)?;
        let mut projection = Self { parts: Vec::new(), output, always, sometimes, needs_key: false };
        for (index, selected) in select.iter().enumerate() {
            let output = &projection.output;
            let field = &output.fields(output.root)[index];
            let path = Path::compile(source, &selected.path)?;
            let part = match &selected.mask {
                None => plain(source, path, output, field.node),
                Some(mask) if mask.kind == "null" => null(output, field.node),
                Some(plan) => {
                    let is_int = matches!(source.nodes[path.leaf], Node::Int);
                    let logical = source.logical[path.leaf].as_deref();
                    Mask::compile(plan, kind_of(source, path.leaf), logical, is_int)
                        .and_then(|mask| masked(source, path, mask, output, field.node))
                }
            };
            projection.add(part.map_err(|found| format!("field `{}`: {found}", selected.name))?);
        }
        Ok(projection)
    }

    /// Adds a part; neighbours that one copy can do become one.
    fn add(&mut self, part: Part) {
        self.needs_key |= matches!(&part, Part::Masked { mask, .. } if mask.needs_key());
        match (self.parts.last_mut(), part) {
            (Some(Part::Range(_, end)), Part::Range(first, new_end)) if *end == first => *end = new_end,
            (Some(Part::Constant(bytes)), Part::Constant(more)) => bytes.extend_from_slice(&more),
            (_, part) => self.parts.push(part),
        }
    }

    /// Refuses a record that does not begin as every event does, down to the region.
    pub fn check_envelope(&self) -> Result<(), String> {
        check_envelope(&self.output).map_err(|error| format!("what is delivered is no event: {error}"))
    }

    /// Whether both deliver the same fields, of the same types.
    #[must_use]
    pub fn is_alike(&self, other: &Self) -> bool {
        let names = |one: &Self| -> Vec<String> {
            one.output.fields(one.output.root).iter().map(|field| field.name.clone()).collect()
        };
        names(self) == names(other)
            && same_bytes(&self.output, self.output.root, &other.output, other.output.root)
    }

    /// The types of what is delivered from the region on, for a fingerprint.
    pub fn tail_types(select: &[SelectedPlan]) -> impl Iterator<Item = String> {
        select.iter().skip(REGION).map(|field| format!("{} {}", field.name, field.avro))
    }

    /// Where in a delivered event the status begins and ends, and where the region begins.
    #[must_use]
    pub fn tail(&self, payload: &[u8]) -> (usize, usize, usize) {
        let fields = self.output.fields(self.output.root);
        let mut starts = [0; REGION + 1];
        for index in 0..REGION {
            starts[index + 1] = end_of(&self.output, fields[index].node, payload, starts[index]);
        }
        (starts[STATUS], starts[STATUS + 1], starts[REGION])
    }

    /// Adds to the counts by class the values of a delivered record; what is null is none.
    pub fn count(&self, payload: &[u8], counts: &mut [u64; CLASSES]) {
        for (count, more) in counts.iter_mut().zip(&self.always) {
            *count += more;
        }
        let fields = self.output.fields(self.output.root);
        let (mut index, mut position) = (0, 0);
        for nullable in &self.sometimes {
            for field in &fields[index..nullable.field] {
                position = end_of(&self.output, field.node, payload, position);
            }
            index = nullable.field;
            if payload.get(position).is_some_and(|branch| *branch != nullable.null) {
                counts[nullable.class] += 1;
            }
        }
    }

    /// Appends the delivered record.
    pub fn write(&self, source: &Schema, fields: &Fields<'_>, key: Option<&PeriodKey>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Constant(bytes) => out.extend_from_slice(bytes),
                Part::Range(first, end) => out.extend_from_slice(fields.range(*first, *end)),
                Part::Plain { path, wrap } => {
                    if let Some(start) = open(source, path, *wrap, fields, out) {
                        let end = end_of(source, path.leaf, fields.body, start);
                        out.extend_from_slice(&fields.body[start..end]);
                    }
                }
                Part::Masked { path, mask, wrap } => {
                    if let Some(start) = open(source, path, *wrap, fields, out) {
                        mask.write(fields.body, start, key, out);
                    }
                }
            }
        }
    }
}

/// The classes of the fields that are never null, and those that may be.
fn classes(select: &[SelectedPlan], output: &Schema) -> Result<([u64; CLASSES], Vec<Nullable>), String> {
    let (mut always, mut sometimes) = ([0; CLASSES], Vec::new());
    for (field, selected) in select.iter().enumerate() {
        let class = usize::from(selected.class);
        let count = always.get_mut(class).ok_or_else(|| {
            format!("field `{}`: its class is {class}; allowed: 1 to 4, or 0 for the envelope", selected.name)
        })?;
        match output.nullable(output.fields(output.root)[field].node).0 {
            // What a mask makes null is no value of any record, and need not be looked for.
            Some(_) if selected.mask.as_ref().is_some_and(|mask| mask.kind == "null") => {}
            Some(null) => sometimes.push(Nullable { field, class, null: null << 1 }),
            None => *count += 1,
        }
    }
    Ok((always, sometimes))
}

/// Writes the branch, and gives the place of the value unless it is null.
fn open(source: &Schema, path: &Path, wrap: Wrap, fields: &Fields<'_>, out: &mut Vec<u8>) -> Option<usize> {
    let found = path.find(source, fields);
    if let Some((null, value)) = wrap {
        out.push(if found.is_some() { value } else { null });
    }
    found
}

/// A branch's index as Avro writes it: 0 or 1.
fn wrap_of(null_branch: Option<u8>) -> Wrap {
    null_branch.map(|null| (null << 1, (1 - null) << 1))
}

fn plain(source: &Schema, path: Path, output: &Schema, node: NodeId) -> Result<Part, String> {
    if path.top_level() && same_bytes(source, path.node, output, node) {
        return Ok(Part::Range(path.field, path.field + 1));
    }
    let (null_branch, leaf) = output.nullable(node);
    check_null(&path, null_branch)?;
    if !same_bytes(source, path.leaf, output, leaf) {
        return Err("its type in the output is not its type in the source".to_owned());
    }
    Ok(Part::Plain { path, wrap: wrap_of(null_branch) })
}

fn null(output: &Schema, node: NodeId) -> Result<Part, String> {
    let (null_branch, _) = output.nullable(node);
    let (null, _) = wrap_of(null_branch).ok_or("a field that is always null has a type that allows null")?;
    Ok(Part::Constant(vec![null]))
}

fn masked(source: &Schema, path: Path, mask: Mask, output: &Schema, node: NodeId) -> Result<Part, String> {
    let (null_branch, leaf) = output.nullable(node);
    check_null(&path, null_branch)?;
    let fits = if mask.makes_text() {
        matches!(output.nodes[leaf], Node::String)
    } else {
        same_bytes(source, path.leaf, output, leaf)
    };
    if !fits {
        return Err("its type in the output is not what the mask makes".to_owned());
    }
    Ok(Part::Masked { path, mask, wrap: wrap_of(null_branch) })
}

fn check_null(path: &Path, null_branch: Option<u8>) -> Result<(), String> {
    if path.nullable() && null_branch.is_none() {
        return Err("it can be null in the source, and its type in the output allows no null".to_owned());
    }
    Ok(())
}
