"""The supervisor: workers are started again, given up on, stopped; none is left behind."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from tests.unit.lanes.fake_kafka import ManualClock

from gebus.lanes.settings import LaneSettings
from gebus.lanes.supervisor import EXIT_DENIED, EXIT_FENCED, Supervisor, SupervisorSettings, worker_command
from gebus.model.errors import Stopped


@dataclass
class FakeProcess:
    pid: int
    lives: float
    clock: ManualClock
    status: int
    stubborn: bool = False
    started: float = 0.0
    ended: int | None = None
    calls: list[str] = field(default_factory=list)
    stdin: None = None

    def __post_init__(self) -> None:
        self.started = self.clock.now

    def poll(self) -> int | None:
        if self.ended is None and self.clock.now - self.started >= self.lives:
            self.ended = self.status
        return self.ended

    def terminate(self) -> None:
        self.calls.append("terminate")
        if not self.stubborn:
            self.ended = 0

    def kill(self) -> None:
        self.calls.append("kill")
        self.ended = -9

    def wait(self, timeout: float | None = None) -> int:
        if self.ended is None:
            self.clock.pass_(timeout or 0)
            raise subprocess.TimeoutExpired("worker", timeout or 0)
        return self.ended


class Workers:
    """What the supervisor starts: each process lives so long and ends with this status."""

    def __init__(self, *, lives: float, status: int = 1, stubborn: bool = False) -> None:
        self.clock = ManualClock()
        self.lives, self.status, self.stubborn = lives, status, stubborn
        self.started: list[tuple[int, int, float]] = []
        self.processes: list[FakeProcess] = []

    def spawn(self, slot: int, restarts: int) -> FakeProcess:
        self.started.append((slot, restarts, self.clock.now))
        self.processes.append(FakeProcess(100 + len(self.started), self.lives, self.clock, self.status, self.stubborn))
        return self.processes[-1]

    def run(self, workers: int, seconds: float) -> None:
        end = self.clock.now + seconds
        supervisor = Supervisor(workers, self.spawn, self.clock, SupervisorSettings())
        supervisor.run(lambda: self.clock.now >= end, self.clock.pass_)


def test_each_slot_gets_a_worker_and_all_are_stopped() -> None:
    workers = Workers(lives=1e9)
    workers.run(3, 60)
    assert [slot for slot, _, _ in workers.started] == [0, 1, 2]
    assert all(process.calls == ["terminate"] for process in workers.processes)


def test_a_dead_worker_is_started_again() -> None:
    workers = Workers(lives=30)
    workers.run(1, 100)
    assert [restarts for _, restarts, _ in workers.started] == [0, 1, 2, 3]


def test_a_worker_that_dies_quickly_is_waited_for_ever_longer_and_then_given_up_on() -> None:
    workers = Workers(lives=1, status=EXIT_FENCED)
    with pytest.raises(Stopped, match=r"slot 0: its worker ended 21 times .* exit status 3 \(fenced") as raised:
        workers.run(1, 1e6)
    assert "all workers are stopped" in str(raised.value)
    times = [at for _, _, at in workers.started]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[-1] > 2 * gaps[0]
    assert max(gaps) <= 5.2


def test_a_worker_that_ran_longer_than_its_wait_is_started_again_at_once() -> None:
    workers = Workers(lives=9)
    workers.run(1, 40)
    times = [at for _, _, at in workers.started]
    assert len(times) == 5
    assert all(later - earlier < 9.5 for earlier, later in pairwise(times)), "four deaths, and no wait after any"


def test_a_worker_that_somebody_stops_is_started_again_however_often() -> None:
    workers = Workers(lives=1, status=0)
    workers.run(1, 30)
    assert len(workers.started) > 20


def test_a_worker_that_is_refused_at_its_start_is_not_started_again() -> None:
    workers = Workers(lives=1, status=EXIT_DENIED)
    with pytest.raises(Stopped, match=r"slot \d: its worker was refused, see its message above"):
        workers.run(2, 1e6)
    assert len(workers.started) == 2


def test_a_worker_that_is_refused_later_is_tried_once_more() -> None:
    workers = Workers(lives=30, status=EXIT_DENIED)
    original = workers.spawn

    def spawn(slot: int, restarts: int) -> FakeProcess:
        process = original(slot, restarts)
        process.lives = 1 if restarts else 30
        return process

    workers.spawn = spawn  # type: ignore[method-assign]
    with pytest.raises(Stopped, match="was refused"):
        workers.run(1, 1e6)
    assert len(workers.started) == 2


def test_when_one_is_given_up_on_the_others_are_stopped() -> None:
    workers = Workers(lives=1)
    original = workers.spawn

    def spawn(slot: int, restarts: int) -> FakeProcess:
        process = original(slot, restarts)
        process.lives = 1e9 if slot else 1
        return process

    workers.spawn = spawn  # type: ignore[method-assign]
    with pytest.raises(Stopped, match="slot 0"):
        workers.run(2, 1e6)
    assert workers.processes[1].calls == ["terminate"]


def test_a_worker_that_does_not_stop_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    workers = Workers(lives=1e9, stubborn=True)
    workers.run(2, 1)
    assert [process.calls for process in workers.processes] == [["terminate", "kill"]] * 2
    assert "did not stop within 15 s and is killed" in caplog.text


def test_a_death_by_signal_is_named(caplog: pytest.LogCaptureFixture) -> None:
    Workers(lives=30, status=-9).run(1, 40)
    assert "slot 0: ended with signal 9" in caplog.text


def test_the_command_of_a_worker_names_slot_catalogue_port_and_restarts() -> None:
    command = worker_command(2, Path("schemas"), 9002, 5, LaneSettings(state_bytes=7))
    assert command[1:] == [
        "-m", "gebus.lanes", "--slot", "2", "--catalogue", "schemas", "--state-bytes", "7",
        "--spill-bytes", "0", "--snapshot-bytes", "16777216", "--ledger-seconds", "14400",
        "--restarts", "5", "--metrics-port", "9002",
    ]  # fmt: skip
    assert "--metrics-port" not in worker_command(0, Path("schemas"), None, 0, LaneSettings())
