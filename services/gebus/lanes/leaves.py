"""The leaves of a transaction: what it delivered, on which grant, by which policy, in which mode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gebus_kernel import Leaf as KernelLeaf

from gebus.model.leaf import NORMAL, Leaf, framed
from gebus.plan import LanePlan


class Leaves:
    """Makes the messages for the ledger's topic.

    Promised: each delivered record is under one leaf, which names the grant and the mode that were told last. A grant
    or the modes are to be told between transactions alone: what was delivered before would be put down to them too.
    """

    def __init__(self, plans: Sequence[LanePlan]) -> None:
        self._policy = {plan.name: plan.policy for plan in plans}
        # The grant on paper that the catalogue names is the first of its feed.
        self._grants = {feed.name: f"{feed.name}#1" for plan in plans for feed in plan.feeds}
        self._modes: tuple[str, ...] = (NORMAL,)

    def granted(self, feed: str, grant: str) -> None:
        """From now on the feed flows on the grant with this id."""
        self._grants[feed] = grant

    def modes(self, ids: Iterable[str]) -> None:
        """The ids of the modes behind the regions that the kernel was given, in their order."""
        self._modes = (NORMAL, *ids)

    def messages(self, leaves: Iterable[KernelLeaf], now_ms: int) -> list[dict[str, Any]]:
        """The leaves as `Producer.produce_batch` takes them."""
        return [{"key": leaf.feed.encode(), "value": self._value(leaf, now_ms)} for leaf in leaves]

    def _value(self, leaf: KernelLeaf, now_ms: int) -> bytes:
        made = Leaf(
            at=now_ms,
            feed=leaf.feed,
            slice=leaf.slice,
            lane=leaf.lane,
            grant=self._grants[leaf.feed],
            policy=self._policy[leaf.lane],
            mode=self._modes[leaf.mode],
            count=leaf.count,
            size=leaf.size,
            fields=leaf.fields,
            root=leaf.root.hex(),
        )
        return framed(made.encode(), leaf.entries)
