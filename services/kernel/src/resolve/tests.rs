use serde_json::{Value, json};

use super::Writer;
use crate::random::Random;
use crate::schema::Schema;
use crate::walk::Walker;
use crate::walk::tests::{any_type, any_value};
use crate::wire::{Reason, write_long, write_span};

fn schema(fields: &Value) -> Schema {
    match Schema::parse(&json!({"type": "record", "name": "R", "fields": fields})) {
        Ok(schema) => schema,
        Err(error) => unreachable!("{error}"),
    }
}

/// The writer's type read as the reader's, for a record of one field.
fn resolved(writer: &Value, reader: &Value, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let one = |kind: &Value| schema(&json!([{"name": "a", "type": kind}]));
    let compiled = Writer::compile(one(writer), &one(reader))?;
    if !compiled.changes_bytes() {
        return Ok(bytes.to_vec());
    }
    let mut out = Vec::new();
    compiled.rewrite(bytes, 0, &mut out).map_err(|reason| reason.name().to_owned())?;
    Ok(out)
}

#[test]
fn each_promotion_writes_what_the_reader_would_have_written() {
    let list = |item: &str| json!({"type": "array", "items": item});
    let named = |symbols: Value| json!({"type": "enum", "name": "E", "symbols": symbols, "default": "Z"});
    let cases = [
        (json!("int"), json!("long"), vec![8], vec![8]),
        (json!("int"), json!("float"), vec![8], 4f32.to_le_bytes().to_vec()),
        (json!("long"), json!("double"), vec![8], 4f64.to_le_bytes().to_vec()),
        (json!("float"), json!("double"), 0.5f32.to_le_bytes().to_vec(), 0.5f64.to_le_bytes().to_vec()),
        (json!("bytes"), json!("string"), vec![2, b'a'], vec![2, b'a']),
        (json!("string"), json!("bytes"), vec![2, b'a'], vec![2, b'a']),
        (json!("string"), json!(["null", "string"]), vec![2, b'a'], vec![2, 2, b'a']),
        (json!("int"), json!(["null", "double"]), vec![8], [vec![2], 4f64.to_le_bytes().to_vec()].concat()),
        (json!(["string", "null"]), json!(["null", "string"]), vec![0, 2, b'a'], vec![2, 2, b'a']),
        (json!(["null", "int"]), json!(["null", "long"]), vec![2, 8], vec![2, 8]),
        (json!(["int", "long"]), json!("double"), vec![2, 8], 4f64.to_le_bytes().to_vec()),
        (
            list("int"),
            list("float"),
            vec![1, 2, 8, 0],
            [vec![2], 4f32.to_le_bytes().to_vec(), vec![0]].concat(),
        ),
        (named(json!(["B", "C", "Z"])), named(json!(["A", "B", "Z"])), vec![0], vec![2]),
        (named(json!(["B", "C", "Z"])), named(json!(["A", "B", "Z"])), vec![2], vec![4]),
        (
            json!({"type": "map", "values": "int"}),
            json!({"type": "map", "values": ["null", "int"]}),
            vec![2, 2, b'k', 8, 0],
            vec![2, 2, b'k', 2, 8, 0],
        ),
    ];
    for (writer, reader, bytes, expected) in cases {
        assert_eq!(resolved(&writer, &reader, &bytes), Ok(expected), "{writer} as {reader}");
    }
    assert_eq!(
        resolved(&json!("bytes"), &json!("string"), &[2, 0xff]),
        Err(Reason::BadUtf8.name().to_owned())
    );
}

#[test]
fn what_cannot_be_read_is_refused_with_place_and_types() {
    let instant = |unit: &str| json!({"type": "long", "logicalType": unit});
    let decimal =
        |scale: u8| json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": scale});
    let symbols = |name: &str, all: Value| json!({"type": "enum", "name": name, "symbols": all});
    let cases = [
        (json!("string"), json!("long"), "R.a: the writer's string cannot be read as the reader's long"),
        (json!("long"), json!("int"), "the writer's long cannot be read as the reader's int"),
        (
            json!(["null", "string"]),
            json!("string"),
            "the writer's null cannot be read as the reader's string",
        ),
        (
            json!("double"),
            json!(["null", "float"]),
            "the writer's double cannot be read as the reader's union",
        ),
        (
            instant("timestamp-micros"),
            instant("timestamp-millis"),
            "logical type is timestamp-micros, the reader's",
        ),
        (decimal(2), decimal(3), "logical type is decimal(9,2), the reader's decimal(9,3)"),
        (symbols("E", json!(["A", "B"])), symbols("E", json!(["A"])), "neither the symbol `B` nor a default"),
        (symbols("E", json!(["A"])), symbols("F", json!(["A"])), "the writer's enum E cannot be read"),
    ];
    for (writer, reader, expected) in cases {
        let error = resolved(&writer, &reader, &[]).err().unwrap_or_default();
        assert!(error.contains(expected), "{error} should contain {expected}");
    }
}

