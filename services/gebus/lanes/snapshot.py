"""A snapshot: the committed state of one slice in a file, with the position in the state's log that it stands for, and
tails: files of the same form with what the log holds from one position to the next.

    magic and version       fixed bytes
    header                  length, then JSON: lane, slice, the id of the state's topic, position, tables, records;
                            of a tail also the position that it begins at
    records                 each as length of key, length of value, key, value: what the kernel's `dump` gave
    SHA-256                 of everything before it

The log remains the truth: a snapshot saves the reading of what lies before its position, and can be deleted any time.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections.abc import Collection, Iterable, Iterator, Sized
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gebus.lanes.places import Slice
from gebus.plan import LanePlan

VERSION = 1
_MAGIC = b"gebus snapshot\n"
_PREFIX = struct.Struct("<HI")
"""Version, length of the header."""
_FRAME = struct.Struct("<II")
_DIGEST_BYTES = 32
_LONGEST = 1 << 20
"""Of a header, a key or a value: longer ones are damage, and must not be read into memory."""
_BUFFER = 1 << 20
_DAY_MS = 86_400_000
UNFIT = ".unfit"
"""In the place of `.snapshot`: one that was put aside."""

Record = tuple[bytes, bytes]


class Records(Iterable[Record], Sized, Protocol):
    """What the kernel's `dump` gives; part of it is read from a disk as it is taken."""


class SnapshotUnfit(Exception):
    """A snapshot cannot be used: it is damaged, or of something else. The state is read from the log instead."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a snapshot is of. `position` is the first offset of the state's log that it does not hold."""

    owned: Slice
    topic_id: str
    position: int
    tables: tuple[str, ...]
    begins: int | None = None
    """Of a tail: the first offset that it holds; None for a snapshot, which holds all before its position."""

    def as_json(self) -> dict[str, Any]:
        begins = {} if self.begins is None else {"begins": self.begins}
        return {
            "lane": self.owned.lane, "slice": self.owned.number, "topic": self.topic_id, "position": self.position,
            "tables": sorted(self.tables), **begins,
        }  # fmt: skip


def snapshot_path(directory: Path, owned: Slice) -> Path:
    """Where the snapshot of a slice lies."""
    return directory / owned.lane / f"{owned.number}.snapshot"


def tail_path(directory: Path, owned: Slice, begins: int) -> Path:
    """Where the tail of a slice's snapshot lies that begins at an offset."""
    return directory / owned.lane / f"{owned.number}.{begins}.tail"


def write_snapshot(directory: Path, header: Header, records: Records) -> int:
    """Put a new snapshot in the place of the old one and its tails, or a tail behind them; returns its bytes. OSError
    where the disk does not take it.

    Promised: after a crash or an error at any point there is the old one or the new one, whole. A tail holds a part of
    the log, so whoever writes it, and however late, it is right.
    """
    whole = header.begins is None
    path = snapshot_path(directory, header.owned) if whole else tail_path(directory, header.owned, header.begins or 0)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        size = _write(aside, header, records)
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise
    _fsync(path.parent)
    if whole:
        for tail in path.parent.glob(f"{header.owned.number}.*.tail"):
            if int(tail.name.split(".")[1]) < header.position:
                tail.unlink(missing_ok=True)
    return size


def sweep(path: Path) -> None:
    """Delete what killed processes left half written beside a snapshot."""
    for left in path.parent.glob(f".{path.stem}.*"):
        try:
            os.kill(int(left.suffix[1:]), 0)
        except (ProcessLookupError, ValueError):
            left.unlink(missing_ok=True)
        except PermissionError:  # it lives
            pass


