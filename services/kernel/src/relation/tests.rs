use serde_json::{Value, json};

use crate::random::Random;
use crate::relation::Offered;
use crate::rig::{Event, Rig, compile, event, join, reconcile, restore};
use crate::spill::tests::Folder;
use crate::store::StoreDelta;

fn refused(plan: &Value) -> String {
    compile(plan).err().unwrap_or_default()
}

#[test]
fn a_plan_that_does_not_fit_is_refused_with_what_was_found() {
    let plan = || join("each-pair", "wait", false);
    let cases: [(&str, Value, &str); 9] = [
        ("/on", json!(["seat"]), "step near: the key field `seat` is neither a string nor an integer"),
        ("/on", json!(["nothing"]), "step near: the key field `nothing` is not in the schema"),
        ("/left/source", json!(7), "step near: side trip: there is no source 7; the lane has 2"),
        ("/left/fields/9", json!("other"), "step near: side trip: the source has no field `other`"),
        ("/left/fields/0", json!("line"), "side trip: its fields are line, entity_id"),
        ("/right/alias", json!("chair"), "step near: side chair: field 9 of the composite is not `chair`"),
        ("/unmatched", json!("left"), "step near: a side that can be missing is a union with null"),
        ("/within_ms", json!(0), "step near: `within` is at least 1 ms"),
        ("/matches", json!("nearest"), "unknown variant `nearest`"),
    ];
    for (pointer, value, expected) in cases {
        let mut changed = plan();
        changed.pointer_mut(pointer).map(|place| *place = value).unwrap_or_default();
        assert!(refused(&changed).contains(expected), "{pointer}: {}", refused(&changed));
    }
    let mut unknown = plan();
    unknown["order"] = json!("none");
    assert!(refused(&unknown).contains("unknown field `order`"));
    let mut table = join("each-pair", "right", false);
    table["matches"] = json!("latest");
    assert!(refused(&table).contains("allowed: wait, left"));
    let mut other = plan();
    other["schema"]["fields"][8]["type"]["fields"][8]["name"] = json!("way");
    assert!(refused(&other).contains("side trip: the composite holds other fields"));
    let mut compared = reconcile("conflicts");
    compared["compare"] = json!(["note"]);
    assert!(refused(&compared).contains("`compare`: the side keeps no field `note`"));
    let mut winner = reconcile("conflicts");
    winner["schema"]["fields"][9]["type"]["fields"][9]["name"] = json!("chair");
    assert!(refused(&winner).contains("`winner` has other fields"));
    winner["gives"] = json!("winner");
    assert!(refused(&winner).contains("its composite has 11 fields; allowed: 9"));
}

#[test]
fn the_fingerprint_tells_forms_apart_but_not_windows() {
    let base = join("each-pair", "wait", false);
    let of = |plan: &Value| compile(plan).map(|relation| relation.fingerprint);
    let with = |name: &str, value: Value| {
        let mut plan = base.clone();
        plan[name] = value;
        of(&plan)
    };
    assert!(of(&base).is_ok());
    assert_eq!(of(&base), with("within_ms", json!(99)));
    assert_eq!(of(&base), with("most", json!(99)));
    assert_ne!(of(&base), with("follow", json!(true)));
    assert_ne!(of(&base), with("matches", json!("latest")));
    assert_ne!(of(&base), with("on", json!(["region"])));
    assert_ne!(of(&base), of(&join("each-pair", "left", false)));
    assert_ne!(of(&reconcile("winner")), of(&reconcile("conflicts")));
}

#[test]
fn another_form_is_not_restored_and_another_table_passed_over() {
    let mut rig = Rig::new(&join("each-pair", "wait", false));
    rig.makes(0, &event("t1", "a", 0), 0);
    let deltas = rig.deltas();
    assert_eq!(
        deltas.iter().map(|(table, _)| table.as_str()).collect::<Vec<_>>(),
        ["c/f.near.left", "c/f.near.right"]
    );
    let mut other = Rig::new(&join("each-pair", "wait", true));
    let delta = StoreDelta::parse(&deltas[0].1[0]);
    let restored = delta.and_then(|delta| other.state.restore(&delta));
    assert!(restored.is_err_and(|error| error.contains("table c/f.near.left was written by another form")));
    let mut foreign = Rig::new(&reconcile("winner"));
    let delta = StoreDelta::parse(&deltas[0].1[0]);
    assert_eq!(delta.and_then(|delta| foreign.state.restore(&delta)), Ok(false));
}

