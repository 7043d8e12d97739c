"""Points at which a worker can be told to kill itself: the fault tests' way to a crash at a known step.

Set in the environment of a worker or a processor: GEBUS_CRASH_AT, one of the points; GEBUS_CRASH_COUNT, at which
passage (1 by default); GEBUS_CRASH_MARKER, a file that is made before the kill and that prevents a second one. Unset, a
point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from gebus.model.errors import Stopped

Point = Literal["after_poll", "after_produce", "after_offsets", "after_commit"]
POINTS: tuple[Point, ...] = ("after_poll", "after_produce", "after_offsets", "after_commit")


class CrashPoint:
    """The one point at which this process kills itself, or none."""

    def __init__(
        self,
        environment: Mapping[str, str],
        kill: Callable[[], None] | None = None,
        points: Sequence[str] = POINTS,
    ) -> None:
        self._at = environment.get("GEBUS_CRASH_AT", "")
        if self._at not in ("", *points):
            raise Stopped(f"GEBUS_CRASH_AT is {self._at!r}; allowed: {', '.join(points)}, or not set")
        count = environment.get("GEBUS_CRASH_COUNT", "1")
        if not count.isdecimal() or int(count) < 1:
            raise Stopped(f"GEBUS_CRASH_COUNT is {count!r}; allowed: a whole number from 1")
        self._left = int(count)
        marker = environment.get("GEBUS_CRASH_MARKER")
        self._marker = Path(marker) if marker else None
        self._kill = kill or _kill_this_process

    def reach(self, point: str, before: Callable[[], object] | None = None) -> None:
        """Die here if this is the passage; `before` makes the step's effects reach the broker first."""
        if point != self._at:
            return
        self._left -= 1
        if self._left or (self._marker is not None and self._marker.exists()):
            return
        if before is not None:
            before()
        if self._marker is not None:
            self._marker.touch()
        self._kill()


def _kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
