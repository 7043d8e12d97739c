"""Strict JSON with the line of every key, for schemas and examples."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import NoReturn

from gebus.catalogue.documents import MAX_DEPTH, Document, KeyPath, broken
from gebus.model.errors import Finding

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\s+|"')


def parse_json(file: str, text: str, first_line: int = 1) -> tuple[Document, list[Finding]]:
    """The value of a JSON text whose first line is `first_line` of its file; BrokenFile if it has none."""
    places = _Places(file, first_line)
    places.walk(text)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        problem = f"{error.msg} at column {error.colno}"
        raise broken((file, first_line + error.lineno - 1), "syntax", problem, "strict JSON") from error
    except ValueError as error:
        raise broken((file, first_line), "syntax", str(error), "strict JSON") from error
    return Document(file, value, places.lines), places.findings


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


@dataclass(slots=True)
class _Open:
    """A container that the walk is inside of."""

    path: KeyPath
    is_object: bool
    at_key: bool
    here: str | int
    keys: set[str] = field(default_factory=set)


class _Places:
    """The line of each key path. Right for valid JSON; anything else is refused by json.loads afterwards."""

    def __init__(self, file: str, first_line: int) -> None:
        self.lines: dict[KeyPath, int] = {(): first_line}
        self.findings: list[Finding] = []
        self._file = file
        self._line = first_line
        self._open: list[_Open] = []

    def walk(self, text: str) -> None:
        for match in _TOKEN.finditer(text):
            word = match[0]
            if word[0] in " \t\r\n":
                self._line += word.count("\n")
            elif word in ("}", "]"):
                if self._open:
                    self._open.pop()
            elif word == ",":
                self._next()
            elif word != ":":
                self._key_or_value(word)

    def _next(self) -> None:
        if self._open:
            top = self._open[-1]
            top.at_key = top.is_object
            if isinstance(top.here, int):
                top.here += 1

    def _key_or_value(self, word: str) -> None:
        top = self._open[-1] if self._open else None
        if top is not None and top.at_key:
            self._key(top, word)
            return
        path: KeyPath = () if top is None else (*top.path, top.here)
        self.lines.setdefault(path, self._line)
        if word in ("{", "["):
            if len(self._open) >= MAX_DEPTH:
                found = f"more than {MAX_DEPTH} levels"
                raise broken((self._file, self._line), "syntax", found, f"at most {MAX_DEPTH}")
            is_object = word == "{"
            self._open.append(_Open(path, is_object, is_object, "" if is_object else 0))

    def _key(self, top: _Open, word: str) -> None:
        try:
            key = str(json.loads(word))
        except ValueError:
            key = word
        path = (*top.path, key)
        if key in top.keys:
            found = f"the key `{key}` is written twice, first in line {self.lines[path]}"
            self.findings.append(Finding(self._file, self._line, "duplicate-key", found, "each key once"))
        top.keys.add(key)
        top.at_key, top.here = False, key
        self.lines.setdefault(path, self._line)
