"""The bench itself: it measures who did the work, and refuses who did not."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import fastavro
import pytest
from rich.console import Console
from tests.bench.__main__ import main, measure
from tests.bench.errors import BenchError
from tests.bench.report import as_json, draw, print_table
from tests.bench.run import Row, check
from tests.bench.systems import Place, System, chosen
from tests.bench.workload import SCHEMA, Digest, Oracle, Outcome, encode, key_of, plain, reports
from tests.running_stack import free_ports

from gebus.stack.artifacts import cache

EVENTS = 5_000

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


def outcome() -> Outcome:
    oracle = Oracle(7)
    for report in reports(EVENTS):
        oracle.take(report)
    return oracle.outcome()


def row(system: str, rate: int) -> Row:
    return Row(system, "1", "exactly once, 100 ms", 1_000_000, 484_758, 2.0, 2.0, rate, rate, 300)


def test_the_workload_is_the_same_each_time_and_holds_repeats() -> None:
    first, second = list(reports(EVENTS)), list(reports(EVENTS))
    assert first == second
    distinct = len({report["event_id"] for report in first})
    assert outcome().repeats == EVENTS - distinct
    assert 0.05 < outcome().repeats / EVENTS < 0.15


def test_a_report_is_an_event_of_the_contract_and_of_a_real_size() -> None:
    schema = fastavro.parse_schema(plain(SCHEMA))
    for report in reports(100):
        value = encode(report, 7)
        assert 136 <= len(value) <= 180
        assert fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None) == report


def test_the_digest_knows_content_and_number_but_no_order() -> None:
    records = [(key_of(report), encode(report, 7)) for report in reports(100)]

    def digest(pairs: list[tuple[bytes, bytes]]) -> str:
        found = Digest()
        for key, value in pairs:
            found.add(key, value)
        return found.hex()

    right = digest(records)
    assert digest(records[::-1]) == right
    assert digest([*records, records[0]]) != right
    assert digest(records[1:]) != right
    assert digest([(records[0][0], records[0][1][:-1] + b"x"), *records[1:]]) != right
    assert digest([(b"x", records[0][1]), *records[1:]]) != right


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"outputs": 1}, {"digest": "00"}])
def test_an_outcome_that_differs_in_anything_is_refused(wrong: dict[str, object]) -> None:
    check("right", outcome(), outcome())
    with pytest.raises(BenchError, match="its figure does not count"):
        check("wrong", replace(outcome(), **wrong), outcome())  # type: ignore[arg-type]  # each value is of its field


def test_an_unknown_system_is_named_with_those_that_exist(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--only", "gebus-lane,kafka", "--build", str(tmp_path)]) == 1
    assert "no system is called kafka; known are gebus-lane" in capsys.readouterr().err


def test_a_result_is_a_table_a_picture_and_json(tmp_path: Path) -> None:
    rows = [row("gebus-lane", 500_000), row("faust", 5_000)]
    shown = io.StringIO()
    print_table(rows, Console(file=shown, width=160))
    assert "500,000" in shown.getvalue()
    assert [line["system"] for line in json.loads(as_json(rows))] == ["gebus-lane", "faust"]
    draw(rows, tmp_path / "w1.png")
    assert (tmp_path / "w1.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.stack
def test_a_lane_and_a_peer_agree_with_the_oracle_and_a_wrong_peer_is_refused(tmp_path: Path) -> None:
    planted = System("planted", "1", "none", lambda _: [sys.executable, "-c", PLANTED])
    systems = (*chosen("gebus-lane,confluent-kafka-loop"), planted)
    said = io.StringIO()
    place = Place(tmp_path / "home", tmp_path, cache(), free_ports().base)
    rows, failures = measure(systems, EVENTS, place, Console(file=said, width=200))
    assert [(found.system, found.events, found.outputs) for found in rows] == [
        ("gebus-lane", EVENTS, outcome().outputs),
        ("confluent-kafka-loop", EVENTS, outcome().outputs),
    ], said.getvalue()
    assert all(found.cpu_seconds > 0 and found.peak_mb > 0 for found in rows)
    assert failures == 1
    assert "planted: digest:" in said.getvalue()
