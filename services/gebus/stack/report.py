"""What the stack tells while it works; the command line shows it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Report(Protocol):
    """Where progress goes."""

    def step(self, text: str) -> None:
        """One line: what begins now, or what was found."""

    def fetching(self, name: str, size: int) -> AbstractContextManager[Callable[[int], None]]:
        """A download of `size` bytes begins; the callable takes the number of bytes that came."""


class Silent:
    """Tells nobody."""

    def step(self, text: str) -> None:
        """Nothing."""

    def fetching(self, name: str, size: int) -> AbstractContextManager[Callable[[int], None]]:  # noqa: ARG002 - the protocol's names
        """Nothing."""
        return nullcontext(lambda _: None)
