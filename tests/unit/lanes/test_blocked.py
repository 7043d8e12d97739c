"""Partitions that must wait: for a schema id, or for somebody who looks. The others go on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.lanes.conftest import LANE, PLACES, Bench

SUBJECT = frozenset({f"{LANE}-value"})


def run_until(bench: Bench, done: Callable[[], bool], turns: int = 200_000) -> None:
    """Let one worker work until a condition holds: the registry is asked on another thread."""
    left = [turns]

    def stopping() -> bool:
        left[0] -= 1
        return done() or left[0] < 0

    bench.worker().run(stopping, bench.clock.pass_)
    assert done(), "the condition never held"


def test_an_unknown_schema_id_holds_its_partition_until_the_registry_answers(bench: Bench) -> None:
    bench.registry.subjects[7], bench.registry.schemas[7] = SUBJECT, "{}"
    bench.publish("one", "schema7 a", "two")
    run_until(bench, lambda: len(bench.delivered()) == 3)
    assert bench.delivered() == ["ONE", "SCHEMA7 A", "TWO"]
    assert bench.registry.asked == [7]
    assert bench.kafka.committed[PLACES[0]] == 3


def test_while_the_registry_is_down_the_others_go_on(bench: Bench) -> None:
    bench.registry.subjects[7], bench.registry.schemas[7] = SUBJECT, "{}"
    bench.registry.down = True
    bench.publish("one", "schema7 a", "two")
    bench.publish("three", place=PLACES[1])
    bench.publish("four", place=PLACES[2])
    run_until(bench, lambda: len(bench.registry.asked) >= 3)
    assert sorted(bench.delivered()) == ["FOUR", "ONE", "THREE"]
    assert bench.kafka.committed[PLACES[0]] == 1, "the blocked record is the next one"
    bench.registry.down = False
    run_until(bench, lambda: len(bench.delivered()) == 5)
    assert bench.delivered()[-2:] == ["SCHEMA7 A", "TWO"]


def test_what_is_asked_of_a_registry_that_is_down_becomes_rarer(bench: Bench) -> None:
    bench.registry.down = True
    bench.publish("schema7 a")
    started = bench.clock.now
    run_until(bench, lambda: len(bench.registry.asked) >= 8)
    assert bench.clock.now - started > 0.1 * (1 + 2 + 4 + 8 + 16 + 32)


@pytest.mark.parametrize(
    ("subjects", "schema", "reason"),
    [
        (frozenset(), None, b"unregistered_schema"),
        (frozenset({"other-value"}), "{}", b"foreign_schema"),
        (SUBJECT, None, b"unregistered_schema"),
        (SUBJECT, "unreadable", b"incompatible_schema"),
    ],
)
def test_an_id_that_cannot_be_read_makes_dead_letters(
    bench: Bench, subjects: frozenset[str], schema: str | None, reason: bytes
) -> None:
    bench.registry.subjects[7] = subjects
    if schema is not None:
        bench.registry.schemas[7] = schema
    bench.publish("one", "schema7 a", "two")
    run_until(bench, lambda: len(bench.delivered()) == 2)
    (record,) = bench.kafka.visible((f"dead.{LANE}", 0))
    assert record.value == b"schema7 a"
    assert dict(record.headers or ())["_dlq.errors.reason"] == reason


def test_an_id_keeps_the_meaning_that_it_had_first(bench: Bench) -> None:
    bench.registry.subjects[7], bench.registry.schemas[7] = SUBJECT, "{}"
    bench.publish("schema7 a")
    run_until(bench, lambda: len(bench.delivered()) == 1)
    bench.registry.subjects[7] = frozenset({"other-value"})
    bench.publish("schema7 b")
    run_until(bench, lambda: len(bench.delivered()) == 2)
    assert bench.registry.asked == [7], "a later session knows it too"
    assert bench.dead() == []


def test_at_the_ceiling_of_dead_letters_one_partition_stops_and_says_so(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.publish("one", "ceiling", "two")
    bench.publish("three", place=PLACES[2])
    run_until(bench, lambda: len(bench.delivered()) == 2)
    bench.publish("four", place=PLACES[2])
    bench.run()
    assert sorted(bench.delivered()) == ["FOUR", "ONE", "THREE"]
    assert bench.kafka.committed[PLACES[0]] == 1
    assert "a.b.x/0 stopped at offset 1: too many dead letters" in caplog.text
    assert f"gebus dead-letters {LANE}" in caplog.text


def test_a_partition_that_goes_elsewhere_waits_for_nothing_here(bench: Bench) -> None:
    bench.registry.down = True
    bench.publish("schema7 a")
    left = [40]

    def stopping() -> bool:
        left[0] -= 1
        if left[0] == 20:
            bench.clients.sources[-1].take(PLACES)
        return left[0] < 0

    bench.worker().run(stopping, bench.clock.pass_)
    assert bench.kafka.committed.get(PLACES[0], 0) == 0
    bench.registry.down = False
    bench.registry.subjects[7], bench.registry.schemas[7] = SUBJECT, "{}"
    run_until(bench, lambda: bench.delivered() == ["SCHEMA7 A"])
