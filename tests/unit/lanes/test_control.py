"""What a kernel is told of grants and modes, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError
from tests.unit.lanes.conftest import Bench
from tests.unit.lanes.fake_kafka import ManualClock
from tests.unit.model.test_grant import APPROVED, END, NOW, REVOKED, terms
from tests.unit.model.test_mode import CLOSED, HOLDS

from gebus.lanes.control import LaneControl
from gebus.lanes.errors import SessionEnded
from gebus.model.control import FOLLOWED, GRANTS_TOPIC, MODES_TOPIC
from gebus.model.errors import Denied, GebusError, NotFound, Unavailable
from gebus.model.grant import FeedGrants, Grant


@dataclass
class Message:
    at: str
    text: bytes | None = None
    named: bytes = b""
    append_ms: int = NOW
    problem: int | None = None
    number: int = 0

    def topic(self) -> str:
        return self.at

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.number

    def key(self) -> bytes:
        return self.named

    def value(self) -> bytes | None:
        return self.text

    def timestamp(self) -> tuple[int, int]:
        return (2, self.append_ms)

    def error(self) -> Any:
        return None if self.problem is None else KafkaError(self.problem)


@dataclass
class Reader:
    """Gives what was put in, batch by batch."""

    batches: list[list[Message]] = field(default_factory=list)
    committed: list[Any] = field(default_factory=list)
    closed: bool = False
    clock: ManualClock | None = None

    def assign(self, partitions: list[Any]) -> None:
        assert [one.topic for one in partitions] == list(FOLLOWED)

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        del num_messages
        if self.clock is not None:
            self.clock.pass_(timeout)
        return self.batches.pop(0) if self.batches else []

    def commit(self, *, offsets: list[Any], asynchronous: bool) -> None:
        assert asynchronous
        self.committed.append({one.topic: one.offset for one in offsets})

    def close(self) -> None:
        self.closed = True


@dataclass
class Kernel:
    grants: Mapping[str, int] = field(default_factory=dict)
    modes: Sequence[tuple[str, str, int, int]] = ()

    def set_grants(self, until_ms: Mapping[str, int]) -> None:
        self.grants = dict(until_ms)

    def set_modes(self, modes: Sequence[tuple[str, str, int, int]]) -> None:
        self.modes = list(modes)


@dataclass
class Leaves:
    grants: dict[str, str] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)

    def granted(self, feed: str, grant: str) -> None:
        self.grants[feed] = grant

    def modes(self, ids: list[str]) -> None:
        self.ids = list(ids)


ENDS = [Message(topic, problem=KafkaError._PARTITION_EOF) for topic in FOLLOWED]
FEED = SimpleNamespace(
    id="travel/trips", consumer="travel", feed="trips", purpose="notify", tier=2, steps=(), sources={"t": "health.trip"}
)


def word(grant: Grant, number: int = 0, append_ms: int = NOW) -> Message:
    value = FeedGrants(version=1, grants=(grant,)).model_dump_json().encode()
    return Message(GRANTS_TOPIC, value, b"travel/trips", append_ms, number=number)


def mode_word(mode: Any, append_ms: int) -> Message:
    return Message(MODES_TOPIC, mode.model_dump_json().encode(), b"flood", append_ms)


class Desk:
    def __init__(self, *batches: list[Message], now: int = NOW, **feed: Any) -> None:
        self.clock = ManualClock()
        self.clock.now = now / 1000
        self.reader, self.kernel, self.leaves = Reader(list(batches), clock=self.clock), Kernel(), Leaves()
        asked: Any = SimpleNamespace(**{**vars(FEED), **feed})
        self.control = LaneControl(lambda: self.reader, {"travel/trips": asked}, self.clock)

    def tell(self, *, confirm: bool = True) -> Kernel:
        self.control.tell(self.kernel, self.leaves, confirm=confirm)  # type: ignore[arg-type]
        return self.kernel

    def changed_within(self, seconds: float) -> bool:
        self.clock.pass_(seconds)
        return self.control.changed()


def test_without_a_word_nothing_is_granted() -> None:
    desk = Desk(ENDS)
    assert desk.tell().grants == {}
    assert desk.reader.committed == []


def test_a_live_grant_flows_until_its_end_and_is_named_in_the_leaves() -> None:
    desk = Desk([word(APPROVED, number=6), *ENDS])
    assert desk.tell().grants == {"travel/trips": END}
    assert desk.leaves.grants == {"travel/trips": "travel/trips#1"}
    assert desk.reader.committed == [{GRANTS_TOPIC: 7}]


def test_a_revocation_is_heard_within_a_look() -> None:
    desk = Desk([word(APPROVED), *ENDS], [], [word(REVOKED, 1)])
    desk.tell()
    assert not desk.changed_within(0.3)
    assert not desk.changed_within(0.05), "looked at a few times a second at most"
    assert desk.changed_within(0.3)
    assert desk.tell().grants == {}
    assert desk.reader.committed[-1] == {GRANTS_TOPIC: 2}


def test_an_end_is_heard_although_nobody_says_anything() -> None:
    desk = Desk([word(APPROVED), *ENDS], now=END - 1000)
    assert desk.tell().grants == {"travel/trips": END}
    assert not desk.changed_within(0.5)
    assert desk.changed_within(1.0)
    assert desk.tell().grants == {}


def test_a_clock_that_goes_back_opens_nothing_again() -> None:
    closed = word(APPROVED, append_ms=END)  # the log has seen the end pass
    desk = Desk([closed, *ENDS], now=NOW)
    assert desk.tell().grants == {}


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        ({"purpose": "advertising"}, "purpose advertising at tier 2 was not granted"),
        ({"tier": 3}, "at tier 3 was not granted"),
        ({"sources": {"t": "health.case"}}, "health.case was not granted"),
    ],
)
def test_a_feed_that_asks_for_more_than_its_grant_has_none(
    feed: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk([word(APPROVED), *ENDS], **feed)
    assert desk.tell().grants == {}
    assert said in caplog.text


def test_modes_come_and_go() -> None:
    since = HOLDS.since or 0
    desk = Desk([mode_word(HOLDS, since), *ENDS], [mode_word(CLOSED, CLOSED.until)], now=since)
    assert desk.tell().modes == [("flood", "42", since, HOLDS.until)]
    assert desk.leaves.ids == ["flood"]
    assert desk.changed_within(0.3)
    assert desk.tell().modes == []
    assert desk.leaves.ids == []


def test_a_topic_that_is_missing_or_silent_is_said_so() -> None:
    with pytest.raises(NotFound, match="run `gebus apply`"):
        Desk([Message(GRANTS_TOPIC, problem=KafkaError.UNKNOWN_TOPIC_OR_PART)]).tell()
    desk = Desk()
    with pytest.raises(Unavailable, match="nothing came of gebus"):
        desk.tell()
    assert desk.reader.closed


def test_who_does_not_hold_the_slot_confirms_nothing_for_it() -> None:
    desk = Desk([word(APPROVED, number=6), *ENDS], [], [], [], [word(REVOKED, 7)])
    desk.tell(confirm=False)
    assert not desk.changed_within(1.5)
    assert desk.reader.committed == []
    desk.control.confirm()
    assert not desk.control.changed(), "it looks at once"
    assert len(desk.reader.batches) == 2
    assert desk.reader.committed == [{GRANTS_TOPIC: 7}]
    assert not desk.changed_within(1.1)
    assert desk.reader.committed == [{GRANTS_TOPIC: 7}] * 2, "an answer may be lost"
    assert desk.changed_within(1.1), "what the kernel does not know is not confirmed"
    assert len(desk.reader.committed) == 2
    desk.tell(confirm=False)
    assert not desk.changed_within(1.1)
    assert len(desk.reader.committed) == 2, "the next session does not hold the slot yet"


def test_a_word_is_repeated_for_a_while_alone() -> None:
    desk = Desk([word(APPROVED, number=6), *ENDS])
    desk.tell()
    for _ in range(30):
        assert not desk.changed_within(1.01)
    assert 5 < len(desk.reader.committed) < 12


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        (KafkaError._AUTO_OFFSET_RESET, SessionEnded),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, SessionEnded),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Denied),
    ],
)
def test_of_a_topic_that_was_cut_or_made_anew_nothing_is_kept(code: int, raised: type[GebusError]) -> None:
    desk = Desk([word(APPROVED), *ENDS], [Message(GRANTS_TOPIC, problem=code)], ENDS)
    assert desk.tell().grants == {"travel/trips": END}
    with pytest.raises(raised) as error:
        desk.changed_within(0.3)
    assert error.value.retriable == (raised is SessionEnded)
    assert desk.reader.closed
    assert not desk.changed_within(0.3), "nobody is asked before it was read anew"
    assert desk.tell().grants == {}


def test_what_passes_by_itself_ends_no_session() -> None:
    desk = Desk([word(APPROVED), *ENDS], [Message("", problem=KafkaError._ALL_BROKERS_DOWN), *ENDS])
    desk.tell()
    assert not desk.changed_within(0.3)
    assert not desk.reader.closed


def test_what_time_and_words_change_is_told_between_two_transactions(bench: Bench) -> None:
    bench.publish("one", "two", "three")
    bench.control.changes = 50
    bench.run()
    assert bench.delivered() == ["ONE", "TWO", "THREE"]
    assert len(bench.control.told) == 51
    assert set(bench.control.open_when_told) == {0}


def test_nothing_begins_before_the_kernel_knows(bench: Bench) -> None:
    assert terms().expires == END
    bench.run(turns=1)
    assert bench.control.told == [bench.kernels.made[-1]]


def test_a_session_confirms_once_it_holds_the_slot_and_looks_before_each_batch(bench: Bench) -> None:
    bench.publish("one", "two")
    log = bench.control.log
    bench.kafka.before = log.append
    bench.control.changes = 100
    bench.run()
    first = log.index("confirmed")
    assert "told and confirmed" not in log[:first]
    assert log[0] == "told"
    assert "init" in log[:first], "the slot's predecessor is fenced before"
    assert log[log.index("begin") - 1] == "told and confirmed", "what came meanwhile is known before the first batch"
