"""CEL conditions: what compiles to what, and what is refused at which character."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gebus.plan.condition import MAX_DEPTH, MAX_ITEMS, MAX_LENGTH, MAX_OPERATIONS, compile_condition
from gebus.plan.refusal import Refusal

BOX = {"type": "record", "name": "Box", "fields": [{"name": "width", "type": "long"}]}
SCHEMA = {
    "type": "record",
    "name": "Report",
    "fields": [
        {"name": "text", "type": "string"},
        {"name": "maybe", "type": ["null", "string"]},
        {"name": "number", "type": "int"},
        {"name": "price", "type": "double"},
        {"name": "weight", "type": "float"},
        {"name": "yes", "type": "boolean"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "cost", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "box", "type": ["null", BOX]},
    ],
}


def compiled(text: str) -> Any:
    return compile_condition(text, {"e": SCHEMA}).to_json()


def value_of(text: str) -> Any:
    """The constant on the right of an equation."""
    return compiled(text)["args"][1]["value"]


def test_a_condition_becomes_a_typed_tree() -> None:
    assert compiled("e.price > 20.5 && e.text.startsWith('a')") == {
        "op": "and",
        "args": [
            {
                "op": "gt",
                "args": [
                    {"op": "field", "path": ["price"], "type": "double"},
                    {"op": "const", "type": "double", "value": 20.5},
                ],
            },
            {
                "op": "starts_with",
                "args": [
                    {"op": "field", "path": ["text"], "type": "string"},
                    {"op": "const", "type": "string", "value": "a"},
                ],
            },
        ],
    }


@pytest.mark.parametrize(
    ("text", "op"),
    [
        ("e.number == 1", "eq"),
        ("e.number != 1", "ne"),
        ("e.number < 1", "lt"),
        ("e.number <= 1", "le"),
        ("e.number > 1", "gt"),
        ("e.number >= 1", "ge"),
        ("e.number in [1, -2]", "in"),
        ("e.yes || !e.yes", "or"),
        ("!e.yes", "not"),
        ("e.yes ? e.yes : false", "cond"),
        ("e.text.endsWith(e.maybe)", "ends_with"),
        ("e.text.contains('a')", "contains"),
        ("e.maybe == null", "eq"),
        ("e.price > 20", "gt"),
        ("e.number != 1.5", "ne"),
        ("e.price in [1, 2.5]", "in"),
        ("(((e.yes == true)))", "eq"),
    ],
)
def test_every_operator(text: str, op: str) -> None:
    assert compiled(text)["op"] == op


@pytest.mark.parametrize(
    ("text", "op", "kind"),
    [
        ("e.number + 1 == 2", "add", "int"),
        ("e.number - 1 == 2", "sub", "int"),
        ("e.price * 2.0 == 2.0", "mul", "double"),
        ("e.weight / 2.0 == 2.0", "div", "double"),
        ("e.number % 2 == 0", "mod", "int"),
        ("-e.number == 2", "neg", "int"),
        ("size(e.text) == 2", "size", "string"),
        ("e.text.size() == 2", "size", "string"),
        ("abs(e.number) == 2", "abs", "int"),
    ],
)
def test_every_computation(text: str, op: str, kind: str) -> None:
    left = compiled(text)["args"][0]
    assert left["op"] == op
    assert left["args"][0]["type"] == kind


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("e.at == timestamp('2020-02-01T00:00:00Z')", 1_580_515_200_000),
        ("e.at == timestamp('2020-02-01T08:00:00.250+08:00')", 1_580_515_200_250),
        ("e.at == timestamp('1969-12-31T23:59:59.999Z')", -1),
        ("e.day == date('2020-02-01')", 18293),
        ("e.at - e.at == duration('1h30m')", 5_400_000),
        ("e.at - e.at == duration('-36h')", -129_600_000),
        ("e.at - e.at == duration('5s250ms')", 5250),
        ("e.number == -9223372036854775808", -(2**63)),
        ("e.number == 0x1F", 31),
        ("e.price == 1e3", 1000.0),
        ("e.yes == true", True),
        (r"e.text == 'a\n\t\'\x41\u4e2d\U0001F600\101'", "a\n\t'A中😀A"),
        (r"e.text == r'a\n'", "a\\n"),
        ('e.text == """a"b"""', 'a"b'),
        ("e.text == '口罩'", "口罩"),
    ],
)
def test_constants(text: str, value: object) -> None:
    assert value_of(text) == value


