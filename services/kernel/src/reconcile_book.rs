//! What was told of a key that is reconciled: by subject (the key itself, or a losing assertion) what stands, and how often.

/// What was told of one subject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    pub subject: u128,
    /// The number of the next emission.
    pub number: i64,
    /// Whether the last emission was no retraction.
    pub out: bool,
    /// What the last emission was of: the winning assertion and event, or the winning and the losing event.
    pub of: (u128, u128),
}

impl Told {
    /// The number of an emission of this, which is noted.
    pub fn emit(&mut self, of: Option<(u128, u128)>) -> i64 {
        self.out = of.is_some();
        self.of = of.unwrap_or(self.of);
        let number = self.number;
        self.number = number.saturating_add(1);
        number
    }
}

#[derive(Debug, Default)]
pub struct Book(Vec<Told>);

const TOLD_BYTES: usize = 16 + 8 + 1 + 16 + 16;

impl Book {
    /// Reads what `write` wrote; what is not that is passed over.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let number = |bytes: &[u8]| {
            let mut all = [0; 16];
            all[..bytes.len()].copy_from_slice(bytes);
            u128::from_le_bytes(all)
        };
        let told = bytes.chunks_exact(TOLD_BYTES).map(|row| Told {
            subject: number(&row[..16]),
            number: number(&row[16..24]) as i64,
            out: row[24] != 0,
            of: (number(&row[25..41]), number(&row[41..])),
        });
        Self(told.collect())
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        for told in &self.0 {
            out.extend_from_slice(&told.subject.to_le_bytes());
            out.extend_from_slice(&told.number.to_le_bytes());
            out.push(u8::from(told.out));
            out.extend_from_slice(&told.of.0.to_le_bytes());
            out.extend_from_slice(&told.of.1.to_le_bytes());
        }
    }

    /// What was told of a subject: nothing yet, where it is not there.
    pub fn told(&mut self, subject: u128) -> &mut Told {
        let known = self.0.iter().position(|told| told.subject == subject);
        let at = known.unwrap_or(self.0.len());
        if known.is_none() {
            self.0.push(Told { subject, ..Told::default() });
        }
        &mut self.0[at]
    }

    /// Forgets the subjects for which `keep` says no.
    pub fn retain(&mut self, keep: impl Fn(u128) -> bool) {
        self.0.retain(|told| keep(told.subject));
    }
}
