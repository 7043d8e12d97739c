"""Avro schemas as the planner needs them: complete in themselves, and the schema of a delivered record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gebus.model.event import ENVELOPE, AvroType, EventField, Mask

if TYPE_CHECKING:
    from gebus.plan.operators import Type
    from gebus.plan.values import FieldPlan

_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_NAMED = frozenset({"record", "enum", "fixed"})
_SCALARS: dict[str, Type] = {
    "string": "string",
    "int": "int",
    "long": "int",
    "float": "double",
    "double": "double",
    "boolean": "bool",
}


def inline(avro: AvroType) -> AvroType:
    """The type with every name replaced by its definition, and every definition under its full name.

    Not for a schema that contains itself; the catalogue refuses those.
    """
    return _inline(avro, "", {})


def _inline(avro: AvroType, namespace: str, known: dict[str, AvroType]) -> AvroType:
    if isinstance(avro, str):
        if avro in _PRIMITIVES:
            return avro
        full = avro if "." in avro or not namespace else f"{namespace}.{avro}"
        return known.get(full, known.get(avro))
    if isinstance(avro, list):
        return [_inline(branch, namespace, known) for branch in avro]
    kind = avro["type"]
    if kind not in _NAMED:
        parts = {part: _inline(avro[part], namespace, known) for part in ("items", "values") if part in avro}
        return {**avro, **parts} if kind in ("array", "map") or kind in _PRIMITIVES else _inline(kind, namespace, known)
    if "." in avro["name"]:
        full = avro["name"]
        namespace = full.rpartition(".")[0]
    else:
        namespace = avro.get("namespace", namespace)
        full = f"{namespace}.{avro['name']}" if namespace else avro["name"]
    result = {key: value for key, value in avro.items() if key != "namespace"} | {"name": full}
    if kind == "record":
        result["fields"] = [{**field, "type": _inline(field["type"], namespace, known)} for field in avro["fields"]]
    known[full] = result
    return result


def plain(avro: AvroType) -> AvroType:
    """The type without its null."""
    return next((branch for branch in avro if branch != "null"), "null") if isinstance(avro, list) else avro


def scalar_type(avro: AvroType) -> Type | None:
    """The type that a condition sees in a field, or None where a condition cannot use it."""
    kind = plain(avro)
    if isinstance(kind, str):
        return _SCALARS.get(kind)
    logical = kind.get("logicalType")
    if logical == "timestamp-millis":
        return "timestamp"
    if logical == "date":
        return "date"
    return None if logical == "decimal" else _SCALARS.get(kind["type"])


def delivered_type(field: EventField, avro: AvroType, mask: Mask | None) -> AvroType:
    """The type of a field as delivered; `avro` is its type at the source, complete in itself."""
    if mask is None or mask.kind in ("date", "instant", "band", "grid"):
        return avro
    if mask.kind == "null":
        return ["null", plain(avro)]
    return ["null", "string"] if field.nullable else "string"


def in_both_modes(normal: AvroType | None, emergency: AvroType | None) -> AvroType | None:
    """One type for what either mode delivers, None standing for nothing; None where they have none in common."""
    types = [avro for avro in (normal, emergency) if avro is not None]
    if not types or plain(types[0]) != plain(types[-1]):
        return None
    null = len(types) == 1 or any(isinstance(avro, list) for avro in types)
    return ["null", plain(types[0])] if null else types[0]


def output_schema(consumer: str, feed: str, fields: Sequence[FieldPlan], doc: str) -> AvroType:
    """The schema of a delivered record: its names derive from consumer and feed alone, so they never change."""
    namespace = f"gebus.feed.{consumer.replace('-', '_')}"
    names = _Names(set())
    return {
        "type": "record",
        "name": "".join(part.capitalize() for part in feed.split("-")),
        "namespace": namespace,
        "doc": doc,
        "fields": [_output_field(field, names, namespace) for field in fields if field.delivered],
    }


def composite_schema(sides: Sequence[tuple[str, Sequence[tuple[str, AvroType]], bool]], *, differs: bool) -> AvroType:
    """The schema of a composite record, from the name and fields of each side, and whether it may be missing."""
    names = _Names(set())
    fields: list[AvroType] = [{"name": name, "type": avro} for name, avro in ENVELOPE.items()]
    for side, parts, optional in sides:
        inner = [{"name": name, "type": names.spelled(avro, "")} for name, avro in parts]
        record = {"type": "record", "name": side, "fields": inner}
        fields.append({"name": side, "type": ["null", record] if optional else record})
    if differs:
        fields.append({"name": "differs", "type": "string"})
    return {"type": "record", "name": "Composite", "fields": fields}


def definitions(avro: AvroType) -> Mapping[str, AvroType]:
    """Every named type of a type of `inline`, by its full name."""
    if isinstance(avro, str):
        return {}
    if isinstance(avro, list):
        return {name: kind for branch in avro for name, kind in definitions(branch).items()}
    found = {avro["name"]: avro} if avro["type"] in _NAMED else {}
    parts = [avro[part] for part in ("items", "values") if part in avro]
    parts += [field["type"] for field in avro.get("fields", ())]
    return found | {name: kind for part in parts for name, kind in definitions(part).items()}


def _output_field(field: FieldPlan, names: _Names, namespace: str) -> Mapping[str, Any]:
    clear = all(outcome.mask is None for outcome in field.outcomes)
    doc = field.source.doc if clear else f"{field.source.doc} ({field.words})".strip()
    result: dict[str, Any] = {"name": field.name, "type": names.spelled(field.type, namespace), "doc": doc}
    if isinstance(field.type, list) and field.type[0] == "null":
        result["default"] = None
    if field.name not in ENVELOPE:
        result |= {"classification": field.source.level, "identifies": field.source.identifies}
        if field.source.codes is not None and clear:
            result["codes"] = field.source.codes
    return result


@dataclass(frozen=True, slots=True)
class _Names:
    """Names spelled as registries give them back: a schema that is compared with what was registered must be equal.

    A definition stands where its name is first met, and has a namespace only if it is not that of what holds it.
    """

    defined: set[str]

    def spelled(self, avro: AvroType, enclosing: str) -> AvroType:
        """A type of `inline`, inside a definition of the namespace `enclosing`."""
        if isinstance(avro, str):
            return avro
        if isinstance(avro, list):
            return [self.spelled(branch, enclosing) for branch in avro]
        result = dict(avro)
        if avro["type"] in _NAMED:
            namespace, _, name = avro["name"].rpartition(".")
            if avro["name"] in self.defined:
                return name if namespace == enclosing else avro["name"]
            self.defined.add(avro["name"])
            result["name"] = name
            if namespace != enclosing:
                result["namespace"] = enclosing = namespace
        for part in ("items", "values"):
            if part in result:
                result[part] = self.spelled(result[part], enclosing)
        if "fields" in result:
            fields = result["fields"]
            result["fields"] = [{**field, "type": self.spelled(field["type"], enclosing)} for field in fields]
        return result