def tidy(directory: Path, plans: Iterable[LanePlan], now_ms: int) -> None:
    """Delete snapshots that can be of no use any more: of lanes that are gone, older than all that they remember, and a
    day after they were put aside as unfit.

    What a record held must not lie on a disk for longer than the lanes need it.
    """
    longest = {plan.name: max(_DAY_MS, plan.remembers_ms * 9 // 8) for plan in plans}
    paths = [path for pattern in ("*/*.snapshot", "*/*.tail", f"*/*{UNFIT}") for path in directory.glob(pattern)]
    for path in paths:
        with suppress(OSError):
            # A snapshot and its tails are of use for as long as the youngest of them.
            tails = path.parent.glob(f"{path.name.partition('.')[0]}.*.tail") if path.suffix != UNFIT else ()
            age_ms = now_ms - max(one.stat().st_mtime for one in (path, *tails)) * 1000
            most_ms = longest.get(path.parent.name, -math.inf)
            if age_ms > (min(most_ms, _DAY_MS) if path.suffix == UNFIT else most_ms):
                path.unlink()


def delete_unfit(path: Path, now_ms: int) -> None:
    """Delete what was put aside of a snapshot and its tails more than a day ago."""
    for aside in path.parent.glob(f"{path.stem}.*{UNFIT.removeprefix('.')}"):
        with suppress(OSError):
            if now_ms - aside.stat().st_mtime * 1000 > _DAY_MS:
                aside.unlink()


def _write(path: Path, header: Header, records: Records) -> int:
    digest, size = hashlib.sha256(), 0
    # Readable by its owner alone: it holds what the records of the log hold.
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb", _BUFFER) as file:
        for part in _parts(header, records):
            digest.update(part)
            size += file.write(part)
        size += file.write(digest.digest())
        file.flush()
        os.fsync(file.fileno())
    return size


def _parts(header: Header, records: Records) -> Iterator[bytes]:
    text = json.dumps({**header.as_json(), "records": len(records)}).encode()
    yield _MAGIC + _PREFIX.pack(VERSION, len(text)) + text
    for key, value in records:
        yield _FRAME.pack(len(key), len(value)) + key
        yield value


def _fsync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class SnapshotReader:
    """Reads one snapshot, a record at a time.

    Promised: a snapshot of another form, slice or topic is refused before its first record; by the time the last record
    has been followed by None, every byte was checked. Not promised: that a record is what was written, until then.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("rb", _BUFFER)
        try:
            stat = os.fstat(self._file.fileno())
            self.size, self.written_ms = stat.st_size, int(stat.st_mtime * 1000)
            self._digest = hashlib.sha256()
            self.header, self._left = self._read_header()
        except BaseException:
            self.close()
            raise

    @property
    def read(self) -> int:
        """How many of its `size` bytes were read."""
        return self._file.tell()

    def require(self, owned: Slice, topic_id: str, tables: Iterable[str]) -> None:
        """SnapshotUnfit unless it is of this slice and topic, and knows all these tables."""
        header = self.header
        if header.owned != owned:
            raise SnapshotUnfit(f"it is of slice {header.owned}")
        if header.topic_id != topic_id:
            raise SnapshotUnfit(f"it goes on in another topic of the name {owned.state.topic}, which was deleted since")
        # A table that was not in the plan then was not kept either, although the log may hold entries of it.
        unknown = sorted(set(tables) - set(header.tables))
        if unknown:
            raise SnapshotUnfit(f"it was written while the lane had no table {', '.join(unknown)}")

    def next(self) -> Record | None:
        """The next record; None behind the last one."""
        if not self._left:
            self._finish()
            return None
        self._left -= 1
        key_length, value_length = _FRAME.unpack(self._take(_FRAME.size))
        return self._take(key_length), self._take(value_length)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._file.close()

    def _read_header(self) -> tuple[Header, int]:
        if self._take(len(_MAGIC)) != _MAGIC:
            raise SnapshotUnfit("it does not begin as a snapshot does")
        version, length = _PREFIX.unpack(self._take(_PREFIX.size))
        if version != VERSION:
            raise SnapshotUnfit(f"its format has version {version}; this gebus reads {VERSION}")
        try:
            found = json.loads(self._take(length))
            owned = Slice(str(found["lane"]), int(found["slice"]))
            begins = found.get("begins")
            header = Header(
                owned, str(found["topic"]), int(found["position"]), tuple(map(str, found["tables"])),
                None if begins is None else int(begins),
            )  # fmt: skip
            return header, int(found["records"])
        except (ValueError, KeyError, TypeError) as error:
            raise SnapshotUnfit(f"its header is damaged ({type(error).__name__})") from error

    def _finish(self) -> None:
        wanted = self._digest.digest()
        if self._file.read(_DIGEST_BYTES) != wanted:
            raise SnapshotUnfit("its digest is not that of its bytes: it was damaged or cut short")
        if self._file.read(1):
            raise SnapshotUnfit("more bytes follow its digest")

    def _take(self, length: int) -> bytes:
        if length > _LONGEST:
            raise SnapshotUnfit(f"it says that {length} bytes follow, more than any record has: it was damaged")
        found = self._file.read(length)
        if len(found) != length:
            raise SnapshotUnfit("it ends too early: it was cut short")
        self._digest.update(found)
        return found


class SnapshotChain:
    """Reads a snapshot and the tails that lead on from it, as one.

    Promised and not: as of `SnapshotReader`, for each of the files.
    """

    def __init__(self, directory: Path, owned: Slice) -> None:
        self._directory, self._owned = directory, owned
        self._readers: list[SnapshotReader] = []
        self._at = 0
        self.path = snapshot_path(directory, owned)
        """The file in hand: where something is wrong, it is here."""

    def open(self, topic_id: str, tables: Collection[str]) -> None:
        """Find the files. FileNotFoundError where there is no snapshot, SnapshotUnfit or OSError for one not to use."""
        try:
            self._add(topic_id, tables)
            with suppress(FileNotFoundError):
                while True:
                    self.path = tail_path(self._directory, self._owned, self.position)
                    self._add(topic_id, tables)
        except BaseException:
            self.close()
            raise
        self.path = self._readers[0].path

    @property
    def position(self) -> int:
        """The first offset of the state's log that they do not hold."""
        return self._readers[-1].header.position

    @property
    def size(self) -> int:
        return sum(reader.size for reader in self._readers)

    @property
    def files(self) -> int:
        return len(self._readers)

    @property
    def written_ms(self) -> int:
        """When the snapshot was written, by the file system's clock."""
        return self._readers[0].written_ms

    @property
    def read(self) -> int:
        """How many of their `size` bytes were read."""
        return sum(reader.read for reader in self._readers)

    def next(self) -> Record | None:
        """The next record; None behind the last one of all."""
        while self._at < len(self._readers):
            reader = self._readers[self._at]
            self.path = reader.path
            record = reader.next()
            if record is not None:
                return record
            self._at += 1
        return None

    def close(self) -> None:
        """Close the files; safe to call twice."""
        for reader in self._readers:
            reader.close()

    def _add(self, topic_id: str, tables: Collection[str]) -> None:
        begins = self.position if self._readers else None
        reader = SnapshotReader(self.path)
        self._readers.append(reader)
        reader.require(self._owned, topic_id, tables)
        if reader.header.begins != begins or (begins is not None and reader.header.position <= begins):
            raise SnapshotUnfit(f"it goes from offset {reader.header.begins} to {reader.header.position}")
