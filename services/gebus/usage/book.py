"""The book: the sums of the leaves by day, feed, slice, grant and mode, in a file, with the place to go on from."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

from gebus.model.errors import Stopped
from gebus.model.leaf import Leaf

CHINA = timezone(timedelta(hours=8))
"""A day, and so a month, is one of the bus's parties."""
_FORM = 1
_WAIT_SECONDS = 10.0

_TABLES = """
CREATE TABLE IF NOT EXISTS usage (
    day TEXT, feed TEXT, slice INTEGER, granted TEXT, mode TEXT,
    leaves INTEGER, records INTEGER, size INTEGER, one INTEGER, two INTEGER, three INTEGER, four INTEGER,
    first INTEGER, last INTEGER,
    PRIMARY KEY (day, feed, slice, granted, mode)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER, root TEXT);
"""
_ADD = """
INSERT INTO usage VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET leaves = leaves + 1, records = records + excluded.records, size = size + excluded.size,
    one = one + excluded.one, two = two + excluded.two, three = three + excluded.three, four = four + excluded.four,
    last = excluded.last
"""


@dataclass(frozen=True, slots=True)
class Metered:
    """What was delivered: `fields` are delivered values by class, 1 to 4."""

    leaves: int = 0
    records: int = 0
    size: int = 0
    fields: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __add__(self, other: Metered) -> Metered:
        one, two, three, four = (mine + its for mine, its in zip(self.fields, other.fields, strict=True))
        return Metered(
            self.leaves + other.leaves, self.records + other.records, self.size + other.size, (one, two, three, four)
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One sum of the book, with the offsets of its first and last leaf; between them lie leaves of other entries."""

    day: date
    feed: str
    slice: int
    grant: str
    mode: str
    metered: Metered
    first: int
    last: int

    @property
    def consumer(self) -> str:
        return self.feed.partition("/")[0]


def day_of(at_ms: int) -> date:
    """The day on which something was delivered."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(CHINA).date()


class Book:
    """Sums of leaves, in a file that its owner alone can read.

    Promised: each leaf is counted once, also where two processes count, or one dies while it does. The file may be
    deleted: it is made anew from the topic. Not promised: that the topic still holds every leaf that was counted.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._path = path
        try:
            self._database = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            (form,) = self._database.execute("PRAGMA user_version").fetchone()
            if form not in (0, _FORM):
                raise Stopped(f"{path} is a book of form {form}; this gebus keeps {_FORM}: delete it, it is made anew")
            self._database.executescript(f"{_TABLES} PRAGMA user_version = {_FORM};")
        except sqlite3.DatabaseError as error:
            raise Stopped(f"{path} cannot be read as a book of usage ({error}); delete it, it is made anew") from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @property
    def place(self) -> tuple[int, str]:
        """The offset of the first leaf that is not counted, and the root of the last that is, or ""."""
        found = self._database.execute("SELECT next, root FROM place").fetchone()
        return (0, "") if found is None else (int(found[0]), str(found[1]))

    def forget(self) -> None:
        """Begin from nothing."""
        with self._changing():
            self._database.execute("DELETE FROM usage")
            self._database.execute("DELETE FROM place")

    def add(self, leaves: Sequence[tuple[int, Leaf]]) -> None:
        """Count leaves, each with its offset, in order; one that is counted already is passed over."""
        with self._changing():
            begin, _ = self.place
            fresh = [(offset, leaf) for offset, leaf in leaves if offset >= begin]
            self._database.executemany(_ADD, (_row(offset, leaf) for offset, leaf in fresh))
            if fresh:
                offset, leaf = fresh[-1]
                self._database.execute("INSERT OR REPLACE INTO place VALUES (1, ?, ?)", (offset + 1, leaf.root))

    def entries(self, begin: date = date.min, end: date = date.max) -> Iterator[Entry]:
        """The sums of the days from `begin` up to, not including, `end`, in order."""
        found = self._database.execute(
            "SELECT * FROM usage WHERE day >= ? AND day < ? ORDER BY day, feed, slice, granted, mode",
            (begin.isoformat(), end.isoformat()),
        )
        with closing(found):
            for day, feed, number, grant, mode, leaves, records, size, *fields, first, last in found:
                one, two, three, four = fields
                metered = Metered(leaves, records, size, (one, two, three, four))
                yield Entry(date.fromisoformat(day), feed, number, grant, mode, metered, first, last)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise Stopped(f"{self._path} could not be written ({error}); nothing of it is lost, try again") from error


def _row(offset: int, leaf: Leaf) -> tuple[object, ...]:
    key = (day_of(leaf.at).isoformat(), leaf.feed, leaf.slice, leaf.grant, leaf.mode)
    return (*key, leaf.count, leaf.size, *leaf.fields, offset, offset)
