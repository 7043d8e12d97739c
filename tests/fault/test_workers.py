"""Workers that are killed, stopped, doubled and fenced, on the real stack: the checker finds nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
from tests.conftest import RunningStack
from tests.fault.checker import History, check
from tests.integration.lanes.kit import PARTITIONS, Bed, children, record, wait_until, write_catalogue

from gebus.kafka.lane_clients import open_producer
from gebus.lanes.crash import POINTS
from gebus.lanes.supervisor import EXIT_FENCED

KEYS = 24
POISON = b"\x01poison"


@pytest.fixture
def bed(stack: RunningStack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bed]:
    domain = f"f{crc32(request.node.nodeid.encode())}"
    write_catalogue(tmp_path / "schemas", domain)
    made = Bed(stack, tmp_path / "schemas", domain)
    made.apply()
    yield made
    made.close()


class Load:
    """Waves of records with repeats among them, each noted when the log has confirmed it."""

    def __init__(self, bed: Bed) -> None:
        self.bed, self.history = bed, History()
        self.sent = 0
        self.numbers: dict[str, int] = {}

    def wave(self, fresh: int, repeats: int = 0) -> None:
        """So many new records, then so many of the earlier ones again."""
        new = range(self.sent, self.sent + fresh)
        again = range(max(0, self.sent - repeats), self.sent)
        self.sent += fresh
        self.publish([*new, *again])

    def publish(self, numbers: list[int]) -> None:
        records = [record(f"id-{n}", entity=f"k{n % KEYS}", quantity=n % 200) for n in numbers]
        self.bed.publish(records)
        for one in records:
            key = one["entity_id"]
            self.numbers[key] = self.numbers.get(key, -1) + 1
            wanted = ["open", "all", *(["large"] if one["quantity"] >= 100 else [])]
            self.history.acknowledged(one["event_id"], key, self.numbers[key], wanted)

    @property
    def acknowledged(self) -> int:
        return len(self.history.events)

    def readable(self, feed: str, count: int) -> list[str]:
        """The ids of a feed, as soon as so many can be read: what a worker left open holds readers back for 15 s."""
        ids: list[str] = []

        def enough() -> bool:
            ids[:] = self.bed.ids(feed)
            return len(ids) >= count

        wait_until(enough, f"{count} records of {feed} can be read")
        return ids

    def verdict(self, path: Path) -> list[object]:
        """Read the feeds as their consumers would, and let the checker judge."""
        history = History(list(self.history.events))
        for feed in ("open", "all", "large"):
            rows = [row for row in self.bed.accounts() if row.feed.endswith(f"-{feed}")]
            taken, delivered = (sum(getattr(row.counts, name) for row in rows) for name in ("taken", "delivered"))
            for event_id in self.readable(feed, delivered):
                history.delivered(feed, event_id)
            history.account(feed, taken, delivered)
        history.write(path)
        return list(check(History.read(path)))


def all_taken(load: Load) -> None:
    wait_until(lambda: load.bed.taken() >= load.acknowledged, f"{load.acknowledged} records taken")


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_a_step_loses_and_repeats_nothing(bed: Bed, tmp_path: Path, point: str) -> None:
    load, marker = Load(bed), tmp_path / "killed"
    crash = {"GEBUS_CRASH_AT": point, "GEBUS_CRASH_COUNT": "2", "GEBUS_CRASH_MARKER": str(marker)}
    with bed.workers(2, **crash) as running:
        running.wait_live()
        # A transaction takes what comes in a tenth of a second: several are needed until one reaches the point again.
        wait_until(lambda: load.wave(200, repeats=50) or "ended with signal 9" in running.said, "a worker was killed")
        load.wave(600, repeats=100)
        all_taken(load)
        assert running.stop() < 10
    assert marker.exists()
    assert load.verdict(tmp_path / "history.jsonl") == []


def test_workers_killed_at_any_moment_lose_and_repeat_nothing(bed: Bed, tmp_path: Path) -> None:
    load = Load(bed)
    with bed.workers(2) as running:
        running.wait_live()
        for number in range(3):
            load.wave(500, repeats=100)
            victims = children(running.process.pid)
            os.kill(victims[number % len(victims)], signal.SIGKILL)
            load.wave(500)
            running.wait_for("ended with signal 9", number + 1)
            running.wait_for("started as process", 2 + number + 1)
        all_taken(load)
    assert load.verdict(tmp_path / "history.jsonl") == []


def test_slices_that_move_between_workers_under_load_lose_and_repeat_nothing(bed: Bed, tmp_path: Path) -> None:
    load = Load(bed)
    with bed.worker(0) as first:
        first.wait_live()
        load.wave(400)
        with bed.worker(1) as second, bed.worker(2) as third:
            while not (second.gained and third.gained):
                load.wave(200, repeats=50)
            load.wave(400, repeats=100)
            all_taken(load)
            second.stop()
            load.wave(400, repeats=100)
        all_taken(load)
    assert load.verdict(tmp_path / "history.jsonl") == []


def test_a_worker_that_stood_still_delivers_nothing_that_another_did(bed: Bed, tmp_path: Path) -> None:
    """SIGSTOP for longer than the group waits: the other worker takes the slices over, the sleeper leaves."""
    load = Load(bed)
    with bed.worker(0) as sleeper, bed.worker(1) as other:
        sleeper.wait_live(1)
        other.wait_live(1)
        load.wave(600)
        sleeper.process.send_signal(signal.SIGSTOP)
        load.wave(600, repeats=100)
        all_taken(load)
        assert other.gained >= PARTITIONS
        sleeper.process.send_signal(signal.SIGCONT)
        load.wave(600, repeats=100)
        all_taken(load)
        assert sleeper.process.wait(30) == EXIT_FENCED
        sleeper.wait_for("this worker was silent for longer than a session")
        other.stop()
    assert load.verdict(tmp_path / "history.jsonl") == []


def test_a_second_worker_of_a_slot_waits_and_disturbs_nobody(bed: Bed, tmp_path: Path) -> None:
    load = Load(bed)
    with bed.worker(0) as first:
        first.wait_live()
        load.wave(300)
        with bed.worker(0) as second:
            second.wait_for("instance ID is still used", 2)
            load.wave(300, repeats=100)
            all_taken(load)
            assert second.gained == 0
            assert "session ended" not in first.said
            first.stop()
            second.wait_live()
            load.wave(300, repeats=100)
            all_taken(load)
    assert load.verdict(tmp_path / "history.jsonl") == []


def test_a_worker_whose_transactional_id_was_taken_leaves_within_one_transaction(bed: Bed, tmp_path: Path) -> None:
    load = Load(bed)
    with bed.worker(0) as fenced:
        fenced.wait_live()
        load.wave(300)
        all_taken(load)
        thief = open_producer(bed.stack.connection("gebus-lanes"), 0)
        thief.init_transactions(30)
        load.wave(300, repeats=100)
        assert fenced.process.wait(30) == EXIT_FENCED
        fenced.wait_for("another process took this slot")
        assert "session ended" not in fenced.said
    with bed.worker(0) as successor:
        successor.wait_live()
        all_taken(load)
    assert load.verdict(tmp_path / "history.jsonl") == []
