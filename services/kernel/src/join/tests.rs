use crate::relation::{Offered, Taken};
use crate::rig::{Composite, Event, Rig, WITHIN, event, join};

fn rig(unmatched: &str, follow: bool) -> Rig {
    Rig::new(&join("each-pair", unmatched, follow))
}

fn shorts(composites: &[Composite]) -> Vec<String> {
    composites.iter().map(Composite::short).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn either_side_may_come_first_and_partners_come_in_their_order() {
    let mut rig = rig("wait", false);
    assert_eq!(rig.makes(0, &event("t1", "a", 0), 0), NONE);
    assert_eq!(rig.makes(1, &event("s1", "b", 0), 1), ["ASSERTED 0 t1 s1"]);
    assert_eq!(rig.makes(1, &event("s2", "c", 0), 2), ["ASSERTED 0 t1 s2"]);
    assert_eq!(rig.makes(0, &event("t2", "d", 0), 3), ["ASSERTED 0 t2 s1", "ASSERTED 0 t2 s2"]);
    assert_eq!(rig.makes(0, &event("t3", "d", 0).on("y"), 4), NONE);
}

#[test]
fn a_pair_is_at_most_within_apart() {
    let mut rig = rig("wait", false);
    rig.makes(0, &event("t1", "a", 0), 0);
    assert_eq!(rig.makes(1, &event("s1", "b", 0), WITHIN), ["ASSERTED 0 t1 s1"]);
    assert_eq!(rig.makes(1, &event("s2", "c", 0), WITHIN + 1), NONE);
}

#[test]
fn the_envelope_derives_from_the_parents() {
    let mut rig = rig("wait", false);
    let mut trip = event("t1", "a", 2).occurred(500).from("rail");
    trip.region = "310000";
    rig.makes(0, &trip, 0);
    let (_, made) = rig.offer(1, &event("s1", "b", 3).occurred(400).from("hang"), 1);
    // SHA-256 of "near", "t1", "s1", and of "near", "rail", "a", "hang", "b", each after its length.
    let expected = Composite {
        event_id: "22359145e21fc4e9cd0bbe512bda930c".to_owned(),
        entity_id: "1d2a08806a959f4cc216112eed542a9e".to_owned(),
        revision: 5,
        status: "CORRECTED".to_owned(),
        occurred: 500,
        published: 501,
        source: "rail".to_owned(),
        region: "310000".to_owned(),
        parts: vec!["t1".to_owned(), "s1".to_owned()],
        key: None,
    };
    assert_eq!(made, [expected]);
}

#[test]
fn revisions_saturate() {
    let mut rig = rig("wait", false);
    rig.makes(0, &event("t1", "a", i64::MAX), 0);
    let (_, made) = rig.offer(1, &event("s1", "b", i64::MAX), 1);
    assert_eq!(made[0].revision, i64::MAX);
}

#[test]
fn an_independent_event_stands_for_itself() {
    let mut rig = rig("wait", false);
    rig.makes(0, &event("t1", "a", 1), 0);
    rig.makes(0, &event("t2", "a", 0), 1);
    assert_eq!(rig.makes(1, &event("s1", "b", 0), 2), ["CORRECTED 1 t1 s1", "ASSERTED 0 t2 s1"]);
    let gone = event("t3", "a", 2).retracted();
    assert_eq!(rig.makes(0, &gone, 3), ["RETRACTED 2 t3 s1"], "a parent is retracted, so the pair is");
    assert_eq!(
        rig.makes(0, &event("t2", "a", 0), 4),
        ["ASSERTED 0 t2 s1"],
        "the same event takes its own place"
    );
    let parts = rig.makes(1, &event("s2", "c", 0), 5);
    assert_eq!(parts, ["CORRECTED 1 t1 s2", "RETRACTED 2 t3 s2", "ASSERTED 0 t2 s2"]);
}

#[test]
fn a_followed_revision_replaces_the_lower_one_and_makes_its_pairs_anew() {
    let mut rig = rig("wait", true);
    rig.makes(0, &event("t1", "a", 1), 0);
    rig.makes(1, &event("s1", "b", 0), 1);
    assert_eq!(rig.offer(0, &event("t0", "a", 0), 2), (Taken::Superseded, vec![]));
    assert_eq!(rig.offer(0, &event("t1", "a", 1), 2), (Taken::Superseded, vec![]));
    assert_eq!(rig.makes(0, &event("t2", "a", 2), 3), ["CORRECTED 2 t2 s1"]);
    assert_eq!(rig.makes(1, &event("s2", "b", 1), 4), ["CORRECTED 3 t2 s2"]);
    let other = event("o1", "a", 0).from("hang");
    assert_eq!(rig.makes(0, &other, 5), ["CORRECTED 1 o1 s2"], "another party's entity is another one");
}

#[test]
fn a_retracted_record_takes_its_pairs_back_and_leaves_its_revision() {
    let mut rig = rig("wait", true);
    rig.makes(0, &event("t1", "a", 0), 0);
    rig.makes(1, &event("s1", "b", 0), 1);
    rig.makes(1, &event("s2", "c", 0), 2);
    let gone = event("t3", "a", 3).retracted();
    assert_eq!(rig.makes(0, &gone, 3), ["RETRACTED 3 t3 s1", "RETRACTED 3 t3 s2"]);
    assert_eq!(rig.offer(0, &event("t2", "a", 2), 4), (Taken::Superseded, vec![]));
    assert_eq!(rig.makes(1, &event("s3", "d", 0), 5), NONE, "it is forgotten");
    let again = event("t4", "a", 4).retracted();
    assert_eq!(rig.offer(0, &again, 6), (Taken::Withdrawn, vec![]), "there is nothing left to take back");
    let back = rig.makes(0, &event("t5", "a", 5), 7);
    assert_eq!(back, ["CORRECTED 5 t5 s1", "CORRECTED 5 t5 s2", "CORRECTED 5 t5 s3"]);
}

#[test]
fn a_retraction_of_what_is_not_remembered_only_keeps_older_revisions_away() {
    let mut rig = rig("wait", true);
    rig.makes(1, &event("s1", "b", 0), 0);
    assert_eq!(rig.offer(0, &event("t2", "a", 2).retracted(), 1), (Taken::Withdrawn, vec![]));
    assert_eq!(rig.offer(0, &event("t1", "a", 1), 2), (Taken::Superseded, vec![]));
}

#[test]
fn a_moved_record_and_one_that_fails_a_condition_take_pairs_back() {
    for moved in [true, false] {
        let mut rig = rig("wait", true);
        rig.makes(0, &event("t1", "a", 0), 0);
        rig.makes(1, &event("s1", "b", 0), 1);
        let now = event("t2", "a", 1).on(if moved { "y" } else { "x" });
        let offered = Offered { key: b"x", append_ms: 2, moved, retracted: !moved, told: None };
        let (taken, made) = rig.offer_as(0, &now, &offered);
        assert_eq!((taken, shorts(&made)), (Taken::Withdrawn, vec!["RETRACTED 1 t2 s1".to_owned()]));
        assert_eq!(rig.offer(0, &event("t1", "a", 0), 3).0, Taken::Superseded);
        assert_eq!(rig.makes(1, &event("s2", "c", 0), 4), NONE);
    }
}

#[test]
fn an_independent_record_is_not_moved() {
    let mut rig = rig("wait", false);
    rig.makes(0, &event("t1", "a", 0), 0);
    let offered = Offered { key: b"x", append_ms: 2, moved: true, retracted: false, told: None };
    assert_eq!(rig.offer_as(0, &event("t2", "a", 1).on("y"), &offered), (Taken::Withdrawn, vec![]));
    assert_eq!(rig.makes(1, &event("s1", "b", 0), 3), ["ASSERTED 0 t1 s1"]);
}

#[test]
fn what_matched_nothing_is_told_alone_when_its_time_is_over() {
    let mut rig = rig("both", false);
    rig.makes(0, &event("t1", "a", 0), 0);
    rig.makes(1, &event("s1", "b", 0).on("y"), 5);
    rig.makes(0, &event("t2", "c", 0).on("z"), 5);
    rig.makes(1, &event("s2", "d", 0), 6);
    assert_eq!(rig.expire(5 + WITHIN), []);
    let told = rig.expire(6 + WITHIN);
    assert_eq!(shorts(&told), ["ASSERTED 0 t2 -", "ASSERTED 0 - s1"]);
    assert_eq!((told[0].key.as_deref(), told[1].key.as_deref()), (Some("z"), Some("y")));
    assert_eq!((told[1].source.as_str(), told[1].occurred), ("rail", 100));
    assert_ne!(told[0].entity_id, told[1].entity_id);
    assert_eq!(rig.expire(i64::MAX), [], "each once, and what matched not at all");
}

#[test]
fn only_the_side_that_is_asked_for_is_told() {
    for (unmatched, expected) in [("wait", ""), ("left", "ASSERTED 0 t1 -"), ("right", "ASSERTED 0 - s1")] {
        let mut rig = rig(unmatched, false);
        rig.makes(0, &event("t1", "a", 0), 0);
        rig.makes(1, &event("s1", "b", 0).on("y"), 0);
        assert_eq!(shorts(&rig.expire(i64::MAX)).join(""), expected, "{unmatched}");
    }
}

#[test]
fn a_followed_record_that_was_withdrawn_or_replaced_is_not_told_alone() {
    let mut rig = rig("left", true);
    rig.makes(0, &event("t1", "a", 0), 0);
    rig.makes(0, &event("t2", "a", 1), 10);
    rig.makes(0, &event("u1", "b", 0), 0);
    rig.makes(0, &event("u2", "b", 1).retracted(), 10);
    assert_eq!(rig.expire(5 + WITHIN), []);
    assert_eq!(shorts(&rig.expire(11 + WITHIN)), ["CORRECTED 1 t2 -"]);
}

#[test]
fn what_waits_is_told_the_same_after_rollback_restore_and_dump() {
    let mut rig = rig("both", false);
    rig.makes(0, &event("t1", "a", 0), 0);
    rig.makes(1, &event("s1", "b", 0).on("y"), 1);
    let first = rig.deltas();
    rig.state.commit();
    rig.makes(1, &event("s2", "c", 0), 2);
    rig.state.rollback();
    rig.makes(1, &event("s3", "c", 0).on("z"), 2);
    let second = rig.deltas();
    rig.state.commit();
    let from_deltas = rig.restored(&[first, second].concat());
    let from_dump = rig.restored(&rig.dump());
    let expected = ["ASSERTED 0 t1 -", "ASSERTED 0 - s1", "ASSERTED 0 - s3"];
    for state in [from_deltas, from_dump] {
        let kept = std::mem::replace(&mut rig.state, state);
        assert_eq!(shorts(&rig.expire(3 + WITHIN)), expected);
        rig.state.rollback();
        assert_eq!(shorts(&rig.expire(2 + WITHIN)), expected[..2]);
        rig.state.commit();
        assert_eq!(shorts(&rig.expire(i64::MAX)), expected[2..]);
        rig.state = kept;
    }
    assert_eq!(shorts(&rig.expire(i64::MAX)), expected);
}

#[test]
fn what_was_told_or_matched_is_so_after_a_restore_too() {
    let mut rig = rig("both", false);
    rig.makes(0, &event("t1", "a", 0), 0);
    rig.makes(0, &event("t2", "a", 0).on("y"), 1);
    let mut deltas = rig.deltas();
    rig.state.commit();
    rig.makes(1, &event("s1", "c", 0), 2);
    deltas.extend(rig.deltas());
    rig.state.commit();
    assert_eq!(shorts(&rig.expire(2 + WITHIN)), ["ASSERTED 0 t2 -"]);
    deltas.extend(rig.deltas());
    rig.state.commit();
    rig.state = rig.restored(&deltas);
    assert_eq!(rig.expire(i64::MAX), []);
}

#[test]
fn beyond_most_records_of_a_key_nothing_is_stored_and_nothing_made() {
    let mut rig = rig("wait", true);
    rig.makes(1, &event("s1", "b", 0), 0);
    for number in 0..5 {
        assert_eq!(rig.makes(0, &event("t", &format!("e{number}"), 0), 1).len(), 1);
    }
    let len = rig.size().0;
    assert_eq!(rig.offer(0, &event("t", "e9", 0), 2), (Taken::TooMany, vec![]));
    assert_eq!(rig.offer(0, &event("t", "e9", 0).retracted(), 2), (Taken::TooMany, vec![]));
    assert_eq!((rig.size().0, rig.makes(1, &event("s2", "c", 0), 3).len()), (len, 5));
    assert_eq!(rig.makes(0, &event("t", "e0", 1), 4).len(), 2, "a revision is not one more");
    assert_eq!(rig.makes(0, &event("t", "e9", 0), 2 + WITHIN).len(), 1, "the old ones are forgotten");
}

#[test]
fn one_key_a_million_times_stays_bounded() {
    let mut rig = rig("wait", false);
    for number in 0..20_000 {
        let side = number % 2;
        let (taken, _) = rig.offer(side, &event(&number.to_string(), "e", 0), number as i64 / 10);
        assert_eq!(taken, if number < 10 { Taken::Stored } else { Taken::TooMany });
        rig.state.commit();
    }
    assert_eq!(rig.size().0, 10);
    assert!(rig.size().1 < 100_000, "{}", rig.size().1);
}

#[test]
fn a_pair_has_the_key_of_the_side_that_is_not_broadcast() {
    for matches in ["each-pair", "latest"] {
        let mut plan = join(matches, "wait", true);
        plan["broadcast"] = "right".into();
        let mut rig = Rig::new(&plan);
        let offered = |key, append_ms| Offered { key, append_ms, moved: false, retracted: false, told: None };
        rig.offer_as(0, &event("t1", "a", 0), &offered(b"own", 0));
        let key = |made: &[Composite]| made[0].key.clone();
        let (_, made) = rig.offer_as(1, &event("s1", "b", 0), &offered(b"seat", 1));
        assert_eq!(key(&made).as_deref(), Some("own"));
        let (_, made) = rig.offer_as(0, &event("t2", "a", 1), &offered(b"own", 2));
        assert_eq!(key(&made), None, "it is the record's own");
        rig.offer_as(0, &event("t3", "a", 2), &offered(b"x", 3));
        let (_, made) = rig.offer_as(1, &event("s2", "b", 1), &offered(b"seat", 4));
        assert_eq!(key(&made).as_deref(), Some("x"), "it is the text of what both agree in");
    }
}

#[test]
fn what_is_kept_of_a_record_has_a_limit() {
    let mut rig = rig("wait", false);
    let mut large = event("t1", "a", 0);
    large.region = Box::leak("1".repeat(460 * 1024).into_boxed_str());
    assert_eq!(rig.offer(0, &large, 0), (Taken::TooLarge, vec![]));
    assert_eq!(rig.size().0, 0);
}

#[test]
fn composites_that_are_too_large_together_are_not_made() {
    let mut plan = join("each-pair", "wait", false);
    plan["most"] = 1_000.into();
    let mut rig = Rig::new(&plan);
    let region: &'static str = Box::leak("1".repeat(400 * 1024).into_boxed_str());
    for number in 0..80 {
        let mut large = event(&number.to_string(), "a", 0);
        large.region = region;
        rig.makes(0, &large, 0);
    }
    assert_eq!(rig.offer(1, &event("s", "b", 0), 1).1.len(), 80);
    let mut large = event("s", "b", 0);
    large.region = region;
    assert_eq!(rig.offer(1, &large, 2), (Taken::TooMany, vec![]));
}

/// Offers an event of a source that has its entity as its Kafka key.
fn offer(rig: &mut Rig, side: usize, event: &Event, append_ms: i64) -> (Taken, Vec<String>) {
    let key = event.entity.clone();
    let offered = Offered { key: key.as_bytes(), append_ms, moved: false, retracted: false, told: None };
    let (taken, made) = rig.offer_as(side, event, &offered);
    (taken, shorts(&made))
}

#[test]
fn under_another_kafka_key_an_entity_that_leaves_its_key_is_seen() {
    for plan in [join("each-pair", "wait", true), join("latest", "wait", true)] {
        let mut rig = Rig::keyed(&plan, "entity_id");
        offer(&mut rig, 1, &event("r1", "b", 0), 0);
        offer(&mut rig, 1, &event("r2", "c", 0).on("y"), 0);
        assert_eq!(offer(&mut rig, 0, &event("t1", "a", 0), 1).1, ["ASSERTED 0 t1 r1"]);
        let moved = offer(&mut rig, 0, &event("t2", "a", 1).on("y"), 2).1;
        assert_eq!((moved[0].as_str(), moved.len()), ("RETRACTED 1 t2 r1", 2));
        let late = event("t0", "a", 0).on("z");
        assert_eq!(offer(&mut rig, 0, &late, 3), (Taken::Superseded, vec![]));
        let again = offer(&mut rig, 0, &event("t3", "a", 2).on("y"), 4).1;
        assert_eq!(again.len(), 1, "it stays");
        let mut copy = Rig::keyed(&plan, "entity_id");
        copy.state = copy.restored(&rig.deltas());
        let gone = event("r3", "c", 1).on("z");
        for rig in [&mut rig, &mut copy] {
            let told = offer(rig, 1, &gone, 5).1;
            assert_eq!(told.len(), 1);
            assert!(told[0].starts_with("RETRACTED") && told[0].ends_with("t3 r3"));
        }
    }
}

#[test]
fn what_an_entity_left_is_taken_back_even_where_its_new_key_is_full() {
    let mut rig = Rig::keyed(&join("each-pair", "wait", true), "entity_id");
    for number in 0..5 {
        offer(&mut rig, 0, &event("t", &number.to_string(), 0).on("y"), 0);
    }
    offer(&mut rig, 1, &event("s1", "b", 0), 0);
    offer(&mut rig, 0, &event("t1", "a", 0), 1);
    let moved = event("t2", "a", 1).on("y");
    assert_eq!(offer(&mut rig, 0, &moved, 2), (Taken::TooMany, vec!["RETRACTED 1 t2 s1".to_owned()]));
}

#[test]
fn an_entity_that_found_no_room_leaves_a_full_key_for_another() {
    let mut rig = Rig::keyed(&join("each-pair", "wait", true), "entity_id");
    for number in 0..5 {
        offer(&mut rig, 0, &event("t", &number.to_string(), 0), 0);
    }
    assert_eq!(offer(&mut rig, 0, &event("t1", "a", 0), 1).0, Taken::TooMany);
    assert_eq!(offer(&mut rig, 0, &event("t2", "a", 1).on("y"), 2).0, Taken::Stored);
}

#[test]
fn under_its_own_kafka_key_nothing_more_is_remembered() {
    let tables = |rig: &Rig| rig.state.tables().count();
    assert_eq!(tables(&Rig::new(&join("each-pair", "wait", true))), 2);
    assert_eq!(tables(&Rig::keyed(&join("each-pair", "wait", true), "entity_id")), 3);
    assert_eq!(tables(&Rig::keyed(&join("each-pair", "wait", false), "entity_id")), 2);
    let mut copied = join("each-pair", "wait", true);
    copied["broadcast"] = "right".into();
    assert_eq!(tables(&Rig::new(&copied)), 3, "every slice sees a copy leave");
}