def test_instants_and_durations_add_up() -> None:
    assert compiled("e.at + duration('1h') > timestamp('2020-02-01T00:00:00Z') - duration('1h')")["op"] == "gt"


def test_a_path_goes_through_records() -> None:
    assert compiled("e.box.width > 3")["args"][0] == {"op": "field", "path": ["box", "width"], "type": "int"}


@pytest.mark.parametrize(
    ("text", "position", "found"),
    [
        ("e.price + 20 > 1.0", 11, "+ of a double and an int"),
        ("e.number + 'a' == 1", 12, "+ of an int and a string"),
        ("e.price % 2.0 == 1.0", 11, "% of a double and a double"),
        ("e.yes < true", 1, "< of a bool and a bool"),
        ("e.text == 1", 11, "== of a string and an int"),
        ("e.at > '2020-02-01'", 8, "> of a timestamp and a string"),
        ("e.number < null", 12, "< of an int and null"),
        ("!e.number", 2, "! on an int"),
        ("-e.text == 'a'", 2, "- on a string"),
        ("e.yes && e.number", 10, "&& on an int"),
        ("e.number || e.yes", 1, "|| on an int"),
        ("e.number ? true : false", 1, "? after an int"),
        ("e.yes ? e.text : e.number", 18, "a choice of a string and an int"),
        ("e.number", 1, "a condition that gives an int"),
        ("e.text.matches('a+')", 8, "`matches` is not a function that lanes run"),
        ("has(e.text)", 1, "`has` is not a function that lanes run"),
        ("e.tags.exists(t, t == 'a')", 8, "`exists` is not a function that lanes run"),
        ("e.text.startsWith(1)", 8, "startsWith on a string with an int"),
        ("e.text.startsWith()", 8, "startsWith on a string with nothing"),
        ("size(e.number) == 1", 6, "size of an int"),
        ("size(e.text, 1) == 1", 1, "size with 2 arguments"),
        ("abs(e.text) == 1", 5, "abs of a string"),
        ("timestamp(e.text) == e.at", 11, "timestamp of something that is not written out"),
        ("timestamp('2020-02-01') == e.at", 11, "timestamp('2020-02-01')"),
        ("timestamp('2020-02-01T00:00:00.0001Z') == e.at", 11, "timestamp('2020-02-01T00:00:00.0001Z')"),
        ("duration('soon') == e.at - e.at", 10, "duration('soon')"),
        ("date('2020-13-01') == e.day", 6, "date('2020-13-01')"),
        ("e.number in e.tags", 13, "`in` something that is no list"),
        ("e.number in []", 13, "`in` an empty list"),
        ("e.number in ['a']", 14, "a string in a list for an int"),
        ("e.number in [e.number]", 14, "an int in a list for an int"),
        ("null in [null]", 9, "`in` an empty list or of null"),
        ("[1] == [1]", 1, "a list"),
        ("e.tags == null", 1, "`e.tags` is a array"),
        ("e.cost > 1", 1, "`e.cost` is a decimal"),
        ("e.box == null", 1, "`e.box` is a record"),
        ("e.nope == 1", 1, "`e` has no field `nope`"),
        ("e.box.nope == 1", 1, "`e.box` has no field `nope`"),
        ("e.text.nope == 1", 1, "`e.text` has no field `nope`"),
        ("x.text == 'a'", 1, "`x.text`"),
        ("text == 'a'", 1, "`text`"),
        ("e.tags[0] == 'a'", 1, "an index"),
        ("{'a': 1} == 1", 1, "a map"),
        (".e.text == 'a'", 1, "a name that begins with a point"),
        ("'a'.b == 1", 1, "a point behind no field"),
        ("e.number == 1u", 13, "the constant 1u"),
        ("e.text == b'a'", 11, "the constant b'a'"),
        ("e.number == 9223372036854775808", 13, "the number 9223372036854775808"),
        ("e.price == 1e999", 12, "the number 1e999"),
        (r"e.text == '\ud800'", 11, r"the text '\ud800'"),
        ("e.number ==", 12, "a condition that ends too early"),
        ("e.number == == 1", 13, "`==` where CEL allows none"),
        ("e.number = 1", 10, "`=` where CEL allows none"),
        ("e.yes &&\n  e.yes )", 18, "`)` where CEL allows none"),
    ],
)
def test_what_is_refused_and_where(text: str, position: int, found: str) -> None:
    with pytest.raises(Refusal) as refused:
        compiled(text)
    assert found in refused.value.found
    assert refused.value.position == position, refused.value.found
    assert refused.value.allowed


