use crate::follow::{composite, hold};
use crate::relation::{Offered, Taken};
use crate::rig::{Composite, Event, Rig, WITHIN, event, join};
use crate::store::Store;

fn rig(matches: &str, unmatched: &str, follow: bool) -> Rig {
    Rig::new(&join(matches, unmatched, follow))
}

const NONE: [&str; 0] = [];
const LEFT: usize = 0;
const RIGHT: usize = 1;

#[test]
fn a_left_record_takes_the_row_that_came_last() {
    let mut rig = rig("latest", "wait", false);
    assert_eq!(
        rig.makes(RIGHT, &event("r1", "p", 5).occurred(900), 0),
        NONE,
        "a row makes nothing by itself"
    );
    rig.makes(RIGHT, &event("r2", "q", 0).occurred(10), 1);
    assert_eq!(rig.makes(LEFT, &event("l1", "a", 3), 2), ["CORRECTED 3 l1 r2"], "the left revision");
    rig.makes(RIGHT, &event("r3", "p", 0), 3);
    assert_eq!(rig.makes(LEFT, &event("l2", "a", 0), 4), ["ASSERTED 0 l2 r3"]);
}

#[test]
fn a_left_record_takes_the_row_that_was_valid_when_it_happened() {
    let mut rig = rig("valid-at", "wait", false);
    for (id, occurred) in [("r1", 10), ("r3", 30), ("r2", 20), ("s2", 20)] {
        rig.makes(RIGHT, &event(id, id, 0).occurred(occurred), 0);
    }
    let at = |occurred| event("l", "a", 0).occurred(occurred);
    assert_eq!(rig.makes(LEFT, &at(9), 1), NONE);
    assert_eq!(rig.makes(LEFT, &at(10), 1), ["ASSERTED 0 l r1"]);
    assert_eq!(rig.makes(LEFT, &at(29), 1), ["ASSERTED 0 l s2"], "of two at one time the later one");
    assert_eq!(rig.makes(LEFT, &at(99), 1), ["ASSERTED 0 l r3"]);
}

#[test]
fn a_row_holds_for_as_long_as_it_is_remembered() {
    for matches in ["latest", "valid-at"] {
        let mut rig = rig(matches, "wait", false);
        rig.makes(RIGHT, &event("r1", "p", 0), 0);
        assert_eq!(rig.makes(LEFT, &event("l1", "a", 0), WITHIN), ["ASSERTED 0 l1 r1"]);
        assert_eq!(rig.makes(LEFT, &event("l2", "a", 0), WITHIN + 1), NONE);
    }
}

#[test]
fn a_left_record_without_a_row_waits_for_one_and_is_answered_once() {
    let mut rig = rig("latest", "wait", false);
    rig.makes(LEFT, &event("l1", "a", 0), 0);
    rig.makes(LEFT, &event("l2", "b", 1), 5);
    assert_eq!(
        rig.makes(RIGHT, &event("r1", "p", 0), WITHIN + 1),
        ["CORRECTED 1 l2 r1"],
        "the first one gave up"
    );
    assert_eq!(rig.makes(RIGHT, &event("r2", "p", 0), WITHIN + 2), NONE);
}

#[test]
fn one_that_waits_for_a_valid_row_is_not_answered_by_a_later_one() {
    let mut rig = rig("valid-at", "wait", false);
    rig.makes(LEFT, &event("l1", "a", 0).occurred(50), 0);
    assert_eq!(rig.makes(RIGHT, &event("r1", "p", 0).occurred(51), 1), NONE);
    assert_eq!(rig.makes(RIGHT, &event("r2", "q", 0).occurred(50), 2), ["ASSERTED 0 l1 r2"]);
}

#[test]
fn an_independent_left_record_may_be_told_alone_at_once() {
    let mut rig = rig("latest", "left", false);
    assert_eq!(rig.makes(LEFT, &event("l1", "a", 0), 0), ["ASSERTED 0 l1 -"]);
    assert_eq!(rig.makes(RIGHT, &event("r1", "p", 0), 1), NONE);
    assert_eq!(rig.size().0, 1, "it is not remembered");
}

