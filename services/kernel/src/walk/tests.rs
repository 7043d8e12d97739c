use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{MOST_DEPTH, Walker};
use crate::random::Random;
use crate::schema::{Node, NodeId, Schema};
use crate::wire::{Reason, write_long, write_span};

fn record(types: &[Value]) -> Schema {
    let fields: Vec<Value> = types
        .iter()
        .enumerate()
        .map(|(index, kind)| json!({"name": format!("f{index}"), "type": kind}))
        .collect();
    match Schema::parse(&json!({"type": "record", "name": "R", "fields": fields})) {
        Ok(schema) => schema,
        Err(error) => unreachable!("{error}"),
    }
}

fn walk(schema: &Schema, bytes: &[u8]) -> Result<Vec<u32>, Reason> {
    let mut offsets = Vec::new();
    Walker::new(bytes, 0).record(schema, &mut offsets).map(|()| offsets)
}

fn long(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    write_long(&mut out, value);
    out
}

#[test]
fn every_kind_of_damage_has_its_reason() {
    let list = |item: Value| json!({"type": "array", "items": item});
    let fixed = json!({"type": "fixed", "name": "F", "size": 4});
    let symbols = json!({"type": "enum", "name": "E", "symbols": ["A", "B"]});
    let cases: [(Value, Vec<u8>, Reason); 26] = [
        (json!("string"), vec![], Reason::Truncated),
        (json!("string"), vec![4, b'a'], Reason::Truncated),
        (json!("string"), vec![1], Reason::NegativeLength),
        (json!("string"), vec![2, 0xff], Reason::BadUtf8),
        (json!("string"), vec![4, 0xed, 0xa0], Reason::BadUtf8),
        (json!("bytes"), long(i64::MIN), Reason::NegativeLength),
        (json!("long"), vec![0x80, 0], Reason::BadNumber),
        (json!("long"), vec![0xff; 11], Reason::BadNumber),
        (json!("int"), long(1 << 31), Reason::BadNumber),
        (json!("int"), vec![0x80], Reason::Truncated),
        (json!("boolean"), vec![2], Reason::BadBoolean),
        (json!("double"), vec![0; 7], Reason::Truncated),
        (json!("float"), vec![0; 3], Reason::Truncated),
        (fixed, vec![0; 3], Reason::Truncated),
        (symbols.clone(), vec![4], Reason::BadEnum),
        (symbols, vec![1], Reason::BadEnum),
        (json!(["null", "string"]), vec![4], Reason::BadUnion),
        (json!(["null", "long"]), vec![1], Reason::BadUnion),
        (json!(["null", "string", "long"]), vec![6], Reason::BadUnion),
        (json!("null"), vec![0], Reason::TrailingBytes),
        (list(json!("null")), long(i64::MAX), Reason::TooManyElements),
        (list(json!("null")), long(i64::MIN), Reason::TooManyElements),
        (list(json!("int")), [long(-1), long(-1)].concat(), Reason::NegativeLength),
        (list(json!("int")), [long(-1), long(9)].concat(), Reason::Truncated),
        (list(json!("int")), [long(-1), long(2), vec![2, 2, 0]].concat(), Reason::Truncated),
        (json!({"type": "map", "values": "int"}), vec![2, 2, 0xff, 0, 0], Reason::BadUtf8),
    ];
    for (kind, bytes, reason) in cases {
        assert_eq!(walk(&record(std::slice::from_ref(&kind)), &bytes), Err(reason), "{kind} {bytes:?}");
    }
}

#[test]
fn the_offsets_are_where_the_fields_start_and_the_field_that_fails_is_the_last() {
    let schema = record(&[json!("string"), json!(["long", "null"]), json!("boolean"), json!("string")]);
    assert_eq!(walk(&schema, &[2, b'a', 0, 8, 1, 0]), Ok(vec![0, 2, 4, 5, 6]));
    let mut offsets = Vec::new();
    assert_eq!(Walker::new(&[2, b'a', 0, 8, 5, 0], 0).record(&schema, &mut offsets), Err(Reason::BadBoolean));
    assert_eq!(offsets.len() - 1, 2);
}

#[test]
fn blocks_may_say_their_size_and_elements_add_up_over_all_of_them() {
    let schema =
        record(&[json!({"type": "array", "items": "null"}), json!({"type": "map", "values": "int"})]);
    let sized = [long(-2), long(0), long(0), long(1), vec![2, b'k', 14, 0]].concat();
    assert!(walk(&schema, &sized).is_ok());
    let most = |first: i64, second: i64| {
        let mut bytes = [long(first), long(0)].concat();
        if second > 0 {
            bytes.extend(long(second));
            bytes.extend([2, b'k', 14].repeat(second as usize));
        }
        bytes.push(0);
        bytes
    };
    assert!(walk(&schema, &most(65_535, 1)).is_ok());
    assert_eq!(walk(&schema, &most(65_535, 2)), Err(Reason::TooManyElements));
}

#[test]
fn nesting_ends_at_its_limit_whatever_is_nested() {
    let list = record(&[json!(["null", "R"])]);
    let nested = |depth: usize| [vec![2; depth], vec![0]].concat();
    assert!(walk(&list, &nested(MOST_DEPTH as usize - 1)).is_ok());
    assert_eq!(walk(&list, &nested(MOST_DEPTH as usize)), Err(Reason::TooDeep));
    assert_eq!(walk(&list, &nested(20_000)), Err(Reason::TooDeep));
    let endless = record(&[json!("R")]);
    assert_eq!(walk(&endless, &[]), Err(Reason::TooDeep));
    let tree = record(&[json!({"type": "array", "items": "R"})]);
    assert_eq!(walk(&tree, &vec![2; 20_000]), Err(Reason::TooDeep));
}

