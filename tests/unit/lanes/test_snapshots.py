"""Workers that restore from snapshots: what they save, and what becomes of those that do not fit."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.lanes.conftest import LANE, PLACES, Bench
from tests.unit.lanes.fake_kafka import FakeConsumer
from tests.unit.lanes.fake_kernel import FakeKernel

from gebus.lanes import snapshots
from gebus.lanes.places import Slice
from gebus.lanes.settings import LaneSettings
from gebus.lanes.snapshot import SnapshotReader, snapshot_path, write_snapshot

STATE = (f"gebus.state.{LANE}", 0)
OWNED = Slice(LANE, 0)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is over when it was started: what a test sees does not depend on its speed."""

    class Now(threading.Thread):
        def start(self) -> None:
            self.run()

        def is_alive(self) -> bool:
            return False

    monkeypatch.setattr(snapshots.threading, "Thread", Now)


@pytest.fixture
def eager(bench: Bench) -> Bench:
    """A worker that writes a snapshot as soon as there is something to write."""
    bench.settings = LaneSettings(session_attempts=5, snapshot_bytes=1, snapshot_interval=0.0)
    return bench


@pytest.fixture
def read_from(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where the readers of the state's log began."""
    found: list[int] = []
    original = FakeConsumer.incremental_assign

    def assign(self: FakeConsumer, partitions: list) -> None:
        found.extend(one.offset for one in partitions if (one.topic, one.partition) == STATE)
        original(self, partitions)

    monkeypatch.setattr(FakeConsumer, "incremental_assign", assign)
    return found


def path(bench: Bench) -> Path:
    return snapshot_path(bench.directory, OWNED)


def position(bench: Bench) -> int:
    reader = SnapshotReader(path(bench))
    reader.close()
    return reader.header.position


def growing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel of which nothing ever becomes of no use: its files need not be written anew."""
    monkeypatch.setattr(FakeKernel, "state_size", lambda self: [(LANE, n, "seen", 1, 1 << 20) for n in self.slices])


def tails(bench: Bench) -> list[int]:
    """The offsets at which the tails of the slice's snapshot begin."""
    return sorted(int(one.name.split(".")[1]) for one in path(bench).parent.glob("0.*.tail"))


def test_a_snapshot_grows_by_tails_of_what_was_committed(
    eager: Bench, read_from: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    growing(monkeypatch)
    eager.publish("one")
    eager.run()
    first = position(eager)
    for text in ("two", "six"):
        eager.publish(text)
        eager.run()
    assert position(eager) == first, "it is written once"
    assert (tails(eager)[0], len(tails(eager))) == (first, 2)
    for record in eager.kafka.log[STATE]:
        record.value = b"[]"
    eager.publish("six", "one", "two", "ten")
    eager.run()
    assert eager.delivered() == ["ONE", "TWO", "SIX", "TEN"], "the log was not needed"
    assert read_from[1] == first


def test_a_damaged_tail_leaves_nothing_in_the_kernel(
    eager: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    growing(monkeypatch)
    for text in ("one", "two"):
        eager.publish(text)
        eager.run()
    tail = path(eager).with_name(f"0.{tails(eager)[0]}.tail")
    tail.write_bytes(tail.read_bytes().replace(b'["two"]', b'["six"]'))
    eager.publish("six", "two")
    eager.run()
    assert eager.delivered() == ["ONE", "TWO", "SIX"]
    assert f"{tail}: its digest is not that of its bytes" in caplog.text
    assert tail.with_suffix(".unfit").exists()


def test_more_than_may_be_kept_becomes_a_new_snapshot(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    growing(monkeypatch)
    bench.settings = LaneSettings(session_attempts=5, snapshot_bytes=10, snapshot_interval=0.0)
    bench.publish("one" * 10)
    bench.run()
    first = position(bench)
    bench.publish("two" * 100)
    bench.run()
    assert (position(bench) > first, tails(bench)) == (True, [])


def test_a_state_that_expires_is_written_anew(eager: Bench) -> None:
    for text in ("one", "two", "three"):
        eager.publish(text * 100)
        eager.run()
        assert tails(eager) == [], "the files would take more than twice as much as the state"


def test_a_tail_that_was_not_written_is_followed_by_a_snapshot(eager: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    growing(monkeypatch)
    eager.publish("one")
    eager.run()
    first = position(eager)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    worker, failing = eager.worker(), pytest.MonkeyPatch()
    failing.setattr(snapshots, "write_snapshot", full)
    eager.publish("two")
    turns = [0]

    def stopping() -> bool:
        turns[0] += 1
        if turns[0] == 100:
            failing.undo()
            eager.clock.pass_(100.0)
            eager.publish("three" * 200)
        return turns[0] > 200

    worker.run(stopping, eager.clock.pass_)
    assert (eager.meter.snapshots.failed, tails(eager)) == (1, [])
    assert position(eager) > first


def test_a_restart_reads_the_snapshot_and_the_tail_alone(eager: Bench, read_from: list[int]) -> None:
    eager.publish("one", "two")
    eager.run()
    first = position(eager)
    eager.settings = LaneSettings(session_attempts=5)
    eager.publish("two", "three")
    eager.run()
    eager.publish("one", "three", "four")
    eager.run()
    assert eager.delivered() == ["ONE", "TWO", "THREE", "FOUR"]
    assert read_from == [-2, first, first]


def test_what_lies_before_the_position_is_not_needed(eager: Bench) -> None:
    eager.publish("one")
    eager.run()
    eager.kafka.log[STATE][0].value = b"[]"
    eager.publish("one", "two")
    eager.run()
    assert eager.delivered() == ["ONE", "TWO"]


def test_the_position_stands_for_what_this_worker_wrote(eager: Bench) -> None:
    """Another owner's records behind it, which the snapshot does not hold, are read as its tail."""
    eager.publish("one")
    eager.run()
    end = position(eager)
    assert eager.kafka.log[STATE][end - 1].value == b'["one"]'
    eager.kafka.append(STATE, b'["two"]', key=b"seen")
    eager.publish("one", "two", "three")
    eager.run()
    assert eager.delivered() == ["ONE", "THREE"]


def test_small_states_are_not_worth_a_snapshot(bench: Bench) -> None:
    bench.publish("one")
    bench.run(turns=3000)
    assert not list(bench.directory.glob("*/*"))


def test_the_log_that_a_restart_had_to_read_is_worth_one(eager: Bench, read_from: list[int]) -> None:
    eager.publish("one")
    eager.settings = LaneSettings(session_attempts=5)
    eager.run()
    eager.settings = LaneSettings(session_attempts=5, snapshot_bytes=1, snapshot_interval=0.0)
    eager.run()
    eager.publish("one", "two")
    eager.run()
    assert eager.delivered() == ["ONE", "TWO"]
    assert read_from == [-2, -2, len(eager.kafka.log[STATE]) - 2]


def flip(good: bytes) -> bytes:
    return good[:-40] + bytes([good[-40] ^ 1]) + good[-39:]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda good: good[: len(good) // 2], "cut short"),
        (flip, "its digest is not that of its bytes"),
        (lambda _: b"", "cut short"),
        (lambda good: good[:15] + b"\x09\x00" + good[17:], "its format has version 9"),
        (lambda good: good.replace(b'"slice": 0', b'"slice": 1'), "it is of slice a.b/1"),
        (lambda good: good.replace(b'"lane": "a.b"', b'"lane": "a.c"'), "it is of slice a.c/0"),
    ],
)
def test_a_damaged_snapshot_is_named_put_aside_and_rebuilt_from_the_log(
    eager: Bench, damage: Callable[[bytes], bytes], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    eager.publish("one", "two")
    eager.run()
    path(eager).write_bytes(damage(path(eager).read_bytes()))
    eager.publish("one", "two", "three")
    eager.run()
    assert eager.delivered() == ["ONE", "TWO", "THREE"]
    assert f"the snapshot of slice {OWNED} is not used, its state is read from the log instead: " in caplog.text
    assert says in caplog.text
    assert path(eager).with_suffix(".unfit").exists()
    assert eager.meter.snapshots.unfit == 1
    assert position(eager) > 0, "a new one was written since"


def test_a_whole_snapshot_of_another_form_stays_where_it_is(eager: Bench, caplog: pytest.LogCaptureFixture) -> None:
    eager.publish("one")
    eager.run()
    snapshot = SnapshotReader(path(eager))
    snapshot.close()
    header = snapshot.header
    write_snapshot(eager.directory, header, [(b"seen", b"another form"), (b"seen", b'["one"]')])
    eager.publish("two")
    eager.run()
    assert f"stands still, the others go on: {path(eager)}: table seen was written by another form" in caplog.text
    assert eager.delivered() == ["ONE"]
    assert path(eager).exists()
    assert not path(eager).with_suffix(".unfit").exists()


def test_half_a_damaged_snapshot_leaves_nothing_in_the_kernel(eager: Bench) -> None:
    eager.publish("one", "two")
    eager.run()
    path(eager).write_bytes(path(eager).read_bytes().replace(b'["two"]', b'["six"]'))
    eager.publish("six")
    eager.run()
    assert eager.delivered() == ["ONE", "TWO", "SIX"]


def test_a_topic_that_lost_its_end_is_refused_with_what_to_do(eager: Bench, caplog: pytest.LogCaptureFixture) -> None:
    eager.publish("one")
    eager.run()
    del eager.kafka.log[STATE][:]
    eager.publish("one")
    eager.run()
    assert "gebus.state.a.b/0 ends at offset 0, and its snapshot goes up to 1: " in caplog.text
    assert f"or delete {path(eager)} to go on" in caplog.text
    assert eager.delivered() == ["ONE"]
    path(eager).unlink()
    eager.publish("two")
    eager.run()
    assert eager.delivered()[-1] == "TWO"


def test_a_log_trimmed_beyond_the_snapshot_is_read_alone(eager: Bench, caplog: pytest.LogCaptureFixture) -> None:
    eager.publish("one")
    eager.run()
    eager.kafka.append(STATE, b'["two"]', key=b"seen")
    eager.kafka.beginnings[STATE] = position(eager) + 1
    eager.publish("two", "one")
    eager.run()
    assert "the log begins at 2, after its end" in caplog.text
    assert eager.delivered() == ["ONE", "ONE"], "what retention took has expired"


def test_a_state_that_was_deleted_and_made_anew_stops_the_lanes(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.publish("one")
    bench.run()
    bench.kafka.ids[STATE[0]] = "second"
    bench.kafka.log[STATE].clear()
    bench.publish("one", "two")
    bench.run()
    assert "gebus.state.a.b was deleted and made anew since the lanes committed offset 1 of a.b.x/0" in caplog.text
    assert bench.delivered() == ["ONE"]
    bench.kafka.metadata.clear()  # as `gebus reset-offsets` leaves an offset
    bench.run()
    assert bench.delivered() == ["ONE", "ONE", "TWO"]


def test_a_snapshot_of_the_deleted_topic_is_put_aside(eager: Bench, caplog: pytest.LogCaptureFixture) -> None:
    eager.publish("one")
    eager.run()
    eager.kafka.ids[STATE[0]] = "second"
    eager.kafka.log[STATE].clear()
    eager.kafka.metadata.clear()
    eager.publish("two")
    eager.run()
    assert "it goes on in another topic of the name gebus.state.a.b, which was deleted since" in caplog.text
    assert eager.delivered() == ["ONE", "TWO"]


def test_a_full_disk_costs_a_warning(
    eager: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    eager.publish("one")
    eager.run()
    before = path(eager).read_bytes()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "write_snapshot", full)
        eager.publish("two" * 200)
        eager.run()
    assert eager.delivered() == ["ONE", "TWO" * 200]
    assert path(eager).read_bytes() == before
    assert f"could not be written: [Errno 28] No space left on device; the old one stays and nothing is lost, but a " \
        f"restart takes longer: free some of the disk of {eager.directory}" in caplog.text  # fmt: skip
    assert eager.meter.snapshots.failed == 1, "it is not tried again at once"
    eager.publish("two" * 200, "three")
    eager.run()
    assert eager.delivered() == ["ONE", "TWO" * 200, "THREE"]


def test_a_directory_that_cannot_be_made_costs_a_warning(eager: Bench, caplog: pytest.LogCaptureFixture) -> None:
    eager.directory.write_text("a file")
    eager.publish("one")
    eager.run()
    assert eager.delivered() == ["ONE"]
    assert f"see that {eager.directory} can be written" in caplog.text


def test_what_a_killed_worker_left_half_written_is_swept(eager: Bench) -> None:
    left, living = (path(eager).with_name(f".0.snapshot.{pid}") for pid in (2**22 + 1, 1))
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    living.write_bytes(b"half, and the other half is being written")
    eager.publish("one")
    eager.run()
    assert not left.exists()
    assert living.exists()


def test_a_slice_that_went_elsewhere_while_its_snapshot_was_read_is_closed(eager: Bench) -> None:
    eager.publish("one")
    eager.run()
    original = SnapshotReader.next

    def take_away(self: SnapshotReader) -> object:
        eager.consumer.take([PLACES[0], PLACES[2]])
        eager.clock.pass_(1.0)  # the time that this turn has for restoring is over
        return original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SnapshotReader, "next", take_away)
        eager.run()
    assert 0 not in eager.kernels.made[-1].slices


def test_a_restore_says_how_far_it_is_and_when_it_is_done(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1200):
        bench.kafka.append(STATE, f'["{number}"]'.encode(), key=b"seen")
    original = FakeConsumer.consume

    def slow(self: FakeConsumer, num_messages: int, timeout: float) -> list:
        bench.clock.pass_(2.5)
        return original(self, num_messages, timeout)

    monkeypatch.setattr(FakeConsumer, "consume", slow)
    with caplog.at_level("INFO", "gebus.lanes"):
        bench.run(turns=10)
    said = [record.getMessage() for record in caplog.records if "restor" in record.getMessage()]
    assert said[0].startswith("restoring ")
    assert said[0].endswith(" %")
    assert said[-1].startswith("restored 2 slices in ")
    assert said[-1].endswith(" s: 1200 records, 8490 bytes, 0 of them from snapshots")
    assert len(said) <= 4
