"""Typed events: a pydantic model made from a topic's schema."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model

from gebus.catalogue.documents import nearest
from gebus.model.catalogue import Catalogue
from gebus.model.errors import NotFound
from gebus.model.event import STATUSES, AvroType

_CLOSED = ConfigDict(frozen=True, extra="forbid", strict=True)
_PRIMITIVES: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "bytes": bytes,
    "int": Annotated[int, Field(ge=-(2**31), lt=2**31)],
    "long": Annotated[int, Field(ge=-(2**63), lt=2**63)],
    "float": Annotated[float, Field(allow_inf_nan=False)],
    "double": Annotated[float, Field(allow_inf_nan=False)],
}
_FILLED_IN = ("published_at", "source")
"""What a Publisher adds where it is absent."""


def event_model(catalogue: Catalogue, topic: str) -> type[BaseModel]:
    """The pydantic model of a topic's events, for `Publisher.send` and for editors that complete field names.

    Promised: frozen, closed and strict; instants are datetimes with a time zone, dates `date`, decimals `Decimal`, ids
    `UUID`; `published_at` and `source` may be left out. Not promised: that a made model passes; codes and regions are
    checked by `send`, which has the last word.
    """
    schema = catalogue.events.get(topic)
    if schema is None:
        raise NotFound(f"the catalogue has no topic {topic}; {nearest(topic, catalogue.events)}".rstrip("; "))
    fields = _fields(schema.avro["fields"])
    fields["status"] = (Literal[STATUSES], ...)
    for name in _FILLED_IN:
        fields[name] = (fields[name][0] | None, None)
    return _model(schema.name, schema.avro.get("doc"), fields)


def _model(name: str, doc: str | None, fields: dict[str, Any]) -> type[BaseModel]:
    made: type[BaseModel] = create_model(name, __config__=_CLOSED, __doc__=doc, **fields)
    return made


def _fields(avro_fields: list[Any]) -> dict[str, tuple[Any, Any]]:
    fields = {}
    for field in avro_fields:
        default = field.get("default", ...)
        python = _python(field["type"])
        info = (
            Field(default_factory=lambda default=default: default.copy())
            if isinstance(default, list | dict)
            else default
        )
        fields[field["name"]] = (Annotated[python, Field(description=field.get("doc"))], info)
    return fields


def _python(avro: AvroType) -> Any:
    if isinstance(avro, list):
        return _python(avro[1]) | None
    if isinstance(avro, str):
        return _PRIMITIVES[avro]
    return _logical(avro) if "logicalType" in avro else _complex(avro)


def _complex(avro: AvroType) -> Any:
    if avro["type"] == "array":
        return list[_python(avro["items"])]  # type: ignore[misc]  # a type that the schema decides
    if avro["type"] == "map":
        return dict[str, _python(avro["values"])]  # type: ignore[misc]  # a type that the schema decides
    if avro["type"] == "record":
        return _model(avro["name"], avro.get("doc"), _fields(avro["fields"]))
    return _python(avro["type"])


def _logical(avro: AvroType) -> Any:
    if avro["logicalType"] == "decimal":
        return Annotated[Decimal, Field(max_digits=avro["precision"], decimal_places=avro["scale"])]
    return {"date": date, "timestamp-millis": AwareDatetime, "uuid": UUID}[avro["logicalType"]]
