"""Verify offline that a record was delivered: one file, which needs Python 3.11 and `cryptography` alone.

    python verify_evidence.py EVIDENCE --ledger KEY [--witness KEY]... [--record RECEIPT]

Proven, if it says so: the record's digest is in the batch whose leaf is shown, the leaf is in the tree that the
checkpoint names, the ledger with KEY signed that checkpoint, and each witness named saw the same tree grow. With
--record also: the digest is that of the record in RECEIPT. Not proven: that the keys are the right ones. Take them from
whom you trust, not from EVIDENCE. Exit status: 0 proven, 1 refused, 3 whole, but no key was given to prove it by.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LEDGER_KEY, WITNESS_KEY = 1, 4
"""The signature types of C2SP: Ed25519 over a note, and Ed25519 over a note with the time (cosignature/v1)."""
LARGEST = 1 << 20
_PROOF = "c2sp.org/tlog-proof@v1"
_MOST_SIGNATURES = 64
_MOST_HASHES = 64
_HASH_BYTES = 32
_DASH = "\u2014 "
_KEYS = {"v", "feed", "record", "leaf", "proof", "keys"}


class NotProven(Exception):
    """The evidence, or what it is made of, does not hold; the message says which part and why."""


def leaf_hash(content: bytes) -> bytes:
    """RFC 6962: the hash of a leaf."""
    return hashlib.sha256(b"\0" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962: the hash of a node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def record_digest(key: bytes, value: bytes) -> bytes:
    """What stands for a delivered record: a leaf hash over its key's length, its key and its value."""
    return leaf_hash(len(key).to_bytes(4, "little") + key + value)


