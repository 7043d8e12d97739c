"""The metrics of a worker: one list, from which the endpoint and the documentation are made."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from gebus.lanes.meter import Buckets, Meter, Observation

_log = logging.getLogger(__name__)
OUTCOMES = ("taken", "more", "delivered", "filtered", "duplicate", "withheld", "dead", "waiting")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name as Prometheus shows it, and what it tells whom."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    labels: tuple[str, ...]
    meaning: str


RECORDS = Metric(
    "gebus_records_total", "counter", "records", ("slice", "topic", "feed", "outcome"),
    "Records of a source topic by what became of them; an empty feed is the source itself. For every feed "
    "taken + more = delivered + filtered + duplicate + withheld + dead + waiting. Counted since the slice exists, over "
    "all its workers",
)  # fmt: skip
LAG_RECORDS = Metric(
    "gebus_lag_records", "gauge", "records", ("topic", "partition"), "Records of a source partition not taken yet"
)
LAG_SECONDS = Metric(
    "gebus_lag_seconds", "gauge", "seconds", ("topic", "partition"),
    "Age of the newest record taken of a source partition; 0 when there is no more",
)  # fmt: skip
BATCH = Metric(
    "gebus_batch_seconds", "histogram", "seconds", (), "From a batch's arrival until all that came of it is produced"
)
COMMIT = Metric("gebus_commit_seconds", "histogram", "seconds", (), "State, offsets and commit of one transaction")
END_TO_END = Metric(
    "gebus_end_to_end_seconds", "histogram", "seconds", (),
    "From the log's append time of a source record until its delivery is committed; without a sum",
)  # fmt: skip
STATE_BYTES = Metric("gebus_state_bytes", "gauge", "bytes", ("slice", "table"), "Memory of a slice's table")
STATE_SPILT = Metric(
    "gebus_state_spilt_bytes", "gauge", "bytes", ("slice", "table"), "Disk of a slice's table, beside its memory"
)
STATE_ENTRIES = Metric(
    "gebus_state_entries", "gauge", "entries", ("slice", "table"), "Keys that a slice's table remembers"
)
STATE_BUDGET = Metric(
    "gebus_state_budget_bytes", "gauge", "bytes", (), "How much memory the state of this worker may take"
)
STOPPED = Metric(
    "gebus_input_stopped", "gauge", "workers", (), "1 while this worker's state is at its budget and no input is taken"
)
BLOCKED = Metric(
    "gebus_blocked_partitions", "gauge", "partitions", ("topic", "reason"),
    "Source partitions that wait: unknown_schema until the registry answers, state_missing and not_applied until "
    "`gebus apply` has run; dead_letter_limit, gap, offset_lost, topic_gone, state_lost and state_unfit until people "
    "have looked, see the worker's messages",
)  # fmt: skip
BUFFERED = Metric(
    "gebus_buffered_records", "gauge", "records", ("topic", "partition"),
    "Records of an ordered lane's input that were read, and wait for those of its other inputs that come before them",
)  # fmt: skip
SNAPSHOTS = Metric(
    "gebus_snapshots_total", "counter", "snapshots", ("outcome",),
    "Snapshots written, those that failed (a full disk), and those found unfit: damaged, or of something else",
)  # fmt: skip
RESTORING = Metric(
    "gebus_restore_ratio", "gauge", "ratio", ("slice",), "How far the state of a slice is back that is not live yet"
)
LIVE = Metric("gebus_live_slices", "gauge", "slices", (), "Slices that this worker owns and has restored")
TRANSACTIONS = Metric(
    "gebus_transactions_total",
    "counter",
    "transactions",
    ("outcome",),
    "Transactions committed, and those given up open",
)
SESSIONS = Metric(
    "gebus_sessions_ended_total",
    "counter",
    "sessions",
    (),
    "Lives of clients and state that ended on something uncertain",
)
RESTARTS = Metric(
    "gebus_worker_restarts_total", "counter", "restarts", (), "How often the supervisor restarted this slot"
)

METRICS = (
    RECORDS, LAG_RECORDS, LAG_SECONDS, BATCH, COMMIT, END_TO_END, STATE_BYTES, STATE_SPILT, STATE_ENTRIES, STATE_BUDGET,
    STOPPED, BLOCKED, BUFFERED, SNAPSHOTS, RESTORING, LIVE, TRANSACTIONS, SESSIONS, RESTARTS,
)  # fmt: skip


def metrics_table() -> str:
    """The metrics as the table of the documentation."""
    rows = [
        f"| `{metric.name}` | {metric.kind} | {metric.unit} | {', '.join(metric.labels)} | {metric.meaning} |"
        for metric in METRICS
    ]
    return "\n".join(["| name | kind | unit | labels | meaning |", "| --- | --- | --- | --- | --- |", *rows, ""])


class WorkerCollector(Collector):
    """Collects when it is scraped, and only then."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def describe(self) -> Iterator[Family]:
        """Nothing: registering must not ask a loop that does not run yet."""
        return iter(())

    def collect(self) -> Iterator[Family]:
        seen, meter = self._meter.ask(), self._meter
        yield _records(seen)
        records, seconds = _gauge(LAG_RECORDS), _gauge(LAG_SECONDS)
        for place, lag in seen.lags.items():
            records.add_metric([place.topic, str(place.partition)], lag.records)
            if lag.seconds is not None:
                seconds.add_metric([place.topic, str(place.partition)], lag.seconds)
        yield from (records, seconds)
        yield _histogram(BATCH, meter.batch)
        yield _histogram(COMMIT, meter.commit)
        yield _histogram(END_TO_END, meter.end_to_end)
        yield from _state(seen)
        for metric, value in ((STATE_BUDGET, seen.budget), (STOPPED, int(seen.full))):
            family = _gauge(metric)
            family.add_metric([], value)
            yield family
        blocked = _gauge(BLOCKED)
        reasons = [(place.topic, reason) for place, reason in seen.held.items()]
        for topic, reason in sorted(set(reasons)):
            blocked.add_metric([topic, reason], reasons.count((topic, reason)))
        yield blocked
        buffered = _gauge(BUFFERED)
        for place, held in seen.buffered.items():
            buffered.add_metric([place.topic, str(place.partition)], held)
        yield buffered
        snapshots = _counter(SNAPSHOTS)
        for outcome in ("written", "failed", "unfit"):
            snapshots.add_metric([outcome], getattr(meter.snapshots, outcome))
        yield snapshots
        restoring = _gauge(RESTORING)
        for owned, ratio in seen.restoring.items():
            restoring.add_metric([str(owned)], ratio)
        yield restoring
        live = _gauge(LIVE)
        live.add_metric([], len(seen.live))
        yield live
        transactions = _counter(TRANSACTIONS)
        transactions.add_metric(["committed"], meter.committed)
        transactions.add_metric(["abandoned"], meter.abandoned)
        yield transactions
        for metric, count in ((SESSIONS, meter.sessions), (RESTARTS, meter.restarts)):
            counter = _counter(metric)
            counter.add_metric([], count)
            yield counter


