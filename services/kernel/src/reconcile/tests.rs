use crate::relation::{Offered, Taken};
use crate::rig::{Composite, Event, Rig, WITHIN, event, reconcile};

const NONE: [&str; 0] = [];

/// Of the one entity that the party tells of.
fn claim(id: &str, source: &'static str, revision: i64) -> Event {
    event(id, source, revision).from(source)
}

#[test]
fn the_winner_is_told_whenever_another_record_wins() {
    let mut rig = Rig::new(&reconcile("winner"));
    assert_eq!(rig.makes(0, &claim("h1", "hang", 4), 0), ["ASSERTED 0 h1"]);
    assert_eq!(rig.makes(0, &claim("r1", "rail", 0), 1), ["CORRECTED 1 r1"], "a party with authority");
    assert_eq!(rig.makes(0, &claim("h2", "hang", 5), 2), NONE);
    assert_eq!(rig.makes(0, &claim("g1", "gov", 0), 3), ["CORRECTED 2 g1"]);
    assert_eq!(
        rig.makes(0, &claim("g2", "gov", 1), 4),
        ["CORRECTED 3 g2"],
        "another event of the same party"
    );
    assert_eq!(rig.makes(0, &claim("z1", "hang", 9).on("y"), 5), ["ASSERTED 0 z1"], "another key");
}

#[test]
fn among_equals_revision_then_time_then_party_decide() {
    let mut rig = Rig::new(&reconcile("winner"));
    rig.makes(0, &claim("c1", "c", 1).occurred(5), 0);
    assert_eq!(rig.makes(0, &claim("d1", "d", 1).occurred(4), 1), NONE);
    assert_eq!(rig.makes(0, &claim("b1", "b", 1).occurred(5), 2), ["CORRECTED 1 b1"]);
    assert_eq!(rig.makes(0, &claim("d2", "d", 2).occurred(1), 3), ["CORRECTED 2 d2"]);
    assert_eq!(rig.makes(0, &claim("c2", "c", 2).occurred(2), 4), ["CORRECTED 3 c2"]);
}

#[test]
fn a_revision_that_is_not_above_the_partys_own_is_superseded() {
    let mut rig = Rig::new(&reconcile("winner"));
    rig.makes(0, &claim("r2", "rail", 2), 0);
    for revision in [0, 2] {
        assert_eq!(rig.offer(0, &claim("r", "rail", revision), 1), (Taken::Superseded, vec![]));
    }
    assert_eq!(
        rig.offer(0, &claim("h", "hang", 0), 1),
        (Taken::Stored, vec![]),
        "another party's may be lower"
    );
}

#[test]
fn a_retraction_withdraws_the_partys_assertion() {
    let mut rig = Rig::new(&reconcile("winner"));
    rig.makes(0, &claim("r1", "rail", 0), 0);
    rig.makes(0, &claim("g1", "gov", 0), 1);
    assert_eq!(rig.makes(0, &claim("g2", "gov", 1).retracted(), 2), ["CORRECTED 2 r1"]);
    assert_eq!(rig.offer(0, &claim("g1", "gov", 0), 3).0, Taken::Superseded);
    let (taken, made) = rig.offer(0, &claim("r2", "rail", 1).retracted(), 4);
    assert_eq!(
        (taken, made[0].short().as_str()),
        (Taken::Withdrawn, "RETRACTED 3 r1"),
        "the last winner's record"
    );
    assert_eq!((made[0].source.as_str(), made.len()), ("rail", 1));
    assert_eq!(rig.makes(0, &claim("r3", "rail", 2).retracted(), 5), NONE, "it is told once");
    assert_eq!(rig.makes(0, &claim("g3", "gov", 2), 6), ["CORRECTED 4 g3"]);
    let moved = Offered { key: b"x", append_ms: 7, moved: true, retracted: false, told: None };
    let (_, made) = rig.offer_as(0, &claim("g4", "gov", 3).on("y"), &moved);
    assert_eq!(made[0].short(), "RETRACTED 5 g3");
}

