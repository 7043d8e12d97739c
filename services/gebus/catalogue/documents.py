"""One file of the catalogue as plain values, with the line of every key: what each finding points at."""

from __future__ import annotations

import difflib
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gebus.model.errors import Finding

KeyPath = tuple[str | int, ...]
"""The keys and positions that lead to a value, as in `("steps", 1, "where", "when")`."""

Rule = Literal[
    "tree",
    "file",
    "syntax",
    "duplicate-key",
    "key",
    "value",
    "name",
    "reference",
    "unused",
    "avro",
    "limits",
    "envelope",
    "classification",
    "mask",
    "contract-key",
    "codes",
    "identifier",
    "example",
    "steps",
    "standard",
]
"""The rules of the catalogue, as `gebus check` prints them in brackets."""

MAX_BYTES = 8 * 1024 * 1024
"""The largest list, all divisions of GB/T 2260 with their names, is below 1 MiB."""
MAX_DEPTH = 48
"""No contract nests half as deep; without a limit a file of brackets would end the process."""


@dataclass(frozen=True, slots=True)
class Document:
    """The value of one file. `lines` holds the line of each key path, counted from 1."""

    file: str
    value: Any
    lines: Mapping[KeyPath, int]

    def line(self, path: KeyPath) -> int:
        """The line of `path`, or of the nearest thing around it that is written down."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def finding(self, path: KeyPath, rule: Rule, found: str, allowed: str, next_step: str = "") -> Finding:
        """A finding at the line of `path`."""
        return Finding(self.file, self.line(path), rule, found, allowed, next_step)


class BrokenFile(Exception):
    """A file that has no value at all; caught by the reader of the file, who keeps the finding."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(str(finding))


def broken(place: tuple[str, int], rule: Rule, found: str, allowed: str, next_step: str = "") -> BrokenFile:
    """The error that ends the reading of the file of `place`, a file and a line."""
    return BrokenFile(Finding(*place, rule, found, allowed, next_step))


def read_text(root: Path, file: str) -> str:
    """The text of a file below `root`; BrokenFile for what is not a non-empty UTF-8 file of bounded size."""
    path = root / file
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise broken((file, 1), "file", f"{kind}", "a text file")
        if status.st_size > MAX_BYTES:
            raise broken((file, 1), "file", f"a file of {status.st_size} bytes", f"at most {MAX_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise broken((file, 1), "file", f"cannot be read: {error.strerror}", "a readable file") from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise broken((file, line), "file", found, "UTF-8 text", "save the file as UTF-8") from error
    if not text.strip():
        raise broken((file, 1), "file", "an empty file", "one document", "write it, or remove the file")
    return text


def nearest_of(word: str, known: Iterable[str]) -> str:
    """The known word nearest to `word`, or nothing if none is near."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), "")


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean ...` for the known word nearest to `word`, or nothing if none is near."""
    match = nearest_of(word, known)
    return f"did you mean `{match}`?" if match else ""


def shown(value: object) -> str:
    """A value as a finding shows it: short, on one line."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
