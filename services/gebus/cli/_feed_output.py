"""Records of a feed on a terminal or in a pipe, such that no payload does anything but be read."""

from __future__ import annotations

import base64
import csv
import json
import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TextIO
from uuid import UUID

from rich.console import Console
from rich.table import Table
from rich.text import Text

Format = Literal["table", "jsonl", "csv"]
Record = Mapping[str, Any]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def writer(form: Format, out: TextIO) -> Callable[[Sequence[Record]], None]:
    """What writes batches of records; headers come with the first."""
    if form == "jsonl":
        return lambda records: out.writelines(f"{as_json(record)}\n" for record in records)
    if form == "csv":
        return _Csv(out)
    return _RichTable(out) if out.isatty() else _PlainTable(out)


def as_json(value: Any) -> str:
    """One line of JSON, in the form that `gebus publish` reads."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(", ", ": "))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | UUID) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _cell(value: Any) -> str:
    value = _plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return as_json(value) if isinstance(value, dict | list) else str(value)


def _visible(text: str) -> str:
    """The text with its control characters written out: an escape sequence in an event must not reach a terminal."""
    if text.isprintable():
        return text
    return "".join(repr(character)[1:-1] if _hidden(character) else character for character in text)


def _hidden(character: str) -> bool:
    """Control, format (as those that turn the direction of writing), surrogate, unassigned; line and paragraph ends."""
    category = unicodedata.category(character)
    return category.startswith("C") or category in ("Zl", "Zp")


class _Csv:
    """RFC 4180. Text that a spreadsheet would run gets an apostrophe in front; another schema brings its header."""

    def __init__(self, out: TextIO) -> None:
        self._rows = csv.writer(out, lineterminator="\r\n")
        self._names: list[str] = []

    def __call__(self, records: Sequence[Record]) -> None:
        for record in records:
            if list(record) != self._names:
                self._names = list(record)
                self._rows.writerow(self._names)
            self._rows.writerow([self._safe(value) for value in record.values()])

    def _safe(self, value: Any) -> str:
        text = _cell(value)
        return f"'{text}" if text.startswith(_FORMULA) and not isinstance(value, int | float | Decimal) else text


class _PlainTable:
    """Cells between tabs, for grep, cut and awk."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._names: list[str] = []

    def __call__(self, records: Sequence[Record]) -> None:
        for record in records:
            if list(record) != self._names:
                self._names = list(record)
                self._out.write("\t".join(self._names) + "\n")
            self._out.write("\t".join(_visible(_cell(value)) for value in record.values()) + "\n")


_NARROWEST_CELL = 12
"""Columns of fewer characters show the beginning of each value, which says nothing."""


class _RichTable:
    """One table a batch; where its columns would be too narrow to read, a block a record."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out)

    def __call__(self, records: Sequence[Record]) -> None:
        if not records:
            return
        if len(records[-1]) * _NARROWEST_CELL > self._console.width:
            for record in records:
                self._block(record)
            return
        table = Table(*records[-1], show_lines=False)
        for record in records:
            table.add_row(*(Text(_visible(_cell(record.get(name)))) for name in records[-1]))
        self._console.print(table)

    def _block(self, record: Record) -> None:
        block = Table.grid(padding=(0, 2))
        for name, value in record.items():
            block.add_row(Text(name, style="bold"), Text(_visible(_cell(value))))
        self._console.print(block)
        self._console.print()
