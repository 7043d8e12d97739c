"""A dated code list: `codes/<name>.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gebus.catalogue.documents import Document, nearest, nearest_of
from gebus.catalogue.models import parse_model
from gebus.model.base import Day, Model, Name
from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.errors import Finding

_Text = Annotated[str, StringConstraints(min_length=1)]


class _Entry(BaseModel):
    """One code. Its other keys are attributes; all entries of a list have the same ones."""

    model_config = ConfigDict(frozen=True, extra="allow")

    code: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    valid_from: Day | None
    valid_to: Day | None


class CodeFile(Model):
    """A code list as it is written. `valid_to` is the first day on which a code no longer holds."""

    codes: Name
    source: _Text
    entries: Annotated[tuple[_Entry, ...], Field(min_length=1)]


def parse_codes(document: Document) -> tuple[CodeList | None, list[Finding]]:
    """The code list of a document, or every rule that it breaks."""
    file, findings = parse_model(document, CodeFile)
    if file is None:
        return None, findings
    entries = [_entry(entry) for entry in file.entries]
    findings = _attributes(document, entries) + _validity(document, entries)
    return (CodeList(file.codes, file.source, tuple(entries)) if not findings else None), findings


def _entry(entry: _Entry) -> CodeEntry:
    attributes: Mapping[str, Any] = entry.model_extra or {}
    return CodeEntry(entry.code, entry.valid_from, entry.valid_to, attributes)


def _attributes(document: Document, entries: list[CodeEntry]) -> list[Finding]:
    findings = []
    known = set(entries[0].attributes)
    for index, entry in enumerate(entries):
        unknown, missing = set(entry.attributes) - known, known - set(entry.attributes)
        for key in sorted(unknown):
            found = f"unknown key `{key}` of code {entry.code}"
            allowed = f"the attributes of the first entry: {', '.join(sorted(known)) or 'none'}"
            findings.append(document.finding(("entries", index, key), "key", found, allowed, nearest(key, known)))
        for key in sorted(missing - {nearest_of(key, missing) for key in unknown}):
            found = f"`{key}` of code {entry.code} is missing"
            findings.append(document.finding(("entries", index), "key", found, "every attribute written out"))
    return findings


def _validity(document: Document, entries: list[CodeEntry]) -> list[Finding]:
    findings = []
    spans: dict[str, list[tuple[date, date, int]]] = {}
    for index, entry in enumerate(entries):
        begin, end = entry.valid_from or date.min, entry.valid_to or date.max
        if end <= begin:
            found = f"code {entry.code} is valid from {begin} to {end}"
            allowed = "valid_to later than valid_from"
            findings.append(document.finding(("entries", index, "valid_to"), "codes", found, allowed))
            continue
        for other_begin, other_end, other in spans.get(entry.code, ()):
            if begin < other_end and other_begin < end:
                line = document.line(("entries", other))
                found = f"code {entry.code} overlaps with its entry in line {line}"
                allowed = "one meaning of a code at any time"
                advice = "end one entry with valid_to where the other begins"
                findings.append(document.finding(("entries", index), "codes", found, allowed, advice))
                break
        spans.setdefault(entry.code, []).append((begin, end, index))
    return findings
