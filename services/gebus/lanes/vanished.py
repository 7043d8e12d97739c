"""Whether the topics that lanes read are there: of one that is missing Kafka says nothing, and gives none of it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gebus.lanes.places import Place
from gebus.lanes.ports import Ends


class Vanished:
    """Asks after every topic at first, and again after what the group took away.

    Promised: `check` returns at once, and raises SourceGone when Kafka has answered that there is no such topic. Not
    promised: that a topic which was deleted and made anew between two answers is noticed here.
    """

    def __init__(self, topics: Iterable[str], open_ends: Callable[[], Ends]) -> None:
        self._doubtful = {Place(topic, 0) for topic in topics}
        self._open_ends = open_ends
        self._ends: Ends | None = None
        self._asking = False

    def revoked(self, places: Iterable[Place]) -> None:
        """The group took these away: for another worker, or because they are gone."""
        self._doubtful.update(places)

    def check(self) -> None:
        """Ask, or hear the answer."""
        if self._asking and self._ends is not None:
            answer = self._ends.answer()
            if answer is not None:
                self._doubtful.difference_update(answer)
                self._asking = False
        elif self._doubtful:
            self._ends = self._ends or self._open_ends()
            self._ends.ask(sorted(self._doubtful))
            self._asking = True
