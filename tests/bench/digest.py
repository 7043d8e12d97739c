"""What a system made of a workload, as a value that can be compared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_HEADER = 5
_DERIVED = 2  # event_id and entity_id, the first two fields of every record


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a system made of the events: records delivered, a digest of those in any order, repeats removed.

    `repeats` is None where the workload removes none.
    """

    outputs: int
    digest: str
    repeats: int | None = None


class Digest:
    """A digest of a collection of records that does not depend on their order, but on each one's number.

    With `derived`, the schema's id and the two ids of each record are left out: a joined record's ids are what each
    system makes of its parents', everything behind them is not.
    """

    def __init__(self, *, derived: bool = False) -> None:
        self._derived = derived
        self._sum = 0
        self.count = 0

    def add(self, key: bytes, value: bytes) -> None:
        if self._derived:
            value = without_ids(value)
        framed = len(key).to_bytes(4, "big") + key + value
        self._sum += int.from_bytes(hashlib.blake2b(framed, digest_size=16).digest(), "big")
        self.count += 1

    def hex(self) -> str:
        return f"{self._sum % (1 << 128):032x}"


def without_ids(value: bytes) -> bytes:
    """A record on the wire without its header and its first two fields."""
    place = _HEADER
    for _ in range(_DERIVED):
        length, shift = 0, 0
        while True:
            byte = value[place]
            place += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        place += length >> 1
    return value[place:]
