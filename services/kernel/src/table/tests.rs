use std::collections::HashSet;

use super::Table;
use crate::random::Random;

#[test]
fn it_holds_exactly_what_a_set_would_hold() {
    let mut random = Random(1);
    let keys: Vec<u128> = (0..600).map(|_| random.key()).collect();
    let (mut table, mut set) = (Table::default(), HashSet::new());
    for _ in 0..60_000 {
        let (key, label) = (keys[random.below(keys.len())], 1 + random.below(3) as u8);
        if random.below(3) == 0 {
            table.remove(key, label);
            set.remove(&(key, label));
        } else {
            let added = table.insert_unless(key, label, |other| other == label);
            assert_eq!(added, set.insert((key, label)));
        }
        assert_eq!(table.len(), set.len());
    }
    for key in keys {
        for label in 1..=3 {
            assert_eq!(table.contains(key, |other| other == label), set.contains(&(key, label)));
        }
    }
}

#[test]
fn relabelling_keeps_drops_and_counts() {
    let mut random = Random(2);
    let keys: Vec<u128> = (0..5_000).map(|_| random.key()).collect();
    let mut table = Table::default();
    for (index, key) in keys.iter().enumerate() {
        table.insert_unless(*key, 1 + (index % 4) as u8, |_| false);
    }
    assert_eq!(table.relabel(|label| label.checked_sub(2).filter(|label| *label > 0)), 2_500);
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(table.contains(*key, |label| usize::from(label) == index % 4 - 1), index % 4 > 1);
    }
}

#[test]
fn a_key_takes_at_most_twenty_bytes_at_every_size() {
    let mut random = Random(3);
    let mut table = Table::default();
    for count in 1..=300_000_usize {
        table.insert_unless(random.key(), 1, |_| true);
        if count >= 30_000 && count % 1_000 == 0 {
            assert!(table.bytes() <= count * 20, "{} bytes for {count} keys", table.bytes());
        }
    }
}

#[test]
fn keys_that_agree_in_their_upper_half_do_not_crowd_into_one_slot() {
    let mut table = Table::default();
    for low in 0..200_000_u128 {
        table.insert_unless(7 << 64 | low, 1, |_| true);
    }
    let fullest = table.shards.iter().map(|shard| shard.used).max();
    assert!(fullest.is_some_and(|used| used < 2 * 200_000 / super::SHARDS), "{fullest:?}");
}

#[test]
fn the_first_zero_is_found_wherever_it_is() {
    for length in 0..40 {
        for zero in 0..=length {
            let mut bytes = vec![0xff; length];
            if let Some(byte) = bytes.get_mut(zero) {
                *byte = 0;
            }
            for start in 0..=length {
                let expected = (zero < length && zero >= start).then_some(zero);
                assert_eq!(super::first_zero(&bytes, start), expected);
            }
        }
    }
}
