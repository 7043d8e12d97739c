"""About how many bytes the state of a feed takes: enough to see which step is dear, and not what a budget counts."""

from __future__ import annotations

from collections.abc import Iterable

from gebus.model.event import AvroType
from gebus.plan.schema import plain
from gebus.plan.values import FeedPlan

BYTES_A_KEY = 20
"""What the kernel's table holds for a remembered key at most, once it has grown."""
BYTES_AN_ENTRY = 80
"""What a store holds for an entry beside its value: digests of key and identity, its time, its place in the index."""

_SIZES = {"boolean": 1, "int": 3, "long": 5, "float": 4, "double": 8, "string": 20, "bytes": 20}
_MANY = 3
"""Items of an array or a map, for want of knowing."""


def value_bytes(avro: AvroType) -> int:
    """About what a value of this type takes."""
    kind = plain(avro)
    if isinstance(avro, list):
        return 1 + value_bytes(kind)
    if isinstance(kind, str):
        return _SIZES.get(kind, 20)
    match kind["type"]:
        case "record":
            return sum(value_bytes(field["type"]) for field in kind["fields"])
        case "array" | "map" as name:
            item = kind["items"] if name == "array" else kind["values"]
            return 2 + _MANY * (value_bytes(item) + (20 if name == "map" else 0))
        case "fixed":
            return int(kind["size"])
    return value_bytes(kind["type"])


def entry_bytes(types: Iterable[AvroType]) -> int:
    """About what a store takes for an entry that keeps values of these types."""
    return BYTES_AN_ENTRY + sum(map(value_bytes, types))


def follow_bytes(plan: FeedPlan) -> int:
    """About what a feed that follows corrections remembers of an entity: its revision, and what was delivered."""
    types = [field["type"] for field in plan.output_schema["fields"]]
    return entry_bytes(["long", *types[7:]])
