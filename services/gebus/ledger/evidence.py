"""Evidence: what the ledger makes of a receipt, so that anyone can verify the delivery without it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from gebus.ledger.index import Index
from gebus.ledger.leaves import Taken, origin_of
from gebus.ledger.store import Store
from gebus.ledger.tree import head_in, inclusion_path
from gebus.ledger.verify_evidence import VerifierKey, read_head, write_proof
from gebus.model.errors import GebusError, NotFound, Stopped
from gebus.model.receipt import TAG_BYTES, Receipt, entity_tag

_MOST_PLACES = 100_000


class NotYet(GebusError):
    """A record is in the topic, and not under a signed checkpoint yet; a second later it is."""

    retriable = True


class Prover:
    """Makes evidence from the tree, the index and the topic."""

    def __init__(
        self, store: Store, key: VerifierKey, witnesses: Sequence[VerifierKey], fetch: Callable[[int], Taken]
    ) -> None:
        """`fetch` gives the message of the topic at an offset."""
        self._store, self._key, self._witnesses, self._fetch = store, key, tuple(witnesses), fetch

    def prove(self, index: Index, receipt: dict[str, Any]) -> dict[str, Any]:
        """The evidence for what a receipt says without its record: bus, feed, tag and digest.

        NotFound where nothing of the kind was delivered, NotYet where no checkpoint covers it yet.
        """
        bus, feed, tag, digest = _asked(receipt)
        if origin_of(bus) != self._key.name:
            raise NotFound(
                f"the receipt is of the bus {bus}, and this ledger is {self._key.name}: another bus's; ask the "
                "ledger of the bus that delivered the record"
            )
        for place in index.places(tag, feed, most=_MOST_PLACES):
            if not place.may_hold(digest):
                continue
            taken = self._fetch(place.offset)
            digests = [one for _, one in taken.message]
            if digest in digests:
                return self._evidence(feed, place.number, taken, digests, digests.index(digest))
        known = index.size
        if known < self._store.size:
            raise NotYet(f"the index knows {known} of {self._store.size} leaves, and nothing of this record: ask again")
        raise NotFound(
            f"no such delivery in feed {feed}: no leaf of the ledger has this record. It was changed since, or "
            "delivered less than a moment ago, or by no lane of this bus"
        )

    def _evidence(self, feed: str, number: int, taken: Taken, digests: list[bytes], index: int) -> dict[str, Any]:
        checkpoint = self._store.checkpoint
        size = read_head(checkpoint)[1] if checkpoint else 0
        if checkpoint is None or number >= size:
            raise NotYet(f"leaf {number} is not under the checkpoint of {size} leaves yet: ask again in a second")
        batch = inclusion_path(index, len(digests), head_in(digests))
        proof = write_proof(number, inclusion_path(number, size, self._store.tree(size).head), checkpoint)
        return {
            "v": 1,
            "feed": feed,
            "record": {
                "digest": digests[index].hex(),
                "index": index,
                "path": [base64.b64encode(step).decode() for step in batch],
            },
            "leaf": taken.message.content.decode(),
            "proof": proof,
            "keys": {
                "ledger": str(self._key),
                "witnesses": [str(key) for key in self._witnesses],
                "fingerprints": {str(key): key.fingerprint.hex() for key in (self._key, *self._witnesses)},
            },
        }


def question(receipt: Receipt) -> dict[str, Any]:
    """What the ledger is asked: it learns the record's digest and tag, not the record."""
    return {
        "bus": receipt.bus, "feed": receipt.feed,
        "tag": entity_tag(receipt.entity).hex(), "digest": receipt.digest.hex(),
    }  # fmt: skip


def _asked(fields: dict[str, Any]) -> tuple[str, str, bytes, bytes]:
    try:
        tag, digest = bytes.fromhex(fields["tag"]), bytes.fromhex(fields["digest"])
        bus, feed = fields["bus"], fields["feed"]
        good = isinstance(bus, str) and isinstance(feed, str)
        if not good or len(tag) != TAG_BYTES or len(digest) != hashlib.sha256().digest_size:
            raise ValueError("wrong types or lengths")
    except (KeyError, TypeError, ValueError):
        raise Stopped("asked is bus, feed, and tag and digest in hex; `gebus ledger prove` asks so") from None
    return bus, feed, tag, digest
