"""An event schema: the envelope first, then fields of Avro's common part, each with its classification."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Discriminator, StringConstraints, Tag

from gebus.catalogue.avro_subset import SubsetCheck
from gebus.catalogue.documents import Document, KeyPath, Rule, nearest, shown
from gebus.catalogue.models import parse_part
from gebus.model.base import Model
from gebus.model.errors import Finding
from gebus.model.event import ENVELOPE, TELLS, EventField, EventSchema, Identifies, Mask
from gebus.model.feed import GeneraliseMask, MaskChoice, written_as
from gebus.model.mask import generalisation_of, mask_of, type_needed

_KEYS = ("type", "name", "namespace", "doc", "fields")
_ENVELOPE_KEYS = ("name", "type", "doc")
_STRUCTURE = ("name", "type", "default")
_Text = Annotated[str, StringConstraints(min_length=1)]


class _Attributes(Model):
    """What a field of an event says about itself, beside its Avro type."""

    classification: Literal[1, 2, 3, 4]
    identifies: Identifies
    doc: _Text
    mask: Annotated[
        Annotated[Literal["null", "token"], Tag("text")] | Annotated[MaskChoice, Tag("object")],
        Discriminator(written_as),
    ] = "null"
    generalise: GeneraliseMask | None = None
    codes: _Text | None = None
    identifier: Any = None
    """The kind that the value must be of: a publisher's event is refused for a slip of the pen. SubsetCheck checks it,
    for fields within records may have one too."""
    tells: Literal[TELLS] | None = None  # type: ignore[valid-type]
    """What it tells of whom it is about, for the fields that are judged together; an identifier tells its kind."""


def parse_schema(document: Document, name: str, namespace: str) -> tuple[EventSchema | None, list[Finding]]:
    """The event schema of a document, or every rule that it breaks."""
    return _SchemaParser(document).parse(name, namespace)


class _SchemaParser:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._subset = SubsetCheck(document)
        self._findings: list[Finding] = []

    def parse(self, name: str, namespace: str) -> tuple[EventSchema | None, list[Finding]]:
        avro = self._document.value
        if not isinstance(avro, dict) or avro.get("type") != "record":
            self._add((), "avro", shown(avro), 'an object with "type": "record"')
            return None, self._findings
        self._head(avro, name, namespace)
        fields = avro.get("fields")
        if not isinstance(fields, list) or not all(isinstance(field, dict) for field in fields):
            self._add(("fields",), "avro", f"fields {shown(fields)}", "a list of objects")
            return None, self._findings
        self._subset.field_names(fields, ("fields",))
        envelope = self._envelope(fields)
        parsed = [self._field(field, index) for index, field in enumerate(fields) if _name(field) not in ENVELOPE]
        findings = self._findings + self._subset.findings
        if findings:
            return None, findings
        own = tuple(field for field in parsed if field is not None)
        return EventSchema(name, namespace, avro, envelope + own), []

    def _head(self, avro: Mapping[str, Any], name: str, namespace: str) -> None:
        for key in avro:
            if key not in _KEYS:
                self._add((key,), "key", f"unknown key `{key}`", ", ".join(_KEYS), nearest(key, _KEYS))
        self._subset.name(avro.get("name"), ("name",))
        if avro.get("name") != name:
            self._add(("name",), "name", f"the name {shown(avro.get('name'))}", f"{name}, the name of the file")
        if avro.get("namespace") != namespace:
            found = f"the namespace {shown(avro.get('namespace'))}"
            self._add(("namespace",), "name", found, f"{namespace}, after the directory")
        if not isinstance(avro.get("doc"), str) or not avro["doc"].strip():
            self._add(("doc",), "key", "the event has no `doc`", "a sentence on what the event says")

    def _envelope(self, fields: list[dict[str, Any]]) -> tuple[EventField, ...]:
        names = [_name(field) for field in fields]
        missing = [name for name in ENVELOPE if name not in names]
        for name in missing:
            allowed = f"{name}: {json.dumps(ENVELOPE[name])}"
            self._add(("fields",), "envelope", f"the envelope field `{name}` is missing", allowed)
        misplaced = (place for place, name in enumerate(ENVELOPE) if names[place] != name)
        if not missing and (place := next(misplaced, None)) is not None:
            allowed = f"{', '.join(ENVELOPE)}, then the other fields"
            self._add(("fields", place), "envelope", f"`{names[place]}` in place {place + 1}", allowed)
        for index, field in enumerate(fields):
            if _name(field) in ENVELOPE:
                self._envelope_field(field, ("fields", index))
        return tuple(EventField(name, avro, 1, "none", None, None, None, "") for name, avro in ENVELOPE.items())

    def _envelope_field(self, field: dict[str, Any], path: KeyPath) -> None:
        name, avro = _name(field), json.dumps(field.get("type"))
        if field.get("type") != ENVELOPE[name]:
            self._add((*path, "type"), "envelope", f"`{name}` has the type {avro}", json.dumps(ENVELOPE[name]))
        for key in field:
            if key not in _ENVELOPE_KEYS:
                advice = "the envelope is the same in every event"
                self._add((*path, key), "envelope", f"`{key}` on `{name}`", ", ".join(_ENVELOPE_KEYS), advice)

    def _field(self, field: dict[str, Any], index: int) -> EventField | None:
        place: KeyPath = ("fields", index)
        written = {key: value for key, value in field.items() if key not in _STRUCTURE}
        attributes, findings = parse_part(self._document, place, written, _Attributes)
        for finding in findings:
            self._findings.append(_renamed(finding, field.get("name")))
        before = len(self._subset.findings)
        self._subset.field_type(field, place)
        if attributes is None or len(self._subset.findings) > before:
            return None
        avro = field["type"]
        plain = avro[1] if isinstance(avro, list) else avro
        masked = mask_of(attributes.mask) if "mask" in written else None
        generalised = None if attributes.generalise is None else generalisation_of(attributes.generalise)
        if isinstance(attributes.mask, MaskChoice) and attributes.mask.generalise is not None:
            self._add((*place, "mask"), "mask", "a generalisation as mask", "null, token, fixed or partial")
        else:
            self._mask_fits(masked, plain, (*place, "mask"))
        self._mask_fits(generalised, plain, (*place, "generalise"))
        name, level = _name(field), attributes.classification
        tells = attributes.tells or attributes.identifier
        kind, codes = attributes.identifies, attributes.codes
        return EventField(name, avro, level, kind, masked, generalised, codes, attributes.doc, tells)

    def _mask_fits(self, mask: Mask | None, plain: Any, path: KeyPath) -> None:
        needed = type_needed(mask, plain) if mask is not None else None
        if mask is not None and needed is not None:
            self._add(path, "mask", f"{mask.kind} on {json.dumps(plain)}", f"{mask.kind} on {needed}")

    def _add(self, path: KeyPath, rule: Rule, found: str, allowed: str, next_step: str = "") -> None:
        self._findings.append(self._document.finding(path, rule, found, allowed, next_step))


def _name(field: Mapping[str, Any]) -> str:
    name = field.get("name")
    return name if isinstance(name, str) else ""


def _renamed(finding: Finding, field: object) -> Finding:
    """A finding on an attribute, told with the field's name; a missing classification under its own rule."""
    rule = finding.rule
    if any(f"`{word}`" in finding.found for word in ("classification", "identifies")):
        rule = "classification"
    elif any(f"`{word}`" in finding.found for word in ("mask", "generalise")):
        rule = "mask"
    return replace(finding, rule=rule, found=f"field {shown(field)}: {finding.found}")
