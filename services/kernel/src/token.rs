//! Tokens: what stands for a value that must not be told, equal for equal values within one period.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sm3::Sm3;

use crate::calendar::{DAY_MS, civil};
use crate::plan::TokensPlan;

const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// The bytes of a token, as hex digits.
pub const TOKEN_BYTES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Always,
    Year,
    Quarter,
    Month,
    Day,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sm3,
}

/// How a feed's tokens are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRule {
    period: Period,
    hash: Hash,
}

/// The secret of a feed's tokens. It is never printed.
pub struct TokenKey(Vec<u8>);

/// The key of one period, ready to use.
#[derive(Clone)]
pub enum PeriodKey {
    Sha256(Hmac<Sha256>),
    Sm3(Hmac<Sm3>),
}

impl TokenRule {
    pub fn compile(plan: &TokensPlan) -> Result<Self, String> {
        let period = match plan.period.as_str() {
            "always" => Period::Always,
            "year" => Period::Year,
            "quarter" => Period::Quarter,
            "month" => Period::Month,
            "day" => Period::Day,
            other => return Err(format!("tokens: the period `{other}` is unknown")),
        };
        let hash = match plan.hash.as_str() {
            "sha-256" => Hash::Sha256,
            "sm3" => Hash::Sm3,
            other => return Err(format!("tokens: the hash `{other}` is unknown")),
        };
        Ok(Self { period, hash })
    }

    /// The number of the period that an instant lies in (UTC).
    fn number(self, at_ms: i64) -> i64 {
        let day = at_ms.div_euclid(DAY_MS);
        let (year, month, _) = civil(day);
        match self.period {
            Period::Always => 0,
            Period::Year => year,
            Period::Quarter => year * 4 + (month - 1) / 3,
            Period::Month => year * 12 + month - 1,
            Period::Day => day,
        }
    }

    /// The name of that period: what its key is derived by.
    fn name(self, at_ms: i64) -> String {
        let (year, month, day) = civil(at_ms.div_euclid(DAY_MS));
        match self.period {
            Period::Always => String::new(),
            Period::Year => format!("{year:04}"),
            Period::Quarter => format!("{year:04}-Q{}", (month - 1) / 3 + 1),
            Period::Month => format!("{year:04}-{month:02}"),
            Period::Day => format!("{year:04}-{month:02}-{day:02}"),
        }
    }
}

impl TokenKey {
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(key.to_vec())
    }

    fn period(&self, rule: TokenRule, at_ms: i64) -> Option<PeriodKey> {
        let name = rule.name(at_ms);
        match rule.hash {
            Hash::Sha256 => keyed::<Hmac<Sha256>>(&self.0, &name).map(PeriodKey::Sha256),
            Hash::Sm3 => keyed::<Hmac<Sm3>>(&self.0, &name).map(PeriodKey::Sm3),
        }
    }
}

/// HMAC under the key that the feed's key gives for the period of this name. None cannot be: a key has any length.
fn keyed<M: Mac + KeyInit>(key: &[u8], period: &str) -> Option<M> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    mac.update(period.as_bytes());
    <M as KeyInit>::new_from_slice(&mac.finalize().into_bytes()).ok()
}

impl PeriodKey {
    #[must_use]
    pub fn token(&self, value: &[u8]) -> [u8; TOKEN_BYTES] {
        match self {
            Self::Sha256(mac) => hex(mac.clone(), value),
            Self::Sm3(mac) => hex(mac.clone(), value),
        }
    }
}

fn hex<M: Mac>(mut mac: M, value: &[u8]) -> [u8; TOKEN_BYTES] {
    mac.update(value);
    let mut hex = [0; TOKEN_BYTES];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(mac.finalize().into_bytes()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}

/// The last period's key of each feed, by the feed's number: records come in the order of time, or nearly.
#[derive(Default)]
pub struct PeriodKeys(Vec<Option<(i64, PeriodKey)>>);

impl PeriodKeys {
    pub fn make_room(&mut self, feeds: usize) {
        self.0.resize(feeds, None);
    }

    /// Forgets what another key gave.
    pub fn forget(&mut self, feed: usize) {
        if let Some(known) = self.0.get_mut(feed) {
            *known = None;
        }
    }

    /// The key for a record that was appended at `at_ms`.
    pub fn at(&mut self, feed: usize, key: &TokenKey, rule: TokenRule, at_ms: i64) -> Option<&PeriodKey> {
        let number = rule.number(at_ms);
        let known = self.0.get_mut(feed)?;
        if known.as_ref().is_none_or(|(period, _)| *period != number) {
            *known = key.period(rule, at_ms).map(|key| (number, key));
        }
        known.as_ref().map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests;
