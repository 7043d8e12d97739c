"""CEL conditions: parsed, checked against the source schema, and compiled to what the kernel runs.

There is no slow path that nobody sees: what the kernel does not run is refused, with its position and what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gebus.model.event import AvroType
from gebus.plan import operators
from gebus.plan.expression import Constant, Expression, FieldValue, Items, Operation
from gebus.plan.operators import STORED, Type, Typed
from gebus.plan.refusal import Refusal
from gebus.plan.schema import plain, scalar_type

MAX_LENGTH = 4096
"""Characters of a condition."""
MAX_DEPTH = 32
"""Operators within operators; the kernel's reader of plans allows some more."""
MAX_OPERATIONS = 512
"""Fields, constants and operators of a condition, those in lists aside: what a record costs is bounded."""
MAX_ITEMS = 1000
"""Constants in the lists of a condition."""

_RELATIONS = {f"relation_{op}": op for op in ("lt", "le", "gt", "ge", "eq", "ne", "in")}
_COMPUTATIONS = {
    "addition_add": "add",
    "addition_sub": "sub",
    "multiplication_mul": "mul",
    "multiplication_div": "div",
    "multiplication_mod": "mod",
}
_BINDING = frozenset(
    {
        "expr",
        "conditionalor",
        "conditionaland",
        "relation",
        "addition",
        "multiplication",
        "unary",
        "member",
        "primary",
        "paren_expr",
    }
)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)


def compile_condition(
    text: str, sources: Mapping[str, AvroType], places: Mapping[str, tuple[str, ...]] | None = None
) -> Expression:
    """The condition over `<alias>.<field>` as an expression of type bool; Refusal says where and why not.

    `sources` gives the record schema of each alias, complete in itself; `places` where that record lies in the one that
    the condition is given, which is that record itself where nothing is said.
    """
    if len(text) > MAX_LENGTH:
        raise Refusal(f"a condition of {len(text)} characters", f"at most {MAX_LENGTH}", position=MAX_LENGTH + 1)
    result = _Compiler(sources, places or {}).compile(_parse(text), 0)
    if result.type != "bool":
        raise Refusal(f"a condition that gives {result.words}", "a bool", position=result.position)
    return result.node


def _parse(text: str) -> Any:
    # Here and not above: the parser takes a fifth of a second to build, and most commands plan nothing.
    from celpy.celparser import CELParseError, CELParser  # noqa: PLC0415

    try:
        return CELParser().parse(text)
    except CELParseError as error:
        if getattr(getattr(error.__context__, "token", None), "type", None) == "$END":
            raise Refusal("a condition that ends too early", "a CEL expression", position=len(text) + 1) from error
        position = _offset(text, error.line, error.column)
        rest = text[position - 1 :].split()
        found = f"`{rest[0][:20] if rest else ''}` where CEL allows none"
        raise Refusal(found, "a CEL expression", position=position) from error


def _offset(text: str, line: int | None, column: int | None) -> int:
    if line is None or column is None or line < 1:
        return len(text) + 1
    return sum(len(part) + 1 for part in text.split("\n")[: line - 1]) + max(column, 1)


