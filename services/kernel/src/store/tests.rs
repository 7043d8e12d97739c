use super::{Entry, MOST_VALUE, Store, StoreDelta};
use crate::random::Random;
use crate::spill::tests::{Folder, records};

const WINDOW: i64 = 8_000;

/// Every entry there is, looked through one by one.
#[derive(Default, Clone)]
struct Naive(Vec<(u128, u128, i64, Vec<u8>)>);

impl Naive {
    fn remove(&mut self, key: u128, identity: u128) {
        self.0.retain(|entry| (entry.0, entry.1) != (key, identity));
    }

    fn put(&mut self, key: u128, identity: u128, append_ms: i64, value: &[u8]) {
        self.remove(key, identity);
        self.0.push((key, identity, append_ms, value.to_vec()));
    }

    fn entries(&self, key: u128, clock_ms: i64) -> Vec<(u128, i64, Vec<u8>)> {
        let live = self.0.iter().filter(|entry| entry.0 == key && entry.2 >= clock_ms - WINDOW);
        live.map(|entry| (entry.1, entry.2, entry.3.clone())).collect()
    }
}

fn entries(store: &Store, key: u128, clock_ms: i64) -> Vec<(u128, i64, Vec<u8>)> {
    let mut places = Vec::new();
    store.entries(key, clock_ms, &mut places);
    let found = places.iter().filter_map(|place| store.at(*place));
    found.map(|entry| (entry.identity, entry.append_ms, entry.value().to_vec())).collect()
}

fn restored(records: &[Vec<u8>]) -> Store {
    let mut store = Store::waiting(WINDOW);
    restore(&mut store, records);
    store
}

fn restore(store: &mut Store, records: &[Vec<u8>]) {
    for bytes in records {
        assert!(bytes.len() < 512 * 1024);
        let delta = StoreDelta::parse(bytes);
        assert!(matches!(&delta, Ok(delta) if delta.table == "f.step" && delta.check(7).is_ok()));
        if let Ok(delta) = delta {
            store.restore(&delta);
        }
    }
    assert!(!store.changed());
}

#[test]
fn entries_of_a_key_come_oldest_first_and_only_while_remembered() {
    let mut store = Store::new(WINDOW);
    for at in 0..5 {
        store.put(1, at as u128, at * 1_000, &[at as u8]);
        store.put(2, at as u128, at * 1_000, b"other");
    }
    let found = |clock| entries(&store, 1, clock).iter().map(|entry| entry.0).collect::<Vec<_>>();
    assert_eq!(found(5_000), [0, 1, 2, 3, 4]);
    assert_eq!(found(9_000), [1, 2, 3, 4], "the end of the window counts");
    assert_eq!(found(9_001), [2, 3, 4]);
    assert_eq!(store.get(1, 1, 9_000).map(|entry| entry.value()), Some(&[1u8][..]));
    assert!(store.get(1, 1, 9_001).is_none());
    assert!(store.get(1, 9, 0).is_none());
}

#[test]
fn an_entry_that_is_put_again_goes_to_the_end_and_a_patched_one_stays() {
    let mut store = Store::new(WINDOW);
    for identity in 0..3 {
        store.put(1, identity, 0, b"abc");
    }
    store.put(1, 0, 1, b"new");
    let Some(Entry { place, .. }) = store.get(1, 1, 1) else { unreachable!("it was put") };
    store.patch(place, b"X");
    let expected = [(1, 0, b"Xbc".to_vec()), (2, 0, b"abc".to_vec()), (0, 1, b"new".to_vec())];
    assert_eq!(entries(&store, 1, 1), expected);
    assert_eq!(store.len(), 3);
}

