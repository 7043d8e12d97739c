"""A leaf of the ledger: what one lane transaction delivered to one feed from one slice, under one mode.

A message of the topic has the feed's name as its key, and as its value

    u32 LE: length of the leaf | leaf | entries, 40 bytes each, in the order of delivery

The leaf is canonical JSON (keys sorted, no spaces, UTF-8): what is hashed into the ledger's tree. An entry is a tag,
the first 8 bytes of SHA-256(0x02 || entity id), and the record's digest, which is a leaf hash of RFC 6962, SHA-256(0x00
|| u32 LE length of the key || key || value); the leaf's `root` is the head of the tree over these digests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gebus.model.errors import Stopped
from gebus.model.event import LEVELS

LEAF_TOPIC = "gebus.ledger.leaves"
"""One partition: the order of the ledger's tree is the order of the committed records."""
CHECKPOINT_TOPIC = "gebus.ledger.checkpoints"
"""The newest signed head of each ledger, by its name; the append time of the newest message is the ledger's age."""
LEDGER_PRINCIPAL = "gebus-ledger"
USAGE_PRINCIPAL = "gebus-usage"
NORMAL = "normal"
"""The mode of a leaf outside every emergency; else the mode's id."""
ENTRY_BYTES = 40
VERSION = 1

_LENGTH_BYTES = 4
_TAG_BYTES = 8
_ROOT = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("feed", "grant", "lane", "mode", "policy", "root")
_NUMBERS = ("at", "bytes", "count", "slice", "v")


@lru_cache(maxsize=1 << 15)
def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Leaf:
    """What was delivered: `count` records of `size` bytes (keys and values), `fields` values of each class 1 to 4."""

    at: int
    """When the transaction was about to be committed, by the worker's clock, in ms."""
    feed: str
    slice: int
    lane: str
    grant: str
    policy: str
    mode: str
    count: int
    size: int
    fields: tuple[int, int, int, int]
    root: str
    """The head of the tree over the records' digests, in hex."""

    def encode(self) -> bytes:
        """The canonical JSON; the same leaf gives the same bytes."""
        first, second, third, fourth = self.fields
        # By hand: of thousands of feeds a transaction has thousands of leaves, and json.dumps takes four times as long.
        return (
            f'{{"at":{self.at},"bytes":{self.size},"count":{self.count},"feed":{_quoted(self.feed)},'
            f'"fields":{{"1":{first},"2":{second},"3":{third},"4":{fourth}}},"grant":{_quoted(self.grant)},'
            f'"lane":{_quoted(self.lane)},"mode":{_quoted(self.mode)},"policy":{_quoted(self.policy)},'
            f'"root":"{self.root}","slice":{self.slice},"v":{VERSION}}}'
        ).encode()

    @classmethod
    def decode(cls, content: bytes, where: str) -> Leaf:
        """The leaf that `encode` wrote; Stopped, which names `where`, for any other bytes."""
        try:
            fields = json.loads(content)
        except ValueError as error:
            raise Stopped(f"{where}: no JSON ({error}); something else writes to {LEAF_TOPIC}") from None
        leaf = cls._checked(fields, where)
        if leaf.encode() != content:
            raise Stopped(f"{where}: not in canonical form, which lanes write; something else writes to {LEAF_TOPIC}")
        return leaf

    @classmethod
    def _checked(cls, fields: Any, where: str) -> Leaf:
        wanted = {*_TEXTS, *_NUMBERS, "fields"}
        if not isinstance(fields, Mapping) or set(fields) != wanted:
            raise Stopped(f"{where}: not the {len(wanted)} keys of a leaf; something else writes to {LEAF_TOPIC}")
        if fields["v"] != VERSION:
            raise Stopped(
                f"{where}: a leaf of version {fields['v']!r}; this gebus reads {VERSION}: install a newer one"
            )
        values = fields["fields"]
        counts: list[Any] = [values.get(str(level)) for level in LEVELS] if isinstance(values, Mapping) else [None]
        numbers = [*(fields[name] for name in _NUMBERS), *counts]
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise Stopped(f"{where}: its numbers are whole and at least 0; something else writes to {LEAF_TOPIC}")
        if not all(isinstance(fields[name], str) for name in _TEXTS) or not _ROOT.fullmatch(fields["root"]):
            raise Stopped(
                f"{where}: its names are text, and its root 64 hex digits; something else writes to {LEAF_TOPIC}"
            )
        first, second, third, fourth = counts
        named = {name: fields[name] for name in (*_TEXTS, "at", "count", "slice")}
        return cls(**named, size=fields["bytes"], fields=(first, second, third, fourth))


@dataclass(frozen=True, slots=True)
class Message:
    """A value of the ledger's topic: the leaf, its bytes as they are hashed, and the entries beside it."""

    leaf: Leaf
    content: bytes
    entries: bytes

    @classmethod
    def decode(cls, value: bytes | None, where: str) -> Message:
        """Stopped, which names `where`, unless it is whole: as many entries as the leaf counts."""
        value = value or b""
        end = _LENGTH_BYTES + int.from_bytes(value[:_LENGTH_BYTES], "little")
        if len(value) < _LENGTH_BYTES or len(value) < end:
            raise Stopped(f"{where}: {len(value)} bytes, cut short; something else writes to {LEAF_TOPIC}")
        content, entries = value[_LENGTH_BYTES:end], value[end:]
        leaf = Leaf.decode(content, where)
        if len(entries) != leaf.count * ENTRY_BYTES:
            raise Stopped(
                f"{where}: {len(entries)} bytes of entries beside a leaf of {leaf.count} records, which take "
                f"{leaf.count * ENTRY_BYTES}; something else writes to {LEAF_TOPIC}"
            )
        return cls(leaf, content, entries)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Tag and digest of each record."""
        for start in range(0, len(self.entries), ENTRY_BYTES):
            entry = self.entries[start : start + ENTRY_BYTES]
            yield entry[:_TAG_BYTES], entry[_TAG_BYTES:]


def framed(content: bytes, entries: bytes) -> bytes:
    """The value of a message: a leaf and its entries."""
    return b"".join((len(content).to_bytes(_LENGTH_BYTES, "little"), content, entries))
