"""The budget of the state: at its end nothing is taken, nothing is lost, and it goes on by itself."""

from __future__ import annotations

import pytest
from tests.unit.lanes.conftest import PLACES, Bench
from tests.unit.lanes.fake_kafka import ManualClock

from gebus.lanes.budget import Budget, Sizes
from gebus.lanes.places import Share
from gebus.lanes.settings import LaneSettings
from gebus.lanes.slices import Slices
from gebus.lanes.worker import Worker
from gebus.model.errors import Stopped

KEY_BYTES = 24
"""What a key takes in the fake kernel."""


def sizes(**tables: int) -> list[tuple[str, int, str, int, int]]:
    return [("a.b", 0, table, size // 10, size) for table, size in tables.items()]


@pytest.fixture
def begun() -> Budget:
    budget = Budget(1000, ManualClock())
    budget.look(sizes(once=10), restoring=False)
    return budget


def test_at_the_budget_it_is_full_and_goes_on_some_way_below(begun: Budget, caplog: pytest.LogCaptureFixture) -> None:
    full = []
    for size in (999, 1000, 999, 950, 949, 999):
        begun.look(sizes(once=size), restoring=False)
        full.append(begun.full)
    assert full == [False, True, True, True, False, False]
    assert "the state takes 1,000 bytes, and the budget is 1,000: no input is taken" in caplog.text


def test_the_largest_tables_are_named(begun: Budget, caplog: pytest.LogCaptureFixture) -> None:
    begun.look([*sizes(small=10, once=700, pairs=300, rows=40), ("c", 1, "once", 1, 20)], restoring=False)
    assert "the largest tables: once of lane a.b (70 keys, 700 bytes), pairs of lane a.b (30 keys, 300 bytes), " \
        "rows of lane a.b (4 keys, 40 bytes). Give `gebus run lanes` more --state-bytes" in caplog.text  # fmt: skip


def test_it_is_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    budget = Budget(1000, clock)
    budget.look((), restoring=False)
    for _ in range(119):
        clock.pass_(1.0)
        budget.look(sizes(once=1000), restoring=False)
    assert caplog.text.count("no input is taken") == 2


@pytest.mark.parametrize(("restoring", "says"), [(True, " already, "), (False, " bytes, ")])
def test_a_budget_too_small_to_begin_with_is_refused(restoring: bool, says: str) -> None:
    with pytest.raises(Stopped, match=r"slices takes 2,000 bytes.*and its budget is 1,000; the largest.*once") as told:
        Budget(1000, ManualClock()).look(sizes(once=2000), restoring=restoring)
    assert says in str(told.value)


def bounded(bench: Bench, keys: int) -> Worker:
    bench.settings = LaneSettings(session_attempts=5, state_bytes=keys * KEY_BYTES)
    return bench.worker()


@pytest.mark.parametrize("name", ["bench", "ordered_bench"])
def test_records_wait_in_the_log_until_enough_has_expired(name: str, request: pytest.FixtureRequest) -> None:
    bench: Bench = request.getfixturevalue(name)
    worker = bounded(bench, 2)
    left, told = [400], []

    def stopping() -> bool:
        left[0] -= 1
        if left[0] == 350:
            bench.publish("one", "two")
        if left[0] == 250:
            bench.publish("three", "four")
        if left[0] == 150:
            told.extend(bench.delivered())
            bench.kernels.made[-1].slices[0].clear()  # they expire
        return left[0] < 0

    worker.run(stopping, bench.clock.pass_)
    assert told == ["ONE", "TWO"]
    assert bench.delivered() == ["ONE", "TWO", "THREE", "FOUR"]
    assert bench.kafka.committed[PLACES[0]] == 4


def test_a_worker_whose_state_is_over_the_budget_at_its_start_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first record, also where the budget was looked at a moment ago, while nothing was restored yet."""
    bench.publish("one", "two", "three")
    bench.run()
    bench.publish("four")
    restore, looked = Slices.restore_some, Budget.look
    looks: list[bool] = []

    def restore_some(self: Slices, seconds: float) -> list[Share]:
        return restore(self, seconds) if looks else []

    def look(self: Budget, sizes: Sizes, *, restoring: bool, spill: str = "") -> None:
        looks.append(restoring)
        looked(self, sizes, restoring=restoring, spill=spill)

    monkeypatch.setattr(Slices, "restore_some", restore_some)
    monkeypatch.setattr(Budget, "look", look)
    for _ in range(2):
        looks.clear()
        with pytest.raises(Stopped, match="the state of this worker's slices takes 72 bytes"):
            bench.run(bounded(bench, 2))
        assert len(looks) > 1
    assert bench.delivered() == ["ONE", "TWO", "THREE"]
    assert bench.kafka.committed[PLACES[0]] == 3, "what waits was not taken"
