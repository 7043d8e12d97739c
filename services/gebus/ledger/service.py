"""The ledger at work: leaves in, in the order of the topic; every second a signed head out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gebus.ledger.index import Index
from gebus.ledger.leaves import Taken
from gebus.ledger.metrics import Metrics
from gebus.ledger.notes import Signer, checkpoint_body
from gebus.ledger.store import Store
from gebus.ledger.tiles import TiledTree
from gebus.ledger.tree import root_of
from gebus.ledger.verify_evidence import open_checkpoint
from gebus.model.errors import GebusError, Stopped
from gebus.model.leaf import CHECKPOINT_TOPIC, LEAF_TOPIC

_POLL_SECONDS = 0.2
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds from one checkpoint to the next: of a tree that grew, and of one that did not."""

    grown: float = 1.0
    still: float = 10.0


class Leaves(Protocol):
    """Where leaves come from."""

    def poll(self, seconds: float) -> Sequence[Taken]: ...


class Cosigning(Protocol):
    """Who is asked for cosignatures."""

    def ask(self, note: str, size: int, tree: TiledTree) -> str: ...


Publish = Callable[[str, str], None]
"""Takes the ledger's name and its newest checkpoint."""


def first_offset(store: Store, index: Index) -> tuple[int, int]:
    """Number and offset of the leaf to begin with, which is the last one known, or where the index stops."""
    if index.size > store.size:
        # The tree is the truth: it was put back to what it had been, and the index was not.
        index.clear()
    if index.size < store.size:
        return index.size, index.next_offset
    return max(0, store.size - 1), max(0, store.state.last_offset)


class Ledger:
    """Appends what comes and signs what is on the disk.

    Promised: the n-th committed leaf of the topic is the n-th of the tree, once, however often this dies; no head is
    signed that contradicts one that was published, in this life or before. Not promised: that deliveries wait for it;
    leaves wait in the topic while it is down.
    """

    def __init__(
        self, *, store: Store, index: Index, leaves: Leaves, number: int, signer: Signer, cosigners: Cosigning,
        publish: Publish, published: str | None, metrics: Metrics, pace: Pace, now: Callable[[], float],
    ) -> None:  # fmt: skip
        """`number` is that of the leaf that `leaves` begins with, `published` the newest checkpoint that others saw."""
        self._store, self._index, self._leaves, self._next = store, index, leaves, number
        self._signer, self._cosigners, self._publish, self._now = signer, cosigners, publish, now
        self._metrics, self._pace = metrics, pace
        self._before = None if published is None else open_checkpoint(published, signer.key)
        self._signed_size, self._signed_at = -1, float("-inf")
        metrics.size.set(store.size)

    def step(self) -> int:
        """Take what comes next and sign if it is time; how many leaves came."""
        taken = self._leaves.poll(_POLL_SECONDS)
        if taken:
            self._take(taken)
        self._sign_in_time()
        return len(taken)

    def _take(self, taken: Sequence[Taken]) -> None:
        first, size = self._next, self._store.size
        tree = self._store.tree()
        for number, one in enumerate(taken[: max(0, size - first)], first):
            if tree.leaf(number) != one.message.content:
                raise Stopped(
                    f"{LEAF_TOPIC}, offset {one.offset}: not the leaf {number} that was taken: the topic was made anew "
                    "or changed; nothing more is signed. `gebus ledger verify` says what differs"
                )
        fresh = taken[max(0, size - first) :]
        if fresh:
            last = fresh[-1].offset
            self._store.append([one.message.content for one in fresh], last, last + 1)
            for number, one in enumerate(fresh, size):
                self._require_sound(number, one)
            self._metrics.leaves.inc(len(fresh))
            self._metrics.records.inc(sum(one.message.leaf.count for one in fresh))
        self._index.add(first, taken)
        self._next = first + len(taken)
        self._metrics.size.set(self._store.size)

    def _require_sound(self, number: int, one: Taken) -> None:
        """A leaf that contradicts its own entries stays in the tree, as it was delivered, and is told."""
        root = root_of([digest for _, digest in one.message])
        if root.hex() != one.message.leaf.root:
            self._metrics.unsound.inc()
            where = f"leaf {number} ({LEAF_TOPIC}, offset {one.offset}) of feed {one.message.leaf.feed}"
            _log.error(
                "%s: its root is not that of its entries, %s; its deliveries cannot be proven: look for what wrote it",
                where,
                root.hex(),
            )

    def _sign_in_time(self) -> None:
        pause = self._pace.still if self._store.size == self._signed_size else self._pace.grown
        if self._now() - self._signed_at < pause or not self._follows_published():
            return
        size, tree = self._store.size, self._store.tree()
        note = self._signer.note(checkpoint_body(self._signer.key.name, size, self._store.root))
        checkpoint = note + self._cosigners.ask(note, size, tree)
        self._store.publish(checkpoint)
        self._signed_size, self._signed_at = size, self._now()
        self._metrics.signed.set_to_current_time()
        try:
            self._publish(self._signer.key.name, checkpoint)
        except GebusError as error:
            _log.warning("%s; the next checkpoint is written there again", error)

    def _follows_published(self) -> bool:
        """Whether the tree has come as far as the newest head that others saw, and has the same root there."""
        before = self._before
        if before is None:
            return True
        if before.size > self._store.size:
            return False
        if self._store.tree(before.size).root != before.root:
            raise Stopped(
                f"forked: {CHECKPOINT_TOPIC} holds a checkpoint of {before.size} leaves whose root is not this tree's; "
                "nothing is signed. The topic of leaves or the ledger's directory was changed: `gebus ledger verify`"
            )
        self._before = None
        return True
