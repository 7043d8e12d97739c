"""Text files as rows that know their place, and the cells of such rows as values."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from gebus_connectors.sources.reading import BadRow, Skipped

CHINA = timezone(timedelta(hours=8))
"""All sources write local time; China has one zone and, in these years, no summer time."""

_EPOCH = date(1970, 1, 1)
_WHOLE = re.compile(r"^-?\d{1,12}(\.0+)?$")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `line` is where its first line stands, counted from 1, whatever line breaks its cells hold."""

    file: str
    line: int
    cells: Mapping[str, Any]

    def skipped(self, reason: str) -> Skipped:
        return Skipped(self.file, self.line, reason)


def csv_rows(path: Path, encoding: str = "utf-8-sig") -> Iterator[Row | Skipped]:
    """The rows of a CSV file with a header. A row of another width is given as Skipped, so is an unreadable rest."""
    try:
        text = path.read_bytes().decode(encoding)
    except OSError as error:
        yield Skipped(path.name, 1, f"cannot be read: {error.strerror}")
        return
    except UnicodeDecodeError as error:
        yield Skipped(path.name, 1, f"byte {error.start} is not {encoding}: the file was not read")
        return
    reader = csv.reader(io.StringIO(text, newline=""))
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            first, line = line, reader.line_num + 1
            if not cells:
                continue
            if header is None:
                header = cells
            elif len(cells) == len(header):
                yield Row(path.name, first, dict(zip(header, cells, strict=True)))
            else:
                yield Skipped(path.name, first, f"{len(cells)} cells; the header has {len(header)}")
    except csv.Error as error:
        yield Skipped(path.name, line, f"{error}: the rest of the file was not read")


def json_rows(path: Path) -> Iterator[Row | Skipped]:
    """The rows of a file with one JSON object a line. A line that is none is given as Skipped."""
    try:
        with path.open("rb") as file:
            yield from (_json_row(path.name, number, line) for number, line in enumerate(file, 1))
    except OSError as error:
        yield Skipped(path.name, 1, f"cannot be read: {error.strerror}")


def _json_row(name: str, number: int, line: bytes) -> Row | Skipped:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return Skipped(name, number, "not a line of JSON")
    return Row(name, number, value) if isinstance(value, dict) else Skipped(name, number, "not a JSON object")


def text(value: object) -> str | None:
    """The trimmed text of a cell; None where there is none."""
    if value is None:
        return None
    trimmed = str(value).strip()
    return trimmed or None


def required(cells: Mapping[str, Any], name: str) -> str:
    """The trimmed text of a cell that must not be empty."""
    value = text(cells.get(name))
    if value is None:
        raise BadRow(f"{name} is empty")
    return value


def whole(cells: Mapping[str, Any], name: str) -> int:
    """A whole number, also where a spreadsheet made it `5.0`."""
    value = required(cells, name)
    if not _WHOLE.match(value):
        raise BadRow(f"{name} is {value[:40]!r}, not a whole number")
    return int(value.partition(".")[0])


def day(value: str) -> date:
    """A day written as 2020-02-01 or as 2020年2月1日."""
    written = value.strip().replace("年", "-").replace("月", "-").removesuffix("日")
    parts = written.split("-")
    problem = f"{value[:40]!r} is not a date"
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise BadRow(problem)
    try:
        return date(*map(int, parts))
    except ValueError:
        raise BadRow(problem) from None


def moment(value: str) -> int:
    """An instant as UTC ms. Without an offset it is China's time."""
    try:
        parsed = datetime.fromisoformat(value.strip())
    except ValueError:
        raise BadRow(f"{value[:40]!r} is not a time") from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=CHINA)
    return round(parsed.timestamp() * 1000)


def china_day(milliseconds: int) -> date:
    """The day in China at a moment: 16:00Z is the next day there."""
    return datetime.fromtimestamp(milliseconds / 1000, CHINA).date()


def end_of(when: date) -> int:
    """The last moment of a day in China, as UTC ms: when a count of that day is complete."""
    return round(datetime(when.year, when.month, when.day, tzinfo=CHINA).timestamp() * 1000) + 86_400_000 - 1


def days_since_epoch(when: date) -> int:
    """A date as Avro writes it."""
    return (when - _EPOCH).days
