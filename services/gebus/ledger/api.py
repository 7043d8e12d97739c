"""What the ledger answers: tiles, bundles and the checkpoint as files, proofs, and evidence."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gebus.kafka import Connection
from gebus.ledger.evidence import NotYet, Prover
from gebus.ledger.http import BYTES, JSON, Answer, Request
from gebus.ledger.index import Index
from gebus.ledger.leaves import LeafReader, Taken
from gebus.ledger.store import CHECKPOINT, Store
from gebus.ledger.tiles import ENTRIES, pack, parse_path, unpack
from gebus.ledger.tree import HASH_BYTES, consistency_path, inclusion_path
from gebus.ledger.verify_evidence import VerifierKey, read_head, write_proof
from gebus.model.errors import NotFound, Stopped

_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_NOW = {"Cache-Control": "no-store"}


class Fetcher:
    """Messages of the topic by their offset, for any thread; connects when first needed, and anew after a fault."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._reader: LeafReader | None = None

    def __call__(self, offset: int) -> Taken:
        with self._lock:
            reader = self._reader or LeafReader(self._connection, offset)
            self._reader = None
            try:
                taken = reader.one(offset)
            except BaseException:
                reader.close()
                raise
            self._reader = reader
            return taken

    def close(self) -> None:
        """Disconnect."""
        with self._lock:
            if self._reader is not None:
                self._reader.close()
                self._reader = None


class Api:
    """Answers requests, each in its own thread; nothing here changes anything."""

    def __init__(
        self, store: Store, directory: Path, key: VerifierKey, witnesses: Sequence[VerifierKey],
        fetch: Callable[[int], Taken],
    ) -> None:  # fmt: skip
        self._store, self._directory = store, directory
        self._keys = {"ledger": str(key), "witnesses": [str(one) for one in witnesses]}
        self._prover = Prover(store, key, witnesses, fetch)

    def answer(self, request: Request) -> Answer:
        """What is asked."""
        try:
            if request.method == "POST":
                return self._evidence(request) if request.path == "evidence" else _nothing(request)
            return self._read(request)
        except NotFound as error:
            return Answer.text(404, str(error))
        except NotYet as error:
            return Answer.text(503, str(error))
        except Stopped as error:
            return Answer.text(400, str(error))

    def _read(self, request: Request) -> Answer:
        if request.path == CHECKPOINT:
            content = self._store.read(CHECKPOINT)
            return Answer.text(503, "no checkpoint yet") if content is None else Answer(200, content, headers=_NOW)
        if request.path == "keys":
            return Answer(200, json.dumps(self._keys).encode(), JSON)
        if request.path.startswith("proof/"):
            return self._proof(request)
        place = parse_path(request.path)
        content = self._store.read(request.path) if place else None
        if place is None or content is None:
            return _nothing(request)
        # A wider tile in a narrower one's place holds more than was asked for.
        level, _, width = place
        cut = pack(unpack(content, request.path)[:width]) if level == ENTRIES else content[: width * HASH_BYTES]
        return Answer(200, cut, BYTES, _FOR_EVER)

    def _proof(self, request: Request) -> Answer:
        checkpoint = self._store.checkpoint
        if checkpoint is None:
            return Answer.text(503, "no checkpoint yet")
        _, size, _ = read_head(checkpoint)
        try:
            if request.path == "proof/inclusion":
                number = int(request.query["leaf"])
                path = inclusion_path(number, size, self._store.tree(size).head)
                return Answer(200, write_proof(number, path, checkpoint).encode(), headers=_NOW)
            if request.path == "proof/consistency":
                old, new = int(request.query["old"]), int(request.query.get("new", size))
                if new > self._store.size:
                    raise ValueError(f"a tree of {new}, and this has {self._store.size}")
                path = consistency_path(old, new, self._store.tree(new).head)
                return Answer(200, b"".join(base64.b64encode(step) + b"\n" for step in path))
        except (KeyError, ValueError) as error:
            return Answer.text(400, f"{error}; asked is proof/inclusion?leaf=N or proof/consistency?old=N&new=M")
        return _nothing(request)

    def _evidence(self, request: Request) -> Answer:
        try:
            asked: Any = json.loads(request.body)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            return Answer.text(400, "no JSON object")
        index = Index(self._directory, read_only=True)
        try:
            evidence = self._prover.prove(index, asked)
        finally:
            index.close()
        return Answer(200, json.dumps(evidence, ensure_ascii=False).encode(), JSON, _NOW)


def _nothing(request: Request) -> Answer:
    return Answer.text(404, f"{request.path[:80]}: there is no such thing here")