#[test]
fn a_bomb_of_no_bytes_costs_milliseconds() {
    // Each level holds the next one twice, and none of them takes a byte: 2^40 empty records.
    let mut kind = json!({"type": "record", "name": "L0", "fields": []});
    for level in 1..40 {
        let below = format!("L{}", level - 1);
        kind = json!({"type": "record", "name": format!("L{level}"), "fields": [
            {"name": "a", "type": kind}, {"name": "b", "type": below}]});
    }
    let empty = json!({"type": "record", "name": "Empty", "fields": []});
    let wide: Vec<Value> =
        (0..5_000).map(|index| json!({"name": format!("n{index}"), "type": "null"})).collect();
    let wide = json!({"type": "array", "items": {"type": "record", "name": "Wide", "fields": wide}});
    let cases = [
        (kind, vec![], Some(Reason::TooManyElements)),
        (json!({"type": "array", "items": empty}), [long(65_536), long(0)].concat(), None),
        (wide, [long(65_536), long(0)].concat(), Some(Reason::TooManyElements)),
    ];
    for (kind, bytes, reason) in cases {
        let schema = record(&[kind]);
        let begin = Instant::now();
        assert_eq!(walk(&schema, &bytes).err(), reason);
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    }
}

/// A type at random, named types under fresh names.
pub fn any_type(random: &mut Random, depth: usize, names: &mut usize) -> Value {
    const PLAIN: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
    *names += 1;
    let name = format!("N{names}");
    match random.below(if depth == 0 { 10 } else { 15 }) {
        8 => json!({"type": "fixed", "name": name, "size": random.below(5)}),
        9 => json!({"type": "enum", "name": name, "symbols": ["A", "B", "C"]}),
        10 => json!({"type": "array", "items": any_type(random, depth - 1, names)}),
        11 => json!({"type": "map", "values": any_type(random, depth - 1, names)}),
        12 => json!(["null", {"type": "array", "items": any_type(random, depth - 1, names)}]),
        13 => {
            json!(["string", "null", "long", {"type": "map", "values": any_type(random, depth - 1, names)}])
        }
        14 => {
            let fields: Vec<Value> = (0..random.below(4))
                .map(|index| json!({"name": format!("g{index}"), "type": any_type(random, depth - 1, names)}))
                .collect();
            json!({"type": "record", "name": name, "fields": fields})
        }
        plain => json!(PLAIN[plain]),
    }
}

/// A value at random, as Avro.
pub fn any_value(schema: &Schema, node: NodeId, random: &mut Random, out: &mut Vec<u8>) {
    match &schema.nodes[node] {
        Node::Null => {}
        Node::Boolean => out.push(random.below(2) as u8),
        Node::Int => write_long(out, i64::from(random.next() as i32) >> random.below(31)),
        Node::Long => write_long(out, random.next() as i64 >> random.below(63)),
        Node::Float => out.extend(random.bytes(4)),
        Node::Double => out.extend(random.bytes(8)),
        Node::Bytes => {
            let length = random.below(9);
            write_span(out, &random.bytes(length));
        }
        Node::String => {
            write_span(out, ["", "a", "湖北省", "long enough to matter"][random.below(4)].as_bytes());
        }
        Node::Fixed { size, .. } => out.extend(random.bytes(*size as usize)),
        Node::Enum { symbols, .. } => write_long(out, random.below(symbols.len()) as i64),
        Node::Array(item) | Node::Map(item) => {
            for _ in 0..random.below(3) {
                let count = 1 + random.below(3);
                write_long(out, count as i64);
                for _ in 0..count {
                    if matches!(schema.nodes[node], Node::Map(_)) {
                        write_span(out, b"key");
                    }
                    any_value(schema, *item, random, out);
                }
            }
            out.push(0);
        }
        Node::Union(branches) => {
            let branch = random.below(branches.len());
            write_long(out, branch as i64);
            any_value(schema, branches[branch], random, out);
        }
        Node::Record { fields, .. } => {
            for field in fields {
                any_value(schema, field.node, random, out);
            }
        }
    }
}

#[test]
fn what_is_avro_passes_and_no_damage_to_it_does_more_than_refuse() {
    let mut refused = 0;
    for seed in 0..400 {
        let mut random = Random(seed);
        let mut names = 0;
        let types: Vec<Value> = (0..=random.below(6)).map(|_| any_type(&mut random, 3, &mut names)).collect();
        let schema = record(&types);
        let mut good = Vec::new();
        any_value(&schema, schema.root, &mut random, &mut good);
        assert!(walk(&schema, &good).is_ok(), "seed {seed}: {types:?} {good:?}");
        for _ in 0..200 {
            let mut bad = good.clone();
            match random.below(4) {
                0 => bad.truncate(random.below(bad.len() + 1)),
                1 => bad.extend(random.bytes(3)),
                2 => bad = random.bytes(40),
                _ => {
                    for _ in 0..=random.below(3) {
                        if !bad.is_empty() {
                            let at = random.below(bad.len());
                            bad[at] = random.next() as u8;
                        }
                    }
                }
            }
            match walk(&schema, &bad) {
                Ok(offsets) => assert_eq!(offsets.last().map(|end| *end as usize), Some(bad.len())),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 10_000, "{refused} refused: the damage is too mild to show anything");
}
