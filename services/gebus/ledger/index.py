"""Where in the ledger something is said of an entity: a table beside the tree, made from the same topic.

It proves nothing and can be deleted: the ledger makes it anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gebus.ledger.leaves import Taken
from gebus.model.errors import Stopped

INDEX = "index.sqlite"
_VERSION = 1
_BUSY_SECONDS = 5.0
_PREFIX = 4
"""Bytes kept of a digest: so many that the topic need hardly ever be asked in vain."""
_TABLES = """
CREATE TABLE position (size INTEGER NOT NULL, next_offset INTEGER NOT NULL);
INSERT INTO position VALUES (0, 0);
CREATE TABLE feed (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE leaf (number INTEGER PRIMARY KEY, "offset" INTEGER NOT NULL, feed INTEGER NOT NULL);
CREATE TABLE tag (tag INTEGER NOT NULL, leaf INTEGER NOT NULL, digests BLOB NOT NULL,
                  PRIMARY KEY (tag, leaf)) WITHOUT ROWID;
"""
_PLACES = """
SELECT leaf.number, leaf."offset", feed.name, tag.digests
FROM tag JOIN leaf ON leaf.number = tag.leaf JOIN feed ON feed.id = leaf.feed
WHERE tag.tag = ? AND (? IS NULL OR feed.name = ?) ORDER BY tag.leaf DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A leaf that has records of an entity: its number in the tree, its offset in the topic, and what begins their
    digests."""

    number: int
    offset: int
    feed: str
    digests: bytes

    @property
    def records(self) -> int:
        return len(self.digests) // _PREFIX

    def may_hold(self, digest: bytes) -> bool:
        """Whether a record with this digest may be under the leaf; few others are taken for it."""
        wanted = digest[:_PREFIX]
        return any(self.digests[at : at + _PREFIX] == wanted for at in range(0, len(self.digests), _PREFIX))


class Index:
    """The table of one ledger. One writes; many may read, each with its own."""

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        """Stopped where it is to be read, and there is none yet, or it is of another version."""
        self._path = directory / INDEX
        try:
            self._database = self._open(read_only)
        except sqlite3.Error as error:
            if read_only:
                raise Stopped(
                    f"{self._path} cannot be read: {error}; `gebus run ledger` makes it, where GEBUS_HOME points to"
                ) from None
            # What cannot be read is made anew: nothing lies in it that the topic does not have.
            self._remove()
            self._database = self._open(read_only)

    def _open(self, read_only: bool) -> sqlite3.Connection:
        # As a URI also for writing: a path may hold a question mark.
        mode = "ro" if read_only else "rwc"
        database = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_SECONDS)
        try:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _VERSION) or (read_only and not version):
                raise sqlite3.DatabaseError(f"version {version}, and this gebus reads {_VERSION}")
            if not read_only:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = NORMAL")
            if not version:
                database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")
        except BaseException:
            database.close()
            raise
        return database

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Close it; safe to call twice."""
        self._database.close()

    @property
    def size(self) -> int:
        """How many leaves it knows."""
        return self._position()[0]

    @property
    def next_offset(self) -> int:
        """From where it goes on in the topic."""
        return self._position()[1]

    def _position(self) -> tuple[int, int]:
        size, offset = self._database.execute("SELECT size, next_offset FROM position").fetchone()
        return size, offset

    def clear(self) -> None:
        """Forget everything, to be made anew."""
        self._database.close()
        self._remove()
        self._database = self._open(read_only=False)

    def add(self, first: int, taken: Sequence[Taken]) -> None:
        """Leaves in their order, the first with the number `first`; those that it knows already are passed over."""
        size = self.size
        fresh = [(number, one) for number, one in enumerate(taken, first) if number >= size]
        if not fresh:
            return
        try:
            self._insert(fresh)
        except sqlite3.Error as error:
            raise Stopped(
                f"{self._path} cannot be written: {error}; the tree is whole: make room, or delete the file, which is "
                "made anew, and start the ledger again"
            ) from error

    def _insert(self, fresh: Sequence[tuple[int, Taken]]) -> None:
        with self._database as database:
            feeds = {one.message.leaf.feed: self._feed(one.message.leaf.feed) for _, one in fresh}
            database.executemany(
                "INSERT INTO leaf VALUES (?, ?, ?)",
                [(number, one.offset, feeds[one.message.leaf.feed]) for number, one in fresh],
            )
            for number, one in fresh:
                tags: dict[bytes, bytes] = {}
                for tag, digest in one.message:
                    tags[tag] = tags.get(tag, b"") + digest[:_PREFIX]
                rows = ((_number(tag), number, digests) for tag, digests in tags.items())
                database.executemany("INSERT INTO tag VALUES (?, ?, ?)", rows)
            number, last = fresh[-1]
            database.execute("UPDATE position SET size = ?, next_offset = ?", (number + 1, last.offset + 1))

    def _feed(self, name: str) -> int:
        self._database.execute("INSERT OR IGNORE INTO feed (name) VALUES (?)", (name,))
        return int(self._database.execute("SELECT id FROM feed WHERE name = ?", (name,)).fetchone()[0])

    def places(self, tag: bytes, feed: str | None = None, *, most: int) -> list[Place]:
        """The newest leaves with records of an entity, oldest first, of one feed or of all."""
        with closing(self._database.execute(_PLACES, (_number(tag), feed, feed, most))) as rows:
            return [Place(*row) for row in rows][::-1]


def _number(tag: bytes) -> int:
    """SQLite's integers have 64 bits and a sign."""
    return int.from_bytes(tag, "big", signed=True)
