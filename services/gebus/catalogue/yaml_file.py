"""YAML without its traps: no anchors, no tags, no guessing, every key once, every line known.

Plain scalars follow the core schema of YAML 1.2, not the 1.1 that PyYAML's loaders follow: `on` and `no` are text,
`012345` keeps its zero, and a date stays the text that was written.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from gebus.catalogue.documents import MAX_DEPTH, BrokenFile, Document, KeyPath, broken
from gebus.model.errors import Finding

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"^[-+]?(0|[1-9][0-9]{0,18})$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?$")
_LEADING_ZERO = re.compile(r"^[-+]?0[0-9]+$")


def parse_yaml(file: str, text: str) -> tuple[Document, list[Finding]]:
    """The one document of a YAML text, and what is wrong with its keys; BrokenFile if it has no value."""
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or "the text is not YAML"
        raise broken((file, mark.line + 1 if mark else 1), "syntax", problem, "YAML") from error
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0)
        raise broken((file, text.count("\n", 0, position) + 1), "syntax", "a control character", "text") from error
    if builder.documents == 0:
        raise broken((file, 1), "file", "only comments", "one document", "write it, or remove the file")
    return Document(file, builder.root, builder.lines), builder.findings


def _plain(text: str) -> Any:
    """What a scalar without quotes means."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text) and not _LEADING_ZERO.match(text):
        return float(text)
    return text


class _Builder:
    """Values and lines from parser events, without recursion: depth is a number here, not a stack overflow."""

    def __init__(self, file: str) -> None:
        self.root: Any = None
        self.documents = 0
        self.lines: dict[KeyPath, int] = {(): 1}
        self.findings: list[Finding] = []
        self._file = file
        self._stack: list[tuple[dict[str, Any] | list[Any], KeyPath]] = []
        self._key: str | None = None

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise self._broken(line, "a second document", "one document a file", "remove the `---`")
        elif isinstance(event, yaml.AliasEvent):
            raise self._broken(line, f"the alias *{event.anchor}", "no aliases", "write the value out")
        elif isinstance(event, yaml.ScalarEvent):
            self._refuse_extras(event, line)
            self._scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._refuse_extras(event, line)
            self._open({} if isinstance(event, yaml.MappingStartEvent) else [], line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._stack.pop()

    def _refuse_extras(self, event: yaml.NodeEvent, line: int) -> None:
        if event.anchor is not None:
            raise self._broken(line, f"the anchor &{event.anchor}", "no anchors", "write the value out")
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            raise self._broken(line, f"the tag {tag}", "no tags", "remove the tag")

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if self._stack and isinstance(self._stack[-1][0], dict) and self._key is None:
            self._take_key(event.value, line)
        else:
            self._put(_plain(event.value) if event.implicit[0] else event.value, line)

    def _take_key(self, key: str, line: int) -> None:
        mapping, path = self._stack[-1]
        if key in mapping:
            found = f"the key `{key}` is written twice, first in line {self.lines[(*path, key)]}"
            self.findings.append(Finding(self._file, line, "duplicate-key", found, "each key once"))
        else:
            self.lines[(*path, key)] = line
        self._key = key

    def _open(self, container: dict[str, Any] | list[Any], line: int) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise self._broken(line, f"more than {MAX_DEPTH} levels", f"at most {MAX_DEPTH}")
        if self._stack and isinstance(self._stack[-1][0], dict) and self._key is None:
            raise self._broken(line, "a key that is not text", "keys of plain text")
        path = self._put(container, line)
        self._stack.append((container, path))

    def _put(self, value: Any, line: int) -> KeyPath:
        """Store a value where it belongs and give its path."""
        if not self._stack:
            self.root = value
            return ()
        container, path = self._stack[-1]
        if isinstance(container, list):
            path = (*path, len(container))
            container.append(value)
            self.lines[path] = line
            return path
        key = self._key or ""
        container[key] = value
        self._key = None
        return (*path, key)

    def _broken(self, line: int, found: str, allowed: str, next_step: str = "") -> BrokenFile:
        return broken((self._file, line), "syntax", found, allowed, next_step)
