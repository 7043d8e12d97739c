"""Signed heads: checkpoints (C2SP tlog-checkpoint), their cosignatures (cosignature/v1), and who signs them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gebus.kafka.secrets import Secrets
from gebus.ledger.verify_evidence import LEDGER_KEY, WITNESS_KEY, NotProven, VerifierKey, cosigned
from gebus.model.errors import Stopped

__all__ = ["LEDGER_KEY", "WITNESS_KEY", "Signer", "checkpoint_body", "parse_key", "read_signer"]
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under a name. Its repr shows the public one alone."""

    key: VerifierKey
    _private: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"Signer({self.key})"

    @classmethod
    def of(cls, name: str, kind: int, seed: bytes) -> Signer:
        private = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(VerifierKey(name, kind, private.public_key().public_bytes_raw()), private)

    def signature(self, body: str, time: int = 0) -> str:
        """A signature line over a note's body; a witness's says when, in seconds."""
        if self.key.kind == WITNESS_KEY:
            signed = time.to_bytes(8, "big") + self._private.sign(cosigned(body, time))
        else:
            signed = self._private.sign(body.encode())
        return f"\u2014 {self.key.name} {base64.b64encode(self.key.id + signed).decode()}\n"

    def note(self, body: str) -> str:
        """The body, signed."""
        return f"{body}\n{self.signature(body)}"


def checkpoint_body(origin: str, size: int, root: bytes) -> str:
    """The text of a checkpoint, which is signed."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def read_signer(path: Path, name: str, kind: int) -> Signer:
    """The signer whose key lies at `path`, made now if there is none; 0600, in a directory 0700."""
    try:
        seed = path.read_bytes()
    except FileNotFoundError:
        seed = Ed25519PrivateKey.generate().private_bytes_raw()
        Secrets(path.parent).write_file(path.name, seed)
    if len(seed) != _KEY_BYTES:
        raise Stopped(
            f"{path} is no key: {len(seed)} bytes, where {_KEY_BYTES} are allowed; put the right file back: with "
            "another key, nobody who knows the old one believes this ledger any more"
        )
    return Signer.of(name, kind, seed)


def parse_key(text: str, kind: int, what: str) -> VerifierKey:
    """A key that a person gave; Stopped, which names `what`, where it is none of this kind."""
    try:
        key = VerifierKey.parse(text)
    except NotProven as error:
        raise Stopped(f"{what}: {error}; `gebus ledger keys` prints those of this home") from None
    if key.kind != kind:
        words = {LEDGER_KEY: "a ledger's", WITNESS_KEY: "a witness's"}
        raise Stopped(f"{what}: {key.name} is {words[key.kind]} key, and {words[kind]} is needed")
    return key
