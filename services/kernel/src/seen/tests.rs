use super::{Delta, Seen};
use crate::random::Random;
use crate::spill::tests::{Folder, records};

const LENGTH: i64 = 1_000;

/// Every entry there ever was, looked through one by one.
#[derive(Default)]
struct Naive(Vec<(u128, i64)>);

impl Naive {
    fn first(&mut self, key: u128, append_ms: i64) -> bool {
        let generation = append_ms.div_euclid(LENGTH);
        let new = !self.0.iter().any(|(other, at)| *other == key && (at - generation).abs() <= 8);
        if new {
            self.0.push((key, generation));
        }
        new
    }
}

#[test]
fn a_key_is_remembered_for_eight_generations_and_not_refreshed() {
    let mut seen = Seen::new(LENGTH);
    assert!(seen.first(1, 500));
    assert!(!seen.first(1, 4_000));
    assert!(!seen.first(1, 8_999));
    assert!(seen.first(1, 9_000));
    assert!(!seen.first(1, 0), "the first entry is still there");
}

#[test]
fn it_agrees_with_the_naive_over_any_order_transactions_and_advances() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let (folder, mut spilt) = (Folder::new(), 0);
        let disk = folder.disk();
        let (mut seen, mut naive) = (Seen::new(LENGTH), Naive::default());
        let mut committed = naive.0.clone();
        // Now and then the time leaps further than labels reach.
        let mut clock = 1_000_000;
        for _ in 0..3_000 {
            match random.below(100) {
                0 => {
                    seen.commit();
                    committed.clone_from(&naive.0);
                }
                1 => {
                    seen.rollback();
                    naive.0.clone_from(&committed);
                }
                2 => {
                    clock += 500 * random.below(10) as i64;
                    seen.commit();
                    committed.clone_from(&naive.0);
                    seen.advance(clock);
                }
                3 => {
                    seen.commit();
                    committed.clone_from(&naive.0);
                    let (goal, newest) = (1 + random.below(5_000), random.below(2) == 0);
                    assert_eq!(seen.spill(&disk, goal, random.below(60), newest).1, Ok(()));
                    spilt = spilt.max(seen.spilt_bytes());
                }
                4 if random.below(5) == 0 => {
                    seen.commit();
                    committed.clone_from(&naive.0);
                    let (before, dumped) = (seen.len(), records(seen.dump("t", 7)));
                    // Some of what is restored goes to the disk before the rest of it comes, and comes twice.
                    seen = Seen::new(LENGTH);
                    for bytes in dumped.iter().chain(&dumped) {
                        Delta::parse(bytes).map(|delta| seen.restore(&delta)).unwrap_or_default();
                        assert_eq!(seen.spill(&disk, 500, 0, true).1, Ok(()));
                    }
                    assert_eq!(seen.len(), before, "seed {seed}");
                }
                _ => {
                    let leap = if random.below(50) == 0 { 400_000 } else { 12_000 };
                    let at = clock + random.below(leap) as i64;
                    let key = 1 + random.below(40) as u128;
                    assert_eq!(seen.first(key, at), naive.first(key, at), "seed {seed}");
                }
            }
        }
        assert!(spilt > 0 && disk.failure().is_none(), "seed {seed}");
    }
}

#[test]
fn a_rollback_leaves_exactly_what_was_committed() {
    let mut random = Random(5);
    let mut seen = Seen::new(LENGTH);
    let kept: Vec<u128> = (0..500).map(|_| random.key()).collect();
    for key in &kept {
        seen.first(*key, 0);
    }
    seen.commit();
    let (entries, gone): (usize, Vec<u128>) = (seen.len(), (0..5_000).map(|_| random.key()).collect());
    for key in &gone {
        seen.first(*key, 1_000);
    }
    seen.rollback();
    assert_eq!(seen.len(), entries);
    assert!(seen.deltas("t", 7).is_empty());
    assert!(kept.iter().all(|key| !seen.first(*key, 0)));
    assert!(gone.iter().all(|key| seen.first(*key, 0)));
}

#[test]
fn advance_drops_what_nothing_later_could_match() {
    let mut seen = Seen::new(LENGTH);
    for generation in 0..20 {
        seen.first(generation as u128, generation * LENGTH);
    }
    seen.commit();
    assert_eq!(seen.advance(12 * LENGTH), 4);
    assert_eq!(seen.len(), 16);
    assert!(!seen.first(4, 12 * LENGTH));
    assert_eq!(seen.advance(12 * LENGTH), 0);
    assert_eq!(seen.advance(1_000_000 * LENGTH), 16);
    assert_eq!(seen.len(), 0);
}

