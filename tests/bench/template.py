"""Millions of Avro records within seconds: one encoded example, and columns of numbers written over its places."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import Any

import fastavro
import numpy as np
from numpy.typing import NDArray
from tests.bench.errors import BenchError

Columns = Mapping[str, NDArray[Any]]
HEADER = 5


def plain(schema: Any) -> Any:
    """The schema without logical types: the same bytes, and no system makes dates that no workload asks for."""
    if isinstance(schema, dict):
        return {name: plain(value) for name, value in schema.items() if name != "logicalType"}
    return [plain(part) for part in schema] if isinstance(schema, list) else schema


def wire_header(schema_id: int) -> bytes:
    return b"\0" + struct.pack(">I", schema_id)


class Template:
    """An example of an event, of which some fields vary from record to record while every length stays.

    A column for a text overwrites the digits at its end, or, if it is of bytes, as many bytes at its end. A column for
    a long must need as many bytes as the example's.
    """

    def __init__(self, schema: Mapping[str, Any], schema_id: int, example: Mapping[str, Any]) -> None:
        encoded = wire_header(schema_id)
        self._places: dict[str, slice] = {}
        self._digits: dict[str, int] = {}
        for field in plain(schema)["fields"]:
            name, buffer = field["name"], io.BytesIO()
            fastavro.schemaless_writer(buffer, field["type"], example[name])
            self._places[name] = slice(len(encoded), len(encoded) + buffer.tell())
            encoded += buffer.getvalue()
            if isinstance(example[name], str):
                self._digits[name] = len(example[name]) - len(example[name].rstrip("0123456789"))
        self._row = np.frombuffer(encoded, np.uint8)

    def fill(self, columns: Columns) -> Filled:
        """As many records as the columns are long."""
        rows = np.tile(self._row, (len(next(iter(columns.values()))), 1))
        if not len(rows):
            return Filled(rows, self._places)
        for name, column in columns.items():
            place = self._places[name]
            if column.dtype.kind == "S":
                width = column.dtype.itemsize
                rows[:, place.stop - width : place.stop] = column.view(np.uint8).reshape(len(column), width)
            elif name in self._digits:
                _write_digits(rows[:, place.stop - self._digits[name] : place.stop], column, name)
            else:
                _write_long(rows[:, place], column, name)
        return Filled(rows, self._places)


class Filled:
    """Records that were made from a template."""

    def __init__(self, rows: NDArray[np.uint8], places: Mapping[str, slice]) -> None:
        self._rows, self._places = rows, places

    def values(self) -> list[bytes]:
        """Each record on the wire."""
        return _cut(self._rows)

    def keys(self, name: str) -> list[bytes]:
        """Of each record the text of one field, which is shorter than 64 bytes, as the bytes of a Kafka key."""
        place = self._places[name]
        return _cut(self._rows[:, place.start + 1 : place.stop])


def _cut(rows: NDArray[np.uint8]) -> list[bytes]:
    width = rows.shape[1]
    joined = rows.tobytes()
    return [joined[start : start + width] for start in range(0, len(joined), width)]


def _write_digits(target: NDArray[np.uint8], numbers: NDArray[Any], name: str) -> None:
    width = target.shape[1]
    if numbers.min() < 0 or numbers.max() >= 10**width:
        raise BenchError(f"{name}: {numbers.min()} to {numbers.max()} do not fit {width} digits")
    left = numbers.astype(np.uint64)
    for place in range(width - 1, -1, -1):
        left, digit = np.divmod(left, np.uint64(10))
        target[:, place] = digit.astype(np.uint8) + ord("0")


def _write_long(target: NDArray[np.uint8], numbers: NDArray[Any], name: str) -> None:
    width = target.shape[1]
    zigzag = numbers.astype(np.uint64) << np.uint64(1)
    least = 1 << 7 * (width - 1) if width > 1 else 0
    if numbers.min() < 0 or zigzag.min() < least or int(zigzag.max()) >= 1 << 7 * width:
        raise BenchError(f"{name}: {numbers.min()} to {numbers.max()} do not all take {width} bytes")
    for place in range(width):
        part = (zigzag >> np.uint64(7 * place)).astype(np.uint8) & 0x7F
        target[:, place] = part | (0x80 if place < width - 1 else 0)
