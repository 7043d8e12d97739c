use serde_json::{Value, json};

use super::{Node, Schema};

fn refused(schema: &Value) -> String {
    Schema::parse(schema).err().unwrap_or_default()
}

fn record(fields: &Value) -> Value {
    json!({"type": "record", "name": "R", "namespace": "n", "fields": fields})
}

#[test]
fn each_broken_rule_is_named_with_its_place() {
    let cases = [
        (json!("string"), "the schema is not a record"),
        (record(&json!([{"name": "a", "type": "nowhere"}])), "R.a: the type `nowhere` is not defined"),
        (record(&json!([{"name": "a", "type": []}])), "R.a: a union is empty"),
        (record(&json!([{"name": "a", "type": ["null", ["string"]]}])), "R.a: a union holds a union"),
        (record(&json!([{"name": "a", "type": ["int", "int"]}])), "R.a: a union holds one type twice"),
        (record(&json!([{"name": "a", "type": 5}])), "R.a: a type is a name, a list or an object"),
        (record(&json!([{"name": "a", "type": {}}])), "R.a: a type has no `type`"),
        (record(&json!([{"name": "a", "type": {"type": "array"}}])), "R.a: the array has no `items`"),
        (
            record(&json!([{"name": "a", "type": {"type": "fixed", "name": "F"}}])),
            "the fixed `n.F` has no size",
        ),
        (record(&json!([{"name": "a", "type": {"type": "enum", "name": "E"}}])), "has no list of symbols"),
        (
            record(&json!([{"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["A", "A"]}}])),
            "has one symbol twice",
        ),
        (
            record(
                &json!([{"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["A"], "default": "B"}}]),
            ),
            "is none of its symbols",
        ),
        (
            record(&json!([{"name": "a", "type": "int"}, {"name": "a", "type": "int"}])),
            "R.a: the field is there twice",
        ),
        (record(&json!([{"type": "int"}])), "a field of `n.R` has no name"),
        (record(&json!([{"name": "a"}])), "R.a: the field has no type"),
        (json!({"type": "record", "name": "R"}), "the record `R` has no list of fields"),
        (
            record(&json!([{"name": "a", "type": {"type": "record", "name": "R", "fields": []}}])),
            "the type `n.R` is defined twice",
        ),
    ];
    for (schema, expected) in cases {
        assert!(refused(&schema).contains(expected), "{} should contain {expected}", refused(&schema));
    }
}

#[test]
fn a_schema_of_too_many_types_is_refused() {
    let fields: Vec<Value> =
        (0..30_000).map(|index| json!({"name": format!("f{index}"), "type": "int"})).collect();
    assert!(refused(&record(&json!(fields))).contains("more than 20000 types"));
}

#[test]
fn names_are_resolved_by_namespace_and_recursion_is_a_number() {
    let schema = Schema::parse(&record(&json!([
        {"name": "next", "type": ["null", "R"]},
        {"name": "inner", "type": {"type": "record", "name": "m.I", "fields": [
            {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A"]}}]}},
        {"name": "again", "type": "m.E"},
    ])));
    assert!(schema.is_ok_and(|schema| {
        let next = schema.fields(schema.root)[0].node;
        schema.nullable(next) == (Some(0), schema.root)
            && matches!(&schema.nodes[schema.fields(schema.root)[2].node], Node::Enum { name, .. } if name == "m.E")
    }));
}
