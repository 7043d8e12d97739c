//! Avro's primitive encodings, read with every check, and the reasons why bytes are refused.

/// Why a record became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Tombstone,
    TooLarge,
    Short,
    NotAvro,
    Truncated,
    TrailingBytes,
    BadUnion,
    BadUtf8,
    BadNumber,
    BadBoolean,
    BadEnum,
    NegativeLength,
    TooManyElements,
    TooDeep,
    WrongKey,
    ForgedSource,
    BadStatus,
    BadRegion,
    BadEventId,
    NegativeRevision,
    TooEarly,
    TooLate,
}

impl Reason {
    /// The reason as it is written into headers, metrics and tests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::TooLarge => "too_large",
            Self::Short => "short",
            Self::NotAvro => "not_avro",
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing_bytes",
            Self::BadUnion => "bad_union",
            Self::BadUtf8 => "bad_utf8",
            Self::BadNumber => "bad_number",
            Self::BadBoolean => "bad_boolean",
            Self::BadEnum => "bad_enum",
            Self::NegativeLength => "negative_length",
            Self::TooManyElements => "too_many_elements",
            Self::TooDeep => "too_deep",
            Self::WrongKey => "wrong_key",
            Self::ForgedSource => "forged_source",
            Self::BadStatus => "bad_status",
            Self::BadRegion => "bad_region",
            Self::BadEventId => "bad_event_id",
            Self::NegativeRevision => "negative_revision",
            Self::TooEarly => "too_early",
            Self::TooLate => "too_late",
        }
    }

    /// What was found and what is allowed, without a byte of the record.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Tombstone => "the record has no value; an event is withdrawn by one of status RETRACTED",
            Self::TooLarge => "the record is larger than 1 MiB",
            Self::Short => "the record is shorter than the 5 bytes that name its schema",
            Self::NotAvro => "the first byte is not 0, which marks Avro with a schema id",
            Self::Truncated => "the record, or a block of it, ends before its last value does",
            Self::TrailingBytes => "bytes follow the last field",
            Self::BadUnion => "a union's branch is not one of the schema's",
            Self::BadUtf8 => "a text is not UTF-8",
            Self::BadNumber => "an integer is out of range, or longer than its shortest form",
            Self::BadBoolean => "a boolean is neither 0 nor 1",
            Self::BadEnum => "an enum's index is not one of the schema's symbols",
            Self::NegativeLength => "a length is negative",
            Self::TooManyElements => "arrays and maps hold more than 65,536 elements together",
            Self::TooDeep => "records, arrays and maps are nested deeper than 64",
            Self::WrongKey => "the Kafka key is not the contract's key fields of this record",
            Self::ForgedSource => "the source is not the party that owns this Kafka topic",
            Self::BadStatus => "the status is not ASSERTED, CORRECTED or RETRACTED",
            Self::BadRegion => "the region is not 6 to 12 digits",
            Self::BadEventId => "the event id is empty or longer than 256 bytes",
            Self::NegativeRevision => "the revision is negative",
            Self::TooEarly => {
                "occurred_at lies further before the log's append time than the contract allows"
            }
            Self::TooLate => "occurred_at lies further after the log's append time than the contract allows",
        }
    }
}

/// The bytes of the longest number.
const MOST_VARINT: usize = 10;

/// Reads an int or long at `position` and moves past it. Only the shortest form is taken: equal values then have
/// equal bytes, so keys can be compared and remembered as they lie, and no consumer's stricter decoder chokes.
#[inline(always)]
pub fn read_long(body: &[u8], position: &mut usize) -> Result<i64, Reason> {
    let first = *body.get(*position).ok_or(Reason::Truncated)?;
    if first < 0x80 {
        *position += 1;
        return Ok(unzigzag(u64::from(first)));
    }
    read_long_of_many_bytes(body, position)
}

fn read_long_of_many_bytes(body: &[u8], position: &mut usize) -> Result<i64, Reason> {
    let mut number: u64 = 0;
    for (index, byte) in body[*position..].iter().take(MOST_VARINT).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            // Of the tenth byte only one bit is left, and a last byte of zero adds nothing to the number.
            if *byte == 0 || (index == MOST_VARINT - 1 && *byte > 1) {
                return Err(Reason::BadNumber);
            }
            *position += index + 1;
            return Ok(unzigzag(number));
        }
    }
    if body.len() - *position < MOST_VARINT { Err(Reason::Truncated) } else { Err(Reason::BadNumber) }
}

/// Reads an int: a long within 32 bits.
#[inline]
pub fn read_int(body: &[u8], position: &mut usize) -> Result<i64, Reason> {
    let number = read_long(body, position)?;
    if i32::try_from(number).is_err() {
        return Err(Reason::BadNumber);
    }
    Ok(number)
}

/// Reads the length of a string or bytes and returns what it spans; moves past it.
#[inline(always)]
pub fn read_span<'a>(body: &'a [u8], position: &mut usize) -> Result<&'a [u8], Reason> {
    let length = read_long(body, position)?;
    if length < 0 {
        return Err(Reason::NegativeLength);
    }
    take(body, position, length as u64)
}

/// Takes `length` bytes and moves past them.
#[inline(always)]
pub fn take<'a>(body: &'a [u8], position: &mut usize, length: u64) -> Result<&'a [u8], Reason> {
    let rest = body.get(*position..).ok_or(Reason::Truncated)?;
    if length > rest.len() as u64 {
        return Err(Reason::Truncated);
    }
    *position += length as usize;
    Ok(&rest[..length as usize])
}

#[inline]
const fn unzigzag(number: u64) -> i64 {
    ((number >> 1) as i64) ^ -((number & 1) as i64)
}

/// Appends an int or long.
pub fn write_long(out: &mut Vec<u8>, value: i64) {
    let mut number = ((value << 1) ^ (value >> 63)) as u64;
    while number >= 0x80 {
        out.push((number as u8) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a string or bytes.
pub fn write_span(out: &mut Vec<u8>, bytes: &[u8]) {
    write_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longs_survive_the_way_there_and_back() {
        for value in [0, 1, -1, 63, 64, -64, -65, 1 << 40, i64::MAX, i64::MIN, i64::from(i32::MIN)] {
            let mut bytes = Vec::new();
            write_long(&mut bytes, value);
            let mut position = 0;
            assert_eq!(read_long(&bytes, &mut position), Ok(value));
            assert_eq!(position, bytes.len());
        }
    }

    #[test]
    fn a_number_longer_than_needed_or_beyond_its_bits_is_refused() {
        for bytes in
            [&[0x80, 0x00][..], &[0xff; 10], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]]
        {
            assert_eq!(read_long(bytes, &mut 0), Err(Reason::BadNumber), "{bytes:?}");
        }
        let mut beyond = Vec::new();
        write_long(&mut beyond, i64::from(i32::MAX) + 1);
        assert_eq!(read_int(&beyond, &mut 0), Err(Reason::BadNumber));
        assert_eq!(read_long(&[0x80], &mut 0), Err(Reason::Truncated));
    }

    #[test]
    fn a_span_never_reaches_beyond_the_record() {
        assert_eq!(read_span(&[4, b'a', b'b'], &mut 0), Ok(&b"ab"[..]));
        assert_eq!(read_span(&[6, b'a', b'b'], &mut 0), Err(Reason::Truncated));
        assert_eq!(read_span(&[1], &mut 0), Err(Reason::NegativeLength));
        let mut huge = Vec::new();
        write_long(&mut huge, i64::MAX);
        assert_eq!(read_span(&huge, &mut 0), Err(Reason::Truncated));
    }
}
