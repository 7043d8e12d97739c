"""How two sequences of leaves differ, in words: changed, dropped, added, reordered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice

_WINDOW = 512
"""How far a leaf may have moved, or how many may be missing in a row, to be told as that."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of one leaf: its number where it should be, or, if it was added, where it is."""

    kind: str
    number: int


def differences(expected: Iterable[bytes], found: Iterable[bytes]) -> Iterator[Difference]:
    """What was done to `expected` that `found` came of it; memory is bounded, however long they are."""
    left, right = _Window(expected), _Window(found)
    while left.fill() or right.fill():
        right.fill()
        if same := _beginning(left.items, right.items):
            # So that the window begins with what differs, and shows as much as it can of what became of it.
            left.drop(same)
            right.drop(same)
            continue
        steps = SequenceMatcher(None, left.items, right.items, autojunk=False).get_opcodes()
        # Behind the last that is equal, the windows' ends alone make a difference, unless the sequences end there.
        equal = max((at for at, step in enumerate(steps) if step[0] == "equal"), default=-1)
        if equal >= 0 and not (left.ended and right.ended):
            steps = steps[: equal + 1]
        yield from _told(left, right, steps)
        _, _, end, _, found_end = steps[-1]
        left.drop(end)
        right.drop(found_end)


def _beginning(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    """How many of the first are equal."""
    if one == other:
        return len(one)
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


class _Window:
    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = iter(source)
        self.items: list[bytes] = []
        self.number, self.ended = 0, False

    def fill(self) -> bool:
        wanted = _WINDOW - len(self.items)
        self.items += islice(self._source, wanted)
        self.ended = len(self.items) < _WINDOW
        return bool(self.items)

    def drop(self, count: int) -> None:
        del self.items[:count]
        self.number += count


def _told(left: _Window, right: _Window, steps: Sequence[tuple[str, int, int, int, int]]) -> Iterator[Difference]:
    gone = {left.items[at]: at for kind, start, end, _, _ in steps if kind != "equal" for at in range(start, end)}
    come = {right.items[at]: at for kind, _, _, start, end in steps if kind != "equal" for at in range(start, end)}
    for kind, start, end, found, found_end in steps:
        if kind == "equal":
            continue
        old = [at for at in range(start, end) if left.items[at] not in come]
        new = [at for at in range(found, found_end) if right.items[at] not in gone]
        moved = [at for at in range(start, end) if left.items[at] in come]
        both = min(len(old), len(new))
        yield from (Difference("changed", left.number + at) for at in old[:both])
        yield from (Difference("dropped", left.number + at) for at in old[both:])
        yield from (Difference("added", right.number + at) for at in new[both:])
        yield from (Difference("reordered", left.number + at) for at in moved)
