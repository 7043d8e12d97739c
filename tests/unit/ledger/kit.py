"""Leaves, trees and signed heads for the tests of the ledger, made from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from gebus.ledger.files import Directory
from gebus.ledger.leaves import Taken
from gebus.ledger.notes import LEDGER_KEY, WITNESS_KEY, Signer, checkpoint_body
from gebus.ledger.store import Store
from gebus.ledger.tree import EMPTY_ROOT, root_of
from gebus.ledger.verify_evidence import node_hash
from gebus.model.leaf import Leaf, Message
from gebus.model.receipt import Receipt, entity_tag

BUS, ORIGIN = "bus-1", "gebus/bus-1"
NOW_MS = 1_580_515_200_000
LEDGER = Signer.of(ORIGIN, LEDGER_KEY, b"\1" * 32)
WITNESS = Signer.of("witness.example", WITNESS_KEY, b"\2" * 32)


def naive_root(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(naive_root(hashes[:split]), naive_root(hashes[split:]))


def leaves(count: int, seed: str = "") -> list[bytes]:
    """Leaves that are no leaf of the bus, for what does not look into them."""
    return [f"{seed}/leaf-{number}/{'x' * (number % 37)}".encode() for number in range(count)]


def receipt(number: int, feed: str = "a/b", entity: str | None = None, bus: str = BUS) -> Receipt:
    return Receipt(
        bus, feed, entity or f"entity-{number % 5}", NOW_MS + number, f"k{number}".encode(), f"v{number}".encode()
    )


def taken(offset: int, receipts: Sequence[Receipt], *, at: int | None = None, root: str | None = None) -> Taken:
    """A message of the topic with the leaf of these records."""
    digests = [one.digest for one in receipts]
    leaf = Leaf(
        at=receipts[0].at if at is None else at, feed=receipts[0].feed, slice=0, lane="l", grant="a/b#1",
        policy="0123456789abcdef", mode="normal", count=len(receipts), size=7, fields=(1, 0, 0, 0),
        root=root or root_of(digests).hex(),
    )  # fmt: skip
    return Taken(
        offset, Message(leaf, leaf.encode(), b"".join(entity_tag(one.entity) + one.digest for one in receipts))
    )


def head(size: int, root: bytes, *, by: Signer = LEDGER, witness: Signer | None = WITNESS, time: int = 7) -> str:
    """A checkpoint, signed and cosigned."""
    body = checkpoint_body(by.key.name, size, root)
    return by.note(body) + ("" if witness is None else witness.signature(body, time))


def store(path: Path, content: Sequence[bytes] = (), origin: str = ORIGIN) -> Store:
    """A ledger on disk with these leaves, and its checkpoint."""
    made = Store(Directory(path, durable=False), origin)
    if content:
        made.append(content, len(content) - 1, len(content))
        made.publish(head(made.size, made.root))
    return made


def digest_of(path: Path) -> str:
    """A digest of every file of a ledger but its lock."""
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != "lock")
    parts = [str(file.relative_to(path)).encode() + file.read_bytes() for file in files]
    return hashlib.sha256(b"".join(parts)).hexdigest()
