//! Masks: how a field is made less than it was, byte for byte.

use crate::calendar::{DAY_MS, civil, days_from_civil};
use crate::path::{Kind, long_at, span_at};
use crate::plan::MaskPlan;
use crate::token::PeriodKey;
use crate::wire::{write_long, write_span};

/// The arc minutes of a degree.
const MINUTES: f64 = 60.0;
/// How many digits of a GB/T 2260 code stand for each level: province, city, county, street, community.
const LEVELS: [usize; 5] = [2, 4, 6, 9, 12];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Day,
    Month,
    Year,
}

/// A mask that writes a value, compiled. The one that always writes null is not among them: it needs no value.
#[derive(Debug, Clone, PartialEq)]
pub enum Mask {
    Fixed(Vec<u8>),
    Partial {
        first: usize,
        last: usize,
    },
    Division {
        digits: usize,
    },
    /// The division that a division lies in.
    Parent,
    /// Days since 1970.
    Date(Unit),
    /// Ticks since 1970, so many a day.
    Instant {
        unit: Unit,
        ticks_a_day: i64,
    },
    Band {
        width: i64,
        lowest: i64,
    },
    FloatBand {
        width: i64,
    },
    DoubleBand {
        width: i64,
    },
    /// Degrees, cut to a grid of so many arc minutes.
    FloatGrid {
        minutes: f64,
    },
    DoubleGrid {
        minutes: f64,
    },
    TokenOfText,
    TokenOfNumber,
}

impl Mask {
    /// Compiles for a field of this kind and logical type; the error says which fields the mask is for.
    pub fn compile(
        plan: &MaskPlan,
        kind: Option<Kind>,
        logical: Option<&str>,
        is_int: bool,
    ) -> Result<Self, String> {
        let unit = || match plan.unit.as_str() {
            "day" => Ok(Unit::Day),
            "month" => Ok(Unit::Month),
            "year" => Ok(Unit::Year),
            other => Err(format!("the unit `{other}` is none of day, month, year")),
        };
        let lowest = if is_int { i64::from(i32::MIN) } else { i64::MIN };
        let width = plan.width;
        if matches!(plan.kind.as_str(), "band" | "grid") && width < 1 {
            return Err(format!("a {} is at least 1 wide", plan.kind));
        }
        let minutes = width as f64;
        match (plan.kind.as_str(), kind) {
            ("fixed", _) => Ok(Self::Fixed(plan.value.as_bytes().to_vec())),
            ("partial", Some(Kind::Text)) => Ok(Self::Partial { first: plan.first, last: plan.last }),
            ("division", Some(Kind::Text)) => Ok(Self::Division { digits: plan.digits }),
            ("parent", Some(Kind::Text)) => Ok(Self::Parent),
            ("token", Some(Kind::Text)) => Ok(Self::TokenOfText),
            ("token", Some(Kind::Integer)) => Ok(Self::TokenOfNumber),
            ("band", Some(Kind::Integer)) => Ok(Self::Band { width, lowest }),
            ("band", Some(Kind::Float)) => Ok(Self::FloatBand { width }),
            ("band", Some(Kind::Double)) => Ok(Self::DoubleBand { width }),
            ("grid", Some(Kind::Float)) => Ok(Self::FloatGrid { minutes }),
            ("grid", Some(Kind::Double)) => Ok(Self::DoubleGrid { minutes }),
            ("date", Some(Kind::Integer)) if logical == Some("date") => Ok(Self::Date(unit()?)),
            ("instant", Some(Kind::Integer)) => match logical {
                Some("timestamp-millis") => Ok(Self::Instant { unit: unit()?, ticks_a_day: DAY_MS }),
                Some("timestamp-micros") => Ok(Self::Instant { unit: unit()?, ticks_a_day: DAY_MS * 1000 }),
                _ => Err("the mask `instant` is for timestamp-millis and timestamp-micros".to_owned()),
            },
            ("partial" | "division" | "parent" | "token" | "band" | "grid" | "date", _) => {
                Err(format!("the mask `{}` is not for a field of this type", plan.kind))
            }
            (other, _) => Err(format!("the mask `{other}` is unknown")),
        }
    }

    /// Whether the masked value is a string, whatever the field was.
    #[must_use]
    pub const fn makes_text(&self) -> bool {
        matches!(
            self,
            Self::Fixed(_)
                | Self::Partial { .. }
                | Self::Division { .. }
                | Self::Parent
                | Self::TokenOfText
                | Self::TokenOfNumber
        )
    }

    #[must_use]
    pub const fn needs_key(&self) -> bool {
        matches!(self, Self::TokenOfText | Self::TokenOfNumber)
    }

