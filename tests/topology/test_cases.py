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
STEPS = [
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
