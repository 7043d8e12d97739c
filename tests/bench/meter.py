"""CPU time and memory of a process and everything that it started, seen from outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu_seconds`: user and system time since the start. `peak_mb`: the sum of every process's highest RSS."""

    cpu_seconds: float
    peak_mb: float


def usage(pid: int) -> Usage:
    """What the process tree below `pid` has used so far, children that have ended included.

    Not promised: memory that processes share is counted once; each of them counts it.
    """
    root = psutil.Process(pid)
    seconds, kilobytes = 0.0, 0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
            kilobytes += _highest_rss(process.pid)
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            continue  # it ended just now, and its parent's counters will hold it
        seconds += times.user + times.system + times.children_user + times.children_system
    return Usage(seconds, kilobytes / 1024)


def _highest_rss(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)
