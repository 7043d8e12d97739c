"""Random CEL conditions over an event, every one of which lanes run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import strategies as st

from gebus.plan.schema import plain, scalar_type

Pool = Mapping[str, list[str]]

_LITERALS = {
    "string": ["''", "'a'", "'ab'", "'口罩'", "'420100'", r"'\u53e3'", "r'a'"],
    "int": ["0", "1", "-1", "2", "7", "9223372036854775807", "-9223372036854775808", "0x10"],
    "double": ["0.0", "1.5", "-1.5", "20.0", "1e300", "-0.0"],
    "bool": ["true", "false"],
    "timestamp": ["timestamp('2020-02-01T00:00:00Z')", "timestamp('1970-01-01T00:00:00.001Z')"],
    "duration": ["duration('1h')", "duration('-36h')", "duration('250ms')"],
    "date": ["date('2020-02-01')", "date('1969-12-31')"],
}


def operands(fields: Iterable[Mapping[str, Any]], alias: str = "e") -> Pool:
    """What a condition may name, by type: the scalar fields, also those within records."""
    pool: dict[str, list[str]] = defaultdict(list)

    def visit(path: str, avro: Any) -> None:
        kind = scalar_type(avro)
        inner = plain(avro)
        if kind is not None:
            pool[kind].append(path)
        elif isinstance(inner, dict) and inner["type"] == "record":
            for field in inner["fields"]:
                visit(f"{path}.{field['name']}", field["type"])

    for field in fields:
        visit(f"{alias}.{field['name']}", field["type"])
    return pool


@st.composite
def conditions(draw: st.DrawFn, pool: Pool, depth: int = 3) -> str:
    """A condition of type bool."""
    return _bool(draw, pool, depth)


def _bool(draw: st.DrawFn, pool: Pool, depth: int) -> str:
    if depth == 0:
        return _leaf(draw, pool, "bool")
    kind = draw(st.sampled_from(["and", "or", "not", "cond", "equal", "null", "order", "in", "text", "leaf"]))
    if kind in ("and", "or"):
        sign = "&&" if kind == "and" else "||"
        return f"({_bool(draw, pool, depth - 1)} {sign} {_bool(draw, pool, depth - 1)})"
    if kind == "not":
        return f"!({_bool(draw, pool, depth - 1)})"
    if kind == "cond":
        return f"({' ? '.join(_bool(draw, pool, depth - 1) for _ in 'ab')} : {_bool(draw, pool, depth - 1)})"
    if kind == "leaf":
        return _leaf(draw, pool, "bool")
    return _comparison(draw, pool, depth, kind)


def _comparison(draw: st.DrawFn, pool: Pool, depth: int, kind: str) -> str:
    of = draw(st.sampled_from(sorted(set(_LITERALS) - ({"bool"} if kind == "order" else set()))))
    if kind == "text":
        method = draw(st.sampled_from(["startsWith", "endsWith", "contains"]))
        return f"{_leaf(draw, pool, 'string')}.{method}({_leaf(draw, pool, 'string')})"
    left = _value(draw, pool, of, depth - 1)
    if kind == "null":
        return f"{left} {draw(st.sampled_from(['==', '!=']))} null"
    if kind == "in":
        of = draw(st.sampled_from(["string", "int", "double"]))
        literals = _LITERALS["int"] + _LITERALS["double"] if of != "string" else _LITERALS[of]
        items = draw(st.lists(st.sampled_from(literals), min_size=1, max_size=4))
        return f"{_value(draw, pool, of, depth - 1)} in [{', '.join(items)}]"
    signs = ["==", "!="] if kind == "equal" else ["<", "<=", ">", ">="]
    other = draw(st.sampled_from(["int", "double"])) if of in ("int", "double") else of
    return f"{left} {draw(st.sampled_from(signs))} {_value(draw, pool, other, depth - 1)}"


def _value(draw: st.DrawFn, pool: Pool, of: str, depth: int) -> str:
    kinds = ["leaf"] if depth <= 0 or of in ("string", "date", "bool") else ["leaf", "leaf", "compute", "choose"]
    kind = draw(st.sampled_from(kinds))
    if kind == "leaf":
        return _leaf(draw, pool, of)
    if kind == "choose":
        options = f"{_value(draw, pool, of, depth - 1)} : {_value(draw, pool, of, depth - 1)}"
        return f"({_bool(draw, pool, depth - 1)} ? {options})"
    if of == "timestamp":
        return f"({_value(draw, pool, of, depth - 1)} {draw(st.sampled_from('+-'))} {_leaf(draw, pool, 'duration')})"
    if of == "duration":
        return f"({_value(draw, pool, 'timestamp', depth - 1)} - {_value(draw, pool, 'timestamp', depth - 1)})"
    return _number(draw, pool, of, depth)


def _number(draw: st.DrawFn, pool: Pool, of: str, depth: int) -> str:
    function = draw(st.sampled_from(["abs", "neg", "+", "-", "*", "/", *(["%", "size"] if of == "int" else [])]))
    if function == "size":
        return f"size({_leaf(draw, pool, 'string')})"
    left = _value(draw, pool, of, depth - 1)
    if function == "abs":
        return f"abs({left})"
    if function == "neg":
        return f"(-({left}))"
    return f"({left} {function} {_value(draw, pool, of, depth - 1)})"


def _leaf(draw: st.DrawFn, pool: Pool, of: str) -> str:
    return draw(st.sampled_from([*pool.get(of, []), *pool.get(of, []), *_LITERALS[of]]))
