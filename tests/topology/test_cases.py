"""A feed's cases: what holds, what does not and how it is told, what cannot be run."""

from __future__ import annotations

from typing import Any

import pytest

from gebus.model.event import Mask
from gebus.plan import lanes
from gebus.testing import build
from gebus.testing.cases import CaseResult, run_cases

EVENT = build.event_schema(
    "Report",
    [
        {"name": "price", "type": "long"},
        {"name": "phone", "type": ["null", "string"], "default": None, "classification": 3, "identifies": "direct"},
        {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}], "default": None},
        {"name": "note", "type": "string", "default": "", "classification": 2, "masked": Mask("null")},
        {"name": "core", "type": "string", "default": "", "classification": 4},
    ],
)
STEPS: list[dict[str, Any]] = [
    {"deduplicate": {"name": "once", "of": "stock", "key": ["event_id"], "within": "14d"}},
    {"where": {"name": "dear", "when": "stock.price > 20"}},
    {
        "select": {
            "name": "out",
            "fields": {"price": "stock.price", "phone": "stock.phone", "day": "stock.day", "core": "stock.core"},
        }
    },
]
GOOD = {"event_id": "s-1", "price": 30, "phone": "13800000042", "day": "2020-02-10"}


def run(given: list[Any], expect: list[Any], **changes: Any) -> CaseResult:
    case = {"name": "a case", "given": tuple(given), "expect": tuple(expect)}
    feed = build.feed(STEPS, tier=2, sources={"stock": "market.price_report"}, cases=(case,), **changes)
    catalogue = build.catalogue(EVENT, [feed])
    return next(run_cases(catalogue, lanes(catalogue), feed))


def told(result: CaseResult) -> list[tuple[int, str, str, str]]:
    return [(one.record, one.field, one.expected, one.got) for one in result.differences]


def test_a_case_that_holds() -> None:
    result = run([GOOD, GOOD, {"price": 3}], [{"event_id": "s-1", "price": 30, "day": "2020-02-10"}])
    assert told(result) == []
    assert {name: count for name, count in result.outcomes.items() if count} == {
        "delivered": 1,
        "filtered": 1,
        "duplicate": 1,
    }


def test_the_defaults_are_those_of_the_help() -> None:
    expected = {
        "event_id": "given-2",
        "entity_id": "entity",
        "revision": 0,
        "status": "ASSERTED",
        "occurred_at": "2020-02-01T00:00:01Z",
        "published_at": "2020-02-01T00:00:01Z",
        "source": "jd",
        "region": "100000",
        "price": 30,
        "day": None,
    }
    assert told(run([{"price": 3}, {"price": 30}], [expected])) == []


def test_from_and_at() -> None:
    given = {"stock": {"price": 30}, "from": "tmall", "at": "2020-02-03T08:00:00+08:00"}
    expected = {"source": "tmall", "occurred_at": "2020-02-03T00:00:00Z", "price": 30, "day": None}
    assert told(run([given], [expected])) == []


def test_at_decides_what_is_remembered() -> None:
    later = {"stock": {**GOOD, "occurred_at": "2020-03-01T00:00:00Z"}, "at": "2020-03-01T00:00:00Z"}
    expected = {"price": 30, "day": "2020-02-10"}
    assert told(run([GOOD, later], [expected, expected])) == []


def test_a_token_may_be_left_out_or_written_as_what_it_stands_for() -> None:
    expected = {"price": 30, "day": 18302}
    assert told(run([GOOD], [expected])) == []
    assert told(run([GOOD], [{**expected, "phone": {"token": "13800000042"}}])) == []
    wrong = told(run([GOOD], [{**expected, "phone": {"token": "13900000042"}}]))
    assert [(record, field) for record, field, _, _ in wrong] == [(1, "phone")]
    assert told(run([GOOD], [{**expected, "phone": "13800000042"}]))[0][2] == "'13800000042'"


def test_a_dead_letter_is_expected_by_its_reason() -> None:
    forged = {"stock": {**GOOD, "source": "tmall"}, "from": "jd"}
    assert told(run([forged], [{"dead": "forged_source"}])) == []
    assert told(run([forged], [{"dead": "bad_status"}])) == [
        (0, "dead", "dead letter: bad_status", "dead letter: forged_source")
    ]
    assert told(run([GOOD], [{"price": 30, "day": 18302}, {"dead": "bad_status"}])) == [
        (0, "dead", "dead letter: bad_status", "no dead letter")
    ]


@pytest.mark.parametrize(
    ("expect", "difference"),
    [
        ([{"price": 31, "day": 18302}], (1, "price", "31", "30")),
        ([{"price": 30}], (1, "day", "nothing, for the case does not name it", "18302")),
        ([{"event_id": "other", "price": 30, "day": 18302}], (1, "event_id", "'other'", "'s-1'")),
        (
            [{"price": 30, "day": 18302, "core": ""}],
            (1, "core", "''", "no such field: level 4, identifies none, tier 2: no line of the policy allows it"),
        ),
        ([{"price": 30, "day": 18302, "nope": 1}], (1, "nope", "1", "no such field: the feed does not select it")),
        ([{"price": 30, "day": 18302}] * 2, (2, "", "{price: 30, day: 18302}", "no record")),
    ],
)
def test_a_case_that_does_not_hold_says_why(expect: list[Any], difference: tuple[int, str, str, str]) -> None:
    assert told(run([GOOD], expect)) == [difference]


