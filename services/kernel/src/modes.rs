//! Modes: where and when an emergency holds, by a record's region and the log's time.

use crate::check::REGION;
use crate::path::Fields;

/// An emergency: within a subtree of the divisions (GB/T 2260), from one instant of the log up to, not including, another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    pub id: String,
    /// The digits that the region of a record begins with; none: everywhere.
    pub prefix: String,
    pub since_ms: i64,
    pub until_ms: i64,
}

/// The modes that are known. The one that is closest to a record's region comes first.
#[derive(Debug, Default)]
pub struct Modes {
    all: Vec<Mode>,
    /// Numbers of `all`, in the order in which they are asked.
    closest_first: Vec<usize>,
}

impl Modes {
    pub fn new(all: Vec<Mode>) -> Result<Self, String> {
        for (number, mode) in all.iter().enumerate() {
            if !mode.prefix.bytes().all(|digit| digit.is_ascii_digit()) || mode.prefix.len() > 12 {
                return Err(format!("mode {}: `{}` is no beginning of a division", mode.id, mode.prefix));
            }
            if mode.since_ms >= mode.until_ms {
                return Err(format!("mode {}: it ends before it begins", mode.id));
            }
            if all[..number].iter().any(|other| other.id == mode.id && other.prefix == mode.prefix) {
                return Err(format!("mode {}: `{}` is there twice", mode.id, mode.prefix));
            }
        }
        let mut closest_first: Vec<usize> = (0..all.len()).collect();
        closest_first.sort_by(|a, b| {
            let depth = all[*b].prefix.len().cmp(&all[*a].prefix.len());
            depth.then_with(|| all[*a].id.cmp(&all[*b].id))
        });
        Ok(Self { all, closest_first })
    }

    /// 0 where no mode holds for the record, else the mode's number from 1.
    #[inline]
    #[must_use]
    pub fn at(&self, fields: &Fields<'_>, append_ms: i64) -> u32 {
        if self.all.is_empty() { 0 } else { self.of(fields.text(REGION), append_ms) }
    }

    fn of(&self, region: &[u8], append_ms: i64) -> u32 {
        let holds = |mode: &Mode| {
            (mode.since_ms..mode.until_ms).contains(&append_ms) && region.starts_with(mode.prefix.as_bytes())
        };
        let found = self.closest_first.iter().find(|number| holds(&self.all[**number]));
        found.map_or(0, |number| *number as u32 + 1)
    }
}

#[cfg(test)]
mod tests;
