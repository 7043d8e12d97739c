"""The kill matrix: what is done to workers, to the broker and to what lies between them, a function for each."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial

from tests.fault.proxy import Fault, What
from tests.fault.stage import Stage, now_ms
from tests.integration.lanes.kit import Running, children, wait_until

from gebus.kafka.lane_clients import open_producer
from gebus.lanes.crash import POINTS
from gebus.lanes.supervisor import EXIT_FENCED


@dataclass(frozen=True)
class Length:
    """How long a cell is drawn out."""

    kills: int
    pause: float
    """Seconds for which the broker stands still."""
    hold: float
    """Seconds for which a request or answer is held; a client waits for 10."""
    storm: float
    """Seconds in which workers come and go."""


LONG = Length(kills=6, pause=60.0, hold=40.0, storm=120.0)
SHORT = Length(kills=1, pause=12.0, hold=12.0, storm=8.0)
STORM_STEP = 2.0

Cell = Callable[[Stage, Length], None]


def workers_end(count: int, number: signal.Signals) -> Cell:
    """Of so many supervised workers one after the other gets a signal at any moment."""

    def run(stage: Stage, length: Length) -> None:
        with stage.workers(count) as running:
            for _ in range(length.kills):
                stage.pause()
                stage.end_worker(running, number)

    return run


def broker_ends(count: int, number: signal.Signals) -> Cell:
    """The broker gets a signal at any moment, and is started again."""

    def run(stage: Stage, length: Length) -> None:
        with stage.workers(count):
            for _ in range(max(1, length.kills // 2)):
                stage.pause()
                stage.end_broker(number)

    return run


def everything_ends(count: int, *brokers: signal.Signals) -> Cell:
    """Workers and the broker in one life, each by several signals, in an order that the seed chooses."""

    def run(stage: Stage, length: Length) -> None:
        with stage.workers(count) as running:
            ends: list[Callable[[], None]] = [
                lambda: stage.end_worker(running, signal.SIGKILL),
                lambda: stage.end_worker(running, signal.SIGTERM),
                *(partial(stage.end_broker, number) for number in brokers),
            ]
            for end in stage.random.sample(ends * length.kills, k=len(ends) * length.kills):
                stage.pause()
                end()

    return run


def crash_points(others: int) -> Cell:
    """A worker kills itself at each step of a transaction, and is started again at once; others work beside it."""

    def run(stage: Stage, length: Length) -> None:
        points = [*POINTS] * max(1, length.kills // 2)
        with ExitStack() as opened:
            for slot in range(1, others + 1):
                opened.enter_context(stage.worker(slot)).wait_for("gained slices")
            victim = opened.enter_context(_suicidal(stage, points[0]))
            # Alone it may die before it has served every slice once.
            opened.enter_context(stage.loaded() if others else stage.load)
            for point, following in zip(points, [*points[1:], None], strict=True):
                status = victim.process.wait(120)
                started = stage.note_fault(f"worker at {point}")
                assert status == -signal.SIGKILL, f"{point}: it ended with {status}:\n{victim.said}"
                victim = opened.enter_context(_suicidal(stage, following))
                if others or following is None:
                    stage.served_again(f"worker at {point}", started, started + 50)
            stage.finish()

    return run


def _suicidal(stage: Stage, point: str | None) -> AbstractContextManager[Running]:
    """The worker of slot 0, which kills itself at a point, after so many transactions as the seed says."""
    if point is None:
        return stage.worker(0)
    count = str(stage.random.randint(1, 12))
    return stage.worker(0, GEBUS_CRASH_AT=point, GEBUS_CRASH_COUNT=count)


def zombie(stage: Stage, length: Length) -> None:
    """A worker stands still for longer than the group waits: another takes over, and what it held is void."""
    del length
    with stage.worker(0) as sleeper, stage.worker(1) as other:
        for worker in (sleeper, other):
            worker.wait_for("gained slices")
        with stage.loaded():
            started = stage.note_fault("worker SIGSTOP")
            sleeper.process.send_signal(signal.SIGSTOP)
            producer, epoch = stage.recorder.producer_of(0)
            stage.served_again("worker SIGSTOP", started, started + 1000)
            stage.pause()
            stage.note_fault("worker SIGCONT")
            awake = now_ms()
            sleeper.process.send_signal(signal.SIGCONT)
            wait_until(
                lambda: sleeper.process.poll() == EXIT_FENCED or "session ended" in sleeper.said,
                "the sleeper has left, or begun anew",
            )
            stage.finish()
        other.stop()
    assert stage.recorder.committed_batches(producer, epoch, awake) == [], "a worker that was given up delivered"


def one_slot_twice(stage: Stage, length: Length) -> None:
    """A second worker of a slot waits, disturbs nobody, and takes over as soon as the first is gone."""
    del length
    with stage.worker(0) as first:
        first.wait_live(stage.slices)
        with stage.loaded(), stage.worker(0) as second:
            second.wait_for("the group keeps this slot for another process")
            stage.wait_served(now_ms())
            assert second.gained == 0, second.said
            assert "session ended" not in first.said, first.said
            started = stage.note_fault("worker SIGTERM, its double waits")
            first.stop()
            stage.served_again("double takes over", started, now_ms())
            stage.finish()


def transactional_id_taken(stage: Stage, length: Length) -> None:
    """Another process takes the transactional id of a slot: the worker leaves within one transaction."""
    with ExitStack() as opened:
        worker = opened.enter_context(stage.worker(0))
        worker.wait_live(stage.slices)
        opened.enter_context(stage.loaded())
        for _ in range(length.kills):
            stage.pause()
            started = stage.note_fault("transactional id taken")
            open_producer(stage.fault.stack.connection("gebus-lanes"), 0).init_transactions(30)
            assert worker.process.wait(60) == EXIT_FENCED, worker.said
            gone = now_ms()
            worker = opened.enter_context(stage.worker(0))
            stage.served_again("transactional id taken", started, gone)
        stage.finish()


def end_txn(*whats: What, kill: bool = False) -> Cell:
    """The answer to EndTxn is dropped or held back, or the request is held: the outcome is unknown to the worker."""

    def run(stage: Stage, length: Length) -> None:
        with stage.supervised(1, **stage.fault.through_proxy) as running:
            running.wait_live(stage.slices)
            with stage.loaded():
                for what in whats * max(1, length.kills // 3):
                    stage.pause()
                    _strike(stage, running, what, length.hold, kill=kill)
                stage.finish()
            running.stop()

    return run


def _strike(stage: Stage, running: Running, what: What, hold: float, *, kill: bool) -> None:
    (worker,) = children(running.process.pid)
    then = (lambda: os.kill(worker, signal.SIGKILL)) if kill else None
    proxy, before = stage.fault.proxy, len(stage.fault.proxy.struck)
    proxy.arm(Fault(what, seconds=hold, then=then))
    wait_until(lambda: len(proxy.struck) > before, f"an EndTxn for {what}")
    started = stage.note_fault(f"EndTxn: {what}{', then SIGKILL' if kill else ''}")
    stage.served_again(f"EndTxn: {what}", started, started + 500)


def broker_paused(stage: Stage, length: Length) -> None:
    """The broker stands still, and goes on: clients give up what is uncertain, and nothing is lost."""
    with stage.workers(2):
        stage.pause()
        started = stage.note_fault("broker SIGSTOP")
        stage.fault.broker.pause()
        try:
            stage.pause(length.pause, length.pause)
        finally:
            stage.fault.broker.resume()
        resumed = now_ms()
        stage.served_again("broker SIGCONT", resumed, resumed)
        assert resumed > started


def storm(stage: Stage, length: Length) -> None:
    """Every two seconds a worker comes or goes; progress never stops."""
    with ExitStack() as opened:
        stays = opened.enter_context(stage.worker(0))
        stays.wait_live(stage.slices)
        opened.enter_context(stage.loaded())
        guests: dict[int, ExitStack] = {}
        until = time.monotonic() + length.storm
        while time.monotonic() < until:
            slot = stage.random.randint(1, 3)
            begun = time.monotonic()
            if slot in guests:
                stage.note_fault(f"worker {slot} goes")
                guests.pop(slot).close()
            else:
                stage.note_fault(f"worker {slot} comes")
                guests[slot] = opened.enter_context(ExitStack())
                guests[slot].enter_context(stage.worker(slot))
            left = max(0.0, STORM_STEP - (time.monotonic() - begun))
            stage.pause(left, left)
        since = stage.note_fault("the storm is over")
        stage.served_again("storm", since, since)
        stage.finish()


IN_CI: Mapping[str, Cell] = {
    "everything-1": everything_ends(1, signal.SIGKILL),
    "everything-3": everything_ends(3, signal.SIGKILL, signal.SIGTERM),
    "points": crash_points(1),
    "zombie": zombie,
    "one-slot-twice": one_slot_twice,
    "transactional-id-taken": transactional_id_taken,
    "endtxn": end_txn("cut-after-request", "hold-request"),
    "endtxn-dropped-then-killed": end_txn("drop-answer", kill=True),
    "storm": storm,
}
"""The short form: several faults in one life, on one stack, within five minutes; what takes longer is not in it."""

CELLS: Mapping[str, Cell] = {
    **{
        f"worker-{number.name.lower()}-{count}": workers_end(count, number)
        for number in (signal.SIGKILL, signal.SIGTERM)
        for count in (1, 3)
    },
    **{
        f"broker-{number.name.lower()}-{count}": broker_ends(count, number)
        for number in (signal.SIGKILL, signal.SIGTERM)
        for count in (1, 3)
    },
    "worker-points-1": crash_points(0),
    "worker-points-3": crash_points(2),
    "zombie": zombie,
    "one-slot-twice": one_slot_twice,
    "transactional-id-taken": transactional_id_taken,
    "endtxn-answer-dropped": end_txn("drop-answer", "cut-after-request"),
    "endtxn-answer-held": end_txn("hold-answer"),
    "endtxn-request-held": end_txn("hold-request"),
    "endtxn-dropped-then-killed": end_txn("drop-answer", kill=True),
    "broker-paused": broker_paused,
    "storm": storm,
}