    /// Appends the masked form of the value at `position`. Without a key a token is written as an empty text.
    pub fn write(&self, body: &[u8], position: usize, key: Option<&PeriodKey>, out: &mut Vec<u8>) {
        match self {
            Self::Fixed(value) => write_span(out, value),
            Self::Partial { first, last } => write_partial(span_at(body, position), *first, *last, out),
            Self::Division { digits } => write_division(span_at(body, position), *digits, out),
            Self::Parent => {
                let text = span_at(body, position);
                write_division(text, above(text), out);
            }
            Self::Date(unit) => {
                let day = floor_day(long_at(body, position), *unit);
                write_long(out, day.max(i64::from(i32::MIN)));
            }
            Self::Instant { unit, ticks_a_day } => {
                let day = floor_day(long_at(body, position).div_euclid(*ticks_a_day), *unit);
                write_long(out, day.saturating_mul(*ticks_a_day));
            }
            Self::Band { width, lowest } => {
                let number = long_at(body, position);
                write_long(out, number.saturating_sub(number.rem_euclid(*width)).max(*lowest));
            }
            Self::FloatBand { width } => {
                let number = f32::from_le_bytes(bytes_at(body, position));
                let width = *width as f64;
                out.extend_from_slice(
                    &((((f64::from(number)) / width).floor() * width) as f32).to_le_bytes(),
                );
            }
            Self::DoubleBand { width } => {
                let width = *width as f64;
                let number = f64::from_le_bytes(bytes_at(body, position));
                out.extend_from_slice(&((number / width).floor() * width).to_le_bytes());
            }
            Self::FloatGrid { minutes } => {
                let degrees = f64::from(f32::from_le_bytes(bytes_at(body, position)));
                out.extend_from_slice(&(grid(degrees, *minutes) as f32).to_le_bytes());
            }
            Self::DoubleGrid { minutes } => {
                let degrees = f64::from_le_bytes(bytes_at(body, position));
                out.extend_from_slice(&grid(degrees, *minutes).to_le_bytes());
            }
            Self::TokenOfText => write_token(span_at(body, position), key, out),
            Self::TokenOfNumber => write_token(long_at(body, position).to_string().as_bytes(), key, out),
        }
    }
}

/// The fixed-size value at a position that has been walked.
#[must_use]
pub fn bytes_at<const N: usize>(body: &[u8], position: usize) -> [u8; N] {
    body.get(position..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn write_token(value: &[u8], key: Option<&PeriodKey>, out: &mut Vec<u8>) {
    match key {
        Some(key) => write_span(out, &key.token(value)),
        None => write_span(out, &[]),
    }
}

fn write_partial(text: &[u8], first: usize, last: usize, out: &mut Vec<u8>) {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let count = text.chars().count();
    let (first, last) = if count <= first.saturating_add(last) { (0, 0) } else { (first, last) };
    let kept = |index: usize| index < first || index >= count - last;
    let characters =
        || text.chars().enumerate().map(|(index, character)| if kept(index) { character } else { '*' });
    write_long(out, characters().map(char::len_utf8).sum::<usize>() as i64);
    for character in characters() {
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// A value that is no code of digits becomes zeros altogether: its first characters may be anything, a name included.
fn write_division(text: &[u8], digits: usize, out: &mut Vec<u8>) {
    let kept = if text.iter().all(u8::is_ascii_digit) { digits.min(text.len()) } else { 0 };
    let count = std::str::from_utf8(text).map_or(text.len(), |text| text.chars().count());
    write_long(out, count as i64);
    out.extend_from_slice(&text[..kept]);
    out.resize(out.len() + count - kept, b'0');
}

/// How many digits of a division's code are left of the division that it lies in.
fn above(code: &[u8]) -> usize {
    let own = LEVELS.iter().position(|end| code.iter().skip(*end).all(|digit| *digit == b'0'));
    match own.unwrap_or(LEVELS.len()) {
        0 => 0,
        level => LEVELS[level - 1],
    }
}

/// The south-western edge of the cell. What is no number has no bits of its own, and zero no sign.
fn grid(degrees: f64, minutes: f64) -> f64 {
    if degrees.is_nan() {
        return f64::NAN;
    }
    (degrees * MINUTES / minutes).floor() * minutes / MINUTES + 0.0
}

fn floor_day(day: i64, unit: Unit) -> i64 {
    let (year, month, _) = civil(day);
    match unit {
        Unit::Day => day,
        Unit::Month => days_from_civil(year, month),
        Unit::Year => days_from_civil(year, 1),
    }
}

#[cfg(test)]
mod tests;