#[test]
fn the_envelope_is_the_winners_with_ids_of_its_own() {
    let mut rig = Rig::new(&reconcile("winner"));
    let first = rig.offer(0, &claim("r1", "rail", 3).occurred(7), 0).1;
    // SHA-256 of "truth", "x", "0", "r1", and of "truth", "x", each after its length.
    let expected = Composite {
        event_id: "4c60464f5960a9d4f4c8b537ca41646f".to_owned(),
        entity_id: "79c4bc2be7f26972c005dd21095c58d8".to_owned(),
        revision: 0,
        status: "ASSERTED".to_owned(),
        occurred: 7,
        published: 8,
        source: "rail".to_owned(),
        region: "110000".to_owned(),
        parts: vec!["r1".to_owned()],
        key: None,
    };
    assert_eq!(first, [expected]);
}

#[test]
fn beyond_most_parties_nothing_is_kept() {
    let mut rig = Rig::new(&reconcile("winner"));
    for party in ["a", "b", "c", "d"] {
        assert_eq!(rig.offer(0, &claim(party, party, 0), 0).0, Taken::Stored);
    }
    assert_eq!(rig.offer(0, &claim("e", "e", 9), 1), (Taken::TooMany, vec![]));
    assert_eq!(rig.makes(0, &claim("d2", "d", 1), 2), ["CORRECTED 1 d2"]);
}

#[test]
fn what_never_stood_is_no_assertion_too_many() {
    let mut rig = Rig::new(&reconcile("winner"));
    for party in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        assert_eq!(rig.offer(0, &claim(party, party, 5).retracted(), 0), (Taken::Withdrawn, vec![]));
    }
    assert_eq!(rig.offer(0, &claim("a", "a", 4), 1).0, Taken::Superseded, "what was withdrawn is known");
    for party in ["a", "b", "c", "d"] {
        assert_eq!(rig.offer(0, &claim(party, party, 6), 1).0, Taken::Stored);
    }
    assert_eq!(rig.offer(0, &claim("e", "e", 6), 1), (Taken::TooMany, vec![]));
    assert_eq!(
        rig.offer(0, &claim("k", "k", 6).retracted(), 2),
        (Taken::Withdrawn, vec![]),
        "not one is made dead"
    );
}

#[test]
fn an_assertion_that_is_too_old_is_forgotten_when_the_next_one_comes() {
    let mut rig = Rig::new(&reconcile("winner"));
    rig.makes(0, &claim("g1", "gov", 5), 0);
    rig.makes(0, &claim("r1", "rail", 0), 9_000);
    assert_eq!(rig.makes(0, &claim("h1", "hang", 0), WITHIN), NONE);
    assert_eq!(rig.makes(0, &claim("h2", "hang", 1), WITHIN + 1), ["CORRECTED 1 r1"]);
    assert_eq!(
        rig.makes(0, &claim("g2", "gov", 0), WITHIN + 2),
        ["CORRECTED 2 g2"],
        "its revision is forgotten too"
    );
    assert_eq!(rig.makes(0, &claim("h3", "hang", 0), 5 * WITHIN), ["ASSERTED 0 h3"], "all is");
}

#[test]
fn losers_that_differ_are_told_with_what_differs() {
    let mut rig = Rig::new(&reconcile("conflicts"));
    assert_eq!(rig.makes(0, &claim("g1", "gov", 0).seat(1), 0), NONE);
    assert_eq!(
        rig.makes(0, &claim("h1", "hang", 0).seat(1).occurred(9), 1),
        NONE,
        "they agree in what is compared"
    );
    assert_eq!(rig.makes(0, &claim("r1", "rail", 0).seat(2), 2), ["ASSERTED 0 r1 g1 seat"]);
    let mut both = claim("h2", "hang", 1);
    both.region = "310000";
    assert_eq!(rig.makes(0, &both, 3), ["ASSERTED 0 h2 g1 region,seat"]);
    assert_eq!(
        rig.makes(0, &claim("r2", "rail", 1).seat(3), 4),
        ["CORRECTED 1 r2 g1 seat"],
        "the pair is new"
    );
    let winner = rig.makes(0, &claim("g2", "gov", 1).seat(3), 5);
    assert_eq!(winner, ["CORRECTED 1 h2 g2 region,seat", "RETRACTED 2 r2 g2 "], "in the order of the losers");
}

