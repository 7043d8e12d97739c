use super::{Decision, decide, fits, forget, remember};
use crate::store::{MOST_VALUE, Store};

const WINDOW: i64 = 8_000;

fn table() -> Store {
    let mut table = Store::new(WINDOW);
    remember(&mut table, 1, 3, 0, b"tail", &mut Vec::new());
    table
}

#[test]
fn a_higher_revision_that_stands_is_delivered() {
    let table = table();
    assert_eq!(decide(&table, 2, 0, true, 1), Decision::Deliver, "an entity that is not remembered");
    assert_eq!(decide(&table, 1, 4, true, 1), Decision::Deliver);
    for revision in [3, 2, i64::MIN] {
        assert_eq!(decide(&table, 1, revision, true, 1), Decision::Filter);
    }
}

#[test]
fn what_stands_no_longer_is_taken_back_with_what_the_consumer_has() {
    let table = table();
    assert_eq!(decide(&table, 1, 4, false, 1), Decision::Retract(b"tail"));
    assert_eq!(decide(&table, 1, 3, false, 1), Decision::Filter, "an old revision takes nothing back");
    assert_eq!(decide(&table, 2, 4, false, 1), Decision::Filter, "the consumer has nothing of it");
}

#[test]
fn what_was_taken_back_leaves_its_revision() {
    let mut table = table();
    forget(&mut table, 1, 4, 1, &mut Vec::new());
    assert_eq!(decide(&table, 1, 5, false, 2), Decision::Filter, "it is taken back once");
    assert_eq!(decide(&table, 1, 4, true, 2), Decision::Filter);
    assert_eq!(decide(&table, 1, 5, true, 2), Decision::Deliver);
    assert_eq!(table.len(), 1);
}

#[test]
fn it_remembers_for_its_window() {
    let table = table();
    assert_eq!(decide(&table, 1, 4, false, WINDOW), Decision::Retract(b"tail"));
    assert_eq!(decide(&table, 1, 4, false, WINDOW + 1), Decision::Filter);
    assert_eq!(decide(&table, 1, 0, true, WINDOW + 1), Decision::Deliver);
}

#[test]
fn a_tail_has_a_limit() {
    assert!(fits(&[0; 1_000]));
    assert!(!fits(&vec![0; MOST_VALUE]));
}
