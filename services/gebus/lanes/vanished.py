"""Whether the topics that lanes read are there: of one that is missing Kafka says nothing, and gives none of it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gebus.lanes.places import Place
from gebus.lanes.ports import Ends


class Vanished:
    """Asks after every topic at first, and again after what the group took away.

    Promised: `missing` returns at once, and tells each topic that Kafka has answered about once. Not promised: that a
    topic which was deleted and made anew between two answers is noticed here.
    """

    def __init__(self, topics: Iterable[str], open_ends: Callable[[], Ends]) -> None:
        self._doubtful = {Place(topic, 0) for topic in topics}
        self._asked: set[Place] = set()
        self._open_ends = open_ends
        self._ends: Ends | None = None

    def revoked(self, places: Iterable[Place]) -> None:
        """The group took these away: for another worker, or because they are gone."""
        self._doubtful.update(places)

    def missing(self) -> list[Place]:
        """Ask, or hear the answer: of which there is no topic."""
        if self._asked and self._ends is not None:
            answer = self._ends.answer()
            if answer is not None:
                # What was taken away since the question was asked is asked again.
                self._doubtful |= self._asked - answer.keys()
                self._asked = set()
                return [place for place, end in answer.items() if end is None]
        elif self._doubtful:
            self._ends = self._ends or self._open_ends()
            self._ends.ask(sorted(self._doubtful))
            self._asked, self._doubtful = self._doubtful, set()
        return []