#[test]
fn fields_move_vanish_and_get_their_defaults() {
    let writer = schema(&json!([
        {"name": "gone", "type": {"type": "array", "items": "string"}},
        {"name": "b", "type": "int"},
        {"name": "a", "type": "string"},
    ]));
    let reader = schema(&json!([
        {"name": "a", "type": "string"},
        {"name": "new", "type": ["null", "string"], "default": null},
        {"name": "b", "type": "long"},
        {"name": "list", "type": {"type": "array", "items": "int"}, "default": [1, 2]},
        {"name": "part", "type": {"type": "record", "name": "P", "fields": [
            {"name": "x", "type": "bytes", "default": "\u{ff}"}, {"name": "y", "type": "boolean"}]},
         "default": {"y": true}},
    ]));
    let Ok(writer) = Writer::compile(writer, &reader) else { unreachable!("it compiles") };
    let mut out = Vec::new();
    assert_eq!(writer.rewrite(&[2, 2, b'z', 0, 8, 2, b'q'], 0, &mut out), Ok(()));
    assert_eq!(out, [2, b'q', 0, 8, 4, 2, 4, 0, 2, 0xff, 1]);
    let without = schema(&json!([{"name": "c", "type": "int"}]));
    let error = Writer::compile(schema(&json!([])), &without).err().unwrap_or_default();
    assert!(error.contains("R.c: the writer does not have the field, and it has no default"), "{error}");
    let endless = schema(&json!([{"name": "r", "type": "R", "default": {}}]));
    let error = Writer::compile(schema(&json!([])), &endless).err().unwrap_or_default();
    assert!(error.contains("it contains itself"), "{error}");
}

#[test]
fn a_recursive_type_is_rewritten_at_every_level() {
    let list =
        |value: &str| schema(&json!([{"name": "v", "type": value}, {"name": "next", "type": ["null", "R"]}]));
    let Ok(writer) = Writer::compile(list("int"), &list("double")) else { unreachable!("it compiles") };
    let mut out = Vec::new();
    assert_eq!(writer.rewrite(&[2, 2, 4, 0], 0, &mut out), Ok(()));
    assert_eq!(out, [1f64.to_le_bytes().to_vec(), vec![2], 2f64.to_le_bytes().to_vec(), vec![0]].concat());
}

#[test]
fn defaults_cannot_make_a_small_record_huge() {
    let filler = "x".repeat(1000);
    let item = |extra: &Value| {
        let mut fields = vec![json!({"name": "n", "type": "null"})];
        fields.extend(extra.as_array().cloned().unwrap_or_default());
        schema(&json!([{"name": "list", "type": {"type": "array", "items":
            {"type": "record", "name": "I", "fields": fields}}}]))
    };
    let reader = item(&json!([{"name": "fill", "type": "string", "default": filler}]));
    let Ok(writer) = Writer::compile(item(&json!([])), &reader) else { unreachable!("it compiles") };
    let mut bytes = Vec::new();
    write_long(&mut bytes, 60_000);
    bytes.push(0);
    let mut out = Vec::new();
    assert_eq!(writer.rewrite(&bytes, 0, &mut out), Err(Reason::TooLarge));
    assert!(out.len() < 2 << 20);
}

#[test]
fn schemas_that_hold_each_type_twice_are_compared_once() {
    let tower = |leaf: &str| {
        let mut kind = json!({"type": "record", "name": "L0", "fields": [{"name": "v", "type": leaf}]});
        for level in 1..40 {
            let below = format!("L{}", level - 1);
            kind = json!({"type": "record", "name": format!("L{level}"), "fields": [
                {"name": "a", "type": kind}, {"name": "b", "type": below}]});
        }
        schema(&json!([{"name": "t", "type": kind}]))
    };
    assert!(Writer::compile(tower("int"), &tower("int")).is_ok_and(|writer| !writer.changes_bytes()));
    assert!(Writer::compile(tower("int"), &tower("double")).is_ok_and(|writer| writer.changes_bytes()));
}

#[test]
fn random_records_read_as_a_wider_schema_are_records_of_it() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut names = 0;
        let types: Vec<Value> = (0..=random.below(5)).map(|_| any_type(&mut random, 3, &mut names)).collect();
        let mut fields: Vec<Value> = types
            .iter()
            .enumerate()
            .map(|(index, kind)| json!({"name": format!("f{index}"), "type": kind}))
            .collect();
        let writer = schema(&json!(fields));
        let mut bytes = Vec::new();
        any_value(&writer, writer.root, &mut random, &mut bytes);
        fields.reverse();
        fields.insert(0, json!({"name": "new", "type": "string", "default": "d"}));
        let reader = schema(&json!(fields));
        let Ok(writer) = Writer::compile(writer, &reader) else { unreachable!("seed {seed}") };
        let mut out = Vec::new();
        assert_eq!(writer.rewrite(&bytes, 0, &mut out), Ok(()), "seed {seed}");
        assert_eq!(Walker::new(&out, 0).record(&reader, &mut Vec::new()), Ok(()), "seed {seed}");
        let mut new = Vec::new();
        write_span(&mut new, b"d");
        assert_eq!(out.len(), bytes.len() + new.len(), "seed {seed}");
    }
}
