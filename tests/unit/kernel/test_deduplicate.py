"""Deduplication: who is first, for how long, over transactions, restarts and any cut into batches."""

from __future__ import annotations

import random
from typing import Any

import pytest
from gebus_kernel import Kernel
from tests.unit.kernel.support import (
    DAY,
    NOW,
    ONCE,
    SCHEMA,
    SEEN,
    Fake,
    Feed,
    Lane,
    call,
    const,
    event,
    header,
    message,
    name,
    records,
    schema,
    values,
    where,
)

LANE = "market.price_report"
WINDOW = 14 * DAY
EIGHTH = WINDOW // 8


def lane(**more: Any) -> Lane:
    return Lane([Feed(steps=[ONCE])], tables=[SEEN], **more)


def ids(kernel: Kernel, *messages: Fake) -> list[str]:
    return [record["event_id"] for record in records(kernel.step(messages))]


def test_the_first_passes_and_repeats_add_nothing_whoever_publishes_them() -> None:
    kernel = lane().kernel()
    ali = message(event(1, source="ali"), kafka_topic="market.price_report.ali")
    assert ids(kernel, message(event(1)), message(event(1)), ali, message(event(2))) == ["evt-000001", "evt-000002"]


def test_a_key_is_remembered_for_the_window_and_at_most_an_eighth_longer() -> None:
    start = NOW // EIGHTH * EIGHTH
    plan = lane(past=1000 * DAY)
    for later, passes in ((WINDOW, 1), (WINDOW + EIGHTH - 1, 1), (WINDOW + EIGHTH, 2)):
        kernel, early = plan.kernel(), event(occurred_at=start)
        assert len(ids(kernel, message(early, time=start), message(early, time=start + later))) == passes


def test_a_repeat_does_not_refresh_the_first() -> None:
    start = NOW // EIGHTH * EIGHTH
    times = [start, start + WINDOW, start + WINDOW + EIGHTH]
    assert (
        len(ids(lane(past=1000 * DAY).kernel(), *(message(event(occurred_at=start), time=moment) for moment in times)))
        == 2
    )


def test_what_came_out_of_order_in_time_is_still_a_repeat() -> None:
    kernel = lane().kernel()
    assert len(ids(kernel, message(event()), message(event(), time=NOW - DAY))) == 1


def test_slices_remember_apart() -> None:
    kernel = lane().kernel(0, 1)
    assert len(ids(kernel, message(event()), message(event(), number=1))) == 2


def test_a_rollback_forgets_and_a_commit_keeps() -> None:
    kernel = lane().kernel()
    assert len(ids(kernel, message(event(1)))) == 1
    kernel.commit(NOW)
    assert len(ids(kernel, message(event(1)), message(event(2)))) == 1
    kernel.rollback()
    assert kernel.state() == []
    assert ids(kernel, message(event(1)), message(event(2))) == ["evt-000002"]


def test_a_key_of_several_fields_is_no_concatenation() -> None:
    table = {"name": "t", "source": 0, "key": ["category", "event_id"], "window_ms": WINDOW}
    kernel = Lane([Feed(steps=[ONCE])], tables=[table]).kernel()
    first = message(event(event_id="bc", category="a"))
    second = message(event(event_id="c", category="ab"))
    assert len(ids(kernel, first, second, first)) == 2


def test_null_is_a_key_of_its_own_and_a_field_that_becomes_nullable_keeps_its_keys() -> None:
    table = {"name": "t", "source": 0, "key": ["phone"], "window_ms": WINDOW}
    strict = schema(*SCHEMA["fields"][8:10], {"name": "phone", "type": "string"})
    before = Lane([Feed(steps=[ONCE])], tables=[table], source=strict).kernel()
    assert len(values(before.step([message(event(1, phone="1"), strict)]))) == 1
    after = Lane([Feed(steps=[ONCE])], tables=[table]).kernel()
    for owner, slice_number, key, value in before.state():
        after.restore(owner, slice_number, key, value)
    again = [message(event(2, phone="1")), message(event(3, phone=None)), message(event(4, phone=None))]
    assert ids(after, *again) == ["evt-000003"]


def test_feeds_share_a_table_when_they_begin_with_it() -> None:
    feeds = [Feed("a/one", [ONCE]), Feed("b/two", [ONCE]), Feed("c/all")]
    kernel = Lane(feeds, tables=[SEEN]).kernel()
    step = kernel.step([message(event(1)), message(event(1))])
    assert [(topic, len(outputs)) for topic, outputs in step.outputs] == [
        ("feed.a.one", 1),
        ("feed.b.two", 1),
        ("feed.c.all", 2),
    ]
    assert kernel.state_size()[0][3] == 1


