//! A deduplicate's delta, read back.

use super::DELTA_VERSION;

/// A delta as it was read from the log, checked.
pub struct Delta<'a> {
    pub table: &'a str,
    /// Of what the keys mean. The first version did not write it.
    pub fingerprint: Option<u64>,
    pub(super) generation_ms: i64,
    pub(super) generations: Vec<(i64, &'a [u8])>,
}

impl<'a> Delta<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let (version, rest) = bytes.split_first().ok_or("the delta is empty")?;
        if !(1..=DELTA_VERSION).contains(version) {
            return Err(format!(
                "the delta is of format version {version}, this kernel reads {DELTA_VERSION}; \
                 run the version of gebus-kernel that wrote it, or a later one"
            ));
        }
        Self::parse_content(rest, *version > 1).ok_or_else(|| {
            "the delta is damaged: its lengths do not add up; restore the state topic from a replica"
                .to_owned()
        })
    }

    fn parse_content(rest: &'a [u8], fingerprinted: bool) -> Option<Self> {
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (name, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let table = std::str::from_utf8(name).ok()?;
        let (fingerprint, rest) = if fingerprinted {
            let (bytes, rest) = rest.split_first_chunk::<8>()?;
            (Some(u64::from_le_bytes(*bytes)), rest)
        } else {
            (None, rest)
        };
        let (length, mut rest) = rest.split_first_chunk::<8>()?;
        let generation_ms = i64::from_le_bytes(*length);
        let mut generations = Vec::new();
        while !rest.is_empty() {
            let (number, after) = rest.split_first_chunk::<8>()?;
            let (count, after) = after.split_first_chunk::<4>()?;
            let size = (u32::from_le_bytes(*count) as usize).checked_mul(16)?;
            let (keys, after) = after.split_at_checked(size)?;
            generations.push((i64::from_le_bytes(*number), keys));
            rest = after;
        }
        (generation_ms > 0).then_some(Self { table, fingerprint, generation_ms, generations })
    }
}
