//! Defaults of a reader's fields, encoded once when a schema is compiled.

use serde_json::{Map, Value};

use crate::schema::{Field, Node, NodeId, Schema, unqualified};
use crate::walk::MOST_DEPTH;
use crate::wire::{write_long, write_span};

/// The Avro bytes of a field's default.
pub fn encode_default(schema: &Schema, record: &str, field: &Field) -> Result<Vec<u8>, String> {
    let place = format!("{}.{}", unqualified(record), field.name);
    let Some(value) = &field.default else {
        return Err(format!("{place}: the writer does not have the field, and it has no default"));
    };
    let mut out = Vec::new();
    encode(schema, field.node, value, &mut out, 0)
        .map_err(|found| format!("{place}: the default does not fit its type: {found}"))?;
    Ok(out)
}

fn encode(schema: &Schema, node: NodeId, value: &Value, out: &mut Vec<u8>, depth: u32) -> Result<(), String> {
    if depth > MOST_DEPTH {
        return Err("it contains itself".to_owned());
    }
    match (&schema.nodes[node], value) {
        (Node::Array(item), Value::Array(values)) => {
            if !values.is_empty() {
                write_long(out, values.len() as i64);
            }
            for value in values {
                encode(schema, *item, value, out, depth + 1)?;
            }
            out.push(0);
            Ok(())
        }
        (Node::Map(inner), Value::Object(entries)) => {
            if !entries.is_empty() {
                write_long(out, entries.len() as i64);
            }
            for (key, value) in entries {
                write_span(out, key.as_bytes());
                encode(schema, *inner, value, out, depth + 1)?;
            }
            out.push(0);
            Ok(())
        }
        (Node::Union(branches), value) => encode_branch(schema, branches, value, out, depth),
        (Node::Record { fields, .. }, Value::Object(entries)) => {
            encode_record(schema, fields, entries, out, depth)
        }
        (plain, value) => encode_plain(plain, value, out),
    }
}

fn encode_plain(node: &Node, value: &Value, out: &mut Vec<u8>) -> Result<(), String> {
    match (node, value) {
        (Node::Null, Value::Null) => {}
        (Node::Boolean, Value::Bool(flag)) => out.push(u8::from(*flag)),
        (Node::Int | Node::Long, Value::Number(number)) => {
            let fits = |number: &i64| matches!(node, Node::Long) || i32::try_from(*number).is_ok();
            let whole = number.as_i64().filter(fits);
            write_long(out, whole.ok_or_else(|| format!("{number} is no such integer"))?);
        }
        (Node::Float, Value::Number(number)) => {
            out.extend_from_slice(&(number.as_f64().unwrap_or(f64::NAN) as f32).to_le_bytes());
        }
        (Node::Double, Value::Number(number)) => {
            out.extend_from_slice(&number.as_f64().unwrap_or(f64::NAN).to_le_bytes());
        }
        (Node::String, Value::String(text)) => write_span(out, text.as_bytes()),
        (Node::Bytes, Value::String(text)) => write_span(out, &latin1(text)?),
        (Node::Fixed { size, .. }, Value::String(text)) => {
            let bytes = latin1(text)?;
            if bytes.len() as u64 != *size {
                return Err(format!("{} bytes instead of {size}", bytes.len()));
            }
            out.extend_from_slice(&bytes);
        }
        (Node::Enum { symbols, .. }, Value::String(text)) => {
            let index = symbols.iter().position(|symbol| symbol == text);
            write_long(out, index.ok_or_else(|| format!("`{text}` is not one of the symbols"))? as i64);
        }
        (node, value) => return Err(format!("{value} is no {node:?}")),
    }
    Ok(())
}

fn encode_branch(
    schema: &Schema,
    branches: &[NodeId],
    value: &Value,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), String> {
    for (index, branch) in branches.iter().enumerate() {
        let mut attempt = Vec::new();
        write_long(&mut attempt, index as i64);
        if encode(schema, *branch, value, &mut attempt, depth + 1).is_ok() {
            out.append(&mut attempt);
            return Ok(());
        }
    }
    Err(format!("{value} fits no branch of the union"))
}

fn encode_record(
    schema: &Schema,
    fields: &[Field],
    entries: &Map<String, Value>,
    out: &mut Vec<u8>,
    depth: u32,
) -> Result<(), String> {
    for field in fields {
        let value = entries.get(&field.name).or(field.default.as_ref());
        let value = value.ok_or_else(|| format!("the field `{}` is missing", field.name))?;
        encode(schema, field.node, value, out, depth + 1)?;
    }
    Ok(())
}

/// Avro writes bytes in JSON as characters of the code points 0 to 255.
fn latin1(text: &str) -> Result<Vec<u8>, String> {
    text.chars()
        .map(|character| u8::try_from(character as u32).map_err(|_| format!("`{character}` is no byte")))
        .collect()
}
