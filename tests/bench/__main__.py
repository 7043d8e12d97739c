"""`python -m tests.bench`: bring up a stack of its own, publish a workload, run the systems, write build/bench."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from tests.bench.cluster import Cluster
from tests.bench.errors import BenchError
from tests.bench.report import as_json, draw, print_table
from tests.bench.run import Row, run
from tests.bench.systems import Place, System, chosen, gebus, warm_up
from tests.bench.workloads import WORKLOADS, Workload, named, w1

from gebus.kafka.connection import Connection
from gebus.kafka.registry import Registry
from gebus.stack.artifacts import cache

ROOT = Path(__file__).parents[2]
STACK_SECONDS = 300
WARM_UP_EVENTS = 300_000


@dataclass(frozen=True, slots=True)
class _AnySchema:
    """A schema that no registry has: what a warm-up writes is read by nobody."""

    id: int = 1
    schema: str = "{}"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Workloads side by side; see tests/bench/README.md."
    )
    names = ", ".join(workload.name for workload in WORKLOADS)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"any of {names} (default: all)")
    parser.add_argument("--only", metavar="SYSTEMS", help="these systems alone, separated by commas")
    parser.add_argument(
        "--scale", type=float, default=1.0, metavar="X", help="times each workload's size (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON instead of a table")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "bench", help="where results and logs go")
    parser.add_argument("--port-base", type=int, default=29492, help="the first of five ports (default: %(default)s)")
    return parser.parse_args(words)


def measure(
    workload: Workload, systems: Sequence[System], size: int, place: Place, console: Console
) -> tuple[list[Row], int]:
    """The rows of the systems, and how many have none, on a stack that is new and is down again afterwards."""
    rows, failures = [], 0
    with stack(place) as connection, Registry(connection) as registry:
        cluster = Cluster(connection)
        console.print(f"{workload.name}: warming the broker", highlight=False)
        warm = w1.fill(min(size, WARM_UP_EVENTS), cluster, lambda _: _AnySchema(), ".warm-up")
        run(warm_up(), warm, workload.feed, place, cluster)
        console.print(f"{workload.name}: publishing, size {size:,}", highlight=False)
        sources = {size: workload.fill(size, cluster, registry.latest)}
        for system in systems:
            count = min(size, system.events or size)
            if count not in sources:
                sources[count] = workload.fill(count, cluster, registry.latest, f".first-{count}")
            console.print(f"{workload.name}: running {system.name}", highlight=False)
            try:
                rows.append(run(system, sources[count], workload.feed, place, cluster))
            except BenchError as failure:
                failures += 1
                complain(console, failure)
    return rows, failures


def complain(console: Console, failure: BenchError) -> None:
    console.print(str(failure), style="red", highlight=False, markup=False)


@contextmanager
def stack(place: Place) -> Iterator[Connection]:
    """The real stack in the bench's own home, with the workload's catalogue applied; its records go with it."""
    _gebus(place, "up", "--fresh", "--port-base", str(place.port_base))
    try:
        _gebus(place, "apply")
        yield Connection.load("gebus-admin", place.home)
    finally:
        _gebus(place, "down")
    shutil.rmtree(place.home, ignore_errors=True)  # gigabytes; what went wrong can still be read there


def _gebus(place: Place, *words: str) -> None:
    result = subprocess.run(
        gebus(*words), env=place.environment(), capture_output=True, text=True, timeout=STACK_SECONDS, check=False
    )
    if result.returncode:
        raise BenchError(f"`gebus {' '.join(words)}` failed:\n{result.stderr.strip() or result.stdout.strip()}")


def _bench(workload: Workload, options: argparse.Namespace, console: Console) -> bool:
    """Measure one workload, show and write its rows; whether every system has one."""
    build: Path = options.build.absolute()
    build.mkdir(parents=True, exist_ok=True)
    place = Place(build / "home", build, cache(), options.port_base, workload.catalogue)
    systems = chosen(workload, options.only)
    rows, failures = measure(workload, systems, round(workload.size * options.scale), place, console)
    results, picture = build / f"{workload.name}.json", build / f"{workload.name}.png"
    results.write_text(as_json(rows), "utf-8")
    draw(workload.title, rows, picture)
    if options.json:
        sys.stdout.write(as_json(rows))
    else:
        print_table(workload.title, rows, Console(width=None if sys.stdout.isatty() else 160))
    console.print(f"written: {results}, {picture}", highlight=False)
    return not failures


def main(words: Sequence[str] | None = None) -> int:
    options = arguments(words)
    console = Console(stderr=True)
    good = True
    try:
        for workload in named(options.workloads):
            good &= _bench(workload, options, console)
    except BenchError as failure:
        complain(console, failure)
        return 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
