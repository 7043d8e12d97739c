//! An entry's value: what is kept of a record, or of one that was withdrawn.

/// Its record was withdrawn: only the revision is left, in the record's place.
pub const MARKER: u8 = 1;
/// It has matched.
pub const MATCHED: u8 = 2;
/// Its Kafka key is another text than the relation's key, and that of its pairs.
pub const EXPLICIT: u8 = 4;

/// A value: flags, the Kafka key where it is needed later, the kept fields of the record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept<'a> {
    pub flags: u8,
    pub key: &'a [u8],
    pub record: &'a [u8],
}

impl<'a> Kept<'a> {
    /// Reads what `write` wrote. Of anything else it makes a marker: bytes from the log are not believed.
    #[must_use]
    pub fn read(value: &'a [u8]) -> Self {
        Self::parse(value).unwrap_or(Self { flags: MARKER, key: &[], record: &[] })
    }

    fn parse(value: &'a [u8]) -> Option<Self> {
        let (flags, rest) = value.split_first()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (key, record) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(Self { flags: *flags, key, record })
    }

    #[must_use]
    pub const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    #[must_use]
    pub fn revision(&self) -> i64 {
        if self.is(MARKER) {
            let bytes = self.record.first_chunk::<8>();
            return bytes.map_or(i64::MIN, |bytes| i64::from_le_bytes(*bytes));
        }
        crate::composite::Envelope::read(self.record).revision
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.flags);
        out.extend_from_slice(&(self.key.len() as u32).to_le_bytes());
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.record);
    }
}

/// Appends the value of a withdrawn record.
pub fn write_marker(revision: i64, out: &mut Vec<u8>) {
    Kept { flags: MARKER, key: &[], record: &revision.to_le_bytes() }.write(out);
}