#[test]
fn it_agrees_with_the_naive_over_transactions_advances_and_restores() {
    for seed in 0..30 {
        let mut random = Random(seed);
        let (folder, mut spilt) = (Folder::new(), 0);
        let disk = folder.disk();
        let (mut store, mut naive) = (Store::waiting(WINDOW), Naive::default());
        let (mut copy, mut committed) = (Store::waiting(WINDOW), Naive::default());
        let (mut clock, mut committed_clock) = (1_000_000, 1_000_000);
        for _ in 0..2_000 {
            clock += random.below(30) as i64;
            let (key, identity) = (random.below(12) as u128, random.below(6) as u128);
            match random.below(40) {
                0 => {
                    restore(&mut copy, &store.deltas("f.step", 7));
                    store.commit();
                    committed.clone_from(&naive);
                    committed_clock = clock;
                }
                1 => {
                    store.rollback();
                    naive.clone_from(&committed);
                    clock = committed_clock;
                }
                2 => {
                    while !store.changed()
                        && store.due(committed_clock).map(|place| store.pass(place)).is_some()
                    {
                    }
                    store.advance(committed_clock);
                }
                3 | 4 if !store.changed() => {
                    let (goal, newest) = (random.below(3) * 1_000, random.below(3) == 0);
                    let goal = if goal == 0 { usize::MAX } else { goal };
                    assert_eq!(store.spill(&disk, goal, random.below(300), newest).1, Ok(()));
                }
                5 if !store.changed() => {
                    store = restored(&records(store.dump("f.step", 7)));
                }
                6..11 => {
                    store.remove(key, identity);
                    naive.remove(key, identity);
                }
                11..17 => {
                    if let Some(Entry { place, .. }) = store.get(key, identity, clock) {
                        store.patch(place, b"PP");
                        let found = naive.0.iter_mut().find(|entry| (entry.0, entry.1) == (key, identity));
                        found.map(|entry| entry.3[..2].copy_from_slice(b"PP")).unwrap_or_default();
                    }
                }
                _ => {
                    let length = 2 + random.below(40);
                    let value = random.bytes(length);
                    store.put(key, identity, clock, &value);
                    naive.put(key, identity, clock, &value);
                }
            }
            assert_eq!(entries(&store, key, clock), naive.entries(key, clock), "seed {seed}");
            spilt = spilt.max(store.spilt_bytes());
        }
        assert!(spilt > 0 && disk.failure().is_none(), "seed {seed}");
        restore(&mut copy, &store.deltas("f.step", 7));
        store.commit();
        for key in 0..12 {
            assert_eq!(entries(&copy, key, clock), entries(&store, key, clock), "seed {seed}");
        }
    }
}

#[test]
fn a_rollback_leaves_exactly_what_was_committed() {
    let mut random = Random(3);
    let mut store = Store::new(WINDOW);
    for identity in 0..5_000 {
        store.put(identity % 50, identity, 10, b"before");
    }
    store.commit();
    let before = (records(store.dump("t", 1)), store.bytes());
    for identity in 0..20_000 {
        let (key, other) = (random.below(60) as u128, random.below(5_000) as u128);
        store.put(key, identity, 5_000, &random.bytes(30));
        store.remove(other % 50, other);
    }
    store.rollback();
    assert_eq!((store.len(), store.changed(), store.deltas("t", 1).len()), (5_000, false, 0));
    store.remove(7, 99_999);
    assert_eq!((store.changed(), store.deltas("t", 1).len()), (true, 0), "nothing came of it");
    store.commit();
    assert_eq!(records(store.dump("t", 1)), before.0);
    store.put(1, 1, 9_000, b"after");
    store.commit();
    assert_eq!(store.len(), 5_000);
}

#[test]
fn whole_generations_are_dropped_and_their_keys_with_them() {
    let mut store = Store::new(WINDOW);
    for at in 0..16 {
        store.put(at as u128, 0, at * 1_000, b"v");
    }
    assert_eq!(store.advance(1_000_000), 0, "not while a transaction is open");
    store.commit();
    assert_eq!(store.advance(12_000), 4);
    assert_eq!((store.len(), entries(&store, 4, 12_000).len()), (12, 1));
    assert_eq!(store.advance(12_000), 0);
    let full = store.bytes();
    assert_eq!(store.advance(i64::MAX), 12);
    assert_eq!(store.len(), 0);
    assert!(store.bytes() < full);
    store.put(4, 0, i64::MAX, b"v");
    store.commit();
    assert_eq!(entries(&store, 4, i64::MAX).len(), 1);
}

#[test]
fn an_older_link_ends_where_a_generation_was_dropped() {
    let mut store = Store::new(WINDOW);
    store.put(1, 1, 0, b"old");
    store.put(1, 2, 7_000, b"new");
    store.commit();
    assert_eq!(store.advance(9_500), 1);
    assert_eq!(entries(&store, 1, 9_500), [(2, 7_000, b"new".to_vec())]);
    store.put(1, 1, 9_600, b"again");
    assert_eq!(entries(&store, 1, 9_600).len(), 2);
}

/// Tells what is due, and removes it.
fn due(store: &mut Store, clock: i64) -> Vec<u128> {
    let mut told = Vec::new();
    while let Some(place) = store.due(clock) {
        store.pass(place);
        if let Some(Entry { key, identity, .. }) = store.at(place) {
            told.push(identity);
            store.remove(key, identity);
        }
    }
    told
}

#[test]
fn what_is_due_is_told_once_in_order_over_rollback_and_restore() {
    let mut store = Store::waiting(WINDOW);
    for at in 0..10 {
        store.put(at % 3, at, at as i64 * 1_000, b"v");
    }
    store.remove(1, 1);
    let mut copy = restored(&store.deltas("f.step", 7));
    store.commit();
    assert_eq!(due(&mut store, 8_000), [0; 0], "the last millisecond still counts");
    assert_eq!(due(&mut store, 8_001), [0]);
    assert_eq!(due(&mut store, 11_000), [2]);
    store.rollback();
    assert_eq!(due(&mut store, 11_000), [0, 2]);
    assert_eq!(due(&mut store, 11_000), [0; 0]);
    restore(&mut copy, &store.deltas("f.step", 7));
    store.commit();
    for store in [&mut store, &mut copy] {
        assert_eq!(due(store, 13_500), [3, 4, 5]);
        store.commit();
        store.advance(1_000_000);
        assert_eq!(due(store, 1_000_000), [6, 7, 8, 9]);
    }
}