#[test]
fn a_followed_left_record_is_told_again_when_its_row_changes() {
    let mut rig = rig("latest", "wait", true);
    rig.makes(RIGHT, &event("r1", "p", 0), 0);
    assert_eq!(rig.makes(LEFT, &event("l1", "a", 7), 1), ["ASSERTED 0 l1 r1"], "the number of the emission");
    assert_eq!(
        rig.makes(RIGHT, &event("r2", "p", 1), 2),
        ["CORRECTED 1 l1 r2"],
        "its row has a new revision"
    );
    assert_eq!(rig.makes(RIGHT, &event("q1", "q", 0), 3), ["CORRECTED 2 l1 q1"], "another row is newer");
    assert_eq!(rig.makes(RIGHT, &event("r3", "p", 2), 4), ["CORRECTED 3 l1 r3"]);
    assert_eq!(rig.makes(RIGHT, &event("q2", "q", 1).retracted(), 5), NONE, "that was not its row");
    assert_eq!(rig.makes(LEFT, &event("l2", "a", 8), 6), ["CORRECTED 4 l2 r3"]);
    assert_eq!(rig.offer(LEFT, &event("l1", "a", 8), 7), (Taken::Superseded, vec![]));
    assert_eq!(rig.offer(RIGHT, &event("r2", "p", 1), 7), (Taken::Superseded, vec![]));
}

#[test]
fn it_falls_back_to_a_row_under_another_event_id() {
    let mut rig = rig("latest", "wait", true);
    rig.makes(RIGHT, &event("r1", "p", 0), 0);
    let first = rig.offer(LEFT, &event("l1", "a", 0), 1).1;
    rig.makes(RIGHT, &event("q1", "q", 0), 2);
    let back = rig.offer(RIGHT, &event("q2", "q", 1).retracted(), 3).1;
    assert_eq!(back.iter().map(Composite::short).collect::<Vec<_>>(), ["CORRECTED 2 l1 r1"]);
    assert_ne!(back[0].event_id, first[0].event_id);
    assert_eq!(back[0].entity_id, first[0].entity_id);
}

#[test]
fn without_any_row_it_is_taken_back_or_told_alone() {
    for (unmatched, last) in [("wait", "RETRACTED 1 l1 r2"), ("left", "CORRECTED 2 l1 -")] {
        let mut rig = rig("latest", unmatched, true);
        let alone = rig.makes(LEFT, &event("l1", "a", 0), 0);
        assert_eq!(alone.is_empty(), unmatched == "wait");
        assert_eq!(rig.makes(RIGHT, &event("r1", "p", 0), 1).len(), 1);
        assert_eq!(rig.makes(RIGHT, &event("r2", "p", 1).retracted(), 2), [last]);
        assert_eq!(rig.makes(RIGHT, &event("r3", "p", 2).retracted(), 3), NONE);
        let number = if unmatched == "wait" { 2 } else { 3 };
        assert_eq!(rig.makes(RIGHT, &event("r4", "p", 3), 4), [format!("CORRECTED {number} l1 r4")]);
    }
}

#[test]
fn a_withdrawn_left_record_is_taken_back_once() {
    let mut rig = rig("latest", "wait", true);
    assert_eq!(rig.makes(LEFT, &event("l0", "b", 1).retracted(), 0), NONE, "nothing was told of it");
    rig.makes(RIGHT, &event("r1", "p", 0), 0);
    rig.makes(LEFT, &event("l1", "a", 0), 1);
    assert_eq!(rig.makes(LEFT, &event("l2", "a", 1).retracted(), 2), ["RETRACTED 1 l2 r1"]);
    assert_eq!(rig.makes(RIGHT, &event("r2", "p", 1), 3), NONE);
    assert_eq!(rig.makes(LEFT, &event("l3", "a", 2).retracted(), 4), NONE);
    assert_eq!(rig.makes(LEFT, &event("l4", "a", 3), 5), ["CORRECTED 2 l4 r2"], "its numbers go on");
    let moved = Offered { key: b"x", append_ms: 6, moved: true, retracted: false, told: None };
    let (taken, made) = rig.offer_as(LEFT, &event("l5", "a", 4).on("y"), &moved);
    assert_eq!((taken, made[0].short().as_str()), (Taken::Withdrawn, "RETRACTED 3 l5 r2"));
}

