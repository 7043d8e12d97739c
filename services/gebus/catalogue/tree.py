"""The files of a catalogue: which are there, and what each one's place says about it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gebus.catalogue.documents import BrokenFile, Document, KeyPath, broken, nearest, read_text
from gebus.catalogue.json_file import parse_json
from gebus.catalogue.yaml_file import parse_yaml
from gebus.model.errors import Finding

Kind = Literal["party", "event", "topic", "feed", "processor", "codes", "example"]

_PLACES: tuple[tuple[Kind, re.Pattern[str], str], ...] = (
    ("party", re.compile(r"^parties/[^/]+\.yaml$"), "parties/<party>.yaml"),
    ("event", re.compile(r"^events/[^/]+/[^/]+\.avsc$"), "events/<domain>/<Event>.avsc"),
    ("topic", re.compile(r"^topics/[^/]+\.yaml$"), "topics/<domain>.<event>.yaml"),
    ("feed", re.compile(r"^feeds/[^/]+/[^/]+\.yaml$"), "feeds/<consumer>/<feed>.yaml"),
    ("processor", re.compile(r"^processors/[^/]+\.yaml$"), "processors/<processor>.yaml"),
    ("codes", re.compile(r"^codes/[^/]+\.yaml$"), "codes/<name>.yaml"),
    ("example", re.compile(r"^examples/[^/]+/[^/]+\.jsonl$"), "examples/<topic>/<name>.jsonl"),
)
_IGNORED = frozenset({"README.md"})
MAX_FILES = 50_000
"""Ten times the five thousand feeds that a city needs."""


@dataclass(frozen=True, slots=True)
class Place:
    """One file of the catalogue; `name` is its path below the kind's directory without its ending."""

    kind: Kind
    file: str
    name: str


def walk(root: Path) -> tuple[list[Place], list[Finding]]:
    """The files of a catalogue in the order of their names, and those that do not belong there."""
    if not root.is_dir():
        found = "no directory" if not root.exists() else "not a directory"
        return [], [Finding(str(root), 1, "tree", found, "the directory of a catalogue", "see GEBUS_CATALOGUE")]
    places: list[Place] = []
    findings: list[Finding] = []
    for file in _files(root):
        if len(places) >= MAX_FILES:
            findings.append(Finding(file, 1, "tree", f"more than {MAX_FILES} files", f"at most {MAX_FILES}"))
            break
        place = _place(file)
        if place is not None:
            places.append(place)
        elif file not in _IGNORED:
            known = [shape for _, _, shape in _PLACES]
            advice = nearest(file, known) or "rename it, or take it out of the catalogue"
            findings.append(Finding(file, 1, "tree", "a file without a meaning", ", ".join(known), advice))
    if not places and not findings:
        findings.append(Finding(str(root), 1, "tree", "an empty directory", "a catalogue"))
    return places, findings


def read(root: Path, place: Place) -> tuple[Document | None, list[Finding]]:
    """The document of a YAML or Avro file, and what is wrong with its text."""
    try:
        text = read_text(root, place.file)
        return parse_json(place.file, text) if place.kind == "event" else parse_yaml(place.file, text)
    except BrokenFile as error:
        return None, [error.finding]


def read_lines(root: Path, place: Place) -> Iterator[tuple[int, Document | None, list[Finding]]]:
    """Each line of a JSON lines file: its number, its document and what is wrong with it."""
    try:
        text = read_text(root, place.file)
    except BrokenFile as error:
        yield 1, None, [error.finding]
        return
    for number, line in enumerate(text.rstrip("\n").split("\n"), 1):
        try:
            if not line.strip():
                raise broken((place.file, number), "syntax", "an empty line", "one JSON object a line")
            document, findings = parse_json(place.file, line, number)
        except BrokenFile as error:
            yield number, None, [error.finding]
        else:
            yield number, document, findings


class Places:
    """The lines of a catalogue's files, for findings that are made after loading."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._documents: dict[str, Document | None] = {}

    def line(self, file: str, path: KeyPath) -> int:
        """The line of `path` in `file`, or of the nearest thing around it; 1 where the file cannot be read.

        `file` is relative to the catalogue's root, as in `feeds/cdc/dear-masks.yaml`.
        """
        if file not in self._documents:
            place = _place(file)
            self._documents[file] = read(self._root, place)[0] if place and place.kind != "example" else None
        document = self._documents[file]
        return 1 if document is None else document.line(path)


def _files(root: Path) -> Iterator[str]:
    """All files below `root`, and directories where a file belongs, sorted, links to directories not followed."""
    for directory, directories, files in os.walk(root):
        directories.sort()
        base = Path(directory).relative_to(root)
        names = [name for name in directories if _place((base / name).as_posix()) is not None]
        for name in sorted([*files, *names]):
            yield (base / name).as_posix()


def _place(file: str) -> Place | None:
    for kind, pattern, _ in _PLACES:
        if pattern.match(file):
            return Place(kind, file, file.partition("/")[2].rpartition(".")[0])
    return None
