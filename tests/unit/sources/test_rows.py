"""Rows know their line, and cells are read or refused, never guessed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from gebus_connectors.sources.reading import BadRow, Skipped
from gebus_connectors.sources.rows import Row, china_day, csv_rows, day, end_of, json_rows, moment, whole


def test_a_line_break_inside_a_cell_does_not_shift_the_lines_after_it(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('a,b\n1,"two\nlines"\n\n3,4\n5\n', encoding="utf-8")
    rows = list(csv_rows(path))
    assert [(row.line, row.cells["a"]) for row in rows if isinstance(row, Row)] == [(2, "1"), (5, "3")]
    assert [str(row) for row in rows if isinstance(row, Skipped)] == ["rows.csv:6: 1 cells; the header has 2"]


def test_bytes_of_another_encoding_are_listed_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("甲\n".encode("gb18030"))
    assert [str(row) for row in csv_rows(path)] == ["rows.csv:1: byte 0 is not utf-8-sig: the file was not read"]
    assert list(csv_rows(path, "gb18030")) == []


def test_a_directory_for_a_file_is_listed(tmp_path: Path) -> None:
    for rows in (csv_rows(tmp_path), json_rows(tmp_path)):
        assert [str(row) for row in rows] == [f"{tmp_path.name}:1: cannot be read: Is a directory"]


def test_a_line_that_is_no_json_object_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a":\n[1]\n\xff\n{"a": 2}\n')
    rows = list(json_rows(path))
    assert [row.line for row in rows if isinstance(row, Row)] == [1, 5]
    assert [row.line for row in rows if isinstance(row, Skipped)] == [2, 3, 4]


@pytest.mark.parametrize("written", ["2020-01/13", "2020-02-30", "13", "", "２０２０年"])
def test_a_malformed_date_is_refused(written: str) -> None:
    with pytest.raises(BadRow, match="is not a date"):
        day(written)


def test_dates_as_the_sources_write_them() -> None:
    assert day("2020-02-01") == day("2020年2月1日") == date(2020, 2, 1)


def test_times_are_those_of_china_unless_they_say_otherwise() -> None:
    assert moment("2020-02-01 08:00:00") == moment("2020-02-01T00:00:00Z") == 1_580_515_200_000
    assert china_day(moment("2020-01-24T16:00:00.000Z")) == date(2020, 1, 25)
    assert end_of(date(2020, 1, 31)) == moment("2020-01-31T23:59:59.999+08:00")
    with pytest.raises(BadRow, match="is not a time"):
        moment("yesterday")


def test_whole_numbers() -> None:
    assert [whole({"n": written}, "n") for written in ("5", "5.0", "-16")] == [5, 5, -16]
    for written in ("", "5.5", "五", "1e3", None):
        with pytest.raises(BadRow, match=r"^n is"):
            whole({"n": written}, "n")
