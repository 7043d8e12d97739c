"""What a state holds, read from its log."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.lanes.conftest import LANE, Bench, lane_plan
from tests.unit.lanes.fake_kafka import FakeConsumer
from tests.unit.lanes.fake_kernel import FakeKernel
from tests.unit.plan import journeys

from gebus.cli import state
from gebus.lanes.holdings import Holding, Use, read_holdings, uses
from gebus.lanes.places import Slice
from gebus.model.errors import NotFound, Stopped
from gebus.plan import RekeyPlan, TablePlan, lanes
from gebus.testing.topology import open_kernel

PLAN = replace(lane_plan(), tables=(TablePlan("seen", 0, ("entity_id",), 5_000),))


def holdings(bench: Bench) -> list[Holding]:
    return list(read_holdings(FakeConsumer(bench.kafka, tells_end=True), [PLAN], lambda _: FakeKernel()))


def log(bench: Bench, *texts: bytes, partition: int = 0) -> None:
    for text in texts:
        bench.kafka.append((f"gebus.state.{LANE}", partition), text, key=b"table/seen")
        bench.clock.pass_(1)


def test_each_slice_has_its_keys_and_bytes_and_since_when(bench: Bench) -> None:
    began = bench.clock.now_ms()
    log(bench, b'["one", "two"]', b'["three"]')
    first, empty = holdings(bench)
    assert first == Holding(Slice(LANE, 0), "seen", Use(5_000, ()), 3, 72, began)
    assert empty == Holding(Slice(LANE, 1), "seen", Use(5_000, ()), 0, 0, None)


def test_nothing_is_remembered_for_longer_than_its_window(bench: Bench) -> None:
    log(bench, *(b'["%d"]' % number for number in range(10)))
    last = bench.clock.now_ms() - 1_000
    assert holdings(bench)[0].since_ms == last - 5_000


def test_a_log_that_cannot_be_read_names_the_place(bench: Bench) -> None:
    log(bench, b'["one"]', b"no state")
    with pytest.raises(Stopped, match=r"the state of lane a.b cannot be read: gebus.state.a.b/0 at offset 1: "):
        holdings(bench)


def test_tables_that_serve_other_lanes_are_known() -> None:
    from datetime import timedelta

    rekey = RekeyPlan("a.b.by.c.2", "gebus.rekey.a.b.by.c.2", "a.b", 0, ("c",), 2, False, 7_000, timedelta(days=1))
    assert uses(replace(PLAN, rekeys=(rekey,)))["moves/a.b.by.c.2"] == Use(7_000, ())


def test_a_table_for_people_adds_the_slices_up(capsys: pytest.CaptureFixture[str]) -> None:
    parts = [
        Holding(Slice(LANE, n), "seen", Use(86_400_000, ("c/f",)), 1000 + n, 24_000, 1_700_000_000_000) for n in (0, 1)
    ]
    state._print(parts, slices=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["lane", "table", "for", "keys", "bytes", "remembers", "since"]
    assert lines[1].split() == ["a.b", "seen", "c/f", "2,001", "48,000", "1d", "2023-11-14", "22:13:20+00:00"]
    state._print(parts, slices=True)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == ["a.b/0", "a.b/1"]
    state._print([], slices=False)
    assert "no table" in capsys.readouterr().out


def test_a_feed_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(NotFound, match=r"c/f: the catalogue has no such feed; they are "):
        state._of("c/f", [PLAN])


def test_every_table_of_the_kernel_has_a_use() -> None:
    """Also those that say under which key an entity stands."""
    feed = journeys.joined(journeys.join(broadcast="left"), journeys.OUT, corrections="follow")
    plans = lanes(journeys.world(feed))
    kernel = open_kernel(plans)
    for plan in plans:
        kernel.open(plan.name, 0)
        known = uses(plan)
        tables = [table for lane, _, table, *_ in kernel.state_size() if lane == plan.name]
        assert set(tables) <= known.keys()
        assert all(known[table].window_ms for table in tables)
    stands = [table for _, _, table, *_ in kernel.state_size() if table.endswith(".stands")]
    assert stands
