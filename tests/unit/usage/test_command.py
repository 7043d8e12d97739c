"""The commands `usage` and `statement`, on a book that is filled by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.unit.usage.conftest import leaf
from typer.testing import CliRunner

from gebus.cli import build
from gebus.cli import usage as command
from gebus.usage import Book

SHIPPED = Path(__file__).parents[3] / "schemas"


@pytest.fixture
def gebus(book: Book, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    @contextmanager
    def counted(*, anew: bool = False) -> Iterator[Book]:
        assert not anew
        yield book

    monkeypatch.setattr(command, "_counted", counted)
    book.add([
        (0, leaf("2026-10-31", feed="ditu/city-counts", grant="ditu/city-counts#1", count=7)),
        (1, leaf("2026-11-01", feed="ditu/city-counts", grant="ditu/city-counts#1", count=1500)),
        (4, leaf("2026-11-01", feed="ditu/city-counts", grant="ditu/city-counts#1", count=1500)),
        (5, leaf("2026-11-02", feed="xinwen/notices", grant="xinwen/notices#2", mode="flood-1")),
        (6, leaf("2026-11-02", feed="ditu/gone", grant="ditu/gone#1")),
    ])  # fmt: skip
    return lambda *words: CliRunner().invoke(build(), words, env={"GEBUS_CATALOGUE": str(SHIPPED)})


def read(done: Result) -> Any:
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_usage_is_summed_by_what_is_asked(gebus: Callable[..., Result]) -> None:
    by_party = read(gebus("usage", "--by", "party", "--json"))
    assert [(row["party"], row["records"], row["leaves"]) for row in by_party] == [("ditu", 3017, 4), ("xinwen", 10, 1)]
    assert by_party[1]["values"] == {"1": 20, "2": 10, "3": 0, "4": 0}
    by_day = read(gebus("usage", "--by", "day", "--party", "ditu", "--month", "2026-11", "--json"))
    assert [(row["day"], row["records"]) for row in by_day] == [("2026-11-01", 3000), ("2026-11-02", 10)]
    told = gebus("usage").output
    assert [line.split()[:3] for line in told.splitlines()] == [
        ["grant", "records", "bytes"],
        ["ditu/city-counts#1", "3,007", "3,000"],
        ["ditu/gone#1", "10", "1,000"],
        ["xinwen/notices#2", "10", "1,000"],
        ["all", "3,027", "5,000"],
    ]
    assert gebus("usage", "--month", "2025-01").output == "nothing was delivered\n"


def test_a_statement_leads_to_its_leaves(gebus: Callable[..., Result]) -> None:
    told = gebus("statement", "ditu", "2026-11", "--leaves").output
    assert "ditu/city-counts#1  public-map  normal  welfare, cost        3,000" in told
    assert "ditu/city-counts#1: 2026-11-01, slice 0: 2 leaves, 3000 records, offsets 1 to 4" in told
    assert "ditu/gone#1         -           normal  none: not charged" in told
    assert told.endswith("to pay 0.60 yuan\n")
    document = read(gebus("statement", "ditu", "2026-11", "--json"))
    assert (document["charged_fen"], document["total_fen"]) == (60, 60)
    first = document["lines"][0]
    assert (first["fen"], first["charge"], first["from"][0]["last_offset"]) == (60, "cost", 4)


def test_what_is_no_party_or_month_is_named(gebus: Callable[..., Result]) -> None:
    assert "ditou: the catalogue has no such party; did you mean" in str(
        gebus("statement", "ditou", "2026-11").exception
    )
    assert "'2026-13' is no month; write one as 2026-11" in gebus("usage", "--month", "2026-13").output


@pytest.mark.parametrize(("fen", "shown"), [(0, "0.00"), (7, "0.07"), (123_456_789, "1,234,567.89")])
def test_fen_are_shown_as_yuan(fen: int, shown: str) -> None:
    assert command.yuan(fen) == shown