#[test]
fn a_conflict_ends_when_its_loser_is_gone_or_wins() {
    let mut rig = Rig::new(&reconcile("conflicts"));
    rig.makes(0, &claim("g1", "gov", 0).seat(1), 0);
    rig.makes(0, &claim("r1", "rail", 0).seat(2), 1);
    rig.makes(0, &claim("h1", "hang", 0).seat(3), 2);
    let gone = rig.makes(0, &claim("h2", "hang", 1).retracted(), 3);
    assert_eq!(gone, ["RETRACTED 1 h1 g1 "]);
    let wins = rig.makes(0, &claim("g2", "gov", 1).retracted(), 4);
    assert_eq!(wins, ["RETRACTED 1 r1 g1 "]);
    assert_eq!(rig.makes(0, &claim("r2", "rail", 1).retracted(), 5), NONE);
    rig.makes(0, &claim("g3", "gov", 2), 6);
    assert_eq!(rig.makes(0, &claim("h3", "hang", 2).seat(1), 7), ["CORRECTED 2 h3 g3 seat"]);
}

#[test]
fn a_conflicts_envelope_names_the_winners_source_and_an_entity_for_each_loser() {
    let mut rig = Rig::new(&reconcile("conflicts"));
    rig.makes(0, &claim("g1", "gov", 0).occurred(5), 0);
    let first = rig.offer(0, &claim("r1", "rail", 0).occurred(3).seat(2), 1).1;
    let other = rig.offer(0, &claim("h1", "hang", 0).occurred(9).seat(2), 2).1;
    assert_eq!((first[0].source.as_str(), first[0].occurred, other[0].occurred), ("gov", 5, 9));
    assert_ne!(first[0].entity_id, other[0].entity_id);
    // SHA-256 of "truth", "x", "0", "g1", and of the loser "rail" and "rail".
    assert_eq!(first[0].event_id, "754abecc8f99b531a73deac426599350");
}

#[test]
fn two_entities_of_one_party_are_two_assertions() {
    let mut rig = Rig::new(&reconcile("winner"));
    let (old, new) = (event("r1", "e1", 3).from("rail"), event("r2", "e2", 0).from("rail"));
    assert_eq!(rig.makes(0, &old, 0), ["ASSERTED 0 r1"]);
    assert_eq!(rig.makes(0, &new, 1), NONE, "not superseded, but of a lower revision");
    assert_eq!(rig.makes(0, &event("r3", "e1", 4).from("rail").retracted(), 2), ["CORRECTED 1 r2"]);
    let mut rig = Rig::new(&reconcile("conflicts"));
    rig.makes(0, &event("r1", "e1", 0).from("rail").seat(1), 0);
    assert_eq!(rig.makes(0, &event("r2", "e2", 0).from("rail").seat(2), 1), ["ASSERTED 0 r2 r1 seat"]);
}

#[test]
fn a_restored_state_goes_on_where_the_other_stopped() {
    for gives in ["winner", "conflicts"] {
        let events = [
            claim("g1", "gov", 0).seat(1),
            claim("r1", "rail", 0).seat(2),
            claim("h1", "hang", 0),
            claim("g2", "gov", 1).retracted(),
            claim("h2", "hang", 1).seat(2),
            claim("r2", "rail", 1).retracted(),
            claim("g3", "gov", 2).seat(3),
        ];
        let (mut whole, mut restored) = (Rig::new(&reconcile(gives)), Rig::new(&reconcile(gives)));
        let mut deltas = Vec::new();
        for (number, event) in events.iter().enumerate() {
            let expected = whole.makes(0, event, number as i64);
            assert_eq!(restored.makes(0, event, number as i64), expected);
            restored.state.rollback();
            assert_eq!(restored.makes(0, event, number as i64), expected);
            deltas.extend(restored.deltas());
            restored.state.commit();
            restored.state =
                restored.restored(&if number % 2 == 0 { deltas.clone() } else { restored.dump() });
        }
    }
}
