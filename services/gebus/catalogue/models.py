"""A document as a model of gebus.model; what does not fit becomes findings at the lines concerned."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gebus.catalogue.documents import Document, KeyPath, nearest, nearest_of, shown
from gebus.model.base import Model
from gebus.model.errors import Finding
from gebus.model.feed import STEPS

M = TypeVar("M", bound=Model)

_ALLOWED = {
    "bool_type": "true or false",
    "date_from_datetime_inexact": "a day, as 2020-02-01",
    "date_from_datetime_parsing": "a day, as 2020-02-01",
    "dict_type": "a mapping",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "list_type": "a list, as in [a, b]",
    "literal_error": "{expected}",
    "model_type": "a mapping",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_type": "text",
    "too_short": "{min_length} or more entries",
    "tuple_type": "a list, as in [a, b]",
}
"""What pydantic's kinds of error mean to who writes YAML; a kind that is not here is told in pydantic's words."""


def parse_model(document: Document, model: type[M]) -> tuple[M | None, list[Finding]]:
    """The document as `model`, or every finding of every key."""
    return parse_part(document, (), document.value, model)


def parse_part(document: Document, place: KeyPath, value: Any, model: type[M]) -> tuple[M | None, list[Finding]]:
    """`value`, which is written at `place` of the document, as `model`, or every finding of every key."""
    if not isinstance(value, dict):
        allowed = f"a mapping with the keys {', '.join(model.model_fields)}"
        return None, [document.finding(place, "value", shown(value), allowed)]
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        located = [(_path_in(value, details["loc"]), details) for details in error.errors(include_url=False)]
        meant = {(path[:-1], _meant(model, path)) for path, details in located if details["type"] == "extra_forbidden"}
        return None, [
            _finding(document, place, model, path, details)
            for path, details in located
            # The key that an unknown one was meant to be is not missing: one slip, one finding.
            if not (details["type"] == "missing" and (path[:-1], path[-1]) in meant)
        ]


def _known_keys(model: type[Model], path: KeyPath) -> list[str]:
    return sorted(_keys_at(model, path[:-1]))


def _meant(model: type[Model], path: KeyPath) -> str:
    return nearest_of(str(path[-1]), _known_keys(model, path))


def _finding(document: Document, place: KeyPath, model: type[Model], path: KeyPath, error: ErrorDetails) -> Finding:
    kind, context = error["type"], error.get("ctx", {})
    where = (*place, *path)
    key = where[-1] if where else document.file
    if kind == "missing":
        return document.finding(where, "key", f"`{key}` is missing", "every key written out")
    if kind == "extra_forbidden":
        known = _known_keys(model, path)
        allowed = ", ".join(known)
        return document.finding(where, "key", f"unknown key `{key}`", allowed, nearest(str(key), known))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        value = error["input"]
        keys = list(value) if isinstance(value, dict) else []
        found = f"a step with {', '.join(f'`{word}`' for word in keys) or 'no key'}"
        kinds = list(STEPS)
        advice = nearest(str(keys[0]), kinds) if len(keys) == 1 else "begin each step with its own `-`"
        return document.finding(where, "key", found, f"exactly one of {', '.join(kinds)}", advice)
    allowed, next_step = _allowed(kind, context, error["msg"]), ""
    if kind == "model_type":
        allowed += f" with the keys {', '.join(sorted(_keys_at(model, path)))}"
    if kind == "string_type" and isinstance(error["input"], int | float):
        next_step = "put it in quotes"
    if kind == "value_error" and isinstance(error["input"], dict):
        # A rule about several keys: told by the ones that it names, at the first of them.
        named = {word: value for word, value in error["input"].items() if word in allowed}
        found = ", ".join(f"`{word}` {shown(value)}" for word, value in named.items())
        if named:
            return document.finding((*where, next(iter(named))), "value", f"`{key}` with {found}", allowed)
    return document.finding(where, "value", f"`{key}` is {shown(error['input'])}", allowed, next_step)


def _keys_at(model: type[Model], path: KeyPath) -> set[str]:
    return {name for owner in _models_at(model, path) for name in owner.model_fields}


def _allowed(kind: str, context: Mapping[str, Any], message: str) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind in _ALLOWED:
        return _ALLOWED[kind].format(**context)
    return message[0].lower() + message[1:]


def _path_in(value: Any, location: tuple[str | int, ...]) -> KeyPath:
    """A pydantic location as a path of the document: without the names of union branches and key checks."""
    path: KeyPath = ()
    for position, part in enumerate(location):
        in_mapping = isinstance(value, dict) and part in value
        if in_mapping or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            value = value[part]
        elif position < len(location) - 1 or part in ("[key]", "text", "object") or not isinstance(value, dict):
            continue
        path = (*path, part)
    return path


def _models_at(annotation: Any, path: KeyPath) -> Iterator[type[BaseModel]]:
    """The models that a value at `path` below `annotation` may be."""
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _models_at(arguments[0], path)
    elif origin in (typing.Union, types.UnionType):
        for branch in arguments:
            yield from _models_at(branch, path)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not path:
            yield annotation
        elif (field := annotation.model_fields.get(str(path[0]))) is not None:
            yield from _models_at(field.annotation, path[1:])
    elif arguments and path:
        yield from _models_at(arguments[0] if origin is tuple else arguments[-1], path[1:])
