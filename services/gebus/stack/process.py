"""Child processes that outlive their parent, and are found again by what they run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from gebus.model.errors import StackError

_LOG_LINES = 12


@dataclass(frozen=True, slots=True)
class Program:
    """One server: a name for people, a command line that no other process has, and where it writes its output.

    The command is `java @<file>`: the file below the stack's home holds class path and options. So the command line
    is the identity. A process id could meanwhile belong to another program; this cannot.
    """

    name: str
    java: Path
    arguments: Path
    output: Path
    log: Path

    @property
    def command(self) -> list[str]:
        return [str(self.java), f"@{self.arguments}"]

    def find(self) -> psutil.Process | None:
        """The running process, or None. A child that has died, though nobody has reaped it, is not running."""
        mark = f"@{self.arguments}"
        for process in psutil.process_iter():
            try:
                # Compared without the path of java: another environment's gebus may have started it.
                if process.uids().real == os.getuid() and process.cmdline()[1:] == [mark]:
                    return process
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return None

    def start(self) -> psutil.Process:
        """Start the program in a session of its own, so that Ctrl-C in this terminal does not reach it."""
        # A minimal environment: both servers would let a variable of the caller's override their configuration.
        environment = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
        write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        try:
            pid = os.posix_spawn(
                self.java,
                self.command,
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(self.output), write, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
            )
        except OSError as error:
            raise StackError(f"{self.name} cannot be started: {self.java}: {error.strerror}") from error
        return psutil.Process(pid)

    def last_words(self) -> str:
        """The last lines of its log and its output, for a message about its death."""
        lines = [line for path in (self.log, self.output) for line in _tail(path)]
        return "\n".join(f"  | {line}" for line in lines[-_LOG_LINES:]) or "  | (it wrote nothing)"


def stop(processes: Sequence[psutil.Process], patience_seconds: float) -> list[psutil.Process]:
    """Ask processes to end, wait, then kill the rest. Returns those that had to be killed."""
    for process in processes:
        _signal(process.terminate)
    _, alive = psutil.wait_procs(processes, timeout=patience_seconds)
    for process in alive:
        _signal(process.kill)
    psutil.wait_procs(alive, timeout=patience_seconds)
    return list(alive)


def _signal(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.NoSuchProcess:
        return


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            return file.read().decode(errors="replace").splitlines()[-_LOG_LINES:]
    except FileNotFoundError:
        return []
