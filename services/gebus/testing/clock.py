"""A clock that stands until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime

START_MS = int(datetime(2020, 2, 1, tzinfo=UTC).timestamp()) * 1000
"""2020-02-01T00:00:00Z, where every test begins unless it says otherwise."""


class ManualClock:
    """Milliseconds since 1970 that only `advance` and `at` change."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.now_ms = now_ms

    def advance(self, milliseconds: int) -> None:
        """Go on by that much; going back is `at`'s."""
        if milliseconds < 0:
            raise ValueError(f"a clock goes on by {milliseconds} ms; allowed: zero or more")
        self.now_ms += milliseconds

    def at(self, now_ms: int) -> None:
        """Be at that instant, earlier ones too: a test may want a wrong clock."""
        self.now_ms = now_ms