/// A record of few entities and lines, so that all meet.
fn any(random: &mut Random) -> (usize, Event, bool) {
    let id = format!("e{}", random.below(1_000_000));
    let entity = format!("n{}", random.below(6));
    let revision = random.below(40) as i64;
    let mut made =
        event(&id, &entity, revision).on(["x", "y"][random.below(2)]).occurred(random.below(50) as i64);
    made.source = ["gov", "rail", "hang"][random.below(3)];
    made.seat = (random.below(2) == 0).then(|| random.below(3) as i64);
    if random.below(8) == 0 {
        made = made.retracted();
    }
    (random.below(2), made, random.below(10) == 0)
}

#[test]
fn what_it_makes_depends_on_the_records_alone_not_on_commits_rollbacks_restores_spills_or_advances() {
    let mut plans = vec![reconcile("winner"), reconcile("conflicts")];
    for follow in [false, true] {
        plans.extend(["wait", "left", "right", "both"].map(|unmatched| join("each-pair", unmatched, follow)));
        for matches in ["latest", "valid-at"] {
            plans.extend(["wait", "left"].map(|unmatched| join(matches, unmatched, follow)));
        }
    }
    for (number, plan) in plans.iter().enumerate() {
        let mut random = Random(number as u64);
        let (mut whole, mut cut) = (Rig::new(plan), Rig::new(plan));
        let (mut clock, mut log) = (0, Vec::new());
        let (folder, mut spilt) = (Folder::new(), 0);
        let disk = folder.disk();
        for _ in 0..600 {
            clock += random.below(700) as i64;
            let (side, event, moved) = any(&mut random);
            let side = if plan["kind"] == "join" { side } else { 0 };
            let key = if moved { "z" } else { event.line.as_str() };
            let offered =
                Offered { key: key.as_bytes(), append_ms: clock, moved, retracted: false, told: None };
            let expected = (whole.expire(clock), whole.offer_as(side, &event, &offered));
            if random.below(4) == 0 {
                cut.expire(clock);
                cut.offer_as(side, &event, &offered);
                cut.state.rollback();
            }
            assert_eq!((cut.expire(clock), cut.offer_as(side, &event, &offered)), expected, "{plan}");
            log.extend(cut.deltas());
            cut.state.commit();
            match random.below(20) {
                0 => cut.state = cut.restored(&log),
                1 => log = cut.dump(),
                2 => {
                    let mut state = cut.restored(&cut.dump());
                    restore(&mut state, &[]);
                    cut.state = state;
                }
                3 => {
                    for (_, store) in cut.state.tables_mut() {
                        assert_eq!(store.spill(&disk, usize::MAX, 0, random.below(2) == 0).1, Ok(()));
                        spilt = spilt.max(store.spilt_bytes());
                    }
                }
                _ => {}
            }
            cut.state.advance(clock);
        }
        assert_eq!(cut.expire(i64::MAX), whole.expire(i64::MAX));
        assert!(spilt > 0 && disk.failure().is_none());
    }
}

#[test]
fn hostile_numbers_end_nothing() {
    for plan in [join("each-pair", "both", true), join("valid-at", "wait", true), reconcile("conflicts")] {
        let mut random = Random(1);
        let mut rig = Rig::new(&plan);
        for _ in 0..400 {
            let (side, mut event, moved) = any(&mut random);
            let extremes = [i64::MIN, i64::MAX, 0, -1, random.next() as i64];
            event.revision = extremes[random.below(5)];
            event.occurred = extremes[random.below(5)].min(i64::MAX - 1);
            let append_ms = extremes[random.below(5)];
            rig.expire(append_ms);
            let offered = Offered { key: b"", append_ms, moved, retracted: random.below(5) == 0, told: None };
            rig.offer_as(if plan["kind"] == "join" { side } else { 0 }, &event, &offered);
            rig.state.commit();
            rig.state.advance(append_ms);
        }
    }
}