class _Compiler:
    """One walk over a parse tree; counts what it compiles, so that the bounds hold."""

    def __init__(self, sources: Mapping[str, AvroType], places: Mapping[str, tuple[str, ...]]) -> None:
        self._sources, self._places = sources, places
        self._operations = 0
        self._items = 0
        self._position = 1

    def compile(self, tree: Any, depth: int) -> Typed:
        tree = _unwrapped(tree)
        position = self._place(tree)
        self._operations += 1
        if depth > MAX_DEPTH:
            raise Refusal(
                f"more than {MAX_DEPTH} operators within each other", f"at most {MAX_DEPTH}", position=position
            )
        if self._operations > MAX_OPERATIONS:
            raise Refusal(f"more than {MAX_OPERATIONS} parts", f"at most {MAX_OPERATIONS}", position=position)
        kind = tree.data
        if kind in ("conditionalor", "conditionaland"):
            return self._logical("or" if kind == "conditionalor" else "and", tree, depth)
        if kind == "expr":
            return self._choice(tree, depth)
        if kind == "relation":
            return self._relation(tree, depth)
        if kind in ("addition", "multiplication"):
            left, right = tree.children
            operand = self.compile(left.children[0], depth + 1)
            return operators.arithmetic(_COMPUTATIONS[left.data], operand, self.compile(right, depth + 1))
        if kind == "unary":
            op = "not" if tree.children[0].data == "unary_not" else "neg"
            return operators.negation(op, self.compile(tree.children[1], depth + 1))
        return self._primary(tree, depth, position)

    def _place(self, tree: Any) -> int:
        """Where a tree begins, from 1; for `true` and `false`, whose place the parser loses, where the last one did."""
        start = getattr(tree.meta, "start_pos", None)
        self._position = self._position if start is None else start + 1
        return self._position

    def _primary(self, tree: Any, depth: int, position: int) -> Typed:
        match tree.data:
            case "literal":
                return _literal(tree.children[0], position)
            case "ident" | "member_dot":
                return self._field(tree, position)
            case "member_dot_arg":
                subject, name, *arguments = tree.children
                if name.value not in operators.METHODS and name.value != "size":
                    raise operators.unknown_function(name.value, name.start_pos + 1)
                return operators.method(
                    name.value, self.compile(subject, depth + 1), self._arguments(arguments, depth), name.start_pos + 1
                )
            case "ident_arg":
                name, *arguments = tree.children
                if name.value not in operators.FUNCTIONS:
                    raise operators.unknown_function(name.value, position)
                return operators.call(name.value, self._arguments(arguments, depth), position)
            case "list_lit":
                raise Refusal("a list", "a list only on the right of `in`", position=position)
        found = {"member_index": "an index", "member_object": "an object", "map_lit": "a map"}.get(
            tree.data, "a name that begins with a point"
        )
        raise Refusal(found, "fields, constants, operators and functions", position=position)

    def _arguments(self, arguments: list[Any], depth: int) -> list[Typed]:
        return [self.compile(part, depth + 1) for expressions in arguments for part in expressions.children]

    def _logical(self, op: str, tree: Any, depth: int) -> Typed:
        parts = [self.compile(part, depth + 1) for part in reversed(list(_chain(tree)))]
        for part in parts:
            if part.type != "bool":
                raise Refusal(f"{'||' if op == 'or' else '&&'} on {part.words}", "bool", position=part.position)
        return Typed(_balanced(op, [part.node for part in parts]), "bool", parts[0].position)

    def _choice(self, tree: Any, depth: int) -> Typed:
        test, yes, no = (self.compile(part, depth + 1) for part in tree.children)
        if test.type != "bool":
            raise Refusal(f"? after {test.words}", "a bool", position=test.position)
        if yes.type != no.type or yes.type == "null":
            raise Refusal(f"a choice of {yes.words} and {no.words}", "two values of one type", position=no.position)
        return Typed(Operation("cond", (test.node, yes.node, no.node)), yes.type, test.position)

    def _relation(self, tree: Any, depth: int) -> Typed:
        left, right = tree.children
        op = _RELATIONS[left.data]
        operand = self.compile(left.children[0], depth + 1)
        if op != "in":
            return operators.comparison(op, operand, self.compile(right, depth + 1))
        return Typed(Operation("in", (operand.node, self._list(operand, _unwrapped(right)))), "bool", operand.position)

    def _list(self, operand: Typed, tree: Any) -> Items:
        position = self._place(tree)
        if tree.data != "list_lit":
            raise Refusal("`in` something that is no list", "a list of constants", position=position)
        items: list[Constant] = []
        for part in tree.children[0].children if tree.children else ():
            self._items += 1
            if self._items > MAX_ITEMS:
                raise Refusal(f"more than {MAX_ITEMS} constants in lists", f"at most {MAX_ITEMS}", position=position)
            self._operations -= 1
            item = self.compile(part, 0)
            if not isinstance(item.node, Constant) or not operators.alike(item.type, operand.type):
                raise Refusal(
                    f"{item.words} in a list for {operand.words}",
                    f"constants, each {operand.words}",
                    position=item.position,
                )
            items.append(item.node)
        if not items or operand.type == "null":
            raise Refusal("`in` an empty list or of null", "a field in a list of constants", position=position)
        return Items(tuple(items))

    def _field(self, tree: Any, position: int) -> Typed:
        try:
            words = _words(tree)
        except Refusal as refusal:
            refusal.position = position
            raise
        alias, *path = words
        known = ", ".join(sorted(self._sources))
        if alias not in self._sources or not path:
            raise Refusal(f"`{'.'.join(words)}`", f"<source>.<field>, where the source is {known}", position=position)
        schema = self._sources[alias]
        for index, name in enumerate(path):
            fields = (
                {field["name"]: field["type"] for field in plain(schema).get("fields", ())}
                if isinstance(plain(schema), dict)
                else {}
            )
            if name not in fields:
                of = ".".join((alias, *path[:index]))
                raise Refusal(
                    f"`{of}` has no field `{name}`", ", ".join(sorted(fields)) or "no field below it", position=position
                )
            schema = fields[name]
        kind = scalar_type(schema)
        if kind is None:
            raise Refusal(
                f"`{'.'.join(words)}` is a {_type_name(schema)}",
                "fields of type string, int, long, float, double, boolean, date or timestamp-millis",
                position=position,
            )
        return Typed(FieldValue((*self._places.get(alias, ()), *path), STORED[kind]), kind, position)