def path_root(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root of the tree of `size` leaves in which `leaf` has this index and this path (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise NotProven(f"index {index} in a tree of {size}; an index is at least 0 and less than the size")
    first, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise NotProven(f"a path of {len(path)} hashes is too long for leaf {index} of {size}")
        if first & 1 or first == last:
            root = node_hash(sibling, root)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise NotProven(f"a path of {len(path)} hashes is too short for leaf {index} of {size}")
    return root


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name, in the form of C2SP: `name+id+base64(type, key)`."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        parts = text.strip().split("+", 2)
        material = _unbase64(parts[2], "a key") if len(parts) == 3 else b""
        if len(material) != 1 + _HASH_BYTES or material[0] not in (LEDGER_KEY, WITNESS_KEY):
            raise NotProven(f"{text.strip()[:60]!r} is no key; allowed: name+id+base64 of an Ed25519 key, type 1 or 4")
        key = cls(parts[0], material[0], material[1:])
        if not key.name or re.search(r"\s", key.name) or parts[1] != key.id.hex():
            raise NotProven(
                f"the key {text.strip()[:60]!r} has the id {key.id.hex()}, not {parts[1]!r}: it was changed"
            )
        return key

    @property
    def id(self) -> bytes:
        return self.fingerprint[:4]

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 over name, type and key; the first four bytes are the key's id."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes((self.kind,)) + self.public).digest()

    def __str__(self) -> str:
        material = base64.b64encode(bytes((self.kind,)) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{material}"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that holds; `time` is when a witness gave it, in seconds, 0 for a ledger."""

    key: VerifierKey
    time: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a ledger's tree, and which of the known keys signed it."""

    origin: str
    size: int
    root: bytes
    text: str
    signatures: tuple[Signature, ...]

    @property
    def body(self) -> str:
        return self.text[: self.text.rindex("\n\n") + 1]


def open_checkpoint(text: str, ledger: VerifierKey, witnesses: Sequence[VerifierKey] = ()) -> Checkpoint:
    """A checkpoint that `ledger` signed.

    Signatures by unknown keys are passed over; one of a known key that does not hold refuses the whole.
    """
    body, signatures = open_note(text, (ledger, *witnesses))
    if not any(one.key == ledger for one in signatures):
        raise NotProven(f"the checkpoint bears no signature of the ledger's key {ledger.name}+{ledger.id.hex()}")
    origin, size, root = read_head(body)
    if origin != ledger.name:
        raise NotProven(f"the checkpoint is of {origin!r}, and the key of {ledger.name!r}: another bus's")
    return Checkpoint(origin, size, root, text, tuple(signatures))


def read_head(body: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint's text."""
    lines = body.split("\n")
    if len(lines) < 4 or not all(lines[:3]) or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
        raise NotProven("no checkpoint: its first lines are not an origin, a size and a root")
    root = _unbase64(lines[2], "the checkpoint's root")
    if len(root) != _HASH_BYTES:
        raise NotProven(f"the checkpoint's root has {len(root)} bytes; allowed: {_HASH_BYTES}")
    return lines[0], int(lines[1]), root


def open_note(text: str, keys: Sequence[VerifierKey]) -> tuple[str, list[Signature]]:
    """The body of a signed note of C2SP, and the signatures of known keys, all of which hold."""
    body, blank, lines = text.rpartition("\n\n")
    marks = lines.split("\n")
    if not blank or not body or marks.pop() or not marks or re.search(r"[\x00-\x09\x0b-\x1f]", text):
        raise NotProven("no signed note: text, an empty line and lines of signatures are needed")
    if len(marks) > _MOST_SIGNATURES:
        raise NotProven(f"{len(marks)} signatures; allowed: {_MOST_SIGNATURES}")
    body += "\n"
    found: list[Signature] = []
    for mark in marks:
        name, _, content = mark.removeprefix(_DASH).partition(" ")
        signed = _unbase64(content, "a signature")
        if not mark.startswith(_DASH) or not name or len(signed) < 5:
            raise NotProven(f"no signed note: {mark[:40]!r} is no signature")
        known = (key for key in keys if (key.name, key.id) == (name, signed[:4]))
        found += [_checked(key, body, signed[4:]) for key in known]
    return body, found


def _checked(key: VerifierKey, body: str, signed: bytes) -> Signature:
    time, message = 0, body.encode()
    if key.kind == WITNESS_KEY:
        time, signed = int.from_bytes(signed[:8], "big"), signed[8:]
        message = cosigned(body, time)
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signed, message)
    except (InvalidSignature, ValueError):
        raise NotProven(
            f"the signature of {key.name}+{key.id.hex()} does not hold: the checkpoint was changed"
        ) from None
    return Signature(key, time)


def cosigned(body: str, time: int) -> bytes:
    """What a witness signs."""
    return f"cosignature/v1\ntime {time}\n{body}".encode()


def read_proof(text: str) -> tuple[int, list[bytes], str]:
    """Index, path and checkpoint of a C2SP tlog-proof."""
    head, blank, checkpoint = text.partition("\n\n")
    lines = [line for line in head.split("\n") if not line.startswith("extra ")]
    index = re.fullmatch(r"index (0|[1-9][0-9]{0,18})", lines[1]) if len(lines) > 1 else None
    if lines[0] != _PROOF or index is None or not blank:
        raise NotProven(f"no proof: it begins with {lines[0][:40]!r}, not with {_PROOF} and an index")
    return int(index[1]), read_path(lines[2:], "the path in the tree"), checkpoint


def read_path(lines: Any, what: str) -> list[bytes]:
    """The hashes of a path."""
    if not isinstance(lines, list) or len(lines) > _MOST_HASHES or not all(isinstance(line, str) for line in lines):
        raise NotProven(f"{what} is no list of at most {_MOST_HASHES} hashes")
    path = [_unbase64(line, what) for line in lines]
    if any(len(step) != _HASH_BYTES for step in path):
        raise NotProven(f"{what} holds something that is no hash of {_HASH_BYTES} bytes")
    return path


def write_proof(index: int, path: Sequence[bytes], checkpoint: str) -> str:
    """A C2SP tlog-proof."""
    hashes = (base64.b64encode(step).decode() for step in path)
    return "\n".join((_PROOF, f"index {index}", *hashes, "", checkpoint))


@dataclass(frozen=True, slots=True)
class Proven:
    """What an evidence proves."""

    leaf: dict[str, Any]
    digest: bytes
    index: int
    checkpoint: Checkpoint


def verify(evidence: Any, ledger: VerifierKey, witnesses: Sequence[VerifierKey] = ()) -> Proven:
    """What `evidence` proves under these keys; NotProven, which names the part that does not hold."""
    if not isinstance(evidence, dict) or set(evidence) != _KEYS or evidence["v"] != 1:
        raise NotProven(f"no evidence of version 1: it has {', '.join(sorted(_KEYS))}")
    record, content, proof = evidence["record"], evidence["leaf"], evidence["proof"]
    if not isinstance(record, dict) or not isinstance(content, str) or not isinstance(proof, str):
        raise NotProven("no evidence: record, leaf or proof is missing")
    leaf = _read_leaf(content)
    digest, index = _hexed(record.get("digest")), record.get("index")
    if not isinstance(index, int) or leaf["feed"] != evidence["feed"]:
        raise NotProven(f"the leaf is of feed {leaf['feed']!r}, the evidence of {evidence['feed']!r}")
    batch = path_root(index, leaf["count"], digest, read_path(record.get("path"), "the path in the batch"))
    if batch.hex() != leaf["root"]:
        raise NotProven("the record is not in the batch: digest and path do not lead to the root that the leaf names")
    place, path, note = read_proof(proof)
    checkpoint = open_checkpoint(note, ledger, witnesses)
    if path_root(place, checkpoint.size, leaf_hash(content.encode()), path) != checkpoint.root:
        raise NotProven("the leaf is not in the tree: leaf and path do not lead to the root that the checkpoint names")
    missing = [key.name for key in witnesses if all(one.key != key for one in checkpoint.signatures)]
    if missing:
        raise NotProven(f"the checkpoint bears no cosignature of {', '.join(missing)}")
    return Proven(leaf, digest, place, checkpoint)


def _read_leaf(content: str) -> dict[str, Any]:
    try:
        leaf = json.loads(content)
    except ValueError as error:
        raise NotProven(f"the leaf is no JSON: {error}") from None
    if not isinstance(leaf, dict) or not isinstance(leaf.get("count"), int) or not {"feed", "root"} <= set(leaf):
        raise NotProven("the leaf names no feed, count and root")
    return leaf


def _hexed(text: Any) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(r"[0-9a-f]{64}", text):
        raise NotProven("the record's digest is not 64 hex digits")
    return bytes.fromhex(text)


def _unbase64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, ValueError):
        raise NotProven(f"{what} is not base64: {text[:40]!r}") from None


def load(path: Path) -> Any:
    """A JSON file of at most a mebibyte."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise NotProven(f"{path} has more than {LARGEST} bytes")
        return json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        raise NotProven(f"{path} cannot be read as JSON: {error}") from None


def receipt_digests(path: Path) -> Iterator[bytes]:
    """The digests of the records in a file of receipts, one a line, which `gebus consume --receipts` wrote."""
    try:
        with path.open(encoding="utf-8") as file:
            while line := file.readline(LARGEST * 3):
                yield receipt_digest(json.loads(line))
    except (OSError, ValueError, RecursionError) as error:
        raise NotProven(f"{path} cannot be read as receipts: {error}") from None


def receipt_digest(receipt: Any) -> bytes:
    """The digest of the record in a receipt."""
    try:
        key, value = receipt["key"], receipt["value"]
    except (TypeError, KeyError):
        raise NotProven("no receipt: it holds no key and value") from None
    if not isinstance(key, str) or not isinstance(value, str):
        raise NotProven("no receipt: key and value are base64")
    return record_digest(_unbase64(key, "the receipt's key"), _unbase64(value, "the receipt's value"))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(description="Verify offline that a record was delivered.")
    parser.add_argument("evidence", type=Path)
    parser.add_argument("--ledger", metavar="KEY", help="the ledger's key, from whom you trust")
    parser.add_argument("--witness", metavar="KEY", action="append", default=[], help="a witness's key; repeatable")
    parser.add_argument("--record", metavar="RECEIPT", type=Path, help="the record that the evidence is to be about")
    options = parser.parse_args(arguments)
    try:
        return _report(load(options.evidence), options)
    except NotProven as refused:
        sys.stderr.write(f"NOT PROVEN: {options.evidence}: {refused}\n")
        return 1


def _report(evidence: Any, options: argparse.Namespace) -> int:
    claimed = evidence.get("keys") if isinstance(evidence, dict) else None
    own = claimed.get("ledger") if isinstance(claimed, dict) else None
    named = options.ledger or own
    if not isinstance(named, str):
        raise NotProven("it names no ledger's key, and none was given with --ledger")
    ledger = VerifierKey.parse(named)
    proven = verify(evidence, ledger, [VerifierKey.parse(key) for key in options.witness])
    if options.record is not None and not any(digest == proven.digest for digest in receipt_digests(options.record)):
        raise NotProven(f"it is about none of the records in {options.record}")
    lines = [
        f"record {proven.digest.hex()}" + ("" if options.record is None else f", which is in {options.record}"),
        *(f"  {name} {proven.leaf.get(name)}" for name in ("feed", "grant", "policy", "mode", "slice", "count")),
        f"  delivered {_when(proven.leaf.get('at', 0) / 1000)}",
        f"leaf {proven.index} of {proven.checkpoint.size} in the ledger {proven.checkpoint.origin}",
    ]
    for one in proven.checkpoint.signatures:
        act = f"saw it at {_when(one.time)}" if one.key.kind == WITNESS_KEY else "signed it"
        lines.append(f"  {one.key.name} {act}; key {one.key.fingerprint.hex()}")
    known = options.ledger is not None
    lines.append("PROVEN" if known else "WHOLE, BUT NOT PROVEN: give the ledger's key, from whom you trust: --ledger")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if known else 3


def _when(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"at {seconds} s"


if __name__ == "__main__":
    raise SystemExit(main())
