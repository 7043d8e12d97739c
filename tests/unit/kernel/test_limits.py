"""Partitions that must wait: an unknown schema, or too many dead letters."""

from __future__ import annotations

import json

from gebus_kernel import Kernel, Step
from tests.unit.kernel.support import SCHEMA, Fake, Lane, dead, event, message, records

BAD = Fake(b"\1nonsense", None)


def waiting(step: Step) -> list[tuple[int, str, int | None]]:
    return [(blocked.index, blocked.reason, blocked.schema_id) for blocked in step.blocked]


def taken(kernel: Kernel) -> int:
    return sum(account.taken for account in kernel.accounts() if account.feed == "")


def test_an_unknown_schema_holds_its_own_partition_back_and_no_other() -> None:
    kernel = Lane().kernel(0, 1)
    batch = [
        message(event(1)),
        message(event(2), schema_id=77),
        message(event(3)),
        message(event(4), number=1),
        message(event(5, source="ali"), kafka_topic="market.price_report.ali"),
        message(event(6)),
    ]
    step = kernel.step(batch)
    assert waiting(step) == [(1, "unknown_schema", 77)]
    assert [record["event_id"][-1] for record in records(step)] == ["1", "4", "5"]
    kernel.commit(0)
    assert taken(kernel) == 3
    kernel.add_writer_schema("market.price_report", 77, json.dumps(SCHEMA))
    step = kernel.step([batch[1], batch[2], batch[5]])
    assert [record["event_id"][-1] for record in records(step)] == ["2", "3", "6"]


def test_so_many_dead_letters_in_a_row_and_the_next_one_blocks() -> None:
    kernel = Lane(in_a_row=3).kernel()
    step = kernel.step([BAD, BAD, BAD, BAD, message(event(1))])
    assert [index for index, _, _ in dead(step)] == [0, 1, 2]
    assert waiting(step) == [(3, "dead_letter_limit", None)]
    assert records(step) == []
    again = kernel.step([BAD])
    assert waiting(again) == [(0, "dead_letter_limit", None)], "offered again, it is refused again"
    assert dead(kernel.step([message(event(1)), BAD])) == [(1, "not_avro", "")]


def test_the_row_is_counted_over_batches_and_partition_by_partition() -> None:
    kernel = Lane(in_a_row=2).kernel(0, 1)
    other = Fake(BAD.content, None, number=1)
    assert waiting(kernel.step([BAD, other])) == []
    assert waiting(kernel.step([BAD, other])) == []
    assert waiting(kernel.step([other])) == [(0, "dead_letter_limit", None)]
    assert waiting(kernel.step([BAD])) == [(0, "dead_letter_limit", None)]


def test_the_share_of_the_last_thousand_has_a_ceiling() -> None:
    kernel = Lane(ratio=0.1).kernel()
    batch = [BAD if index % 5 == 0 else message(event(index)) for index in range(1000)]
    step = kernel.step(batch)
    assert len(step.dead) == 100
    assert waiting(step) == [(500, "dead_letter_limit", None)]


def test_a_rollback_takes_the_counting_back() -> None:
    kernel = Lane(in_a_row=2).kernel()
    kernel.step([BAD])
    kernel.commit(0)
    kernel.step([BAD])
    kernel.rollback()
    step = kernel.step([BAD, BAD])
    assert len(step.dead) == 1
    assert waiting(step) == [(1, "dead_letter_limit", None)]
    kernel.rollback()
    kernel.step([message(event(1))])
    kernel.rollback()
    assert len(kernel.step([BAD, BAD]).dead) == 1