def _unwrapped(tree: Any) -> Any:
    """The tree below the rules that only say how strongly operators bind, and below parentheses."""
    while tree.data in _BINDING and len(tree.children) == 1:
        tree = tree.children[0]
    return tree


def _chain(tree: Any) -> Iterator[Any]:
    """The operands of `a || b || c`, last first: a loop, for the parser nests them to the left without a bound."""
    kind = tree.data
    while True:
        tree = _unwrapped(tree)
        if tree.data != kind:
            yield tree
            return
        tree, last = tree.children
        yield last


def _balanced(op: str, parts: list[Expression]) -> Expression:
    """`and` and `or` in pairs, so that a long chain is not a deep one."""
    while len(parts) > 1:
        pairs = [Operation(op, (parts[i], parts[i + 1])) for i in range(0, len(parts) - 1, 2)]
        parts = [*pairs, *parts[len(pairs) * 2 :]]
    return parts[0]


def _words(tree: Any) -> list[str]:
    """`a`, `b`, `c` of `a.b.c`."""
    words: list[str] = []
    while True:
        tree = _unwrapped(tree) if tree.data != "ident" else tree
        if tree.data == "ident":
            return [str(tree.children[0]), *reversed(words)]
        if tree.data != "member_dot":
            found = "a name that begins with a point" if tree.data == "dot_ident" else "a point behind no field"
            raise Refusal(found, "<source>.<field>")
        words.append(str(tree.children[1]))
        tree = tree.children[0]


def _literal(token: Any, position: int) -> Typed:
    text = str(token)
    kind: Type
    match token.type:
        case "INT_LIT":
            value = int(text, 16) if "x" in text else int(text)
            if not -(2**63) <= value < 2**63:
                raise Refusal(f"the number {text}", "an int of 64 bits", position=position)
            return Typed(Constant("int", value), "int", position)
        case "FLOAT_LIT":
            if float(text) in (float("inf"), float("-inf")):
                raise Refusal(f"the number {text}", "a double of 64 bits", position=position)
            return Typed(Constant("double", float(text)), "double", position)
        case "STRING_LIT" | "MLSTRING_LIT":
            return Typed(Constant("string", _unquoted(text, position)), "string", position)
        case "BOOL_LIT":
            return Typed(Constant("bool", text == "true"), "bool", position)
        case "NULL_LIT":
            kind = "null"
            return Typed(Constant(kind, None), kind, position)
    raise Refusal(f"the constant {text}", "ints, doubles, strings, true, false and null", position=position)


def _unquoted(text: str, position: int) -> str:
    raw = text[0] in "rR"
    text = text[1:] if raw else text
    width = 3 if text[:3] in ('"""', "'''") else 1
    body = text[width:-width]
    if raw:
        return body

    def character(match: re.Match[str]) -> str:
        for index, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
            if match[index]:
                return chr(int(match[index], base))
        if match[5] in _ESCAPES:
            return _ESCAPES[match[5]]
        if match[5] in "\\'\"`?":
            return match[5]
        raise ValueError

    try:
        result = _ESCAPE.sub(character, body)
        result.encode("utf-8")
    except ValueError as error:
        raise Refusal(
            f"the text {text[:40]}", "CEL's escapes, and characters that UTF-8 has", position=position
        ) from error
    return result


def _type_name(schema: AvroType) -> str:
    kind = plain(schema)
    return kind if isinstance(kind, str) else str(kind.get("logicalType") or kind["type"])
