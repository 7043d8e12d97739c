//! Masks: how a field is made less than it was, byte for byte.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::path::{Kind, long_at, span_at};
use crate::plan::MaskPlan;
use crate::wire::{write_long, write_span};

const DAY_MS: i64 = 86_400_000;

/// The key of a feed's tokens, ready to use. It is never printed.
#[derive(Clone)]
pub struct TokenKey(Hmac<Sha256>);

impl TokenKey {
    pub fn new(key: &[u8]) -> Result<Self, String> {
        Hmac::new_from_slice(key).map(Self).map_err(|error| format!("the token key cannot be used: {error}"))
    }

    fn token(&self, value: &[u8]) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut mac = self.0.clone();
        mac.update(value);
        let mut hex = [0; 32];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(mac.finalize().into_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        hex
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Day,
    Month,
    Year,
}

/// A mask that writes a value, compiled. The one that always writes null is not among them: it needs no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mask {
    Fixed(Vec<u8>),
    Partial {
        first: usize,
        last: usize,
    },
    Division {
        digits: usize,
    },
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
        if plan.kind == "band" && width < 1 {
            return Err("a band is at least 1 wide".to_owned());
        }
        match (plan.kind.as_str(), kind) {
            ("fixed", _) => Ok(Self::Fixed(plan.value.as_bytes().to_vec())),
            ("partial", Some(Kind::Text)) => Ok(Self::Partial { first: plan.first, last: plan.last }),
            ("division", Some(Kind::Text)) => Ok(Self::Division { digits: plan.digits }),
            ("token", Some(Kind::Text)) => Ok(Self::TokenOfText),
            ("token", Some(Kind::Integer)) => Ok(Self::TokenOfNumber),
            ("band", Some(Kind::Integer)) => Ok(Self::Band { width, lowest }),
            ("band", Some(Kind::Float)) => Ok(Self::FloatBand { width }),
            ("band", Some(Kind::Double)) => Ok(Self::DoubleBand { width }),
            ("date", Some(Kind::Integer)) if logical == Some("date") => Ok(Self::Date(unit()?)),
            ("instant", Some(Kind::Integer)) => match logical {
                Some("timestamp-millis") => Ok(Self::Instant { unit: unit()?, ticks_a_day: DAY_MS }),
                Some("timestamp-micros") => Ok(Self::Instant { unit: unit()?, ticks_a_day: DAY_MS * 1000 }),
                _ => Err("the mask `instant` is for timestamp-millis and timestamp-micros".to_owned()),
            },
            ("partial" | "division" | "token" | "band" | "date", _) => {
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
                | Self::TokenOfText
                | Self::TokenOfNumber
        )
    }

    #[must_use]
    pub const fn needs_key(&self) -> bool {
        matches!(self, Self::TokenOfText | Self::TokenOfNumber)
    }

    /// Appends the masked form of the value at `position`. Without a key a token is written as an empty text.
    pub fn write(&self, body: &[u8], position: usize, key: Option<&TokenKey>, out: &mut Vec<u8>) {
        match self {
            Self::Fixed(value) => write_span(out, value),
            Self::Partial { first, last } => write_partial(span_at(body, position), *first, *last, out),
            Self::Division { digits } => write_division(span_at(body, position), *digits, out),
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

fn write_token(value: &[u8], key: Option<&TokenKey>, out: &mut Vec<u8>) {
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

fn floor_day(day: i64, unit: Unit) -> i64 {
    let (year, month, _) = civil(day);
    match unit {
        Unit::Day => day,
        Unit::Month => days_from_civil(year, month),
        Unit::Year => days_from_civil(year, 1),
    }
}

/// Year, month and day of a day since 1970, in the proleptic Gregorian calendar, by counting 400-year eras from March.
pub const fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day_of_year - (153 * march_month + 2) / 5 + 1)
}

/// The first day of a month, as a day since 1970.
const fn days_from_civil(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * march_month + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests;
