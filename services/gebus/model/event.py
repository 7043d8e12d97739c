"""An event schema: Avro, an envelope of eight fields first, and a classification on every further field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Identifies = Literal["direct", "quasi", "none"]
TELLS = (
    "citizen-id",
    "uscc",
    "division",
    "phone",
    "plate",
    "name",
    "birth-date",
    "sex",
    "address",
    "place",
    "occupation",
    "ethnicity",
    "account",
)
"""What a field can tell of whom it is about; the first five are kinds of identifiers as well."""
AvroType = Any
"""The JSON of an Avro type, as `json.loads` gives it."""

ENVELOPE: Mapping[str, AvroType] = {
    "event_id": "string",
    "entity_id": "string",
    "revision": "long",
    "status": "string",
    "occurred_at": {"type": "long", "logicalType": "timestamp-millis"},
    "published_at": {"type": "long", "logicalType": "timestamp-millis"},
    "source": "string",
    "region": "string",
}
"""The fields that every event begins with, in this order, so that the bus can work on any event (design 4).

They are public to whoever may have the record: a publisher puts nothing into `event_id` or `entity_id` that names
a person.
"""

STATUSES = ("ASSERTED", "CORRECTED", "RETRACTED")
LEVELS = (1, 2, 3, 4)
"""1 public, 2 internal, 3 sensitive, 4 core."""


@dataclass(frozen=True, slots=True)
class Mask:
    """How one field is made less than it was. `kind` decides which of the other attributes has a meaning.

    drop: the field is not in the delivered schema. null: always null. fixed: always `value`. partial: the `first` and
    `last` characters stay, each other one becomes `*`; a value no longer than first + last becomes stars alone.
    division: the first `digits` digits of a GB/T 2260 code, then zeros; zeros alone for what is no such code. parent:
    the same, up to the division that it lies in; the parent of a province is zeros. date, instant: cut to the `unit`
    (UTC). band: the lower end of the band of `width` that the number lies in. grid: degrees, cut to the south-western
    edge of a cell of `width` arc minutes (a minute of latitude is 1,852 m). token: the first 32 hex digits of an HMAC
    under a key of this consumer, purpose and period.
    """

    kind: Literal["drop", "null", "fixed", "partial", "division", "parent", "date", "instant", "band", "grid", "token"]
    value: str = ""
    first: int = 0
    last: int = 0
    digits: int = 0
    unit: Literal["", "day", "month", "year"] = ""
    width: int = 0


@dataclass(frozen=True, slots=True)
class EventField:
    """One top-level field of an event, with what decides who may see it.

    `masked` says what the policy's outcome `mask` means for this field, `generalised` what `generalise` means; either
    is None where the schema does not allow that outcome, and then the field is dropped instead.
    """

    name: str
    type: AvroType
    level: int
    identifies: Identifies
    masked: Mask | None
    generalised: Mask | None
    codes: str | None
    """The code list that the value is taken from, or None."""
    doc: str
    tells: str | None = None
    """What of `TELLS` it tells of whom it is about, where that matters for what else is shown beside it."""

    @property
    def nullable(self) -> bool:
        return isinstance(self.type, list)

    @property
    def plain_type(self) -> AvroType:
        """The type without its null."""
        if isinstance(self.type, list):
            return next(branch for branch in self.type if branch != "null")
        return self.type


@dataclass(frozen=True, slots=True)
class EventSchema:
    """An event schema that has passed every rule of the catalogue."""

    name: str
    namespace: str
    avro: Mapping[str, AvroType]
    """The whole schema as JSON, attributes included: what the registry holds."""
    fields: tuple[EventField, ...]
    """All top-level fields in order, the envelope's eight first (level 1, none)."""

    def field(self, name: str) -> EventField | None:
        return next((field for field in self.fields if field.name == name), None)
