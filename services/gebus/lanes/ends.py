"""Where partitions end and which topics there are, asked of the brokers beside the loop."""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import Future
from typing import Any, Protocol

from confluent_kafka import IsolationLevel, KafkaException, TopicCollection
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined] # it is, in its documentation

from gebus.lanes.errors import in_our_words, is_missing
from gebus.lanes.places import Place

_log = logging.getLogger(__name__)
_LATEST: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call] # the client says no types here
_SECONDS = 5.0
"""How long an answer may take: without it a share waits, and asks again."""


class Asker(Protocol):
    """The part of confluent_kafka.admin.AdminClient that is called."""

    def list_offsets(self, topic_partition_offsets: Any, **also: Any) -> dict[Any, Future[Any]]: ...
    def describe_topics(self, topics: Any, **also: Any) -> dict[str, Future[Any]]: ...


class Ends:
    """Asks for high watermarks: behind them lies nothing that was appended before the question.

    Promised: `ask` and `answer` return at once; all partitions of a question travel in one request to each broker. Not
    promised: that every partition is answered for; ask again for the others.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._open: dict[Place, Future[Any]] = {}

    def ask(self, places: Collection[Place]) -> None:
        """Begin to ask; what was asked before and is not answered yet is forgotten."""
        found = self._asker.list_offsets(
            {place.kafka(): _LATEST for place in places},
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=_SECONDS,
        )
        self._open = {Place.of(partition): answer for partition, answer in found.items()}

    def answer(self) -> dict[Place, int] | None:
        """The ends that were asked for; None while the answer is under way."""
        if not all(answer.done() for answer in self._open.values()):
            return None
        ends: dict[Place, int] = {}
        for place, answer in self._open.items():
            try:
                ends[place] = answer.result().offset
            except KafkaException as error:
                _passes(error, f"asking for the end of {place}")
        self._open = {}
        return ends


class Presence:
    """Asks whether there are topics.

    Promised: as for `Ends`. The ends of a topic that is missing are no answer: for one without a leader it is the same.
    """

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._open: dict[str, Future[Any]] = {}

    def ask(self, topics: Collection[str]) -> None:
        """Begin to ask; what was asked before and is not answered yet is forgotten."""
        self._open = self._asker.describe_topics(TopicCollection(sorted(topics)), request_timeout=_SECONDS)

    def answer(self) -> dict[str, bool] | None:
        """Whether each of the topics is there; None while the answer is under way."""
        if not all(answer.done() for answer in self._open.values()):
            return None
        found: dict[str, bool] = {}
        for topic, answer in self._open.items():
            try:
                answer.result()
                found[topic] = True
            except KafkaException as error:
                if is_missing(error.args[0]):
                    found[topic] = False
                else:
                    _passes(error, f"looking for topic {topic}")
        self._open = {}
        return found


def _passes(error: KafkaException, doing: str) -> None:
    """Raise what does not pass by itself: a leader that moved or a broker that is away will be asked again."""
    words = in_our_words(error.args[0], doing)
    if not words.retriable:
        raise words
    _log.debug("%s", words)
