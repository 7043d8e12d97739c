//! Conditions, evaluated on encoded bytes with three outcomes: true, false, undecided.

use std::cmp::Ordering;

use crate::mask::bytes_at;
use crate::path::{Fields, Kind, Path, long_at, span_at};
use crate::schema::Schema;

/// What an expression has as its value for one record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Null,
    /// An operand was null, a number ran over, or a divisor was zero.
    Undecided,
    Integer(i64),
    Double(f64),
    Text(&'a [u8]),
    Boolean(bool),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Constant {
    Null,
    Integer(i64),
    Double(f64),
    Text(Vec<u8>),
    Boolean(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

#[derive(Debug)]
pub enum Expr {
    Constant(Constant),
    Field(Path, Kind),
    In(Box<Expr>, Vec<Constant>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Size(Box<Expr>),
    Absolute(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare(Comparison, Box<[Expr; 2]>),
    Arithmetic(Arithmetic, Box<[Expr; 2]>),
    Text(TextTest, Box<[Expr; 2]>),
    Choose(Box<[Expr; 3]>),
}

impl Expr {
    /// Whether the condition holds: undecided does not.
    #[inline]
    pub fn holds(&self, schema: &Schema, fields: &Fields<'_>) -> bool {
        self.decide(schema, fields) == Some(true)
    }

    /// The outcome of a condition; None is undecided.
    fn decide(&self, schema: &Schema, fields: &Fields<'_>) -> Option<bool> {
        match self {
            Self::And(operands) => connect(operands, false, schema, fields),
            Self::Or(operands) => connect(operands, true, schema, fields),
            Self::Not(operand) => operand.decide(schema, fields).map(|flag| !flag),
            Self::Compare(comparison, operands) => {
                comparison.decide(operands[0].value(schema, fields), operands[1].value(schema, fields))
            }
            Self::In(operand, list) => {
                let sought = operand.value(schema, fields);
                let found = |constant: &Constant| equal(sought, constant.value()) == Some(true);
                (sought != Value::Undecided).then(|| list.iter().any(found))
            }
            Self::Text(how, operands) => {
                match (operands[0].value(schema, fields), operands[1].value(schema, fields)) {
                    (Value::Text(text), Value::Text(part)) => Some(how.holds(text, part)),
                    _ => None,
                }
            }
            _ => match self.value(schema, fields) {
                Value::Boolean(flag) => Some(flag),
                _ => None,
            },
        }
    }

    #[inline]
    fn value<'a>(&'a self, schema: &Schema, fields: &Fields<'a>) -> Value<'a> {
        match self {
            Self::Constant(constant) => constant.value(),
            Self::Field(path, kind) => match path.find(schema, fields) {
                None => Value::Null,
                Some(position) => value_at(*kind, fields.body, position),
            },
            _ => self.calculated(schema, fields),
        }
    }

    fn calculated<'a>(&'a self, schema: &Schema, fields: &Fields<'a>) -> Value<'a> {
        match self {
            Self::Negate(operand) => match operand.value(schema, fields) {
                Value::Integer(number) => integer(number.checked_neg()),
                Value::Double(number) => Value::Double(-number),
                _ => Value::Undecided,
            },
            Self::Absolute(operand) => match operand.value(schema, fields) {
                Value::Integer(number) => integer(number.checked_abs()),
                Value::Double(number) => Value::Double(number.abs()),
                _ => Value::Undecided,
            },
            Self::Size(operand) => match operand.value(schema, fields) {
                // Characters are the bytes that do not continue one.
                Value::Text(text) => {
                    Value::Integer(text.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as i64)
                }
                _ => Value::Undecided,
            },
            Self::Arithmetic(arithmetic, operands) => {
                calculate(*arithmetic, operands[0].value(schema, fields), operands[1].value(schema, fields))
            }
            Self::Choose(parts) => match parts[0].decide(schema, fields) {
                Some(true) => parts[1].value(schema, fields),
                Some(false) => parts[2].value(schema, fields),
                None => Value::Undecided,
            },
            _ => self.decide(schema, fields).map_or(Value::Undecided, Value::Boolean),
        }
    }
}

impl Constant {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(*number),
            Self::Double(number) => Value::Double(*number),
            Self::Text(text) => Value::Text(text),
            Self::Boolean(flag) => Value::Boolean(*flag),
        }
    }
}

impl TextTest {
    fn holds(self, text: &[u8], part: &[u8]) -> bool {
        match self {
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
            Self::Contains => contains(text, part),
        }
    }
}

/// Both are UTF-8, so a match of bytes is a match of characters.
fn contains(text: &[u8], part: &[u8]) -> bool {
    match (std::str::from_utf8(text), std::str::from_utf8(part)) {
        (Ok(text), Ok(part)) => text.contains(part),
        _ => false,
    }
}

fn value_at(kind: Kind, body: &[u8], position: usize) -> Value<'_> {
    match kind {
        Kind::Integer => Value::Integer(long_at(body, position)),
        Kind::Text => Value::Text(span_at(body, position)),
        Kind::Double => Value::Double(f64::from_le_bytes(bytes_at(body, position))),
        Kind::Float => Value::Double(f32::from_le_bytes(bytes_at(body, position)).into()),
        Kind::Boolean => Value::Boolean(bytes_at::<1>(body, position) == [1]),
    }
}

/// `and` and `or`: one operand that decides is enough, wherever it stands; else undecided wins over the rest.
fn connect(operands: &[Expr], decides: bool, schema: &Schema, fields: &Fields<'_>) -> Option<bool> {
    let mut outcome = Some(!decides);
    for operand in operands {
        match operand.decide(schema, fields) {
            Some(flag) if flag == decides => return Some(decides),
            Some(_) => {}
            None => outcome = None,
        }
    }
    outcome
}

#[inline]
fn equal(left: Value<'_>, right: Value<'_>) -> Option<bool> {
    match (left, right) {
        (Value::Integer(a), Value::Integer(b)) => Some(a == b),
        (Value::Text(a), Value::Text(b)) => Some(a == b),
        (Value::Undecided, _) | (_, Value::Undecided) => None,
        (Value::Integer(_) | Value::Double(_), Value::Integer(_) | Value::Double(_)) => {
            Some(order(left, right) == Some(Ordering::Equal))
        }
        _ => Some(left == right),
    }
}

impl Comparison {
    #[inline]
    fn decide(self, left: Value<'_>, right: Value<'_>) -> Option<bool> {
        match self {
            Self::Equal => equal(left, right),
            Self::NotEqual => equal(left, right).map(|same| !same),
            _ if !comparable(left, right) => None,
            Self::Less => Some(order(left, right) == Some(Ordering::Less)),
            Self::Greater => Some(order(left, right) == Some(Ordering::Greater)),
            Self::LessOrEqual => Some(order(left, right).is_some_and(Ordering::is_le)),
            Self::GreaterOrEqual => Some(order(left, right).is_some_and(Ordering::is_ge)),
        }
    }
}

const fn comparable(left: Value<'_>, right: Value<'_>) -> bool {
    matches!(
        (left, right),
        (Value::Integer(_) | Value::Double(_), Value::Integer(_) | Value::Double(_))
            | (Value::Text(_), Value::Text(_))
            | (Value::Boolean(_), Value::Boolean(_))
    )
}

/// None for NaN, which is neither less, equal nor greater.
fn order(left: Value<'_>, right: Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(&b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(&b),
        (Value::Integer(a), Value::Double(b)) => order_mixed(a, b),
        (Value::Double(a), Value::Integer(b)) => order_mixed(b, a).map(Ordering::reverse),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(&b)),
        _ => None,
    }
}

