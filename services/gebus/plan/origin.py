"""What an alias stands for in a step: the fields that it has, and where they lie in the record of the step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gebus.model.event import ENVELOPE, AvroType, EventField, EventSchema
from gebus.plan.schema import inline, plain

KEY_TYPES = ("string", "int", "long")
"""What a key can be made of."""

_DERIVED = {
    "event_id": "Digest of the step and of the records that this one was made of.",
    "entity_id": "Digest of the step and of what those records are about.",
    "revision": "A higher one replaces a lower one of the same entity.",
    "status": "ASSERTED, CORRECTED or RETRACTED.",
    "occurred_at": "The latest of the records that this one was made of.",
    "published_at": "The latest of the records that this one was made of.",
    "source": "The publisher of the record whose side comes first, or of the winning one.",
    "region": "The division of the record whose side comes first, or of the winning one.",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """The fields of an alias. `place` leads to its record; `optional`: a step may meet none there."""

    fields: Mapping[str, EventField]
    types: Mapping[str, AvroType]
    """The Avro type of each field, complete in itself."""
    place: tuple[str, ...] = ()
    optional: bool = False

    @property
    def record(self) -> AvroType:
        """The record as a condition sees it."""
        fields = [{"name": name, "type": avro} for name, avro in self.types.items()]
        return {"type": "record", "name": "Record", "fields": fields}

    def path(self, name: str) -> tuple[str, ...]:
        return (*self.place, name)

    def field(self, name: str) -> EventField | None:
        """The field as a step meets it: one of a record that may not be there may be null."""
        field = self.fields.get(name)
        if field is None or not self.optional or field.nullable:
            return field
        return replace(field, type=["null", field.type])

    def type(self, name: str) -> AvroType:
        """The Avro type of a field as a step meets it."""
        avro = self.types[name]
        return ["null", avro] if self.optional and plain(avro) == avro else avro

    def key_type(self, name: str) -> str | None:
        """The type of a field as a part of a key: string, int, long, date or timestamp-millis; None: none of them."""
        avro = self.type(name) if name in self.types else None
        kind, logical = (avro["type"], avro.get("logicalType")) if isinstance(avro, dict) else (avro, None)
        if kind not in KEY_TYPES:
            return None
        return str(logical if logical in ("date", "timestamp-millis") else kind)


def origin_of(event: EventSchema) -> Origin:
    """The event's own fields, where its record is what a step is given."""
    types = {field["name"]: field["type"] for field in inline(event.avro)["fields"]}
    return Origin({field.name: field for field in event.fields}, types)


def derived_envelope() -> Origin:
    """The envelope of a composite record."""
    fields = {
        name: EventField(name, avro, 1, "none", None, None, None, _DERIVED[name]) for name, avro in ENVELOPE.items()
    }
    return Origin(fields, ENVELOPE)


def differences(compared: Origin, names: tuple[str, ...]) -> Origin:
    """The alias `conflict`. What it tells is as sensitive as the most sensitive of the fields that are compared."""
    level = max((compared.fields[name].level for name in names if name in compared.fields), default=1)
    doc = "The compared fields that differ, joined by commas."
    return Origin(
        {"differs": EventField("differs", "string", level, "none", None, None, None, doc)}, {"differs": "string"}
    )
