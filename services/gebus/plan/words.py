"""A relation in words: which side waits, which value wins, when it emits, what happens to the unmatched."""

from __future__ import annotations

from typing import Any

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))


def duration(window_ms: int) -> str:
    """The milliseconds as the catalogue writes them: the largest unit that divides them."""
    unit, size = next((unit, size) for unit, size in _UNITS if window_ms % size == 0)
    return f"{window_ms // size}{unit}"


def relation_lines(step: dict[str, Any]) -> list[str]:
    """A join or reconcile step of an explanation, the first line what it makes."""
    return _join(step) if step["step"] == "join" else _reconcile(step)


def _join(step: dict[str, Any]) -> list[str]:
    left, right = (store["alias"] for store in step["stores"])
    on, within = ", ".join(step["on"]), step["within"]
    follow = [
        "a revision takes the place of the one before it and makes its pairs anew; a retracted one takes them back",
        f"not heard of: what is changed more than {within} after the record or its partner came",
    ]
    if step["matches"] == "each-pair":
        words = [
            f"each {left} with each {right} of the same {on}, at most {within} apart",
            f"waits: both sides, {within} each; either may come first",
            "wins: none; each pair is told when its later record comes",
            f"unmatched: {_left_over(step, left, right)}",
        ]
    else:
        row = "that came last" if step["matches"] == "latest" else f"valid when {left} occurred"
        words = [
            f"each {left} with one {right} of the same {on}, at most {within} apart",
            f"waits: {left}, {within}, for a first {right}; {right} is a table and makes nothing by itself",
            f"wins: the {right} {row}",
            f"unmatched: {_without_row(step, left, right)}",
        ]
        follow[0] = f"a {left} whose {right} changes is told again"
    return [*words, *(follow if step["follow"] else ()), *_state(step)]


def _left_over(step: dict[str, Any], left: str, right: str) -> str:
    alone = {"wait": "", "left": left, "right": right, "both": f"{left} or {right}"}[step["unmatched"]]
    return f"{alone} alone after {step['within']}" if alone else "nothing is told of them"


def _without_row(step: dict[str, Any], left: str, right: str) -> str:
    if step["unmatched"] == "wait":
        return f"nothing is told of a {left} without a {right} in time"
    return f"{left} alone, at once" + (f", and corrected when a {right} comes" if step["follow"] else "")


def _reconcile(step: dict[str, Any]) -> list[str]:
    key, within, authority = ", ".join(step["key"]), step["within"], ", ".join(step["authority"])
    compared = ", ".join(step["compare"])
    first = (
        f"the winning assertion of each {key}, whenever another one wins"
        if step["gives"] == "winner"
        else f"each losing assertion of the same {key} that differs from the winning one in {compared}"
    )
    ranks = f"the first of {authority}; then any other party" if authority else "any party"
    return [
        first,
        f"waits: nobody; the newest assertion of each party and entity is remembered for {within}",
        f"wins: {ranks}; among equals the higher revision, then the later one, then the smaller party and entity id",
        "losers: wait to win" if step["gives"] == "winner" else "retracted when they agree again, or the loser is gone",
        *_state(step),
    ]


def _state(step: dict[str, Any]) -> list[str]:
    what = "records of one key and side" if step["step"] == "join" else "assertions of one key"
    lines = [f"state: at most {step['most']} {what}; beyond, a dead letter"]
    for store in step["stores"]:
        kept = ", ".join(["the envelope", *store["fields"][8:]])
        size, within = store["bytes_an_entry"], step["within"]
        lines.append(f"  table {store['table']}, about {size} B an entry, kept {within}: of {store['alias']} {kept}")
    return lines
