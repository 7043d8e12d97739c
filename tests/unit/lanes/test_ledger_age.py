"""Sensitive feeds wait while the ledger's newest head is too old, lose nothing, and go on by themselves."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from tests.unit.lanes.conftest import PLACES, Bench
from tests.unit.lanes.fake_kafka import ManualClock

from gebus.catalogue import load
from gebus.lanes import ledger_age
from gebus.lanes.ledger_age import LedgerAge, is_sensitive
from gebus.lanes.places import Lanes, Share
from gebus.lanes.worker import Worker
from gebus.plan import lanes

ROOT = Path(__file__).parents[3]
BOUND = 100.0


class Asker:
    """Says when the newest checkpoint was written; None: never; an error: nothing is said."""

    def __init__(self, newest_ms: int | None = None) -> None:
        self.newest_ms, self.silent, self.asked = newest_ms, False, 0

    def list_offsets(self, topic_partition_offsets: Any, **also: Any) -> dict[Any, Future[Any]]:
        assert also["request_timeout"] > 0
        self.asked += 1
        (place,) = topic_partition_offsets
        assert (place.topic, place.partition) == ("gebus.ledger.checkpoints", 0)
        answer: Future[Any] = Future()
        if self.silent:
            answer.set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
        else:
            known = self.newest_ms is not None
            answer.set_result(SimpleNamespace(offset=3 if known else -1, timestamp=self.newest_ms if known else -1))
        return {place: answer}

    def describe_topics(self, topics: Any, **also: Any) -> dict[str, Future[Any]]:
        raise AssertionError((topics, also))


def look(age: LedgerAge, clock: ManualClock, seconds: float) -> bool:
    clock.pass_(seconds)
    age.look()
    age.look()
    return age.late


def test_an_age_is_that_of_the_newest_checkpoint(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    asker = Asker(clock.now_ms())
    age = LedgerAge(lambda: asker, clock, BOUND)
    assert [look(age, clock, 50.0) for _ in range(3)] == [False, False, True]
    assert "newest checkpoint is 150 s old, and 100 s are allowed" in caplog.text
    asker.newest_ms = clock.now_ms()
    caplog.set_level("INFO")
    assert not look(age, clock, 6.0)
    assert "the ledger has signed again" in caplog.text
    assert caplog.text.count("sensitive feeds take no input") == 1


def test_a_bus_that_never_had_a_ledger_waits_for_none() -> None:
    clock = ManualClock()
    age = LedgerAge(lambda: Asker(None), clock, BOUND)
    assert not any(look(age, clock, 1000.0) for _ in range(3))


def test_a_broker_that_does_not_answer_makes_nothing_younger() -> None:
    clock = ManualClock()
    asker = Asker(clock.now_ms())
    age = LedgerAge(lambda: asker, clock, BOUND)
    assert not look(age, clock, 1.0)
    asker.silent = True
    assert [look(age, clock, 60.0) for _ in range(2)] == [False, True]


def test_it_is_asked_now_and_then_alone() -> None:
    clock = ManualClock()
    asker = Asker(clock.now_ms())
    age = LedgerAge(lambda: asker, clock, BOUND)
    for _ in range(100):
        look(age, clock, 0.1)
    assert asker.asked <= 3


def test_a_feed_is_sensitive_that_delivers_something_of_class_3() -> None:
    plans = {plan.name: plan for plan in lanes(load(ROOT / "schemas"))}
    told = {name: is_sensitive(plan) for name, plan in plans.items()}
    assert set(told.values()) == {True, False}
    for name, plan in plans.items():
        levels = [field.source.level for feed in plan.feeds for field in feed.delivered]
        assert told[name] == (max(levels, default=0) >= 3)


def test_only_sensitive_shares_are_held_back() -> None:
    plans = lanes(load(ROOT / "schemas"))
    running = Lanes(plans)
    shares = {running.share(ledger_age.Place(topic, 0)) for topic in running.topics}
    age = LedgerAge(Asker, ManualClock(), BOUND)
    assert age.holds_back(running, shares) == frozenset[Share]()
    age.late = True
    held = age.holds_back(running, shares)
    sensitive = {plan.name for plan in plans if is_sensitive(plan)}
    assert held == {share for share in shares if {one.lane for one in running.slices(share)} & sensitive}
    assert held != shares


@pytest.mark.parametrize("name", ["bench", "ordered_bench"])
def test_records_wait_in_the_log_until_the_ledger_signs_again(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_age, "is_sensitive", lambda _: True)
    bench: Bench = request.getfixturevalue(name)
    asker = Asker(bench.clock.now_ms() - 200_000)
    left, told = [600], []

    def stopping() -> bool:
        left[0] -= 1
        if left[0] == 500:
            bench.publish("one", "two")
        if left[0] == 300:
            told.extend(bench.delivered())
            asker.newest_ms = bench.clock.now_ms()
        if left[0] < 300 and asker.newest_ms is not None:
            asker.newest_ms = bench.clock.now_ms()
        return left[0] < 0

    bench_worker(bench, asker).run(stopping, bench.clock.pass_)
    assert told == []
    assert bench.delivered() == ["ONE", "TWO"]
    assert bench.kafka.committed[PLACES[0]] == 2


def bench_worker(bench: Bench, asker: Asker) -> Worker:
    worker = bench.worker()
    worker._ledger = LedgerAge(lambda: asker, bench.clock, BOUND)
    return worker
