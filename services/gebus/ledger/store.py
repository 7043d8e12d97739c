"""The ledger on disk: tiles and bundles, how far they go, and the newest checkpoint.

What is written in which order, and what a crash after each leaves:

| step | after a crash here |
| --- | --- |
| bundles and tiles of new leaves, fsync | they count for nothing; the same leaves give the same files |
| the state: size, root, and the offset to go on from, fsync | the leaves are in the tree; no checkpoint says so yet |
| the checkpoint, fsync | it can be read; it names only what lies on the disk |
| tiles that gave way to wider ones are removed | some stay, and are removed after the next growth |
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass

from gebus.ledger.files import Directory
from gebus.ledger.tiles import ENTRIES, LONGEST_LEAF, WIDTH, Growth, TiledTree, tile_path, widths
from gebus.ledger.verify_evidence import NotProven, leaf_hash, read_head
from gebus.model.errors import Stopped

CHECKPOINT, STATE = "checkpoint", "state.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class State:
    """How far the tree goes: its size and root, and the offsets of its last leaf and of the next, -1 and 0 at first."""

    origin: str
    size: int
    root: str
    last_offset: int
    next_offset: int
    v: int = _VERSION


class Store:
    """The tree of one ledger in one directory, for one process.

    Promised: what `append` returned from is on the disk; the same leaves give the same tree, however often the process
    died between; a directory whose edge, to which leaves are appended, was changed is refused when it is opened. Not
    promised: that older files are looked at; `gebus ledger verify` does that.
    """

    def __init__(self, directory: Directory, origin: str) -> None:
        """Stopped where the directory is of another ledger, or not what the state says."""
        directory.prepare()
        self._directory, self._origin = directory, origin
        self.state = self._read_state()
        tree = TiledTree(directory.read, self.state.size, str(directory.path))
        self._growth = Growth(tree)
        self._require_whole(tree)

    def locked(self) -> AbstractContextManager[None]:
        """Hold the directory."""
        return self._directory.locked()

    @property
    def size(self) -> int:
        return self.state.size

    @property
    def root(self) -> bytes:
        return bytes.fromhex(self.state.root)

    @property
    def checkpoint(self) -> str | None:
        """The newest one."""
        content = self._directory.read(CHECKPOINT)
        return None if content is None else content.decode()

    def read(self, path: str) -> bytes | None:
        """A file of the layout."""
        return self._directory.read(path)

    def tree(self, size: int | None = None) -> TiledTree:
        """The tree as it is, or as it was at a size."""
        return TiledTree(self._directory.read, self.size if size is None else size, str(self._directory.path))

    def append(self, leaves: Sequence[bytes], last_offset: int, next_offset: int) -> None:
        """Add leaves, whose last has this offset."""
        too_long = next((len(leaf) for leaf in leaves if len(leaf) > LONGEST_LEAF), 0)
        if too_long:
            raise Stopped(f"a leaf of {too_long} bytes before offset {next_offset}; allowed: {LONGEST_LEAF}")
        before = self.state.size
        self._directory.write(self._growth.append(leaves))
        self._write_state(State(self._origin, self._growth.size, self._growth.root.hex(), last_offset, next_offset))
        self._remove_narrow(before)

    def publish(self, checkpoint: str) -> None:
        """Make this the newest checkpoint."""
        self._directory.write({CHECKPOINT: checkpoint.encode()})

    def _write_state(self, state: State) -> None:
        self._directory.write({STATE: json.dumps(asdict(state)).encode()})
        self.state = state

    def _remove_narrow(self, size: int) -> None:
        kept = {(level, number): width for level, number, width in widths(self.size)}
        for level, number, width in widths(size):
            if kept.get((level, number)) != width:
                self._directory.remove(tile_path(level, number, width))
        if size % WIDTH and size != self.size:
            self._directory.remove(tile_path(ENTRIES, size // WIDTH, size % WIDTH))

    def _read_state(self) -> State:
        content = self._directory.read(STATE)
        if content is None:
            if self._directory.read(CHECKPOINT) is not None:
                raise self._changed(f"there is a checkpoint, and no {STATE}")
            # Written before any head is signed, so that a state that is gone is never taken for a new ledger.
            state = State(self._origin, 0, TiledTree(self._directory.read, 0).root.hex(), -1, 0)
            self._write_state(state)
            return state
        try:
            state = State(**json.loads(content))
        except (ValueError, TypeError):
            raise self._changed(f"{STATE} cannot be read") from None
        if state.v != _VERSION:
            raise Stopped(f"{self._directory.path}: {STATE} is of version {state.v}; this gebus reads {_VERSION}")
        if state.origin != self._origin:
            raise Stopped(
                f"{self._directory.path} is the ledger {state.origin}, and this bus is {self._origin}: another bus's; "
                "point GEBUS_HOME at the right one, or move the directory away to begin a new ledger"
            )
        return state

    def _require_whole(self, tree: TiledTree) -> None:
        if tree.root != self.root:
            raise self._changed(f"its tiles have the root {tree.root.hex()}, and {STATE} says {self.state.root}")
        last = [leaf_hash(leaf) for leaf in self._growth.bundle]
        if last and b"".join(last) != tree.tile(0, self.size // WIDTH):
            raise self._changed("its last leaves are not those of its tiles")
        checkpoint = self.checkpoint
        if checkpoint is None:
            return
        try:
            origin, size, root = read_head(checkpoint)
        except NotProven as error:
            raise self._changed(f"{CHECKPOINT}: {error}") from None
        if origin != self._origin or size > self.size or self.tree(size).root != root:
            raise self._changed(f"the checkpoint of {size} leaves is not of this tree of {self.size}")

    def _changed(self, found: str) -> Stopped:
        return Stopped(
            f"{self._directory.path} was changed: {found}; `gebus ledger verify` says where. Put back what was there, "
            "or move the directory away: the ledger is made anew from its topic, and must come to the same checkpoint"
        )