#[test]
fn a_revision_that_finds_no_valid_row_takes_the_composite_back() {
    let mut rig = rig("valid-at", "wait", true);
    rig.makes(RIGHT, &event("r1", "p", 0).occurred(50), 0);
    assert_eq!(rig.makes(LEFT, &event("l1", "a", 0).occurred(60), 1), ["ASSERTED 0 l1 r1"]);
    let gone = rig.offer(LEFT, &event("l2", "a", 1).occurred(40), 2).1;
    assert_eq!((gone[0].status.as_str(), gone[0].parts[0].as_str()), ("RETRACTED", "l2"));
    assert_eq!(rig.makes(RIGHT, &event("r2", "q", 0).occurred(40), 3), ["CORRECTED 2 l2 r2"]);
    assert_eq!(rig.makes(RIGHT, &event("r3", "q", 1).occurred(41), 4), ["RETRACTED 3 l2 r3"]);
}

#[test]
fn a_row_that_is_only_too_old_changes_nothing() {
    let mut rig = rig("latest", "wait", true);
    rig.makes(RIGHT, &event("r1", "p", 0), 0);
    rig.makes(LEFT, &event("l1", "a", 0), 9_000);
    assert_eq!(rig.makes(RIGHT, &event("q1", "q", 0).retracted(), WITHIN + 1), NONE);
    assert_eq!(rig.makes(RIGHT, &event("s1", "s", 0), WITHIN + 2), ["CORRECTED 1 l1 s1"]);
}

#[test]
fn left_records_of_a_key_are_told_in_the_order_in_which_they_came() {
    let mut rig = rig("valid-at", "wait", true);
    for (id, occurred) in [("l1", 30), ("l2", 10), ("l3", 20)] {
        rig.makes(LEFT, &event(id, id, 0).occurred(occurred), 0);
    }
    let row = |id: &str, revision, occurred| event(id, "p", revision).occurred(occurred);
    assert_eq!(rig.makes(RIGHT, &row("r1", 0, 20), 1), ["ASSERTED 0 l1 r1", "ASSERTED 0 l3 r1"]);
    let all = ["CORRECTED 1 l1 r2", "ASSERTED 0 l2 r2", "CORRECTED 1 l3 r2"];
    assert_eq!(rig.makes(RIGHT, &row("r2", 1, 5), 2), all);
}

#[test]
fn beyond_most_nothing_is_stored_on_either_side() {
    let mut rig = rig("valid-at", "wait", true);
    for number in 0..5 {
        let id = number.to_string();
        assert_eq!(rig.offer(RIGHT, &event(&id, &id, 0).occurred(500), 0).0, Taken::Stored);
        assert_eq!(rig.offer(LEFT, &event(&id, &id, 0), 0).0, Taken::Stored);
    }
    for side in [LEFT, RIGHT] {
        assert_eq!(rig.offer(side, &event("n", "n", 0), 1), (Taken::TooMany, vec![]));
        assert_eq!(rig.offer(side, &event("n", "0", 1), 1).0, Taken::Stored);
    }
    assert_eq!(rig.size().0, 10);
}

#[test]
fn newest_rows_alone_take_one_place() {
    let mut rig = rig("latest", "wait", false);
    for number in 0..20 {
        assert_eq!(rig.offer(RIGHT, &event(&number.to_string(), "p", 0), 0).0, Taken::Stored);
    }
    assert_eq!(rig.size().0, 1);
}

