"""Records on a terminal, in a pipe, in a spreadsheet: read, and nothing else."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from gebus.catalogue import EventValidator, load
from gebus.cli._feed_output import Format, as_json, writer

RECORD: dict[str, Any] = {
    "at": datetime(2020, 2, 1, 0, 0, 0, 5000, tzinfo=UTC),
    "on": date(2020, 2, 1),
    "price": Decimal("-12.50"),
    "id": UUID(int=1),
    "photo": b"x",
    "none": None,
    "yes": True,
    "sellers": [{"name": "甲", "since": date(2020, 1, 1)}],
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(form: Format, *records: dict[str, Any], out: io.StringIO | None = None) -> str:
    out = out or io.StringIO()
    write = writer(form, out)
    for record in records:
        write([record])
    write([])
    return out.getvalue()


def test_json_lines_are_what_publish_reads() -> None:
    catalogue = load(Path(__file__).parents[2] / "contract" / "catalogue")
    topic = "market.price_report"
    validator = EventValidator(catalogue.topics[topic], catalogue.events[topic], catalogue.codes)
    event = {"price": Decimal("9.90"), "seen_on": date(2020, 2, 1), "photo": b"\x00\xff", "occurred_at": RECORD["at"]}
    assert validator.from_json(json.loads(as_json(event))) == event
    assert json.loads(written("jsonl", RECORD)) == {
        "at": "2020-02-01T00:00:00.005Z",
        "on": "2020-02-01",
        "price": "-12.50",
        "id": "00000000-0000-0000-0000-000000000001",
        "photo": "eA==",
        "none": None,
        "yes": True,
        "sellers": [{"name": "甲", "since": "2020-01-01"}],
    }


def test_a_number_that_is_none_is_still_json() -> None:
    assert json.loads(as_json({"x": float("nan"), "y": float("-inf")})) == {"x": "nan", "y": "-inf"}


def test_csv_has_one_header_and_a_new_one_for_another_schema() -> None:
    text = written("csv", RECORD, RECORD, {"a": 'x, "y"\nz'})
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == list(RECORD)
    assert rows[1] == rows[2]
    assert rows[1][:8] == [
        "2020-02-01T00:00:00.005Z",
        "2020-02-01",
        "-12.50",
        "00000000-0000-0000-0000-000000000001",
        "eA==",
        "",
        "true",
        '[{"name": "甲", "since": "2020-01-01"}]',
    ]
    assert rows[3:] == [["a"], ['x, "y"\nz']]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_gets_no_formula(formula: str) -> None:
    rows = list(csv.reader(io.StringIO(written("csv", {"text": formula, "number": -1}), newline="")))
    assert rows[1] == [f"'{formula}", "-1"]


@pytest.mark.parametrize(
    "hostile", ["\x1b[2J\x1b]0;owned\x07", "a\nb\tc\rd", "\u202egnp.exe", "\x9b31m", "\x00", "a\u2028b"]
)
@pytest.mark.parametrize("out", [io.StringIO, Terminal])
def test_a_terminal_gets_no_control_character(hostile: str, out: type[io.StringIO]) -> None:
    text = written("table", {"only": f"[red]{hostile}[/red]"}, out=out())
    assert hostile not in text
    assert f"[red]{repr(hostile)[1:-1]}[/red]" in text


def test_a_table_in_a_pipe_is_cells_between_tabs() -> None:
    assert written("table", {"a": "口罩　KN95", "b": None}, {"a": "x", "b": 5}) == "a\tb\n口罩　KN95\t\nx\t5\n"


def test_a_table_on_a_terminal_has_its_header() -> None:
    text = written("table", {"product": "口罩", "price": Decimal("9.90")}, out=Terminal())
    assert "product" in text
    assert "口罩" in text
    assert "9.90" in text


def test_a_record_with_more_columns_than_fit_is_shown_as_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    record = {f"field_{number}": f"a value of field {number}" for number in range(8)}
    shown = written("table", record, out=Terminal())
    for name, value in record.items():
        assert any(name in line and value in line for line in shown.splitlines())