def test_a_later_deduplicate_sees_only_what_its_feed_lets_through() -> None:
    dear = where(call("gt", name("price", "int"), const(2000)))
    own = {"name": "cdc/masks.again", "source": 0, "key": ["category"], "window_ms": WINDOW}
    later = {"kind": "deduplicate", "name": "again", "table": 0}
    kernel = Lane([Feed(steps=[dear, later])], tables=[own]).kernel()
    cheap, first, second = message(event(1, price=1)), message(event(2)), message(event(3))
    assert ids(kernel, cheap, first, second) == ["evt-000002"]
    kernel.commit(NOW)
    account = next(account for account in kernel.accounts() if account.feed and account.taken)
    assert (account.taken, account.filtered, account.delivered, account.duplicate) == (3, 1, 1, 1)


def test_a_new_owner_restores_what_was_committed() -> None:
    first = lane().kernel(0, 1)
    messages = [message(event(index), number=index % 2) for index in range(100)]
    first.step(messages)
    log = first.state()
    assert {(owner, slice_number, key) for owner, slice_number, key, _ in log} == {
        (LANE, number, key) for number in (0, 1) for key in (b"table/event_id.14d", b"account")
    }
    first.commit(NOW)
    assert first.state() == []
    second = lane().kernel(0, 1)
    for owner, slice_number, key, value in log:
        second.restore(owner, slice_number, key, value)
    assert ids(second, *messages) == []
    second.commit(NOW)
    counted = {(row.slice, row.topic, row.feed): (row.taken, row.duplicate) for row in second.accounts()}
    assert counted[0, "market.price_report.jd", "cdc/masks"] == (100, 50)
    assert [row[:4] for row in second.state_size()] == [row[:4] for row in first.state_size()]


def test_restoring_twice_is_restoring_once() -> None:
    kernel = lane().kernel()
    kernel.step([message(event(index)) for index in range(10)])
    log = kernel.state()
    again = lane().kernel()
    for owner, slice_number, key, value in [*log, *log]:
        again.restore(owner, slice_number, key, value)
    assert again.state_size()[0][3] == 10


def test_what_the_plan_no_longer_has_is_passed_over() -> None:
    kernel = lane().kernel()
    kernel.step([message(event(1))])
    log = kernel.state()
    kernel.commit(NOW)
    feed = Feed("new/feed", [ONCE])
    other = Lane([feed], tables=[SEEN | {"name": "other"}], topics={"market.price_report.ali": "ali"}).kernel()
    for owner, slice_number, key, value in log:
        other.restore(owner, slice_number, key, value)
    assert other.state_size()[0][3] == 0
    assert all(account.taken == 0 for account in other.accounts())


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        (b"else", b"x", "neither `account` nor `table/...`"),
        (b"table/t", b"", "the delta is empty"),
        (b"table/t", b"\x09abc", "format version 9, this kernel reads 2"),
        (b"table/t", b"\x01\xff\xff", "the delta is damaged"),
        (b"account", b"{", "the account is damaged"),
        (b"account", b'{"version": 9, "topics": {}}', "format version 9, this kernel reads 2"),
    ],
)
def test_a_state_record_that_is_not_ours_is_refused_with_what_to_do(key: bytes, value: bytes, found: str) -> None:
    kernel = lane().kernel()
    with pytest.raises(ValueError, match=r"lane market\.price_report: slice 0: ") as caught:
        kernel.restore(LANE, 0, key, value)
    assert found in str(caught.value)


def test_advance_drops_what_can_match_no_more() -> None:
    kernel = lane().kernel()
    kernel.step([message(event(index)) for index in range(50)])
    kernel.commit(NOW)
    assert kernel.advance(LANE, 0, NOW + WINDOW - EIGHTH) == 0
    assert kernel.advance(LANE, 0, NOW + 2 * WINDOW) == 50
    assert kernel.state_size()[0][3] == 0


def test_the_result_does_not_depend_on_how_records_are_cut_into_batches() -> None:
    seeded = random.Random(4)
    batch = [message(event(seeded.randrange(200)), time=NOW + index) for index in range(600)]
    batch[100:100] = [Fake(header() + b"\xff", b"k")] * 3
    whole = values(lane().kernel().step(batch))
    for seed in range(5):
        cuts, kernel, found = random.Random(seed), lane().kernel(), []
        rest = batch
        while rest:
            count = cuts.randrange(1, 50)
            now, later = rest[:count], rest[count:]
            step = kernel.step(now)
            if cuts.random() < 0.3:
                kernel.rollback()
                continue
            if cuts.random() < 0.5:
                kernel.commit(NOW)
            found += values(step)
            # A rollback takes back all since the last commit, so what was produced before it is committed here.
            kernel.commit(NOW)
            rest = later
        assert found == whole
