"""Conditions: CEL's answers, and the index that finds the feeds of a record."""

from __future__ import annotations

from typing import Any

import pytest
from gebus_kernel import Kernel
from tests.unit.kernel.support import NOW, Feed, Lane, call, const, event, message, name, schema, values, where

FIELDS = (
    {"name": "text", "type": ["null", "string"]},
    {"name": "number", "type": ["null", "long"]},
    {"name": "small", "type": "int"},
    {"name": "ratio", "type": ["double", "null"]},
    {"name": "single", "type": "float"},
    {"name": "flag", "type": ["null", "boolean"]},
)
SOURCE = schema(*FIELDS)
GOOD: dict[str, Any] = {"text": "武汉ab", "number": 7, "small": -3, "ratio": 2.5, "single": 0.5, "flag": True}
TEXT, NUMBER, SMALL = name("text", "string"), name("number", "int"), name("small", "int")
RATIO, SINGLE, FLAG = name("ratio", "double"), name("single", "double"), name("flag", "bool")
TOP = const(2**63 - 1)


def holds(condition: dict[str, Any], **changes: Any) -> bool:
    """Whether the condition lets the record pass."""
    kernel = Lane([Feed(steps=[where(condition)])], source=SOURCE).kernel()
    step = kernel.step([message(event(**(GOOD | changes)), SOURCE)])
    assert step.dead == []
    return len(values(step)) == 1


def outcome(condition: dict[str, Any], **changes: Any) -> bool | None:
    """True, false, or None where neither the condition nor its contrary holds."""
    yes, no = holds(condition, **changes), holds(call("not", condition), **changes)
    assert not (yes and no)
    return True if yes else False if no else None


def listed(*items: Any) -> dict[str, Any]:
    return {"op": "list", "items": [const(item) for item in items]}


TRUE = [
    call("eq", TEXT, const("武汉ab")),
    call("ne", TEXT, const("x")),
    call("lt", TEXT, const("武汉b")),
    call("ge", NUMBER, const(7)),
    call("gt", NUMBER, RATIO),
    call("eq", NUMBER, const(7.0)),
    call("lt", const(2**53 + 1), const(float(2**53 + 2))),
    call("gt", const(2**53 + 1), const(float(2**53))),
    call("lt", TOP, const(1e300)),
    call("gt", const(-(2**63)), const(-1e300)),
    call("in", TEXT, listed("a", "武汉ab")),
    call("in", NUMBER, listed(1, 7)),
    call("starts_with", TEXT, const("武")),
    call("ends_with", TEXT, const("ab")),
    call("contains", TEXT, const("汉a")),
    call("eq", call("size", TEXT), const(4)),
    call("eq", call("abs", SMALL), const(3)),
    call("eq", call("abs", call("neg", RATIO)), const(2.5)),
    call("eq", call("add", NUMBER, SMALL), const(4)),
    call("eq", call("sub", NUMBER, SMALL), const(10)),
    call("eq", call("mul", NUMBER, SMALL), const(-21)),
    call("eq", call("div", SMALL, const(2)), const(-1)),
    call("eq", call("mod", SMALL, const(2)), const(-1)),
    call("eq", call("add", RATIO, SINGLE), const(3.0)),
    call("eq", call("neg", SMALL), const(3)),
    call("and", FLAG, call("eq", SMALL, const(-3)), const(True)),
    call("or", const(False), call("eq", SMALL, const(9)), FLAG),
    call("eq", FLAG, const(True)),
    call("eq", call("cond", FLAG, NUMBER, SMALL), const(7)),
    call("ne", TEXT, const(None)),
    call("eq", const(None), const(None)),
]


@pytest.mark.parametrize("condition", TRUE)
def test_a_condition_that_holds(condition: dict[str, Any]) -> None:
    assert outcome(condition) is True


NULL = {"text": None, "number": None, "ratio": None, "flag": None}
UNDECIDED = [
    (call("lt", NUMBER, const(1)), NULL),
    (call("gt", call("add", NUMBER, const(1)), const(0)), NULL),
    (call("starts_with", TEXT, const("a")), NULL),
    (call("eq", call("size", TEXT), const(0)), NULL),
    (call("not", FLAG), NULL),
    (FLAG, NULL),
    (call("eq", call("cond", FLAG, NUMBER, SMALL), const(7)), NULL),
    (call("eq", call("add", TOP, const(1)), const(0)), {}),
    (call("eq", call("sub", const(-(2**63)), const(1)), const(0)), {}),
    (call("eq", call("mul", TOP, const(2)), const(0)), {}),
    (call("eq", call("neg", const(-(2**63))), const(0)), {}),
    (call("eq", call("abs", const(-(2**63))), const(0)), {}),
    (call("eq", call("div", const(-(2**63)), const(-1)), const(0)), {}),
    (call("eq", call("mod", const(-(2**63)), const(-1)), const(0)), {}),
    (call("eq", call("div", NUMBER, const(0)), const(0)), {}),
    (call("eq", call("mod", NUMBER, const(0)), const(0)), {}),
    (call("eq", call("div", RATIO, const(0.0)), const(0.0)), {}),
    (call("ne", call("div", NUMBER, const(0)), const(0)), {}),
    (call("in", call("div", NUMBER, const(0)), listed(1)), {}),
    (call("and", FLAG, const(True)), NULL),
    (call("or", FLAG, const(False)), NULL),
]


@pytest.mark.parametrize(("condition", "changes"), UNDECIDED)
def test_null_overflow_and_division_by_zero_are_undecided(condition: dict[str, Any], changes: dict[str, Any]) -> None:
    assert outcome(condition, **changes) is None