#[test]
fn a_restored_state_goes_on_where_the_other_stopped() {
    let events: Vec<(usize, Event)> = vec![
        (LEFT, event("l1", "a", 0)),
        (RIGHT, event("r1", "p", 0)),
        (RIGHT, event("q1", "q", 0)),
        (LEFT, event("l2", "b", 0)),
        (RIGHT, event("q2", "q", 1).retracted()),
        (LEFT, event("l3", "a", 1).retracted()),
        (RIGHT, event("r2", "p", 1)),
        (LEFT, event("l4", "a", 2)),
    ];
    let (mut whole, mut restored) = (rig("latest", "left", true), rig("latest", "left", true));
    let mut deltas = Vec::new();
    for (number, (side, event)) in events.iter().enumerate() {
        let expected = whole.makes(*side, event, number as i64);
        assert_eq!(restored.makes(*side, event, number as i64), expected);
        restored.state.rollback();
        assert_eq!(restored.makes(*side, event, number as i64), expected);
        deltas.extend(restored.deltas());
        restored.state.commit();
        restored.state = restored.restored(&if number % 2 == 0 { deltas.clone() } else { restored.dump() });
    }
}

#[test]
fn a_left_record_that_moves_is_another_entity_under_its_new_key() {
    let mut rig = rig("latest", "left", true);
    let first = rig.offer(LEFT, &event("l1", "a", 0), 0).1;
    let now = event("l2", "a", 1).on("y");
    let left = rig
        .offer_as(LEFT, &now, &Offered { key: b"x", append_ms: 1, moved: true, retracted: false, told: None })
        .1;
    let begun = rig.offer(LEFT, &now, 1).1;
    assert_eq!(
        (left[0].short().as_str(), begun[0].short().as_str()),
        ("RETRACTED 1 l2 -", "ASSERTED 0 l2 -")
    );
    assert_eq!(left[0].entity_id, first[0].entity_id);
    assert_ne!(begun[0].entity_id, first[0].entity_id);
}

#[test]
fn the_numbers_of_a_forgotten_left_record_go_on_from_what_its_consumer_has() {
    let mut rig = rig("latest", "left", true);
    let entity = rig.offer(LEFT, &event("l1", "a", 0), 0).1[0].entity_id.clone();
    let mut told = Store::new(WITHIN);
    hold(&mut told, composite(entity.as_bytes()), 9_000, 7, Some(b""));
    let offered =
        |append_ms| Offered { key: b"x", append_ms, moved: false, retracted: false, told: Some(&told) };
    let again = rig.offer_as(LEFT, &event("l2", "a", 1), &offered(WITHIN + 1)).1;
    assert_eq!(again[0].short(), "CORRECTED 8 l2 -");
    let later = rig.offer_as(LEFT, &event("l3", "a", 2), &offered(3 * WITHIN)).1;
    assert_eq!(later[0].short(), "ASSERTED 0 l3 -", "the consumer has nothing any more");
}

#[test]
fn beyond_most_the_oldest_of_newest_rows_gives_way() {
    let mut rig = rig("latest", "wait", true);
    for number in 0..5 {
        let id = number.to_string();
        assert_eq!(rig.offer(RIGHT, &event(&id, &id, 0), number).0, Taken::Stored);
    }
    assert_eq!(rig.makes(LEFT, &event("l1", "a", 0), 5), ["ASSERTED 0 l1 4"]);
    assert_eq!(rig.makes(RIGHT, &event("5", "5", 0), 6), ["CORRECTED 1 l1 5"]);
    assert_eq!(rig.makes(RIGHT, &event("r", "9", 0).retracted(), 7), NONE, "nobody knows it");
    assert_eq!(rig.size().0, 6);
    for number in (1..=5).rev() {
        let id = number.to_string();
        let told = rig.makes(RIGHT, &event(&id, &id, 1).retracted(), 10 - number);
        let next = if number == 1 { "RETRACTED".to_owned() } else { format!("l1 {}", number - 1) };
        assert!(told[0].contains(&next), "{told:?}");
    }
}
