"""The bench itself: it measures who did the work, and refuses who did not."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tests.bench.__main__ import main, measure
from tests.bench.digest import Digest, Outcome
from tests.bench.errors import BenchError
from tests.bench.report import as_json, draw, print_table
from tests.bench.run import Row, check
from tests.bench.systems import Place, System, chosen, gebus
from tests.bench.template import Template
from tests.bench.workloads import WORKLOADS, named, w1, w2
from tests.running_stack import free_ports

from gebus.stack.artifacts import cache

SIZE = 2_000

PLANTED = """
import sys
from tests.bench.programs import bare_loop
from tests.bench.programs.task import Task, Work

right = Work.deliver

def deliver(self, report):
    value = right(self, report)
    return value and value[:-1] + b"x"

Work.deliver = deliver
bare_loop.main(Task.read(sys.argv[1]))
"""

RIGHT = Outcome(outputs=2, digest="ab", repeats=3)


def row(system: str, rate: int, restart: float | None = None) -> Row:
    return Row(system, "1", "exactly once, 100 ms", 1_000_000, 484_758, 2.0, 2.0, rate, rate, 300, restart)


def digest(pairs: list[tuple[bytes, bytes]], *, derived: bool = False) -> str:
    found = Digest(derived=derived)
    for key, value in pairs:
        found.add(key, value)
    return found.hex()


def test_the_digest_knows_content_and_number_but_no_order() -> None:
    records = [(w1.key_of(report), w1.encode(report, 7)) for report in w1.reports(100)]
    right = digest(records)
    assert digest(records[::-1]) == right
    assert digest([*records, records[0]]) != right
    assert digest(records[1:]) != right
    assert digest([(records[0][0], records[0][1][:-1] + b"x"), *records[1:]]) != right
    assert digest([(b"x", records[0][1]), *records[1:]]) != right


@pytest.mark.parametrize(
    ("field", "known"), [("event_id", False), ("entity_id", False), ("revision", True), ("region", True)]
)
def test_a_digest_of_derived_records_leaves_out_their_two_ids_alone(field: str, known: bool) -> None:
    report = next(w1.reports(1))
    other = {**report, field: 1 if field == "revision" else "of another length " * 20}
    first, second = ([(b"key", w1.encode(one, 7))] for one in (report, other))
    assert (digest(first, derived=True) != digest(second, derived=True)) is known


def test_a_template_refuses_what_has_not_the_length_of_its_example() -> None:
    template = Template(w1.SCHEMA, 7, next(w1.reports(1)))
    numbers = w2.partners(4)
    for name, column in (("url", numbers + 10), ("price_cents", numbers), ("event_id", numbers + 10**12)):
        with pytest.raises(BenchError, match=f"{name}: .* do not"):
            template.fill({name: column})


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"outputs": 1}, {"digest": "00"}])
def test_an_outcome_that_differs_in_anything_is_refused(wrong: dict[str, object]) -> None:
    check("right", RIGHT, RIGHT)
    with pytest.raises(BenchError, match="its figure does not count"):
        check("wrong", replace(RIGHT, **wrong), RIGHT)  # type: ignore[arg-type]  # each value is of its field


def test_an_unknown_system_is_named_with_those_that_exist(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["w2", "--only", "gebus-lane,faust", "--build", str(tmp_path)]) == 1
    assert "no system of w2 is called faust; known are gebus-lane" in capsys.readouterr().err


def test_an_unknown_workload_is_named_with_those_that_exist(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["w2", "w5", "--build", str(tmp_path)]) == 1
    assert "no workload is called w5; known are w1, w2, w3, w4" in capsys.readouterr().err


def test_a_result_is_a_table_a_picture_and_json(tmp_path: Path) -> None:
    rows = [row("gebus-lane", 500_000, 3.25), row("faust", 5_000)]
    shown = io.StringIO()
    print_table("W4", rows, Console(file=shown, width=180))
    assert all(text in shown.getvalue() for text in ("500,000", "restart s", "3.25"))
    found = json.loads(as_json(rows))
    assert [line["system"] for line in found] == ["gebus-lane", "faust"]
    assert ["restart_seconds" in line for line in found] == [True, False]
    draw("W4", rows, tmp_path / "w4.png")
    assert (tmp_path / "w4.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("command", ["check", "test"])
@pytest.mark.parametrize(
    "catalogue", sorted({workload.catalogue for workload in WORKLOADS}), ids=lambda path: path.name
)
def test_the_catalogues_of_the_bench_keep_the_rules_and_their_cases_hold(catalogue: Path, command: str) -> None:
    words = [*gebus(command), "--catalogue", str(catalogue)]
    result = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.stack
def test_a_lane_and_a_peer_agree_with_the_oracle_and_a_wrong_peer_is_refused(tmp_path: Path) -> None:
    [workload] = named(["w1"])
    planted = System("planted", "1", "none", lambda _: [sys.executable, "-c", PLANTED])
    systems = (*chosen(workload, "gebus-lane,confluent-kafka-loop"), planted)
    said = io.StringIO()
    place = Place(tmp_path / "home", tmp_path, cache(), free_ports().base, workload.catalogue)
    rows, failures = measure(workload, systems, SIZE, place, Console(file=said, width=200))
    assert [(found.system, found.events) for found in rows] == [
        ("gebus-lane", SIZE),
        ("confluent-kafka-loop", SIZE),
    ], said.getvalue()
    assert all(found.cpu_seconds > 0 and found.peak_mb > 0 and found.restart_seconds is None for found in rows)
    assert failures == 1
    assert "planted: digest:" in said.getvalue()


@pytest.mark.stack
@pytest.mark.parametrize(("name", "events"), [("w2", 2 * SIZE), ("w3", SIZE * 21 // 10), ("w4", SIZE * 10 // 9)])
def test_a_lane_does_the_work(name: str, events: int, tmp_path: Path) -> None:
    [workload] = named([name])
    place = Place(tmp_path / "home", tmp_path, cache(), free_ports().base, workload.catalogue)
    said = io.StringIO()
    rows, failures = measure(workload, chosen(workload, "gebus-lane"), SIZE, place, Console(file=said, width=200))
    assert not failures, said.getvalue()
    [found] = rows
    assert found.events == events
    assert found.outputs > SIZE // 3
    assert (found.restart_seconds is not None) is (name == "w4")
