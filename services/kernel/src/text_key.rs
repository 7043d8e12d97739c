//! The key of an event: the text of some of its fields, joined by `|`, with `\` and `|` escaped by `\`.

use crate::path::Fields;
use crate::schema::{Node, Schema};

/// The top-level fields that make a key.
#[derive(Debug)]
pub struct TextKey {
    /// Each with whether it is a text (else a number).
    fields: Vec<(usize, bool)>,
}

impl TextKey {
    pub fn compile(schema: &Schema, names: &[String]) -> Result<Self, String> {
        let fields = schema.fields(schema.root);
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let index = fields.iter().position(|field| field.name == *name);
            let index = index.ok_or_else(|| format!("the key field `{name}` is not in the schema"))?;
            match schema.nodes[fields[index].node] {
                Node::String => found.push((index, true)),
                Node::Int | Node::Long => found.push((index, false)),
                _ => return Err(format!("the key field `{name}` is neither a string nor an integer")),
            }
        }
        if found.is_empty() {
            return Err("the source has no key".to_owned());
        }
        Ok(Self { fields: found })
    }

    /// Whether records with one key of this kind have one of the other kind too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.fields.iter().all(|field| self.fields.contains(field))
    }

    /// Appends the key of a record.
    pub fn write(&self, fields: &Fields<'_>, out: &mut Vec<u8>) {
        for (index, (field, is_text)) in self.fields.iter().enumerate() {
            if index > 0 {
                out.push(b'|');
            }
            if *is_text {
                write_escaped(fields.text(*field), out);
            } else {
                write_number(fields.long(*field), out);
            }
        }
    }

    /// Whether `key` is the key of the record.
    #[must_use]
    pub fn is(&self, key: &[u8], fields: &Fields<'_>) -> bool {
        let mut rest = key;
        for (index, (field, is_text)) in self.fields.iter().enumerate() {
            if index > 0 {
                match rest.split_first() {
                    Some((b'|', after)) => rest = after,
                    _ => return false,
                }
            }
            let after = if *is_text {
                strip_escaped(rest, fields.text(*field))
            } else {
                rest.strip_prefix(fields.long(*field).to_string().as_bytes())
            };
            match after {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

fn write_escaped(text: &[u8], out: &mut Vec<u8>) {
    if !text.iter().any(|byte| matches!(byte, b'\\' | b'|')) {
        out.extend_from_slice(text);
        return;
    }
    for byte in text {
        if matches!(byte, b'\\' | b'|') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
}

/// In decimal, without a text of its own.
fn write_number(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// What follows in `key` after the escaped `value`, or None where the key does not start with it.
fn strip_escaped<'a>(key: &'a [u8], value: &[u8]) -> Option<&'a [u8]> {
    if !value.iter().any(|byte| matches!(byte, b'\\' | b'|')) {
        return key.strip_prefix(value);
    }
    let mut rest = key;
    for byte in value {
        if matches!(byte, b'\\' | b'|') {
            rest = rest.strip_prefix(b"\\")?;
        }
        rest = rest.strip_prefix(std::slice::from_ref(byte))?;
    }
    Some(rest)
}
