"""Events from a file that a person or a program wrote: JSON lines, or CSV with a header row."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from gebus.catalogue import EventValidator
from gebus.catalogue.documents import nearest
from gebus.model.catalogue import Catalogue
from gebus.model.errors import EventRefused, GebusError
from gebus.model.event import AvroType

if TYPE_CHECKING:
    from _csv import Reader as CsvReader  # the csv module does not name the type of its readers

LONGEST_LINE = 4 * 1024 * 1024
"""Four times the largest event: longer is no line of events, and without a bound would be read whole into memory."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """One event of a file, or why there is none; `number` is that of its first line, counted from 1."""

    number: int
    event: Mapping[str, Any] | EventRefused


class EventFile:
    """Reads the events of one topic.

    Promised: a line that is no event is given as such and costs no other; memory is bounded by the longest line. Not
    promised: that an event passes; the Publisher says that.
    """

    def __init__(self, catalogue: Catalogue, topic: str) -> None:
        self._topic = topic
        schema = catalogue.events[topic]
        self._from_json = EventValidator(catalogue.topics[topic], schema, catalogue.codes).from_json
        self._types = {field["name"]: field["type"] for field in schema.avro["fields"]}

    def json_lines(self, stream: BinaryIO) -> Iterator[Line]:
        """One JSON object a line; empty lines are passed over."""
        for number, data in _lines(stream):
            text = data.strip()
            if text:
                yield self._line(number, partial(self._event, text))

    def csv(self, stream: BinaryIO) -> Iterator[Line]:
        """A header of field names, then one event a row. An empty cell is null or the default; what is nested is JSON.

        Raises GebusError for a header that names what the topic has not.
        """
        rows = csv.reader(_text(stream), strict=True)
        try:
            header = self._header(next(rows, []))
        except csv.Error as error:
            raise GebusError(f"the header is no row of CSV: {error}") from None
        return self._rows(rows, header)

    def _rows(self, rows: CsvReader, header: list[str]) -> Iterator[Line]:
        while True:
            number = rows.line_num + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(number, self._refused("the row", str(error), "CSV as RFC 4180 has it"))
                continue
            if row:
                yield self._line(number, partial(self._row, header, row))

    def _line(self, number: int, read: Callable[[], Any]) -> Line:
        try:
            return Line(number, read())
        except EventRefused as refused:
            return Line(number, refused)

    def _event(self, text: bytes) -> Any:
        return self._from_json(self._json(text))

    def _json(self, text: bytes) -> dict[str, Any]:
        if len(text) > LONGEST_LINE:
            raise self._refused("the line", f"more than {LONGEST_LINE} bytes", "one event a line, each of at most 1 MB")
        try:
            value = json.loads(text.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
        except UnicodeDecodeError as error:
            found = f"byte 0x{text[error.start]:02x} at {error.start + 1} is not UTF-8"
            raise self._refused("the line", found, "UTF-8; convert the file") from None
        except json.JSONDecodeError as error:
            raise self._refused(
                "the line", f"not JSON: {error.msg} at {error.colno}", "one JSON object a line"
            ) from None
        except ValueError as error:
            raise self._refused("the line", str(error), "one JSON object a line") from None
        except RecursionError:
            raise self._refused("the line", "nested too deeply", "what the schema of the topic has") from None
        if not isinstance(value, dict):
            raise self._refused("the line", "JSON that is no object", "one JSON object a line")
        return value

    def _header(self, row: list[str]) -> list[str]:
        names = [name.strip() for name in row]
        for name in names:
            if name not in self._types:
                advice = nearest(name, self._types) or f"its fields are {', '.join(self._types)}"
                raise GebusError(f"the header has a column {name!r}, which {self._topic} has not; {advice}")
            if names.count(name) > 1:
                raise GebusError(f"the header has the column {name!r} twice; write each field once")
        return names

    def _row(self, header: list[str], row: list[str]) -> Any:
        if len(row) != len(header):
            raise self._refused("the row", f"{len(row)} cells", f"{len(header)}, as the header has")
        cells = {name: self._cell(name, cell) for name, cell in zip(header, row, strict=True) if cell != ""}
        return self._from_json(cells)

    def _cell(self, name: str, cell: str) -> Any:
        if not cell.isascii() and any("\udc80" <= character <= "\udcff" for character in cell):
            raise self._refused(name, "bytes that are not UTF-8", "UTF-8; convert the file")
        avro = self._types[name]
        kind = _kind(avro)
        if kind in ("array", "map", "record"):
            try:
                return json.loads(cell, object_pairs_hook=_object, parse_constant=_no_constant)
            except (ValueError, RecursionError):
                raise self._refused(name, "text that is not JSON", f"the JSON of the {kind}") from None
        return self._plain(name, kind, cell)

    def _plain(self, name: str, kind: str, cell: str) -> Any:
        if kind in ("int", "long", "date", "timestamp-millis") and _INTEGER.fullmatch(cell):
            return int(cell)
        if kind in ("int", "long"):
            raise self._refused(name, "text that is no integer", "an integer such as 1500")
        if kind in ("float", "double"):
            try:
                return float(cell)
            except ValueError:
                raise self._refused(name, "text that is no number", "a number such as 0.25") from None
        if kind == "boolean":
            if cell not in ("true", "false"):
                raise self._refused(name, "text that is no boolean", "true or false")
            return cell == "true"
        return cell

    def _refused(self, path: str, found: str, allowed: str) -> EventRefused:
        return EventRefused(self._topic, path, found, allowed)


def _kind(avro: AvroType) -> str:
    """What decides how a cell is read: the logical type, or else the type, without its null."""
    if isinstance(avro, list):
        return _kind(avro[1])
    if isinstance(avro, str):
        return avro
    return str(avro.get("logicalType", avro["type"]))


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line with its number. Of one that is too long, the part that shows it, and the rest passed over."""
    number = 0
    while data := stream.readline(LONGEST_LINE + 1):
        number += 1
        if number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        yield number, data
        while len(data) > LONGEST_LINE and not data.endswith(b"\n") and data:
            data = stream.readline(LONGEST_LINE + 1)


def _text(stream: BinaryIO) -> Iterator[str]:
    # Bytes that are no UTF-8 pass as lone surrogates, so that they cost their own row alone.
    return (data.decode("utf-8", "surrogateescape") for _, data in _lines(stream))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:40]!r} twice in one object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is no JSON")
