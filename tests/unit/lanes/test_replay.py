"""A lane once more over its log: the order of its records, from where, and how far."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from confluent_kafka import Message
from tests.unit.lanes.conftest import LANE, PLACES, Bench, lane_plan
from tests.unit.lanes.fake_kafka import FakeConsumer
from tests.unit.lanes.fake_kernel import FakeKernel, Step
from typer.testing import CliRunner

from gebus.cli import build
from gebus.cli._sandbox import Records, compare
from gebus.lanes import replay as module
from gebus.lanes.replay import Span, replay, unlimited
from gebus.model.errors import NotFound, Stopped, Unavailable


@dataclass
class Feed:
    topic: str = f"feed.{LANE}"


class Watched(FakeKernel):
    """Remembers in which order it was given what."""

    def __init__(self) -> None:
        super().__init__(LANE, ordered=True)
        self.taken: list[tuple[int, str]] = []

    def step(self, messages: list[Message]) -> object:
        self.taken += [(one.partition(), (one.value() or b"").decode()) for one in messages]
        return super().step(messages)


def replayed(
    bench: Bench, kernel: Watched | None = None, from_ms: int | None = None, *, ordered: bool = True
) -> list[str]:
    consumer = FakeConsumer(bench.kafka, tells_end=True)
    span = Span(from_ms, bench.clock.now_ms())
    parts = replay(lane_plan(ordered=ordered), Feed(), kernel or Watched(), consumer, span)  # type: ignore[arg-type]
    return [record["value"].decode() for records in parts for record in records]


def publish_in_turns(bench: Bench) -> None:
    """In a slice the topics take turns; the second topic's records came first of each pair."""
    for number in range(6):
        for place in (PLACES[2], PLACES[0]):
            bench.clock.pass_(1)
            bench.publish(f"{place[0]} {number}", place=place)
    bench.publish("elsewhere", place=PLACES[1])


def test_the_order_is_that_of_the_log(bench: Bench) -> None:
    publish_in_turns(bench)
    kernel = Watched()
    found = replayed(bench, kernel)
    assert [text for slice_number, text in kernel.taken if slice_number == 0] == [
        f"{topic} {number}" for number in range(6) for topic in ("a.b.y", "a.b.x")
    ]
    assert len(found) == 13
    assert kernel.slices == {}, "every slice was closed again"
    assert [number for number, _ in kernel.ticked] == [0, 1]


def test_small_batches_give_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_in_turns(bench)
    expected = replayed(bench)
    for bound in ("_BATCH", "_AHEAD_RECORDS"):
        monkeypatch.setattr(module, bound, 1)
    assert replayed(bench) == expected


def test_what_finds_no_room_in_a_batch_is_the_next_one(bench: Bench) -> None:
    for text in ("one", "full", "full and full", "two"):
        bench.clock.pass_(1)
        bench.publish(text)
    kernel = Watched()
    assert replayed(bench, kernel) == ["ONE", "FULL", "FULL AND FULL", "TWO"]
    last = bench.clock.now_ms()
    assert [clock_ms for number, clock_ms in kernel.advanced if number == 0] == [last - 3000, last - 2000, last]


def test_all_that_is_due_at_the_end_is_delivered_however_much(bench: Bench) -> None:
    class Much(Watched):
        left = 3

        def tick(self, lane: str, number: int, clock_ms: int) -> Step:
            self.left -= 1
            self.due[number] = self.left > 0
            return super().tick(lane, number, clock_ms)

    bench.publish("one")
    assert replayed(bench, Much()) == ["ONE", "TICK", "TICK"]


def test_it_begins_at_a_time(bench: Bench) -> None:
    publish_in_turns(bench)
    from_ms = bench.kafka.log[PLACES[0]][4].timestamp
    assert replayed(bench, from_ms=from_ms) == ["A.B.X 4", "A.B.Y 5", "A.B.X 5", "ELSEWHERE"]
    assert replayed(bench, from_ms=bench.clock.now_ms() + 1) == []


def test_it_changes_nothing_in_kafka(bench: Bench) -> None:
    publish_in_turns(bench)
    replayed(bench)
    assert bench.kafka.committed == {}
    assert {place for place, log in bench.kafka.log.items() if log} == {PLACES[0], PLACES[1], PLACES[2]}


