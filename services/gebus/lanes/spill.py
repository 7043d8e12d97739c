"""The disk that a worker's state goes to beyond its memory: whose folder it is, and when something goes there."""

from __future__ import annotations

import logging
import math
import os
import shutil
from pathlib import Path

from gebus_kernel import Kernel

from gebus.lanes.ports import Clock
from gebus.lanes.settings import LaneSettings

_log = logging.getLogger(__name__)
_CACHE = 8
"""The disk is read through a cache of this part of the budget: filters of twelve times the keys that fit it."""
_BEGIN, _UNTIL = 0.8, 0.6
"""Of what tables may take: it begins before they have no room, and moves enough that files are few and large."""
_AGAIN_SECONDS = 10.0
"""After it could not: a disk that is full is not made emptier by trying."""
_SAY_SECONDS = 60.0


class Spill:
    """Moves the older part of a worker's state to the disk, so that more fits than its memory holds.

    Promised: it holds nothing that Kafka does not hold, is empty when a worker begins and gone when it ends; a disk
    that is full, slow, read-only or gone costs messages, and the worker's input when its memory is at its end, never a
    record. Not promised: that all can move (see STATE.md); room on the disk for others, for the bytes are counted by
    what is written and not by the disk's blocks.
    """

    def __init__(self, directory: Path, settings: LaneSettings, clock: Clock) -> None:
        self._parent, self._clock = directory / "spill", clock
        self._folder = self._parent / str(os.getpid())
        self._most = settings.spill_bytes
        self._cache = settings.state_bytes // _CACHE if self._most else 0
        self.memory = settings.state_bytes - self._cache
        """How much memory the tables of the worker may take."""
        self.reason = ""
        """Why what is in memory stays there; "" while it need not, or nothing may move at all."""
        self._again_at = self._say_at = -math.inf
        self._kernel: Kernel | None = None
        if self._most:
            self._sweep()

    def give(self, kernel: Kernel) -> None:
        """Let a new kernel use the folder, in the place of the one before."""
        self.reason, self._again_at = "", -math.inf
        if self._most:
            self.close()
            self._kernel = kernel
            kernel.spill_to(self._folder, self._most, self._cache)

    def due(self, held: int) -> bool:
        """Whether something is to be moved of so many bytes in memory: between two transactions, by `some`."""
        wanted = self._most > 0 and held >= self.memory * _BEGIN
        return wanted and self._clock.monotonic() >= self._again_at

    def some(self, kernel: Kernel) -> None:
        """Move so much that there is room again, or say why not."""
        now = self._clock.monotonic()
        freed, self.reason = 0, ""
        try:
            # Readable by its owner alone: it holds what the records of the log hold.
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            freed, reason = kernel.spill(int(self.memory * _UNTIL))
            self.reason = reason or ("" if freed else "what is left cannot move")
        except OSError as error:
            self.reason = f"{self._folder} cannot be made: {error}"
        if freed:
            _log.info("%s bytes of state went to the disk", f"{freed:,}")
        if not self.reason:
            self._say_at = -math.inf
            return
        self._again_at = now + _AGAIN_SECONDS
        if now >= self._say_at:
            self._say_at = now + _SAY_SECONDS
            _log.warning(
                "the spill takes no more of the state: %s; it stays in memory, and nothing is lost; give `gebus run "
                "lanes` more --spill-bytes, or look after the disk of %s", self.reason, self._parent,
            )  # fmt: skip

    def close(self) -> None:
        """Delete all of it; safe to call twice. A kernel that used it has lost these slices."""
        kernel, self._kernel = self._kernel, None
        if kernel is not None:  # whoever still holds it keeps no file open
            for lane, number in {(lane, number) for lane, number, *_ in kernel.spilt()}:
                kernel.close(lane, number)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _sweep(self) -> None:
        """Delete what dead processes left, and what one with this process's number did."""
        self.close()
        for left in self._parent.glob("*"):
            try:
                os.kill(int(left.name), 0)
            except (ProcessLookupError, ValueError):
                shutil.rmtree(left, ignore_errors=True)
            except PermissionError:  # it lives
                pass
