"""Events from a file that a person wrote: each bad line costs itself alone."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gebus.catalogue import load
from gebus.cli._event_file import LONGEST_LINE, EventFile
from gebus.model.errors import EventRefused, GebusError

TOPIC = "market.price_report"


@pytest.fixture(scope="session")
def reader() -> EventFile:
    return EventFile(load(Path(__file__).parents[2] / "contract" / "catalogue"), TOPIC)


def json_lines(reader: EventFile, data: bytes) -> list[tuple[int, Any]]:
    return [(line.number, _shown(line.event)) for line in reader.json_lines(io.BytesIO(data))]


def rows(reader: EventFile, text: str | bytes) -> list[tuple[int, Any]]:
    data = text.encode() if isinstance(text, str) else text
    return [(line.number, _shown(line.event)) for line in reader.csv(io.BytesIO(data))]


def _shown(event: Any) -> Any:
    return f"{event.path}: {event.found}" if isinstance(event, EventRefused) else event


def test_json_lines_are_converted_and_numbered(reader: EventFile) -> None:
    data = (
        '\ufeff{"price": "12.50"}\n\n  \n{"seen_on": "2020-02-01", "sellers": [{"name": "甲", "sold": 1}]}\r\n{"a": 1}'
    )
    assert json_lines(reader, data.encode()) == [
        (1, {"price": Decimal("12.50")}),
        (4, {"seen_on": date(2020, 2, 1), "sellers": [{"name": "甲", "sold": 1}]}),
        (5, {"a": 1}),
    ]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"{", "the line: not JSON: Expecting property name enclosed in double quotes at 2"),
        (b"[1]", "the line: JSON that is no object"),
        (b'"text"', "the line: JSON that is no object"),
        (b'{"a": 1, "a": 2}', "the line: the key 'a' twice in one object"),
        (b'{"a": NaN}', "the line: NaN, which is no JSON"),
        (b'{"a": 1} {"b": 2}', "the line: not JSON: Extra data at 10"),
        (b"\xb5\xda\xd2\xbb", "the line: byte 0xb5 at 1 is not UTF-8"),
        (b'{"price": "cheap"}', "price: text that is not a decimal"),
        (b'{"seen_on": "yesterday"}', "seen_on: text that is not a date"),
        (b'{"a": ' + b"9" * 5000 + b"}", "the line: Exceeds the limit"),
        (b"[" * 100_000, "the line: nested too deeply"),
        (b'{"a": "' + b"x" * LONGEST_LINE + b'"}', f"the line: more than {LONGEST_LINE} bytes"),
    ],
)
def test_a_bad_line_costs_itself_alone(reader: EventFile, bad: bytes, why: str) -> None:
    first, second, third = json_lines(reader, b'{"a": 1}\n' + bad + b'\n{"a": 3}\n')
    assert (first, third) == ((1, {"a": 1}), (3, {"a": 3}))
    assert second[0] == 2
    assert second[1].startswith(why)


def test_a_line_without_an_end_is_not_read_into_memory(reader: EventFile) -> None:
    class Endless(io.RawIOBase):
        asked = 0

        def readable(self) -> bool:
            return True

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size <= LONGEST_LINE + 1
            self.asked += 1
            return b"x" * size if self.asked < 5 else b""

    lines = list(reader.json_lines(Endless()))  # type: ignore[arg-type]  # what the reader uses of a stream
    assert len(lines) == 1
    assert isinstance(lines[0].event, EventRefused)


def test_nothing_holds_no_line(reader: EventFile) -> None:
    assert json_lines(reader, b"") == json_lines(reader, b"\n \n") == rows(reader, "") == rows(reader, "price\n") == []


def test_cells_are_converted_by_the_schema(reader: EventFile) -> None:
    header = "event_id,occurred_at,price,stock,rating,on_offer,seen_on,sellers,tags,product"
    text = (
        f"{header}\r\n"
        'a,2020-02-01T08:00:00+08:00,12.50,-7,0.5,true,2020-02-01,"[{""name"": ""甲"", ""sold"": 1}]","{}",007\r\n'
        '"b\nc",1580515200000,3,,,false,18293,,,"x, ""y"""\r\n'
    )
    first, second = rows(reader, text)
    assert first == (
        2,
        {
            "event_id": "a",
            "occurred_at": datetime(2020, 2, 1, tzinfo=UTC),
            "price": Decimal("12.50"),
            "stock": -7,
            "rating": 0.5,
            "on_offer": True,
            "seen_on": date(2020, 2, 1),
            "sellers": [{"name": "甲", "sold": 1}],
            "tags": {},
            "product": "007",
        },
    )
    assert second == (
        3,
        {
            "event_id": "b\nc",
            "occurred_at": 1_580_515_200_000,
            "price": Decimal(3),
            "on_offer": False,
            "seen_on": 18293,
            "product": 'x, "y"',
        },
    )


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (b"five,true,,x", "stock: text that is no integer"),
        (b"1.5,true,,x", "stock: text that is no integer"),
        (b"5,yes,,x", "on_offer: text that is no boolean"),
        (b"5,true,[1,x", "sellers: text that is not JSON"),
        (b"5,true", "the row: 2 cells"),
        (b"5,true,,\xb5\xda", "product: bytes that are not UTF-8"),
        (b'5,true,,"x"y', "the row: ',' expected after '\"'"),
    ],
)
def test_a_bad_row_costs_itself_alone(reader: EventFile, row: bytes, why: str) -> None:
    found = rows(reader, b"stock,on_offer,sellers,product\n1,true,,a\n" + row + b"\n3,true,,c\n")
    assert [number for number, _ in found] == [2, 3, 4]
    assert found[1][1] == why
    assert (found[0][1]["product"], found[2][1]["product"]) == ("a", "c")


def test_a_header_that_does_not_fit_ends_the_reading(reader: EventFile) -> None:
    with pytest.raises(GebusError, match=r"a column 'pryce', which market\.price_report has not; did you mean `price`"):
        rows(reader, "event_id,pryce\na,1\n")
    with pytest.raises(GebusError, match="the column 'price' twice"):
        rows(reader, "price,price\n1,1\n")
