"""The metrics: one list, collected only when asked, and a table in the documentation that says the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tests.unit.lanes.conftest import LANE, PLACES, Bench
from tests.unit.lanes.fake_kernel import Account

from gebus.lanes import metrics
from gebus.lanes.meter import Buckets, Meter, Observation
from gebus.lanes.metrics import METRICS, WorkerCollector, metrics_table, serve_metrics
from gebus.lanes.places import Place, Slice
from gebus.lanes.progress import Lag
from gebus.lanes.session import Session

PAGE = Path(metrics.__file__).parent / "METRICS.md"


def scrape(meter: Meter) -> str:
    registry = CollectorRegistry()
    registry.register(WorkerCollector(meter))
    return generate_latest(registry).decode()


def observed(observation: Observation, **counts: int) -> str:
    """What a scrape shows of a worker that answers with this."""
    meter = Meter((10, 100), restarts=counts.get("restarts", 0))
    meter.batch.observe(0.003)
    meter.end_to_end.add([2, 1, 4])
    done = threading.Event()

    def loop() -> None:
        while not done.is_set():
            meter.serve(lambda: observation)

    answering = threading.Thread(target=loop)
    answering.start()
    try:
        return scrape(meter)
    finally:
        done.set()
        answering.join()


def test_a_scrape_shows_every_metric_of_the_list() -> None:
    observation = Observation(
        accounts=[
            Account(LANE, 0, "a.b.x", "", taken=7, dead=2),
            Account(LANE, 0, "a.b.x", "c/f", taken=7, delivered=3, duplicate=2, dead=2),
            Account(LANE, 0, "a.b.y", "c/f"),
        ],
        state=[(LANE, 0, "seen", 5, 120)],
        spilt=[(LANE, 0, "seen", 480)],
        lags={Place("a.b.x", 0): Lag(12, 1.5), Place("a.b.y", 0): Lag(3, None)},
        held={Place("a.b.x", 1): "unknown_schema", Place("a.b.y", 1): "unknown_schema"},
        live=[Slice(LANE, 0)],
    )
    text = observed(observation, restarts=4)
    for metric in METRICS:
        assert f"# HELP {metric.name} " in text, metric.name
    for line in (
        'gebus_records_total{feed="",outcome="taken",slice="a.b/0",topic="a.b.x"} 7.0',
        'gebus_records_total{feed="c/f",outcome="delivered",slice="a.b/0",topic="a.b.x"} 3.0',
        'gebus_lag_records{partition="0",topic="a.b.x"} 12.0',
        'gebus_lag_seconds{partition="0",topic="a.b.x"} 1.5',
        'gebus_state_bytes{slice="a.b/0",table="seen"} 120.0',
        'gebus_state_spilt_bytes{slice="a.b/0",table="seen"} 480.0',
        'gebus_state_entries{slice="a.b/0",table="seen"} 5.0',
        'gebus_blocked_partitions{reason="unknown_schema",topic="a.b.x"} 1.0',
        "gebus_live_slices 1.0",
        "gebus_worker_restarts_total 4.0",
        'gebus_end_to_end_seconds_bucket{le="0.01"} 2.0',
        'gebus_end_to_end_seconds_bucket{le="0.1"} 3.0',
        'gebus_end_to_end_seconds_bucket{le="+Inf"} 7.0',
        "gebus_end_to_end_seconds_count 7.0",
        "gebus_batch_seconds_count 1.0",
        'gebus_batch_seconds_bucket{le="0.0025"} 0.0',
        'gebus_batch_seconds_bucket{le="0.005"} 1.0',
    ):
        assert line in text
    assert 'topic="a.b.y",outcome' not in text
    assert 'gebus_records_total{feed="c/f",outcome="taken",slice="a.b/0",topic="a.b.y"}' not in text


def test_a_worker_that_does_not_come_round_is_shown_as_it_last_was() -> None:
    assert "gebus_live_slices 0.0" in scrape(Meter((10, 100)))


def test_nothing_is_collected_while_nobody_asks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.publish("one")
    asked: list[str] = []
    monkeypatch.setattr(Session, "_observe", lambda _: asked.append("everything"))
    bench.run()
    assert asked == []


def test_lag_is_counted_from_where_the_group_stands(bench: Bench) -> None:
    bench.publish(*(f"text-{number}" for number in range(4)))
    bench.run()
    seen: list[Observation] = []
    bench.publish("held schema", "schema7 x", "more", place=PLACES[1])
    bench.registry.down = True
    left = [60]

    def stopping() -> bool:
        left[0] -= 1
        bench.meter._wanted.set()
        seen.append(bench.meter._last)
        return left[0] < 0

    bench.worker().run(stopping, bench.clock.pass_)
    last = seen[-1]
    assert last.lags[Place(*PLACES[0])] == Lag(0, 0.0)
    assert last.lags[Place(*PLACES[1])].records == 2
    assert last.held == {Place(*PLACES[1]): "unknown_schema"}


def test_buckets_hold_what_lies_on_and_above_their_bounds() -> None:
    buckets = Buckets((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 3.0):
        buckets.observe(value)
    assert (buckets.counts, buckets.sum) == ([2, 1, 1], 6.0)
    with pytest.raises(ValueError, match="zip"):
        buckets.add([1, 2])


def test_the_page_of_the_metrics_says_what_the_list_says() -> None:
    assert metrics_table() in PAGE.read_text("utf-8"), "write metrics_table() into METRICS.md"


@pytest.fixture
def endpoint() -> Iterator[int]:
    server = serve_metrics(Meter((10, 100)), 0)
    assert server is not None
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_worker_goes_on_without_metrics_where_the_port_is_taken(
    endpoint: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert serve_metrics(Meter((10, 100)), endpoint) is None
    assert f"port {endpoint} of 127.0.0.1 cannot be had (Address already in use)" in caplog.text


def test_the_endpoint_tells_of_the_process_by_the_standard_names(endpoint: int) -> None:
    text = httpx.get(f"http://127.0.0.1:{endpoint}/metrics", timeout=10).text
    told = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    of_process = {name for name in told if name.startswith("process_")}
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total"} <= of_process
    assert told - of_process == {metric.name for metric in METRICS}
    page = PAGE.read_text("utf-8")
    assert all(f"`{name}`" in page for name in of_process)
