"""How far the records of one partition are settled: never past one that is not."""

from __future__ import annotations

import threading
from collections import deque


class Progress:
    """The records of one partition that were handed out, in order, and which of them are settled.

    Promised: `position` is the offset after the last record before which nothing is unsettled. Records may be settled
    in any order, from any thread. Once `detached`, because the partition went to another reader, settling is in vain.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: deque[int] = deque()
        self._settled: set[int] = set()
        self._position: int | None = None
        self.detached = False

    def __len__(self) -> int:
        return len(self._open)

    def hand_out(self, offset: int) -> None:
        """A record leaves, later than all before it."""
        with self._lock:
            self._open.append(offset)

    def settle(self, offset: int) -> None:
        """The reader is done with this record. Settling it again changes nothing."""
        with self._lock:
            if not self._open or offset < self._open[0]:
                return
            self._settled.add(offset)
            while self._open and self._open[0] in self._settled:
                self._settled.remove(self._open[0])
                self._position = self._open.popleft() + 1

    @property
    def position(self) -> int | None:
        """The offset to go on from after a crash; None until the first record is settled."""
        return self._position
