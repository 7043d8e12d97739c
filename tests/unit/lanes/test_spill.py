"""The spill: when something goes to the disk, what is said when it cannot, and that nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gebus_kernel import SpillFailed
from tests.unit.lanes.conftest import PLACES, Bench
from tests.unit.lanes.fake_kafka import ManualClock
from tests.unit.lanes.fake_kernel import FakeKernel, Step

from gebus.lanes.settings import LaneSettings
from gebus.lanes.spill import Spill

KEY_BYTES = 24
"""What a key takes in the fake kernel."""
SETTINGS = LaneSettings(state_bytes=8000, spill_bytes=10_000)


class Disk:
    """The part of a kernel that a spill uses."""

    def __init__(self, *answers: tuple[int, str | None]) -> None:
        self.answers = list(answers)
        self.given: list[Any] = []
        self.asked: list[int] = []
        self.closed: list[tuple[str, int]] = []

    def spill_to(self, *given: Any) -> None:
        self.given.append(given)

    def spill(self, memory_bytes: int) -> tuple[int, str | None]:
        self.asked.append(memory_bytes)
        return self.answers.pop(0)

    def spilt(self) -> list[tuple[str, int, str, int]]:
        return [("a.b", 1, "seen", 7), ("a.b", 1, "pairs", 7), ("a.b", 2, "seen", 7)]

    def close(self, lane: str, number: int) -> None:
        self.closed.append((lane, number))


def test_without_bytes_it_does_nothing(tmp_path: Path) -> None:
    spill, kernel = Spill(tmp_path, LaneSettings(state_bytes=8000), ManualClock()), Disk()
    spill.give(kernel)
    assert (spill.memory, spill.due(9000), kernel.given, list(tmp_path.iterdir())) == (8000, False, [], [])


def test_an_eighth_of_the_memory_is_the_cache_and_the_rest_is_kept_below_its_end(tmp_path: Path) -> None:
    spill, kernel = Spill(tmp_path, SETTINGS, ManualClock()), Disk((1400, None))
    spill.give(kernel)
    folder = tmp_path / "spill" / str(os.getpid())
    assert kernel.given == [(folder, 10_000, 1000)]
    assert (spill.memory, spill.due(5599), spill.due(5600)) == (7000, False, True)
    spill.some(kernel)
    assert (kernel.asked, spill.reason, spill.due(5600)) == ([4200], "", True)
    assert folder.stat().st_mode & 0o777 == 0o700
    spill.give(Disk())
    assert sorted(kernel.closed) == [("a.b", 1), ("a.b", 2)]
    assert not folder.exists()
    spill.close()
    spill.close()


def test_why_nothing_moves_is_said_once_a_minute_and_tried_again_after_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    answers = [(0, "the disk is full"), (0, None), *[(5, "the disk is full")] * 9, (9, None), (0, "it broke")]
    spill, kernel, reasons = Spill(tmp_path, SETTINGS, clock), Disk(*answers), []
    for _ in range(120):
        if spill.due(7000):
            spill.some(kernel)
            reasons.append(spill.reason)
        clock.pass_(1.0)
    assert reasons == ["the disk is full", "what is left cannot move", *["the disk is full"] * 9, "", "it broke"]
    told = [line for line in caplog.text.splitlines() if "the spill takes no more of the state" in line]
    assert [line.partition("state: ")[2].partition(";")[0] for line in told] == [
        "the disk is full", "the disk is full", "it broke",
    ]  # fmt: skip
    assert f"give `gebus run lanes` more --spill-bytes, or look after the disk of {tmp_path}/spill" in told[0]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "spill").write_text("no folder")
    spill, kernel = Spill(tmp_path, SETTINGS, ManualClock()), Disk()
    spill.give(kernel)
    spill.some(kernel)
    assert spill.reason.startswith(f"{tmp_path}/spill/{os.getpid()} cannot be made: ")
    assert spill.reason in caplog.text
    spill.close()


def test_what_the_dead_left_is_deleted_and_what_the_living_hold_stays(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead, own, living = done.stdout.decode().strip(), str(os.getpid()), str(os.getppid())
    for name in (dead, own, living, "else"):
        (tmp_path / "spill" / name / "0" / "tables").mkdir(parents=True)
    Spill(tmp_path, SETTINGS, ManualClock())
    assert [path.name for path in (tmp_path / "spill").iterdir()] == [living]


class Spilling(FakeKernel):
    """Keys move to a disk that holds five."""

    room = 5

    def __init__(self) -> None:
        super().__init__()
        self.on_disk = 0

    def spill(self, memory_bytes: int) -> tuple[int, str | None]:
        assert not any(self.fresh.values()), "a transaction is open"
        held = sum(map(len, self.slices.values())) - self.on_disk
        moved = min(held - memory_bytes // KEY_BYTES, self.room - self.on_disk)
        self.on_disk += moved
        return moved * KEY_BYTES, None if moved else "it holds five"

    def state_size(self) -> list[tuple[str, int, str, int, int]]:
        held = sum(map(len, self.slices.values()))
        return [(self.lane, 0, "seen", held, (held - self.on_disk) * KEY_BYTES)]


class Failing(Spilling):
    """Its first step after something moved fails."""

    failed = False

    def step(self, messages: Any) -> Step:
        if self.on_disk and not Failing.failed:
            Failing.failed = True
            raise SpillFailed("/spill/7 could not be read: it is worn out")
        return super().step(messages)


def on_a_disk(bench: Bench, kernel: type[Spilling], keys: int) -> None:
    bench.settings = LaneSettings(session_attempts=5, state_bytes=keys * KEY_BYTES * 8 // 7, spill_bytes=1)
    made = bench.kernels.made
    bench.kernels.new = lambda **_: made.append(kernel()) or made[-1]  # type: ignore[method-assign]


def test_at_the_end_of_memory_and_disk_input_waits_in_the_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    on_a_disk(bench, Spilling, keys=10)
    left, worker = [600], bench.worker()

    def stopping() -> bool:
        left[0] -= 1
        if left[0] % 25 == 0 and left[0] >= 100:
            bench.publish(f"number {left[0]}")
        return left[0] < 0

    worker.run(stopping, bench.clock.pass_)
    assert bench.kernels.made[-1].on_disk == 5
    assert bench.kafka.committed[PLACES[0]] == len(bench.delivered()) == 15
    assert "no input is taken until enough has expired; nothing is lost" in caplog.text
    assert (
        "the disk takes no more: it holds five. Give `gebus run lanes` more --state-bytes, --spill-bytes" in caplog.text
    )


def test_a_disk_that_cannot_be_read_ends_the_session_and_loses_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    on_a_disk(bench, Failing, keys=10)
    bench.publish(*[f"first {number}" for number in range(9)])
    worker = bench.worker()
    left = [300]

    def stopping() -> bool:
        left[0] -= 1
        if left[0] == 150:
            bench.publish("last")
        return left[0] < 0

    worker.run(stopping, bench.clock.pass_)
    assert len(bench.kernels.made) == 2
    assert "(/spill/7 could not be read: it is worn out); nothing is lost" in caplog.text
    assert bench.delivered() == [*[f"FIRST {number}" for number in range(9)], "LAST"]
