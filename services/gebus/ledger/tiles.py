"""The tree as files: the layout of C2SP tlog-tiles, 256 hashes a tile, 256 leaves a bundle.

tile/<level>/<n>            the heads of 256 whole subtrees of 256 ** level leaves each
tile/<level>/<n>.p/<width>  the last one, as long as it is not full
tile/entries/<n>            the leaves themselves, each behind its length
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from gebus.ledger.tree import HASH_BYTES, Head, fold, head_from, root_of
from gebus.ledger.verify_evidence import leaf_hash, node_hash
from gebus.model.errors import Stopped

WIDTH = 256
LONGEST_LEAF = 0xFFFF
"""What the length of an entry can say."""
ENTRIES = "entries"
_BITS = 8
_KEPT_TILES = 64
_PATH = re.compile(
    r"tile/(?P<level>entries|[0-9]|[1-5][0-9]|6[0-3])/(?P<n>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)

Read = Callable[[str], bytes | None]
"""The content of a file of the layout, or None where there is none."""


def tile_path(level: int | str, number: int, width: int = WIDTH) -> str:
    """Where a tile lies; `level` is `entries` for a bundle."""
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03d}")
    part = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{part}"


def parse_path(path: str) -> tuple[str, int, int] | None:
    """Level, number and width, or None where `path` is not one of the layout."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    number = int("".join(re.findall(r"[0-9]{3}", match["n"])))
    width = int(match["width"] or WIDTH)
    known = width <= WIDTH and tile_path(match["level"], number, width) == path
    return (match["level"], number, width) if known else None


def widths(size: int) -> Iterator[tuple[int, int, int]]:
    """Level, number and width of the tiles that a tree of this size ends with, those that are not full."""
    for level in count():
        width = size >> level * _BITS
        if not width:
            return
        if width % WIDTH:
            yield level, width // WIDTH, width % WIDTH


def pack(leaves: Sequence[bytes]) -> bytes:
    """A bundle."""
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


def unpack(bundle: bytes, where: str) -> list[bytes]:
    """The leaves of a bundle; Stopped, which names `where`, if it was cut."""
    leaves: list[bytes] = []
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 > len(bundle) or end > len(bundle):
            raise Stopped(f"{where}: leaf {len(leaves)} is cut short; `gebus ledger verify` says what else is wrong")
        leaves.append(bundle[at + 2 : end])
        at = end
    return leaves


class TiledTree:
    """A tree of a given size, read from its tiles. Paths cost four tiles at ten million leaves."""

    def __init__(self, read: Read, size: int, where: str = "the ledger") -> None:
        self.size = size
        self._read, self._where = read, where
        self._tiles: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._bundle: tuple[int, list[bytes]] = (-1, [])
        self.head: Head = head_from(self.subtree)

    def again(self) -> TiledTree:
        """The same tree for another thread: what one keeps in memory is not for two."""
        return TiledTree(self._read, self.size, self._where)

    @property
    def root(self) -> bytes:
        return self.head(0, self.size)

    def subtree(self, level: int, number: int) -> bytes:
        """The head of a whole subtree of 2 ** level leaves."""
        upper, lower = divmod(level, _BITS)
        first = number << lower
        tile = self.tile(upper, first // WIDTH)
        start = first % WIDTH * HASH_BYTES
        hashes = [tile[at : at + HASH_BYTES] for at in range(start, start + (HASH_BYTES << lower), HASH_BYTES)]
        while len(hashes) > 1:
            hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
        return hashes[0]

    def tile(self, level: int, number: int) -> bytes:
        """A tile, as wide as this size has it."""
        kept = self._tiles.get((level, number))
        if kept is None:
            width = min(WIDTH, (self.size >> level * _BITS) - number * WIDTH)
            kept = self._wide(tile_path(level, number, width), width * HASH_BYTES)
            self._tiles[level, number] = kept
            if len(self._tiles) > _KEPT_TILES:
                self._tiles.popitem(last=False)
        return kept

    def leaf(self, index: int) -> bytes:
        """A leaf's own bytes."""
        number = index // WIDTH
        if self._bundle[0] != number:
            self._bundle = number, self.bundle(number)
        return self._bundle[1][index % WIDTH]

    def bundle(self, number: int) -> list[bytes]:
        """The leaves of a bundle, as many as this size has."""
        width = min(WIDTH, self.size - number * WIDTH)
        path = tile_path(ENTRIES, number, width)
        content = self._read(path)
        leaves = [] if content is None else unpack(content, f"{self._where}, {path}")
        if len(leaves) < width:
            raise self._missing(path, f"{len(leaves)} leaves")
        return leaves[:width]

    def _wide(self, path: str, length: int) -> bytes:
        content = self._read(path) or b""
        if len(content) < length:
            raise self._missing(path, f"{len(content) // HASH_BYTES} hashes")
        return content[:length]

    def _missing(self, path: str, found: str) -> Stopped:
        return Stopped(
            f"{self._where}: {path} holds {found}, fewer than a tree of {self.size} leaves has; "
            "`gebus ledger verify` says what else is wrong"
        )


class Growth:
    """The right edge of a tree, to which leaves are appended; the files that change come out of it.

    Promised: the same leaves give the same files, whatever they were appended in.
    """

    def __init__(self, tree: TiledTree) -> None:
        self.size = tree.size
        self._levels: list[list[bytes]] = []
        for level, number, width in widths(tree.size):
            self._levels += [[] for _ in range(level - len(self._levels))]
            tile = tree.tile(level, number)
            self._levels.append([tile[at : at + HASH_BYTES] for at in range(0, width * HASH_BYTES, HASH_BYTES)])
        self._bundle = tree.bundle(tree.size // WIDTH) if tree.size % WIDTH else []

    @property
    def bundle(self) -> Sequence[bytes]:
        """The last leaves, which do not fill a bundle yet."""
        return self._bundle

    def append(self, leaves: Sequence[bytes]) -> dict[str, bytes]:
        """The files that are new, and those that grew, by path."""
        files: dict[str, bytes] = {}
        for leaf in leaves:
            self._bundle.append(leaf)
            if len(self._bundle) == WIDTH:
                files[tile_path(ENTRIES, self.size // WIDTH)] = pack(self._bundle)
                self._bundle = []
            self._add(leaf_hash(leaf), files)
        for level, number, width in widths(self.size):
            files[tile_path(level, number, width)] = b"".join(self._levels[level])
        if self._bundle:
            files[tile_path(ENTRIES, self.size // WIDTH, len(self._bundle))] = pack(self._bundle)
        return files

    def _add(self, carried: bytes, files: dict[str, bytes]) -> None:
        self.size += 1
        for level in count():
            if level == len(self._levels):
                self._levels.append([])
            hashes = self._levels[level]
            hashes.append(carried)
            if len(hashes) < WIDTH:
                return
            files[tile_path(level, (self.size >> level * _BITS) // WIDTH - 1)] = b"".join(hashes)
            carried = root_of(hashes)
            hashes.clear()

    @property
    def root(self) -> bytes:
        heads: list[bytes] = []
        for hashes in reversed(self._levels):
            start = 0
            while start < len(hashes):
                length = 1 << (len(hashes) - start).bit_length() - 1
                heads.append(root_of(hashes[start : start + length]))
                start += length
        return fold(heads)