def test_and_and_or_absorb_what_is_undecided_on_either_side() -> None:
    undecided = call("eq", call("div", NUMBER, const(0)), const(0))
    assert outcome(call("and", undecided, const(False))) is False
    assert outcome(call("and", const(False), undecided)) is False
    assert outcome(call("or", undecided, const(True))) is True
    assert outcome(call("or", const(True), undecided)) is True
    assert outcome(call("and", undecided, const(True))) is None


def test_equality_with_null_compares() -> None:
    for field in (TEXT, NUMBER, FLAG):
        assert outcome(call("eq", field, const(None)), **NULL) is True
        assert outcome(call("ne", field, const(None)), **NULL) is False
        assert outcome(call("eq", field, const(None))) is False
    assert outcome(call("eq", NUMBER, const(1)), **NULL) is False
    assert outcome(call("in", TEXT, listed("a", None)), **NULL) is True
    assert outcome(call("in", TEXT, listed("a")), **NULL) is False


def test_nan_is_neither_less_nor_equal_nor_greater() -> None:
    for op in ("lt", "le", "gt", "ge", "eq"):
        assert outcome(call(op, RATIO, const(1.0)), ratio=float("nan")) is False
        assert outcome(call(op, RATIO, NUMBER), ratio=float("nan")) is False
    assert outcome(call("ne", RATIO, RATIO), ratio=float("nan")) is True


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (call("add", TEXT, const("x")), "there is no operator `add` for (string, string)"),
        (call("mod", RATIO, RATIO), "there is no operator `mod` for (double, double)"),
        (call("add", NUMBER, RATIO), "there is no operator `add` for (int, double)"),
        (call("eq", TEXT, NUMBER), "there is no operator `eq` for (string, int)"),
        (call("matches", TEXT, const("x")), "there is no operator `matches` for (string, string)"),
        (call("and", FLAG), "there is no operator `and` for (bool)"),
        (call("and", NUMBER, FLAG), "there is no operator `and` for (int, bool)"),
        (call("cond", FLAG, TEXT, NUMBER), "there is no operator `cond` for (bool, string, int)"),
        (call("in", TEXT, listed(1)), "a list for values of type string holds a int"),
        (call("in", TEXT, TEXT), "takes a list of constants on its right"),
        (name("text", "int"), "`text` is of type string, the plan says `int`"),
        (name("nowhere", "int"), "the source has no field `nowhere` there"),
        ({"op": "const", "type": "int", "value": 1.5}, "the constant 1.5 is no `int`"),
        ({"op": "const", "type": "int", "value": 2**63}, "the constant 9223372036854775808 is no `int`"),
    ],
)
def test_a_condition_that_cannot_be_is_refused_with_its_step(condition: dict[str, Any], found: str) -> None:
    plan = Lane([Feed(steps=[where(condition, "odd")])], source=SOURCE).json()
    with pytest.raises(ValueError, match="feed cdc/masks: step odd: ") as caught:
        Kernel([plan])
    assert found in str(caught.value)


def test_several_conditions_all_have_to_hold() -> None:
    steps = [where(call("gt", SMALL, const(-5)), "one"), where(call("lt", SMALL, const(0)), "two")]
    kernel = Lane([Feed(steps=steps)], source=SOURCE).kernel()
    batch = [message(event(**(GOOD | {"small": small})), SOURCE) for small in (-6, -3, 3)]
    assert len(values(kernel.step(batch))) == 1


def test_an_indexed_feed_gets_what_it_would_get_alone() -> None:
    """Each shape that the index looks up, against the same condition where the index does not see it."""
    region = name("region", "string")
    indexed = [
        call("eq", region, const("420106")),
        call("eq", const("420107"), region),
        call("in", region, listed("420106", "420108", "420106")),
        call("starts_with", region, const("42")),
        call("starts_with", region, const("420106")),
        call("starts_with", region, const("")),
        call("and", call("eq", name("price", "int"), const(5)), call("starts_with", region, const("42"))),
        call("in", name("price", "int"), listed(5, 6)),
        call("eq", name("phone", "string"), const("1")),
        call("starts_with", name("phone", "string"), const("1")),
        call("eq", name("phone", "string"), const(None)),
        call("in", name("phone", "string"), listed("1", None)),
        call("eq", name("price", "int"), const(5.0)),
    ]
    hidden = [call("or", const(False), condition) for condition in indexed]
    feeds = [Feed(f"a/f{index}", [where(condition)]) for index, condition in enumerate([*indexed, *hidden])]
    kernel = Lane(feeds).kernel()
    batch = [
        message(event(index, region=region, price=price, phone=phone))
        for index, (region, price, phone) in enumerate(
            (region, price, phone)
            for region in ("420106", "420107", "430000", "420106001")
            for price in (4, 5, 6)
            for phone in (None, "1", "13", "2")
        )
    ]
    delivered = {topic: [output["value"][5:] for output in outputs] for topic, outputs in kernel.step(batch).outputs}
    for index in range(len(indexed)):
        assert delivered[f"feed.a.f{index}"] == delivered[f"feed.a.f{index + len(indexed)}"], indexed[index]


def test_grants_end_by_the_logs_time() -> None:
    kernel = Lane([Feed(expires=NOW + 10)]).kernel()
    step = kernel.step([message(event(1), time=NOW + 9), message(event(2), time=NOW + 10), message(event(3), time=NOW)])
    assert len(values(step)) == 2
    kernel.commit(NOW)
    row = next(row for row in kernel.accounts() if row.feed and row.taken)
    assert (row.taken, row.delivered, row.withheld) == (3, 2, 1)
