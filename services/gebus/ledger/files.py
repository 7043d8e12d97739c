"""Files that are there whole or not at all, and stay there when the power goes."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gebus.ledger.tiles import WIDTH, parse_path, tile_path
from gebus.model.errors import Stopped


@dataclass(frozen=True, slots=True)
class Directory:
    """The files below a directory, which only its owner may enter.

    Promised: a file holds its old content or its new one, never a part; after `write` returns, what was written
    survives the loss of power, unless `durable` is False.
    """

    path: Path
    durable: bool = True

    def prepare(self) -> None:
        """Make the directory."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)

    def read(self, name: str, *, exact: bool = False) -> bytes | None:
        """A file's content. A tile that is not full is found in a wider one, too, unless `exact`: trees grow."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return (self.path / name).read_bytes()
        place = None if exact else parse_path(name)
        return None if place is None or place[2] == WIDTH else self._wider(*place)

    def _wider(self, level: str, number: int, width: int) -> bytes | None:
        # Twice: between looking and reading, the narrower files may have given way to a full one.
        for _ in range(2):
            with suppress(FileNotFoundError, NotADirectoryError):
                return (self.path / tile_path(level, number)).read_bytes()
            parts = (self.path / tile_path(level, number, 1)).parent
            with suppress(FileNotFoundError, NotADirectoryError, ValueError):
                names = [path.name for path in parts.iterdir()]
                wider = min(int(name) for name in names if name.isdecimal() and int(name) >= width)
                return (parts / str(wider)).read_bytes()
        return None

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, in this order."""
        with self._told():
            touched = set()
            for name, content in files.items():
                touched |= self._write(self.path / name, content)
            if self.durable:
                for directory in touched:
                    _sync_directory(directory)

    def _write(self, path: Path, content: bytes) -> set[Path]:
        touched = {path.parent}
        if not path.parent.is_dir():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            touched |= {parent for parent in path.parents if parent.is_relative_to(self.path)}
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with aside.open("wb") as file:
                file.write(content)
                if self.durable:
                    file.flush()
                    os.fsync(file.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        return touched

    def remove(self, name: str) -> None:
        """Remove a file, and its directory if it was the last; nothing happens where there is none."""
        with suppress(OSError):
            (self.path / name).unlink()
            (self.path / name).parent.rmdir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for this process alone; Stopped where another has it."""
        with self._told(), (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Stopped(
                    f"another process works on {self.path}; one ledger, or one witness, has a directory: stop it first"
                ) from None
            yield

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO):
                raise
            raise Stopped(
                f"{error.filename or self.path} cannot be written: {error.strerror}; what was signed is on the disk, "
                "and nothing is lost: make room, and start it again"
            ) from error


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