def serve_metrics(meter: Meter, port: int) -> WSGIServer | None:
    """Answer scrapes on loopback until the server is shut down: the worker's metrics, and those of its process.

    None, and a warning, where the port cannot be had: records matter more than their metrics.
    """
    registry = CollectorRegistry()
    registry.register(WorkerCollector(meter))
    ProcessCollector(registry=registry)
    try:
        server, _ = start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        _log.warning(
            "port %d of 127.0.0.1 cannot be had (%s): this worker goes on without metrics; give another "
            "--metrics-port, or 0 for none", port, error.strerror,
        )  # fmt: skip
        return None
    return server


def _state(seen: Observation) -> Iterator[Family]:
    size, spilt, entries = _gauge(STATE_BYTES), _gauge(STATE_SPILT), _gauge(STATE_ENTRIES)
    for lane, number, table, count, length in seen.state:
        size.add_metric([f"{lane}/{number}", table], length)
        entries.add_metric([f"{lane}/{number}", table], count)
    for lane, number, table, length in seen.spilt:
        spilt.add_metric([f"{lane}/{number}", table], length)
    yield from (size, spilt, entries)


def _records(seen: Observation) -> CounterMetricFamily:
    family = _counter(RECORDS)
    # A feed of a topic that nothing came of yet would be one line for each slice: thousands of zeros.
    for account in (account for account in seen.accounts if account.taken):
        owned = f"{account.lane}/{account.slice}"
        for outcome in ("taken", "dead") if account.feed == "" else OUTCOMES:
            family.add_metric([owned, account.topic, account.feed, outcome], getattr(account, outcome))
    return family


def _counter(metric: Metric) -> CounterMetricFamily:
    return CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels)


def _gauge(metric: Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)


def _histogram(metric: Metric, buckets: Buckets) -> HistogramMetricFamily:
    below, cumulative = 0, []
    for bound, count in zip((*buckets.bounds, float("inf")), buckets.counts, strict=True):
        below += count
        cumulative.append(("+Inf" if bound == float("inf") else repr(bound), float(below)))
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    family.add_metric([], cumulative, sum_value=buckets.sum)
    if buckets.sum is None:  # then prometheus_client leaves out the count as well
        family.add_sample(f"{metric.name}_count", {}, float(below))
    return family