def test_a_refusal_says_what_to_write_instead() -> None:
    for text, advice in [
        ("e.price * 2 > 1.0", "as in 20.0"),
        ("e.at > '2020-02-01'", 'timestamp("2020-02-01T00:00:00Z")'),
        ("e.day > '2020-02-01'", 'date("2020-02-01")'),
        ("has(e.maybe)", "x != null"),
    ]:
        with pytest.raises(Refusal) as refused:
            compiled(text)
        assert advice in refused.value.next_step


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("e.yes || " * 600 + "e.yes", "a condition of 5405 characters"),
        ("!" * (MAX_DEPTH + 5) + "e.yes", f"more than {MAX_DEPTH} operators within each other"),
        ("e.number" + "+1" * (MAX_DEPTH + 5) + "==1", f"more than {MAX_DEPTH} operators within each other"),
        ("||".join(["e.yes"] * (MAX_OPERATIONS + 1)), f"more than {MAX_OPERATIONS} parts"),
        (f"e.number in [{','.join('1' * (MAX_ITEMS + 1))}]", f"more than {MAX_ITEMS} constants in lists"),
    ],
)
def test_the_bounds(text: str, found: str) -> None:
    with pytest.raises(Refusal) as refused:
        compiled(text)
    assert found in refused.value.found


def test_what_is_just_within_the_bounds_compiles() -> None:
    assert compiled("!" * (MAX_DEPTH - 1) + "e.yes")
    assert compiled("(" * 1000 + "e.yes" + ")" * 1000)["op"] == "field"
    assert compiled(f"e.number in [{','.join('1' * MAX_ITEMS)}]")
    assert len("||".join(["e.yes"] * 500)) < MAX_LENGTH


def test_a_long_chain_is_not_a_deep_tree() -> None:
    """The kernel's reader of plans has a limit of nesting; a chain is laid out in pairs."""
    text = json.dumps(compiled("||".join(["e.yes"] * 500)))
    depth = deepest = 0
    for character in text:
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(character, 0)
        deepest = max(deepest, depth)
    assert deepest < 30


def test_the_order_of_a_chain_is_kept() -> None:
    tree = compiled("e.number == 1 && e.number == 2 && e.number == 3")

    def leaves(node: Any) -> list[int]:
        return [node["args"][1]["value"]] if node["op"] == "eq" else [x for part in node["args"] for x in leaves(part)]

    assert leaves(tree) == [1, 2, 3]


@pytest.mark.parametrize(
    "text", ["(" * 2000 + ")" * 2000, "[" * 4000, "!" * 4096, "-" * 4096, "e." * 2000, "?" * 100, "\0", "'"]
)
def test_hostile_text_is_refused_and_ends_nothing(text: str) -> None:
    with pytest.raises(Refusal):
        compiled(text)
