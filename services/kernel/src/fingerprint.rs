//! Fingerprints of tables: a table whose entries mean something else now must not be read as if they did not.

use sha2::{Digest, Sha256};

/// 64 bits of what a table's entries mean: the kind of table, and the parts that decide it, in order.
#[must_use]
pub fn fingerprint<'a>(kind: &'a str, parts: impl Iterator<Item = &'a str>) -> u64 {
    let mut sha = Sha256::new();
    for part in std::iter::once(kind).chain(parts) {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part.as_bytes());
    }
    let digest = sha.finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(bytes)
}

/// What to tell of a table that was written under another fingerprint.
#[must_use]
pub fn other_form(table: &str) -> String {
    format!(
        "table {table} was written by another form of its step (other key fields, other fields of a side, or another \
         way to match); give the step a new name, which begins empty, or bring the old form back"
    )
}
