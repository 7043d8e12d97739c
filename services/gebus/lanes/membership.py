"""The slot's member of the group, written down for the process that comes after a killed one."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

_log = logging.getLogger(__name__)
_LONGEST = 256


class Membership:
    """A file that a process holds locked for as long as it lives, with the id of its member in it.

    A killed worker's member holds its slot until the group's session is over. Whoever comes next in the same place
    need not wait for that: the free lock proves that the process is dead, and the id says which member was its.

    Promised: what `inherit` gives was the member of a process that is dead. Not promised: that it gives anything; on
    another machine, or where the disk cannot be written, the end of the session is waited for.
    """

    def __init__(self, directory: Path, slot: int) -> None:
        self._path = directory / f"slot-{slot}.member"
        self._handle: int | None = None
        self._written = ""

    def inherit(self) -> str:
        """Hold the lock from now on; the member of the process that held it before, or nothing."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            _log.debug("%s is not used: %s", self._path, error)
            return ""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._handle, self._written = handle, os.pread(handle, _LONGEST, 0).decode("ascii", "replace")
        except OSError as error:  # its process lives
            os.close(handle)
            _log.debug("%s is not used: %s", self._path, error)
            return ""
        return self._written

    def write(self, member: str) -> None:
        """This process is that member now; an empty text where it is none any more."""
        if self._handle is None or member == self._written:
            return
        try:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, member.encode("ascii"), 0)
            self._written = member
        except OSError as error:
            _log.debug("%s is not written: %s", self._path, error)
