"""A receipt: a delivered record as its consumer has it, by which the ledger's evidence of it can be asked for."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from gebus.model.errors import Stopped

VERSION = 1
TAG_BYTES = 8
_KEYS = {"v": int, "bus": str, "feed": str, "entity": str, "at": int, "key": str, "value": str}


def entity_tag(entity: str) -> bytes:
    """What the ledger is asked by for an entity."""
    return hashlib.sha256(b"\2" + entity.encode()).digest()[:TAG_BYTES]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A record, and which bus delivered it when. It holds the record: keep it like one. Its repr does not."""

    bus: str
    """The id of the bus's Kafka cluster."""
    feed: str
    entity: str
    at: int
    """When the log took it, in ms."""
    key: bytes
    value: bytes

    def __repr__(self) -> str:
        return f"Receipt({self.feed!r}, at={self.at})"

    @property
    def digest(self) -> bytes:
        """What stands for the record in the ledger."""
        return hashlib.sha256(b"\0" + len(self.key).to_bytes(4, "little") + self.key + self.value).digest()

    def encode(self) -> str:
        """One line of JSON."""
        fields = {
            "v": VERSION,
            "bus": self.bus,
            "feed": self.feed,
            "entity": self.entity,
            "at": self.at,
            "key": base64.b64encode(self.key).decode(),
            "value": base64.b64encode(self.value).decode(),
        }
        return json.dumps(fields, ensure_ascii=False)

    @classmethod
    def decode(cls, text: str, where: str) -> Receipt:
        """The receipt in a line; Stopped, which names `where`, for anything else."""
        try:
            fields: Any = json.loads(text)
            if not isinstance(fields, dict) or any(type(fields.get(name)) is not kind for name, kind in _KEYS.items()):
                raise ValueError(f"its keys are {', '.join(_KEYS)}")
            if fields["v"] != VERSION:
                raise ValueError(f"version {fields['v']}, where {VERSION} is allowed")
            key, value = (base64.b64decode(fields[name], validate=True) for name in ("key", "value"))
        except (ValueError, RecursionError) as error:
            raise Stopped(
                f"{where} is no receipt: {error}; `gebus consume FEED --as PARTY --receipts FILE` writes them"
            ) from None
        return cls(fields["bus"], fields["feed"], fields["entity"], fields["at"], key, value)
