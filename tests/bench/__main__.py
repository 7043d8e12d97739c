"""`python -m tests.bench`: bring up a stack of its own, publish W1, run the systems, write build/bench."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from tests.bench.cluster import Cluster
from tests.bench.errors import BenchError
from tests.bench.report import as_json, draw, print_table
from tests.bench.run import Row, Source, run
from tests.bench.systems import Place, System, chosen, gebus, warm_up
from tests.bench.workload import FEED_SUBJECT, SOURCE, SOURCE_SUBJECT, Oracle, encode, key_of, reports

from gebus.kafka.connection import Connection
from gebus.kafka.registry import Registry
from gebus.stack.artifacts import cache

ROOT = Path(__file__).parents[2]
STACK_SECONDS = 300


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Workload W1 side by side; see tests/bench/README.md."
    )
    parser.add_argument("--only", metavar="SYSTEMS", help="these systems alone, separated by commas")
    parser.add_argument(
        "--events", type=int, default=1_000_000, metavar="N", help="events of W1 (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON instead of a table")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "bench", help="where results and logs go")
    parser.add_argument("--port-base", type=int, default=29492, help="the first of five ports (default: %(default)s)")
    return parser.parse_args(words)


def measure(systems: Sequence[System], events: int, place: Place, console: Console) -> tuple[list[Row], int]:
    """The rows of the systems, and how many have none, on a stack that is new and is down again afterwards."""
    rows, failures = [], 0
    with stack(place) as connection:
        cluster = Cluster(connection)
        console.print(f"publishing {events:,} events", highlight=False)
        sources = {events: publish(events, SOURCE, connection, cluster)}
        console.print("warming the broker", highlight=False)
        run(warm_up(), sources[events], place, connection, cluster)
        for system in systems:
            count = min(events, system.events or events)
            if count not in sources:
                sources[count] = publish(count, f"{SOURCE}.first-{count}", connection, cluster)
            console.print(f"running {system.name}", highlight=False)
            try:
                rows.append(run(system, sources[count], place, connection, cluster))
            except BenchError as failure:
                failures += 1
                complain(console, failure)
    return rows, failures


def complain(console: Console, failure: BenchError) -> None:
    console.print(str(failure), style="red", highlight=False, markup=False)


@contextmanager
def stack(place: Place) -> Iterator[Connection]:
    """The real stack in the bench's own home, with the bench's catalogue applied."""
    _gebus(place, "up", "--fresh", "--port-base", str(place.port_base))
    try:
        _gebus(place, "apply")
        yield Connection.load("gebus-admin", place.home)
    finally:
        _gebus(place, "down")


def publish(events: int, topic: str, connection: Connection, cluster: Cluster) -> Source:
    """Fill a topic with the first events of W1, and do W1 on them in the plainest way."""
    with Registry(connection) as registry:
        source_id, feed_id = registry.latest(SOURCE_SUBJECT).id, registry.latest(FEED_SUBJECT).id
    oracle = Oracle(feed_id)

    def records() -> Iterator[tuple[bytes, bytes]]:
        for report in reports(events):
            oracle.take(report)
            yield key_of(report), encode(report, source_id)

    if topic != SOURCE:
        cluster.create(topic)
    cluster.publish(topic, records())
    return Source(topic, events, oracle.outcome(), feed_id)


def _gebus(place: Place, *words: str) -> None:
    result = subprocess.run(
        gebus(*words), env=place.environment(), capture_output=True, text=True, timeout=STACK_SECONDS, check=False
    )
    if result.returncode:
        raise BenchError(f"`gebus {' '.join(words)}` failed:\n{result.stderr.strip() or result.stdout.strip()}")


def main(words: Sequence[str] | None = None) -> int:
    options = arguments(words)
    console = Console(stderr=True)
    build: Path = options.build.absolute()
    build.mkdir(parents=True, exist_ok=True)
    place = Place(build / "home", build, cache(), options.port_base)
    try:
        rows, failures = measure(chosen(options.only), options.events, place, console)
    except BenchError as failure:
        complain(console, failure)
        return 1
    (build / "w1.json").write_text(as_json(rows), "utf-8")
    draw(rows, build / "w1.png")
    if options.json:
        sys.stdout.write(as_json(rows))
    else:
        print_table(rows, Console(width=None if sys.stdout.isatty() else 160))
    console.print(f"written: {build / 'w1.json'}, {build / 'w1.png'}", highlight=False)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
