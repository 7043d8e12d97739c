use serde_json::{Value, json};

use super::Kernel;
use crate::batch::{Key, Outcome, Record};
use crate::random::Random;
use crate::wire::{write_long, write_span};

const NOW: i64 = 1_580_601_600_000;

fn schema() -> Value {
    let stamp = json!({"type": "long", "logicalType": "timestamp-millis"});
    let fields = [
        ("event_id", json!("string")),
        ("entity_id", json!("string")),
        ("revision", json!("long")),
        ("status", json!("string")),
        ("occurred_at", stamp.clone()),
        ("published_at", stamp),
        ("source", json!("string")),
        ("region", json!("string")),
        ("price", json!("long")),
        ("name", json!(["null", "string"])),
        ("tags", json!({"type": "array", "items": "string"})),
    ];
    let fields: Vec<Value> = fields.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
    json!({"type": "record", "name": "E", "fields": fields})
}

/// `many` feeds, one a region, and one that takes all; the last one masks.
fn plan(many: usize) -> String {
    let copied: Vec<Value> = schema()["fields"].as_array().into_iter().flatten().map(select).collect();
    let mut masked = copied.clone();
    masked[9]["mask"] = json!({"kind": "partial", "first": 1, "last": 0});
    masked[8]["mask"] = json!({"kind": "band", "width": 100});
    let feed = |name: String, steps: Value, fields: &[Value]| {
        json!({"name": name, "topic": format!("feed.{name}"), "grant_expires_ms": i64::MAX, "source": 0,
            "relation": null, "follow_ms": null, "mode": "any", "steps": steps,
            "select": {"name": "s", "fields": fields}})
    };
    let once = json!({"kind": "deduplicate", "name": "once", "table": 0});
    let region = |code: usize| {
        json!({"kind": "where", "name": "here", "when": {"op": "eq", "args": [
            {"op": "field", "path": ["region"], "type": "string"},
            {"op": "const", "type": "string", "value": format!("{code:06}")}]}})
    };
    let mut feeds: Vec<Value> =
        (0..many).map(|code| feed(format!("r{code}"), json!([once, region(code)]), &copied)).collect();
    feeds.push(feed("all".to_owned(), json!([]), &masked));
    json!({
        "lane": "l", "partitions": 2, "ordered": false,
        "sources": [{"name": "s", "contract": "s", "internal": false, "topics": {"s.jd": "jd"}, "schema": schema(),
            "key": ["entity_id"], "past_ms": 1000, "future_ms": 1000, "in_a_row": 1_000_000, "ratio": 1.0}],
        "tables": [{"name": "t", "source": 0, "key": ["event_id"], "window_ms": 8000}],
        "rekeys": [],
        "feeds": feeds,
    })
    .to_string()
}

fn select(field: &Value) -> Value {
    json!({"name": field["name"], "path": [field["name"]], "type": field["type"], "mask": null})
}

fn kernel(many: usize) -> Kernel {
    let Ok(mut kernel) = Kernel::compile(&[plan(many)]) else { unreachable!("the plan compiles") };
    let added = kernel.source("s").and_then(|source| source.add_writer_schema(1, &schema().to_string()));
    assert_eq!(added, Ok(()));
    for name in (0..many).map(|code| format!("r{code}")).chain(["all".to_owned()]) {
        assert_eq!(kernel.set_schema(&name, 7), Ok(()));
    }
    assert_eq!(kernel.open("l", 0).and_then(|()| kernel.open("l", 1)), Ok(()));
    assert_eq!(kernel.check_ready(), Ok(()));
    kernel
}

fn event(id: usize, region: usize) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 0, 1];
    write_span(&mut out, format!("evt-{id}").as_bytes());
    write_span(&mut out, b"shop");
    write_long(&mut out, 0);
    write_span(&mut out, b"ASSERTED");
    write_long(&mut out, NOW);
    write_long(&mut out, NOW);
    write_span(&mut out, b"jd");
    write_span(&mut out, format!("{region:06}").as_bytes());
    write_long(&mut out, 250);
    out.push(2);
    write_span(&mut out, "张三".as_bytes());
    write_long(&mut out, 1);
    write_span(&mut out, b"tag");
    out.push(0);
    out
}

fn record(value: &[u8], append_ms: i64) -> Record<'_> {
    Record { source: 0, topic: 0, slice: 0, key: Some(b"shop"), value: Some(value), append_ms }
}

#[test]
fn a_record_reaches_its_own_feed_among_thousands() {
    let mut kernel = kernel(5_000);
    let mut outcome = Outcome::default();
    let values: Vec<Vec<u8>> = (0..200).map(|id| event(id, id * 25)).collect();
    let records: Vec<Record<'_>> = values.iter().map(|value| record(value, NOW)).collect();
    kernel.step(&records, &mut outcome);
    let feeds: Vec<(Key, usize)> = outcome.outputs.iter().map(|output| (output.key, output.target)).collect();
    let expected: Vec<(Key, usize)> =
        (0..200).flat_map(|id| [(Key::Message(id), id * 25), (Key::Message(id), 5_000)]).collect();
    assert_eq!(feeds, expected);
    assert_eq!(&outcome.arena[outcome.outputs[0].start + 5..outcome.outputs[0].end], &values[0][5..]);
}

