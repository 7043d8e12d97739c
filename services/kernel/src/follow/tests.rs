use super::{Held, MOST_PART, held, hold, write_tail};
use crate::store::Store;

const WINDOW: i64 = 8_000;

fn tail(store: &Store, clock_ms: i64) -> Vec<u8> {
    let mut out = Vec::new();
    write_tail(store, 1, clock_ms, &mut out);
    out
}

#[test]
fn it_remembers_the_revision_and_what_the_consumer_got() {
    let mut store = Store::new(WINDOW);
    assert_eq!(held(&store, 1, 0), None);
    hold(&mut store, 1, 0, 3, Some(b"tail"));
    assert_eq!(held(&store, 1, WINDOW), Some(Held { revision: 3, delivered: true }));
    assert_eq!(tail(&store, WINDOW), b"tail");
    assert_eq!(held(&store, 1, WINDOW + 1), None);
    hold(&mut store, 1, 5, 4, Some(b""));
    assert_eq!((held(&store, 1, 5), tail(&store, 5)), (Some(Held { revision: 4, delivered: true }), vec![]));
}

#[test]
fn of_what_was_taken_back_the_revision_alone_is_left() {
    let mut store = Store::new(WINDOW);
    hold(&mut store, 1, 0, 3, Some(&vec![7; 2 * MOST_PART + 5]));
    hold(&mut store, 1, 1, 4, None);
    assert_eq!(held(&store, 1, 1), Some(Held { revision: 4, delivered: false }));
    assert_eq!((tail(&store, 1), store.len()), (vec![], 1));
}

#[test]
fn a_long_tail_is_remembered_whole_and_replaced_whole() {
    let mut store = Store::new(WINDOW);
    for length in [3 * MOST_PART + 1, MOST_PART, 10, 2 * MOST_PART] {
        let value: Vec<u8> = (0..length).map(|number| number as u8).collect();
        hold(&mut store, 1, 0, 0, Some(&value));
        assert!(tail(&store, 0) == value, "{length}");
        assert_eq!(store.len(), length.div_ceil(MOST_PART));
    }
    assert!(store.deltas("t", 1).iter().all(|delta| delta.len() < 512 * 1024));
}
