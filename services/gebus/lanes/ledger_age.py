"""Sensitive feeds wait for the ledger: where its newest signed head is too old, their lanes take no input."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined] # it is, in its documentation

from gebus.lanes.ends import Asker
from gebus.lanes.errors import in_our_words
from gebus.lanes.places import Lanes, Place, Share
from gebus.lanes.ports import Clock
from gebus.model.leaf import CHECKPOINT_TOPIC
from gebus.plan import LanePlan

_log = logging.getLogger(__name__)
_NEWEST: Any = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call] # the client says no types here
_LOOK_SECONDS = 5.0
_SECONDS = 5.0
_SENSITIVE = 3
_PLACE = Place(CHECKPOINT_TOPIC, 0)


class LedgerAge:
    """Knows how old the newest checkpoint is, by the log's time of its topic.

    Promised: within some seconds after the newest checkpoint has become older than the bound, the lanes of sensitive
    feeds (those that deliver a field of class 3 or 4) take no more input, and nothing is lost; they go on by themselves
    some seconds after the next one. A broker that does not answer makes nothing younger. Not promised: that anything
    waits while no ledger has ever signed: a bus that runs none is not stopped by its absence.
    """

    def __init__(self, asker: Callable[[], Asker], clock: Clock, bound: float) -> None:
        """`bound` in seconds."""
        self._asker, self._clock, self._bound = asker, clock, bound
        self._newest_ms: int | None = None
        self._open: Future[Any] | None = None
        self._look_at = -math.inf
        self.late = False

    def look(self) -> None:
        """Ask now and then, without waiting, and judge by what is known."""
        if self._open is not None and self._open.done():
            self._answered(self._open)
            self._open = None
        if self._open is None and self._clock.monotonic() >= self._look_at:
            self._look_at = self._clock.monotonic() + _LOOK_SECONDS
            (self._open,) = self._asker().list_offsets({_PLACE.kafka(): _NEWEST}, request_timeout=_SECONDS).values()
        if self._newest_ms is not None:
            self._judge((self._clock.now_ms() - self._newest_ms) / 1000)

    def holds_back(self, lanes: Lanes, shares: Iterable[Share]) -> frozenset[Share]:
        """Of these shares, those that must wait now."""
        if not self.late:
            return frozenset()
        sensitive = {plan.name for plan in lanes.plans if is_sensitive(plan)}
        return frozenset(share for share in shares if any(one.lane in sensitive for one in lanes.slices(share)))

    def _answered(self, answer: Future[Any]) -> None:
        try:
            found = answer.result()
        except KafkaException as error:
            _log.debug("%s", in_our_words(error.args[0], f"asking for the age of {CHECKPOINT_TOPIC}"))
            return
        if found.offset >= 0 and found.timestamp > 0:
            self._newest_ms = found.timestamp

    def _judge(self, age: float) -> None:
        late = age > self._bound
        if late and not self.late:
            _log.error(
                "the ledger's newest checkpoint is %.0f s old, and %.0f s are allowed: sensitive feeds take no input "
                "until there is a newer one; nothing is lost. `gebus run ledger` signs them", age, self._bound,
            )  # fmt: skip
        if self.late and not late:
            _log.info("the ledger has signed again: sensitive feeds take input")
        self.late = late


def is_sensitive(plan: LanePlan) -> bool:
    """Whether a lane has a feed that delivers something of a field of class 3 or 4."""
    return any(field.source.level >= _SENSITIVE for feed in plan.feeds for field in feed.delivered)
