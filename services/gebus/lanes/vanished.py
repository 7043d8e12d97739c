"""Whether the topics that lanes read are there: of one that is missing Kafka says nothing, and gives none of it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gebus.lanes.ports import Presence


class Vanished:
    """Asks after every topic at first, and again after those that the group took away.

    Promised: `missing` returns at once, and tells each topic that Kafka has answered about once. Not promised: that a
    topic which was deleted and made anew between two answers is noticed here.
    """

    def __init__(self, topics: Iterable[str], open_presence: Callable[[], Presence]) -> None:
        self._doubtful = set(topics)
        self._asked: set[str] = set()
        self._open_presence = open_presence
        self._presence: Presence | None = None

    def revoked(self, topics: Iterable[str]) -> None:
        """The group took partitions of these away: for another worker, or because they are gone."""
        self._doubtful.update(topics)

    def missing(self) -> list[str]:
        """Ask, or hear the answer: which topics there are not."""
        if self._asked and self._presence is not None:
            answer = self._presence.answer()
            if answer is not None:
                # What was taken away since the question was asked is asked again.
                self._doubtful |= self._asked - answer.keys()
                self._asked = set()
                return sorted(topic for topic, there in answer.items() if not there)
        elif self._doubtful:
            self._presence = self._presence or self._open_presence()
            self._presence.ask(self._doubtful)
            self._asked, self._doubtful = self._doubtful, set()
        return []