def test_a_record_too_many_is_shown() -> None:
    ((record, field, expected, got),) = told(run([GOOD], []))
    assert (record, field, expected) == (1, "", "no record")
    assert got.startswith("{event_id: 's-1', entity_id: 'entity', revision: 0")


@pytest.mark.parametrize(
    ("given", "expect", "problem"),
    [
        ([{"price": "dear"}], [], "given record 1: market.price_report: price: text"),
        ([{}], [], "given record 1: market.price_report: price: missing"),
        ([{"price": 30, "prize": 1}], [], "given record 1: market.price_report: prize: an unknown field"),
        ([{"price": 30, "status": "MAYBE"}], [], "given record 1: market.price_report: status: 'MAYBE'"),
        ([{"stock": {"price": 30}, "from": "cdc"}], [], "given record 1: from 'cdc'; allowed: jd, tmall"),
        (
            [{"stock": {"price": 30}, "at": "noon"}],
            [],
            "given record 1: at 'noon'; allowed: an instant as 2020-02-01T08",
        ),
        ([{"stock": {"price": 30}, "at": "2020-02-01T00:00:00"}], [], "given record 1: at '2020-02-01T00:00:00'"),
        ([GOOD], [{"price": 30, "day": "soon"}], "expected record 1: day: "),
        ([GOOD], [{"price": "dear", "day": 18302}], "expected record 1: price: the record does not fit its schema"),
        ([{"price": "dear"}], [{"dead": "bad_status"}], "given record 1: the record does not fit its schema"),
    ],
)
def test_a_case_that_cannot_be_run(given: list[Any], expect: list[Any], problem: str) -> None:
    ((record, field, expected, got),) = told(run(given, expect))
    assert (record, field, expected) == (0, "", "a case that can be run")
    assert got.startswith(problem), got


def joined(given: list[Any], expect: list[Any], unmatched: str = "wait") -> CaseResult:
    """A case of a feed of two sources, of which one is rekeyed."""
    event = build.event_schema("Report", [{"name": "place", "type": "string"}, {"name": "count", "type": "int"}])
    step = {
        "name": "same-place",
        "left": "need",
        "right": "offer",
        "on": ["place"],
        "within": "14d",
        "matches": "each-pair",
        "unmatched": unmatched,
        "broadcast": "none",
        "most": 10,
    }
    fields = {"needed": "need.count", "offered": "offer.count"}
    case = {"name": "a case", "given": tuple(given), "expect": tuple(expect)}
    feed = build.feed(
        [{"join": step}, {"select": {"name": "out", "fields": fields}}],
        sources={"need": "supply.need", "offer": "supply.offer"},
        corrections="follow",
        cases=(case,),
    )
    contracts = [build.topic_contract("supply.need", key=("place",)), build.topic_contract("supply.offer")]
    catalogue = build.catalogue(event, [feed], contracts[0], more=[(contracts[1], event)])
    return next(run_cases(catalogue, lanes(catalogue), feed))


NEED = {"need": {"entity_id": "n", "place": "wuhan", "count": 5}}
OFFER = {"offer": {"entity_id": "o", "place": "wuhan", "count": 3}}


def test_records_of_several_sources_are_below_their_names() -> None:
    assert told(joined([OFFER, NEED], [{"needed": 5, "offered": 3, "occurred_at": "2020-02-01T00:00:01Z"}])) == []


def test_a_correction_and_a_retraction_are_further_records() -> None:
    less = {"offer": {**OFFER["offer"], "revision": 1, "count": 2}, "at": "2020-02-02T00:00:00Z"}
    gone = {"offer": {**OFFER["offer"], "revision": 2, "status": "RETRACTED"}}
    expect = [
        {"needed": 5, "offered": 3, "status": "ASSERTED"},
        {"needed": 5, "offered": 2, "status": "CORRECTED"},
        {"needed": 5, "offered": 2, "status": "RETRACTED", "occurred_at": "2020-02-02T00:00:01Z"},
    ]
    assert told(joined([NEED, OFFER, less, gone], expect)) == []


def test_at_alone_lets_time_pass() -> None:
    early, late = {"at": "2020-02-15T00:00:00Z"}, {"at": "2020-02-15T00:00:02Z"}
    assert told(joined([NEED, early], [], unmatched="left")) == []
    assert told(joined([NEED, late], [{"needed": 5, "offered": None}], unmatched="left")) == []
    assert told(joined([NEED, late, OFFER], [{"needed": 5, "offered": None}], unmatched="left")) == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            [{"place": "wuhan"}],
            "given record 1: the keys place; allowed: {need: {...}}, {offer: {...}}, each with `from`",
        ),
        ([{**NEED, "offer": {}}], "given record 1: the keys need, offer; allowed: {need: {...}}, {offer: {...}}"),
        ([NEED, {**OFFER, "from": "cdc"}], "given record 2: from 'cdc'; allowed: jd, tmall"),
        ([NEED, {"at": "later"}], "given record 2: at 'later'; allowed: an instant as 2020-02-01T08:00:00Z"),
        (
            [NEED, {**OFFER, "at": "2020-01-31T00:00:00Z"}],
            "given record 2: at 2020-01-31T00:00:00Z; allowed: 2020-02-01T00:00:00Z, as the one before, or later",
        ),
    ],
)
def test_a_case_of_several_sources_that_cannot_be_run(given: list[Any], problem: str) -> None:
    ((_, _, _, got),) = told(joined(given, []))
    assert got.startswith(problem), got