#[test]
fn deltas_bring_the_same_keys_back_and_may_come_twice() {
    let mut random = Random(6);
    let mut seen = Seen::new(LENGTH);
    let keys: Vec<(u128, i64)> = (0..70_000).map(|index| (random.key(), index % 30 * LENGTH)).collect();
    for (key, at) in &keys {
        assert!(seen.first(*key, *at));
    }
    let deltas = seen.deltas("ids.14d", 7);
    assert_eq!(deltas.len(), 3);
    assert!(deltas.iter().all(|delta| delta.len() <= 512 * 1024));
    let mut restored = Seen::new(LENGTH);
    for bytes in deltas.iter().chain(&deltas) {
        let delta = Delta::parse(bytes);
        assert!(matches!(&delta, Ok(delta) if delta.table == "ids.14d"));
        if let Ok(delta) = delta {
            restored.restore(&delta);
        }
    }
    assert_eq!(restored.len(), keys.len());
    assert!(restored.deltas("ids.14d", 7).is_empty(), "what is restored is committed already");
    assert!(keys.iter().all(|(key, at)| !restored.first(*key, *at)));
}

#[test]
fn a_window_that_became_longer_keeps_its_keys() {
    let mut seen = Seen::new(LENGTH);
    seen.first(1, 5_500);
    let mut longer = Seen::new(2 * LENGTH);
    for bytes in seen.deltas("t", 7) {
        if let Ok(delta) = Delta::parse(&bytes) {
            longer.restore(&delta);
        }
    }
    assert!(!longer.first(1, 20_000));
    assert!(longer.first(1, 22_000));
}

#[test]
fn a_damaged_delta_is_refused_however_it_is_cut() {
    let mut seen = Seen::new(LENGTH);
    seen.first(1, 0);
    seen.first(2, 5_000);
    let whole = seen.deltas("t", 7).remove(0);
    for length in 0..whole.len() {
        // A cut between two generations leaves a whole delta of fewer keys: the log's own checksums guard against that.
        let between = length == 20 || length == 20 + 28;
        assert_eq!(Delta::parse(&whole[..length]).is_err(), !between, "{length}");
    }
    let mut later = whole;
    later[0] = 9;
    assert!(Delta::parse(&later).is_err_and(|error| error.contains("format version 9")));
}

#[test]
fn the_oldest_generations_go_to_the_disk_first_and_leave_it_when_they_are_over() {
    let (folder, mut random) = (Folder::new(), Random(7));
    let disk = folder.disk();
    let mut seen = Seen::new(LENGTH);
    let keys: Vec<(u128, i64)> = (0..60_000).map(|index| (random.key(), index / 10_000 * LENGTH)).collect();
    assert!(keys.iter().all(|(key, at)| seen.first(*key, *at)));
    assert_eq!(seen.spill(&disk, usize::MAX, 0, true), (0, Ok(())), "not what is not committed");
    seen.commit();
    let full = seen.bytes();
    assert_eq!(seen.spill(&disk, usize::MAX, full, false).0, 0, "none is so large");
    let (freed, result) = seen.spill(&disk, full / 2 - 1, 0, false);
    assert!(result.is_ok() && freed > full / 3 && freed < full * 2 / 3, "{freed} of {full}");
    assert_eq!((seen.len(), seen.spilt.keys().copied().collect::<Vec<_>>()), (60_000, vec![0, 1, 2]));
    assert!((seen.spilt_bytes() as usize) < 30_000 * super::spilt::KEY_BYTES);
    assert!(keys.iter().all(|(key, at)| !seen.first(*key, *at + 2 * LENGTH)));
    let dumped = records(seen.dump("t", 7));
    assert!(dumped.iter().all(|record| record.len() <= 512 * 1024));
    let mut again = Seen::new(LENGTH);
    for bytes in &dumped {
        Delta::parse(bytes).map(|delta| again.restore(&delta)).unwrap_or_default();
    }
    assert!(again.len() == 60_000 && keys.iter().all(|(key, at)| !again.first(*key, *at)));
    assert_eq!(seen.advance(10 * LENGTH), 20_000);
    assert_eq!((seen.len(), seen.spilt.len()), (40_000, 1));
    assert_eq!(seen.spill(&disk, usize::MAX, 0, true).1, Ok(()));
    assert!(seen.bytes() < full / 20 && seen.spilt.len() == 4);
    assert!(keys[20_000..].iter().all(|(key, at)| !seen.first(*key, *at)));
}
