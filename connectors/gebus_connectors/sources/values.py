"""What a source wrote as the codes of a dated list; a word that the list does not know is no code."""

from __future__ import annotations

from collections.abc import Mapping

from gebus.model.catalogue import CodeList
from gebus_connectors.sources.reading import BadRow


class ValueMap:
    """The codes of a list by the `names` that sources use for them."""

    def __init__(self, codes: CodeList) -> None:
        self._list = codes.name
        self._codes: Mapping[str, str] = {
            name: entry.code for entry in codes.entries for name in entry.attributes["names"]
        }

    def code(self, written: str) -> str:
        """The code of a word; BadRow for a word that the list does not know: nothing is guessed."""
        try:
            return self._codes[written]
        except KeyError:
            raise BadRow(f"{written[:40]!r} is no name of codes/{self._list}.yaml") from None


class Themes:
    """The codes of a list by the first of their `words` that stands in a text."""

    def __init__(self, codes: CodeList) -> None:
        self._themes = [(entry.code, tuple(entry.attributes["words"])) for entry in codes.entries]

    def of(self, text: str) -> str:
        """The first theme that the text speaks of; the last of the list if it speaks of none."""
        return next((code for code, words in self._themes if any(word in text for word in words)), self._themes[-1][0])
