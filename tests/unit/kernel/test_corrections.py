"""Corrections that follow: what a consumer has is corrected and taken back, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gebus_kernel import Kernel
from tests.unit.kernel.support import (
    DAY,
    ENVELOPE_COPIED,
    NOW,
    ONCE,
    SCHEMA,
    SEEN,
    Fake,
    Feed,
    Lane,
    call,
    const,
    copied,
    event,
    message,
    name,
    records,
    where,
)

DEAR = where(call("gt", name("price", "int"), const(2000)), "dear")
TABLE = "corrections/cdc/masks"


def kernel(*steps: dict[str, Any], fields: list[dict[str, Any]] | None = None, **more: Any) -> Kernel:
    feed = Feed(steps=steps, fields=fields, follow=14 * DAY, **more)
    return Lane([feed], tables=[SEEN] if ONCE in steps else []).kernel()


def revision(number: int, *, entity: str = "shop-1", time: int = NOW, **changes: Any) -> Fake:
    content = event(0, event_id=f"{entity}-{number}", entity_id=entity, revision=number)
    return message(content | changes, time=time)


def told(kernel: Kernel, *batch: Fake) -> list[tuple[str, int, str, int]]:
    return [
        (found["event_id"], found["revision"], found["status"], found["price"])
        for found in records(kernel.step(list(batch)))
    ]


def test_an_older_revision_is_not_told_after_a_newer_one() -> None:
    assert told(kernel(), revision(0), revision(2), revision(1), revision(2)) == [
        ("shop-1-0", 0, "ASSERTED", 2500),
        ("shop-1-2", 2, "ASSERTED", 2500),
    ]


def test_a_retraction_shows_what_the_consumer_had_and_comes_once() -> None:
    retracted = revision(1, status="RETRACTED", price=99, category="SECRET", region="110000")
    followed = kernel()
    (_, found) = records(followed.step([revision(0), retracted]))
    shown = [found[name] for name in ("event_id", "revision", "status", "region", "price", "category", "phone")]
    assert shown == ["shop-1-1", 1, "RETRACTED", "420106", 2500, "MASK", "13812345678"]
    assert told(followed, retracted, revision(2, status="RETRACTED")) == []


def test_what_no_longer_passes_is_taken_back_and_may_come_again() -> None:
    batch = [revision(0), revision(1, price=1), revision(2, price=2), revision(3), revision(1)]
    assert told(kernel(DEAR), *batch) == [
        ("shop-1-0", 0, "ASSERTED", 2500),
        ("shop-1-1", 1, "RETRACTED", 2500),
        ("shop-1-3", 3, "ASSERTED", 2500),
    ]


def test_of_what_the_consumer_never_had_nothing_is_told() -> None:
    assert (
        told(kernel(DEAR), revision(0, price=1), revision(1, status="RETRACTED"), revision(0, entity="b", price=1))
        == []
    )


def test_repeats_are_dropped_first() -> None:
    repeat = revision(1, event_id="shop-1-0", status="RETRACTED")
    assert told(kernel(ONCE), revision(0), repeat) == [("shop-1-0", 0, "ASSERTED", 2500)]


def test_the_same_entity_of_another_source_is_another_entity() -> None:
    other = Fake(
        message(event(1, event_id="x", entity_id="shop-1", source="ali", status="RETRACTED")).content,
        b"shop-1",
        kafka_topic="market.price_report.ali",
    )
    assert len(told(kernel(), revision(0), other)) == 1


def test_a_masked_field_stays_masked_in_the_retraction() -> None:
    fields = [*ENVELOPE_COPIED, *(copied(item) for item in SCHEMA["fields"][8:10])]
    hidden = copied(SCHEMA["fields"][10]) | {"mask": {"kind": "partial", "first": 3, "last": 0}}
    followed = kernel(fields=[*fields, hidden])
    step = followed.step([revision(0), revision(1, status="RETRACTED", phone=None)])
    assert [found["phone"] for found in records(step)] == ["138********", "138********"]


def test_a_long_tail_is_remembered_whole_and_its_parts_are_forgotten_with_it() -> None:
    followed = kernel()
    long = "x" * 900_000
    batch = [
        revision(0, phone=long),
        revision(1, status="RETRACTED"),
        revision(2, phone="1"),
        revision(3, status="RETRACTED"),
    ]
    assert [found["phone"] for found in records(followed.step(batch))] == [long, long, "1", "1"]
    assert all(len(value) < 512 * 1024 for *_, value in followed.state())


def test_after_an_expired_grant_nothing_is_told_and_nothing_remembered() -> None:
    followed = kernel(expires=NOW + 10)
    assert (
        len(told(followed, revision(0), revision(1, time=NOW + 10), revision(2, time=NOW + 11, status="RETRACTED")))
        == 1
    )
    followed.commit(NOW)
    (row,) = (row for row in followed.accounts() if row.feed and row.taken)
    assert (row.delivered, row.withheld, row.filtered) == (1, 2, 0)


def test_it_is_forgotten_after_the_feeds_retention() -> None:
    late = revision(1, time=NOW + 17 * DAY, status="RETRACTED", occurred_at=NOW + 17 * DAY)
    assert len(told(kernel(), revision(0), late)) == 1


def test_memory_follows_the_transaction_and_the_log() -> None:
    followed = kernel()
    followed.step([revision(0)])
    followed.rollback()
    assert told(followed, revision(1, status="RETRACTED")) == []
    followed.step([revision(0)])
    log = followed.state()
    followed.commit(NOW)
    again = kernel()
    for record in log:
        again.restore(*record)
    dumped = kernel()
    for key, value in followed.dump("market.price_report", 0):
        dumped.restore("market.price_report", 0, key, value)
    retraction = revision(1, status="RETRACTED")
    assert told(again, retraction) == told(dumped, retraction) == told(followed, retraction) != []
    assert {row[2] for row in followed.state_size()} == {TABLE}


def test_a_feed_that_delivers_other_fields_now_needs_a_new_name() -> None:
    followed = kernel()
    followed.step([revision(0)])
    fewer = kernel(fields=[*ENVELOPE_COPIED, copied(SCHEMA["fields"][8])])
    written = next(record for record in followed.state() if record[2].startswith(b"store/"))
    with pytest.raises(ValueError, match=f"table {TABLE} was written by another form of its step"):
        fewer.restore(*written)


def test_what_is_delivered_begins_as_an_event_does() -> None:
    plan = json.loads(Lane([Feed(follow=DAY, fields=ENVELOPE_COPIED[1:])]).json())
    with pytest.raises(ValueError, match="feed cdc/masks: what is delivered is no event: field 0 of the schema"):
        Kernel([json.dumps(plan)])