#[test]
fn what_was_not_passed_yet_is_not_dropped() {
    let mut store = Store::waiting(WINDOW);
    store.put(1, 1, 0, b"v");
    store.commit();
    assert_eq!(store.advance(1_000_000), 0);
    assert!(store.due(1_000_000).map(|place| store.pass(place)).is_some());
    assert_eq!(store.advance(1_000_000), 1);
}

#[test]
fn that_an_earlier_generation_was_passed_drops_no_later_one() {
    let mut store = Store::waiting(WINDOW);
    for (identity, append_ms) in [(1, 0), (2, WINDOW), (3, 2 * WINDOW)] {
        store.put(1, identity, append_ms, b"v");
    }
    store.commit();
    assert!(store.due(1_000_000).map(|place| store.pass(place)).is_some());
    assert_eq!(store.advance(1_000_000), 1);
    assert_eq!(store.advance(1_000_000), 0, "the others were not told yet");
    assert!(store.due(1_000_000).map(|place| store.pass(place)).is_some());
    assert_eq!(store.advance(1_000_000), 1);
}

#[test]
fn entries_that_are_replaced_for_ever_take_bounded_memory() {
    let mut store = Store::new(WINDOW);
    for round in 0..200u32 {
        for identity in 0..1_000 {
            store.put(identity % 10, identity, 5, &[round as u8; 100]);
        }
        store.commit();
    }
    assert_eq!(store.len(), 1_000);
    assert!(store.bytes() < 4 << 20, "{}", store.bytes());
    for key in 0..10 {
        let found = entries(&store, key, 5);
        assert!(found.iter().map(|entry| entry.0).eq((0..1_000).filter(|identity| identity % 10 == key)));
        assert!(found.iter().all(|entry| entry.2 == [199; 100]));
    }
}

#[test]
fn deltas_stay_small_with_the_largest_values() {
    let mut store = Store::new(WINDOW);
    for identity in 0..4 {
        store.put(1, identity, 0, &vec![identity as u8; MOST_VALUE]);
    }
    let deltas = store.deltas("f.step", 7);
    assert_eq!(deltas.len(), 4);
    let copy = restored(&deltas);
    assert_eq!(entries(&copy, 1, 0), entries(&store, 1, 0));
}

#[test]
fn append_times_that_fall_or_overflow_break_nothing() {
    let mut random = Random(9);
    let mut store = Store::waiting(i64::MAX);
    for _ in 0..500 {
        let at = random.next() as i64;
        store.put(random.below(5) as u128, random.below(50) as u128, at, b"v");
        due(&mut store, random.next() as i64);
        store.commit();
        store.advance(random.next() as i64);
        entries(&store, 1, random.next() as i64);
    }
    let copy = restored(&records(store.dump("f.step", 7)));
    assert_eq!(copy.len(), store.len());
    for extreme in [i64::MIN, i64::MAX, 0] {
        let mut store = Store::new(WINDOW);
        store.put(1, 1, extreme, b"v");
        store.put(1, 2, 5, b"v");
        store.commit();
        due(&mut store, extreme);
        store.advance(extreme);
        assert!(store.len() <= 2);
    }
}

#[test]
fn a_damaged_delta_is_refused_however_it_is_cut() {
    let mut store = Store::new(WINDOW);
    store.put(1, 2, 3, b"value");
    store.commit();
    store.remove(1, 2);
    store.put(1, 3, 4, b"");
    let whole = store.deltas("t", 1).remove(0);
    let head = 1 + 2 + 1 + 8;
    for length in 0..whole.len() {
        // A cut between two changes leaves a whole delta of fewer: the log's own checksums guard against that.
        let between = length == head || length == head + 33;
        assert_eq!(StoreDelta::parse(&whole[..length]).is_err(), !between, "{length}");
    }
    let mut later = whole.clone();
    later[0] = 9;
    assert!(StoreDelta::parse(&later).is_err_and(|error| error.contains("format version 9")));
    let mut unknown = whole;
    unknown[head] = 7;
    assert!(StoreDelta::parse(&unknown).is_err_and(|error| error.contains("damaged")));
}

#[test]
fn another_form_of_the_step_is_refused() {
    let mut store = Store::new(WINDOW);
    store.put(1, 2, 3, b"value");
    let deltas = store.deltas("f.step", 1);
    let checked = StoreDelta::parse(&deltas[0]).and_then(|delta| delta.check(2));
    assert!(checked.is_err_and(|error| error.starts_with("table f.step was written by another form")));
}
