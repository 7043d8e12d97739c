"""What the tests of usage share: leaves, sums of them, and tariffs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.leaf import Leaf
from gebus.usage import REVENUE_LIST, TARIFF_LIST, Book, Entry, Metered, Tariffs

LEAF = Leaf(
    at=0, feed="ditu/map", slice=0, lane="a.b", grant="ditu/map#1", policy="0" * 16, mode="normal",
    count=10, size=1000, fields=(20, 10, 0, 0), root="0" * 64,
)  # fmt: skip
FREE: Mapping[str, Any] = {
    "use": "governance", "charge": "free", "fen_per_1000_records": 0, "most_fen_per_1000_records": 0,
    "fen_per_1000_values": [0, 0, 0, 0], "most_fen_per_1000_values": [0, 0, 0, 0], "source": "a law",
}  # fmt: skip
PRICE: Mapping[str, Any] = {
    **FREE, "use": "commercial", "charge": "price", "fen_per_1000_records": 1000, "most_fen_per_1000_records": 1500,
}  # fmt: skip


def leaf(day: str = "2026-11-01", **changes: Any) -> Leaf:
    """A leaf of noon in China."""
    noon = datetime.fromisoformat(f"{day}T12:00+08:00")
    return replace(LEAF, at=int(noon.timestamp()) * 1000, **changes)


def entry(day: str, feed: str = "ditu/map", records: int = 10, **changes: Any) -> Entry:
    """A sum of the book."""
    metered = Metered(1, records, records * 100, (records, 0, 0, 0))
    made = Entry(date.fromisoformat(day), feed, 0, f"{feed}#1", "normal", metered, 0, 0)
    return replace(made, **changes)


def codes(lines: Mapping[str, Mapping[str, Any]], permitted: int | None = None, **also: Any) -> dict[str, CodeList]:
    """The two lists, with one line a purpose."""
    made = {
        TARIFF_LIST: CodeList(
            TARIFF_LIST, "x", tuple(CodeEntry(code, None, None, given) for code, given in lines.items())
        )
    }
    if permitted is not None:
        given = {"permitted_fen": permitted, "source": "a decision", **also}
        made[REVENUE_LIST] = CodeList(REVENUE_LIST, "x", (CodeEntry("month", None, None, given),))
    return made


def tariffs(permitted: int = 10**9, **lines: Mapping[str, Any]) -> Tariffs:
    return Tariffs.of(codes(lines, permitted))


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path / "usage.sqlite")
    yield made
    made.close()