#[test]
fn hostile_bytes_never_end_the_kernel_and_are_all_accounted_for() {
    let mut random = Random(11);
    let mut kernel = kernel(3);
    let mut outcome = Outcome::default();
    let (mut taken, mut dead) = (0, 0);
    for round in 0..300 {
        let values: Vec<Vec<u8>> = (0..50)
            .map(|_| {
                let mut value = event(random.below(500), random.below(4));
                match random.below(6) {
                    0 => value.truncate(random.below(value.len())),
                    1 => value = random.bytes(60),
                    2 => {}
                    3 => value.extend(random.bytes(2)),
                    _ => {
                        let at = random.below(value.len());
                        value[at] ^= 1 << random.below(8);
                    }
                }
                // Another schema id would block the partition, which is another test's.
                let known = [0, 0, 0, 0, 1];
                let length = value.len().min(5);
                value[..length].copy_from_slice(&known[..length]);
                value
            })
            .collect();
        let records: Vec<Record<'_>> = values.iter().map(|value| record(value, NOW)).collect();
        outcome.clear();
        kernel.step(&records, &mut outcome);
        assert!(outcome.blocked.is_empty());
        taken += records.len() as u64;
        dead += outcome.dead.len() as u64;
        if round % 3 == 0 {
            kernel.commit(NOW);
        }
    }
    kernel.commit(NOW);
    let lane = &kernel.lanes()[0];
    let mut slices = kernel.slices(0);
    let Some((_, slice)) = slices.next() else { unreachable!("slice 0 is open") };
    assert!(dead > 1_000 && taken - dead > 1_000);
    for (feed, group) in &lane.ports[0].members {
        let totals = slice.accounts[0].feed(*feed, *group, false);
        assert_eq!((totals.taken, totals.dead), (taken, dead));
        assert_eq!(
            totals.taken,
            totals.delivered + totals.filtered + totals.duplicate + totals.withheld + totals.dead
        );
    }
}

#[test]
fn batches_may_be_cut_anywhere_and_rolled_back_at_any_time() {
    let mut random = Random(12);
    let values: Vec<Vec<u8>> =
        (0..2_000)
            .map(|_| {
                if random.below(8) == 0 { random.bytes(3) } else { event(random.below(700), random.below(5)) }
            })
            .collect();
    let records: Vec<Record<'_>> = values
        .iter()
        .enumerate()
        .map(|(index, value)| Record { slice: (index % 2) as u32, ..record(value, NOW + index as i64 % 900) })
        .collect();
    let whole = run(&records, &mut Random(0), 0);
    for seed in 1..20 {
        assert_eq!(run(&records, &mut Random(seed), 1 + seed as usize * 7), whole, "seed {seed}");
    }
}

/// Delivered bytes by feed, dead letters, and the state as a restored kernel would have it.
type Result = (Vec<(usize, Vec<u8>)>, Vec<(usize, String)>, Vec<(u32, usize, u64, u64)>);

/// Runs all records in batches of random sizes up to `most` (0: one batch), now and then rolling back and again.
fn run(records: &[Record<'_>], random: &mut Random, most: usize) -> Result {
    let mut kernel = kernel(5);
    let mut log = Vec::new();
    let (mut outputs, mut dead) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < records.len() {
        let count = if most == 0 { records.len() } else { 1 + random.below(most) };
        let batch = &records[at..(at + count).min(records.len())];
        let mut outcome = Outcome::default();
        kernel.step(batch, &mut outcome);
        if most > 0 && random.below(3) == 0 {
            kernel.rollback();
            continue;
        }
        log.extend(kernel.state().into_iter().map(|(_, slice, key, value)| (slice, key, value)));
        kernel.commit(NOW);
        outputs.extend(
            outcome
                .outputs
                .iter()
                .map(|output| (output.target, outcome.arena[output.start..output.end].to_vec())),
        );
        dead.extend(outcome.dead.into_iter().map(|letter| (at + letter.record, letter.reason)));
        at += batch.len();
    }
    outputs.sort_by_key(|(feed, _)| *feed);
    let mut restored = self::kernel(5);
    for (slice, key, value) in &log {
        assert_eq!(restored.restore("l", *slice, key, value), Ok(()));
    }
    let sizes = [&kernel, &restored].map(|kernel| {
        kernel
            .slices(0)
            .map(|(number, slice)| {
                let totals = slice.accounts[0].feed(0, 0, false);
                (number, slice.seen[0].len(), totals.delivered, totals.duplicate)
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(sizes[0], sizes[1], "what the log restores is what was there");
    let [sizes, _] = sizes;
    (outputs, dead, sizes)
}