def test_what_is_published_meanwhile_is_not_run_after(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_in_turns(bench)
    original = FakeConsumer.consume

    def consume(self: FakeConsumer, count: int, timeout: float) -> list[Message]:
        bench.publish("more")
        return original(self, count, timeout)

    monkeypatch.setattr(FakeConsumer, "consume", consume)
    assert "MORE" not in replayed(bench)


def test_an_unordered_lane_is_not_ticked(bench: Bench) -> None:
    publish_in_turns(bench)
    kernel = Watched()
    assert len(replayed(bench, kernel, ordered=False)) == 13
    assert kernel.ticked == []


def test_a_record_that_nobody_can_read_is_named(bench: Bench) -> None:
    bench.publish("one", "schema7 x")
    with pytest.raises(Stopped, match=r"a.b.x/0 at offset 1: unknown_schema, schema id 7: the registry does not know"):
        replayed(bench)


def test_an_open_transaction_that_holds_an_input_back_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.publish("one")
    monkeypatch.setattr(FakeConsumer, "consume", lambda *_: [])
    with pytest.raises(Unavailable, match=r"nothing came of a.b.x/0 for 10 s, and its end was not reached"):
        replayed(bench)


def test_ceilings_of_dead_letters_are_lifted() -> None:
    (one,) = unlimited(lane_plan()).inputs
    assert (one.in_a_row, one.ratio) == (2**31 - 1, 1.0)


def records(*values: tuple[bytes | None, str]) -> Records:
    found = Records()
    for key, event_id in values:
        found.add(key, b"\0\0\0\0\1" + bytes([2 * len(event_id)]) + event_id.encode() + b"rest")
    return found


def test_equal_feeds_have_no_difference() -> None:
    live = records((b"a", "1"), (b"b", "2"), (b"a", "3"), (None, "4"))
    assert compare(live, records((None, "4"), (b"b", "2"), (b"a", "1"), (b"a", "3")), ordered=True) == []
    assert len(live) == 4


def test_the_first_difference_of_each_key_is_told() -> None:
    live = records((b"a", "1"), (b"a", "2"), (b"b", "3"))
    other = records((b"a", "1"), (b"a", "9"), (b"c", "4"))
    assert [str(one) for one in compare(live, other, ordered=True)] == [
        "key a: record 2 is 2 in the feed, 9 replayed",
        "key b: record 1 is 3 in the feed, missing replayed",
        "key c: record 1 is missing in the feed, 4 replayed",
    ]
    assert compare(live, other, ordered=True)[1].as_json() == {"key": "b", "record": 1, "live": "3", "replayed": None}


def test_the_order_in_a_key_counts_where_the_lane_has_one() -> None:
    live, other = records((b"a", "1"), (b"a", "2")), records((b"a", "2"), (b"a", "1"))
    assert len(compare(live, other, ordered=True)) == 1
    assert compare(live, other, ordered=False) == []
    assert len(compare(live, records((b"a", "2"), (b"a", "2")), ordered=False)) == 1


def command(*words: str, home: Path) -> Result:
    return CliRunner().invoke(build(), ["replay", *words], env={"GEBUS_HOME": str(home), "GEBUS_CATALOGUE": "schemas"})


@pytest.mark.parametrize("name", ["", "Live", "a b", "a.b", "-a", "x" * 41])
def test_a_sandbox_is_named_so_that_it_is_a_topic(name: str, tmp_path: Path) -> None:
    done = command("c/f", "--into", name, home=tmp_path)
    assert done.exit_code == 2
    assert "use lower-case letters, digits and hyphens, 40 at most" in " ".join(done.stderr.replace("│", " ").split())


def test_a_feed_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = command("c/f", "--into", "check", home=tmp_path)
    assert isinstance(done.exception, NotFound)
    assert str(done.exception).startswith("c/f: the catalogue has no such feed; they are ")


def test_a_time_that_lies_ahead_is_refused(tmp_path: Path) -> None:
    done = command("c/f", "--into", "check", "--from", "2999-01-01T00:00Z", home=tmp_path)
    assert done.exit_code == 2
    assert "lies ahead of now" in done.stderr


def test_a_time_needs_its_offset(tmp_path: Path) -> None:
    done = command("c/f", "--into", "check", "--from", "2020-02-01", home=tmp_path)
    assert done.exit_code == 2
    assert "is no instant" in done.stderr