/// Exact, although a double cannot hold every long: by the whole part first, then by what is behind the point.
fn order_mixed(number: i64, double: f64) -> Option<Ordering> {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    if double >= BEYOND {
        return Some(Ordering::Less);
    }
    if double < -BEYOND {
        return Some(Ordering::Greater);
    }
    let whole = double.floor();
    Some(number.cmp(&(whole as i64)).then(if double > whole { Ordering::Less } else { Ordering::Equal }))
}

fn integer<'a>(number: Option<i64>) -> Value<'a> {
    number.map_or(Value::Undecided, Value::Integer)
}

fn calculate<'a>(arithmetic: Arithmetic, left: Value<'a>, right: Value<'a>) -> Value<'a> {
    match (left, right) {
        (Value::Integer(a), Value::Integer(b)) => integer(match arithmetic {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Subtract => a.checked_sub(b),
            Arithmetic::Multiply => a.checked_mul(b),
            Arithmetic::Divide => a.checked_div(b),
            Arithmetic::Modulo => a.checked_rem(b),
        }),
        (Value::Double(a), Value::Double(b)) => match arithmetic {
            Arithmetic::Add => Value::Double(a + b),
            Arithmetic::Subtract => Value::Double(a - b),
            Arithmetic::Multiply => Value::Double(a * b),
            Arithmetic::Divide if b != 0.0 => Value::Double(a / b),
            Arithmetic::Divide | Arithmetic::Modulo => Value::Undecided,
        },
        _ => Value::Undecided,
    }
}
