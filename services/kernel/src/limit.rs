//! The ceiling above which a partition stops rather than fill the dead-letter topic.

/// The last records that the ratio looks at.
const WINDOW: u16 = 1000;

/// What the contract allows.
#[derive(Debug, Clone, Copy)]
pub struct Ceiling {
    pub in_a_row: u32,
    /// Of the last 1,000 records; while fewer have come, the missing ones count as good.
    pub of_window: u16,
}

impl Ceiling {
    #[must_use]
    pub fn new(in_a_row: u32, ratio: f64) -> Self {
        Self { in_a_row, of_window: (ratio.clamp(0.0, 1.0) * f64::from(WINDOW)).floor() as u16 }
    }
}

/// The recent past of one partition of a source topic.
///
/// Promised: the same records give the same answer, however they are cut into batches. Not promised: that the past
/// survives the slice's move to another worker; there the counting begins anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    run: u32,
    dead: u16,
    next: u16,
    window: [u64; WINDOW.div_ceil(64) as usize],
}

impl Default for Recent {
    fn default() -> Self {
        Self { run: 0, dead: 0, next: 0, window: [0; WINDOW.div_ceil(64) as usize] }
    }
}

impl Recent {
    #[inline]
    pub fn good(&mut self) {
        self.run = 0;
        self.slide(false);
    }

    /// Takes in one more dead letter, or leaves all as it is and says no: the ceiling is reached.
    pub fn dead(&mut self, ceiling: Ceiling) -> bool {
        let leaving = u16::from(self.oldest_is_dead());
        if self.run >= ceiling.in_a_row || self.dead - leaving >= ceiling.of_window {
            return false;
        }
        self.run += 1;
        self.slide(true);
        true
    }

    fn oldest_is_dead(&self) -> bool {
        self.window[usize::from(self.next / 64)] >> (self.next % 64) & 1 == 1
    }

    #[inline]
    fn slide(&mut self, dead: bool) {
        if dead || self.dead > 0 {
            self.dead = self.dead - u16::from(self.oldest_is_dead()) + u16::from(dead);
            let bit = 1 << (self.next % 64);
            let word = &mut self.window[usize::from(self.next / 64)];
            *word = if dead { *word | bit } else { *word & !bit };
        }
        self.next = (self.next + 1) % WINDOW;
    }
}

#[cfg(test)]
mod tests;
