"""Random Avro: types of the contract subset and beyond it, and values of each."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import strategies as st

from gebus.model.event import LEVELS, Mask
from gebus.model.mask import type_needed

TEXTS = st.sampled_from(["", "a", "ab", "b", "口罩", "口罩口罩", "420100", "13800000042", "😀x", "a|b\\c", "é", "\0"])
INTS = st.one_of(st.integers(-12, 12), st.integers(-(2**31), 2**31 - 1), st.sampled_from([-(2**31), 2**31 - 1]))
LONGS = st.one_of(INTS, st.integers(-(2**63), 2**63 - 1), st.sampled_from([-(2**63), 2**63 - 1]))
DOUBLES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.5, -1.5, 20.0, 1e300, -1e300, float("inf"), float("-inf"), float("nan")]), st.floats()
)
FLOATS = st.one_of(st.sampled_from([0.0, 1.5, -2.25, 20.0]), st.floats(width=32))
DATES = {"type": "int", "logicalType": "date"}
INSTANTS = {"type": "long", "logicalType": "timestamp-millis"}
DECIMALS = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
UUIDS = {"type": "string", "logicalType": "uuid"}
SCALARS = ["string", "int", "long", "float", "double", "boolean", "bytes", DATES, INSTANTS, DECIMALS, UUIDS]

MASKS = [
    Mask("null"),
    Mask("token"),
    Mask("fixed", value="hidden 口"),
    Mask("partial", first=1, last=0),
    Mask("partial", first=3, last=4),
    Mask("partial"),
    Mask("division", digits=2),
    Mask("division", digits=6),
    Mask("date", unit="month"),
    Mask("date", unit="year"),
    Mask("instant", unit="day"),
    Mask("instant", unit="month"),
    Mask("instant", unit="year"),
    Mask("band", width=2),
    Mask("band", width=10_000),
    Mask("parent"),
    Mask("grid", width=3),
    Mask("grid", width=60),
]


_SIMPLE: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "string": TEXTS,
    "int": INTS,
    "long": LONGS,
    "float": FLOATS,
    "double": DOUBLES,
    "boolean": st.booleans(),
    "bytes": st.binary(max_size=6),
}


def subset_types(names: count[int], depth: int = 2) -> st.SearchStrategy[Any]:
    """A type that a contract may use: no enum, no union but with null, no recursion."""
    inner = st.sampled_from(SCALARS)
    for _ in range(depth):
        inner = st.one_of(
            st.sampled_from(SCALARS),
            inner.map(lambda item: {"type": "array", "items": item}),
            inner.map(lambda item: {"type": "map", "values": item}),
            st.lists(st.one_of(inner, inner.map(nullable)), min_size=1, max_size=3).map(
                lambda types: record(names, types)
            ),
        )
    return st.one_of(inner, inner.map(nullable))


def nullable(avro: Any) -> Any:
    return avro if isinstance(avro, list) else ["null", avro]


def record(names: count[int], types: list[Any]) -> Any:
    fields = [{"name": f"f{index}", "type": avro} for index, avro in enumerate(types)]
    return {"type": "record", "name": f"R{next(names)}", "fields": fields}


def foreign_types(names: count[int]) -> st.SearchStrategy[Any]:
    """A type that only a foreign schema uses: an enum, a fixed, any union, a record that contains itself."""
    enum = st.builds(lambda: {"type": "enum", "name": f"E{next(names)}", "symbols": ["RED", "GREEN", "BLUE"]})
    fixed = st.builds(lambda size: {"type": "fixed", "name": f"F{next(names)}", "size": size}, st.integers(0, 5))
    union = st.builds(lambda one, other: ["string", one, "null", other, "long"], enum, fixed)

    def recursive(listed: bool) -> Any:
        name = f"N{next(names)}"
        link = {"type": "array", "items": name} if listed else ["null", name]
        fields = [{"name": "value", "type": "int"}, {"name": "next", "type": link}]
        return {"type": "record", "name": name, "fields": fields}

    leaf = st.one_of(enum, fixed, union, st.builds(recursive, st.booleans()))
    return st.one_of(leaf, leaf.map(lambda item: {"type": "array", "items": item}), subset_types(names, 1))


def values(avro: Any, known: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """A value of any type, as Avro holds it: instants and dates as integers."""
    known = {} if known is None else known
    if isinstance(avro, list):
        return st.one_of([_branch(branch, known) for branch in avro])
    kind = avro if isinstance(avro, str) else avro["type"]
    if kind in known and isinstance(avro, str):
        return st.deferred(lambda: values(known[kind], known))
    if kind in ("record", "enum", "fixed"):
        known[avro["name"]] = avro
    composed = {
        "array": lambda: st.lists(values(avro["items"], known), max_size=3),
        "map": lambda: st.dictionaries(TEXTS, values(avro["values"], known), max_size=3),
        "enum": lambda: st.sampled_from(avro["symbols"]),
        "fixed": lambda: st.binary(min_size=avro["size"], max_size=avro["size"]),
        "record": lambda: st.fixed_dictionaries(
            {field["name"]: values(field["type"], known) for field in avro["fields"]}
        ),
    }
    return composed[kind]() if kind in composed else _SIMPLE[kind]


def _branch(branch: Any, known: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A value of one branch of a union, told apart where fastavro would guess from the value."""
    inner = values(branch, known)
    if isinstance(branch, dict) and branch["type"] in ("enum", "fixed"):
        return inner.map(lambda value: (branch["name"], value))
    return inner


@st.composite
def event_fields(draw: st.DrawFn, fewest: int = 1, most: int = 6) -> list[dict[str, Any]]:
    """The fields of an event beyond the envelope: types, classifications and what mask and generalise mean."""
    names = count()
    fields = []
    for index in range(draw(st.integers(fewest, most))):
        avro = draw(subset_types(names))
        plain = avro[1] if isinstance(avro, list) else avro
        fitting = [mask for mask in MASKS if type_needed(mask, plain) is None]
        default = {"default": None} if isinstance(avro, list) and draw(st.booleans()) else {}
        fields.append(
            {
                "name": f"x{index}",
                "type": avro,
                **default,
                "classification": draw(st.sampled_from(LEVELS)),
                "identifies": draw(st.sampled_from(["direct", "quasi", "none"])),
                "masked": draw(st.sampled_from([None, *fitting])),
                "generalised": draw(st.sampled_from([None, *fitting])),
            }
        )
    return fields
