"""A witness: cosigns the heads of ledgers that only grew since it saw them last (C2SP tlog-witness).

It knows no leaf and needs no Kafka. Run it where the ledger's operator cannot reach its directory: then a ledger that
rewrites what was, or shows two parties two trees, gets no cosignature for one of them.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import threading
from collections.abc import Callable, Sequence

from gebus.ledger.files import Directory
from gebus.ledger.http import Answer, Request
from gebus.ledger.notes import Signer
from gebus.ledger.tree import EMPTY_ROOT, require_growth
from gebus.ledger.verify_evidence import Checkpoint, NotProven, VerifierKey, open_checkpoint, read_path
from gebus.model.errors import Stopped

_SIZE_TYPE = "text/x.tlog.size"
_MOST_STEPS = 63
_log = logging.getLogger(__name__)


class _Answered(Exception):
    """A request that is not cosigned, with what is answered instead."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


class Witness:
    """What one witness saw of each ledger that it knows, on its disk.

    Promised: per ledger, the heads that it cosigned are each the beginning of the next, over any crash: a head is on
    the disk before its cosignature leaves. Not promised: that what the ledger says is true; only that it says the same
    to all who ask for this cosignature.
    """

    def __init__(
        self, directory: Directory, signer: Signer, ledgers: Sequence[VerifierKey], now: Callable[[], float]
    ) -> None:
        directory.prepare()
        self._directory, self._signer, self._now = directory, signer, now
        self._ledgers = {key.name: key for key in ledgers}
        self._lock = threading.Lock()
        self.sizes = {name: seen.size for name in self._ledgers if (seen := self._seen(name)) is not None}

    def answer(self, request: Request) -> Answer:
        """What HTTP asks."""
        if request.method == "POST" and request.path == "add-checkpoint":
            try:
                return self._cosign(request.body)
            except _Answered as answered:
                return answered.answer
        asked = re.fullmatch(r"([0-9a-f]{64})/checkpoint", request.path)
        content = self._directory.read(f"{asked[1]}.checkpoint") if asked and request.method == "GET" else None
        return Answer.text(404, "there is no such thing here") if content is None else Answer(200, content)

    def _cosign(self, body: bytes) -> Answer:
        old, path, note = _read_request(body)
        ledger = self._ledgers.get(note.partition("\n")[0])
        if ledger is None:
            raise _refused(404, "of a ledger that this witness does not know; give it the ledger's key, --ledger")
        try:
            head = open_checkpoint(note, ledger)
        except NotProven as error:
            raise _refused(403, str(error)) from None
        with self._lock:
            self._require_growth(ledger.name, old, path, head)
            time = int(self._now())
            line = self._signer.signature(head.body, time)
            self._directory.write({_file(ledger.name): (_own_note(head, ledger) + line).encode()})
            self.sizes[ledger.name] = head.size
        return Answer(200, line.encode())

    def _require_growth(self, name: str, old: int, path: list[bytes], head: Checkpoint) -> None:
        if old > head.size:
            raise _refused(400, f"old {old} is more than the checkpoint's {head.size}")
        seen = self._seen(name)
        size, root = (0, EMPTY_ROOT) if seen is None else (seen.size, seen.root)
        if old != size:
            if head.size < size:
                _log.error(
                    "REFUSED: rolled back: %s asks for %d leaves, and this witness saw %d", name, head.size, size
                )
            raise _Answered(Answer(409, f"{size}\n".encode(), _SIZE_TYPE))
        try:
            if head.size == 0 and head.root != EMPTY_ROOT:
                raise NotProven("a tree without leaves has another root than the empty tree's")
            require_growth(size, root, head.size, head.root, path)
        except NotProven as error:
            _log.error("REFUSED: %s: %s; keep this checkpoint, it is evidence: %r", name, error, head.text)
            raise _refused(422, str(error)) from None

    def _seen(self, name: str) -> Checkpoint | None:
        content = self._directory.read(_file(name))
        if content is None:
            return None
        try:
            return open_checkpoint(content.decode(), self._ledgers[name], [self._signer.key])
        except (NotProven, UnicodeDecodeError) as error:
            raise Stopped(
                f"{self._directory.path}/{_file(name)} was changed: {error}; put it back: without it this witness does "
                f"not know what it cosigned of {name}"
            ) from None


def _read_request(body: bytes) -> tuple[int, list[bytes], str]:
    try:
        head, _, note = body.decode().partition("\n\n")
        first, *lines = head.split("\n")
        old = re.fullmatch(r"old (0|[1-9][0-9]{0,18})", first)
        path = read_path(lines, "the proof")
    except (UnicodeDecodeError, NotProven) as error:
        raise _refused(400, str(error)) from None
    if old is None or len(path) > _MOST_STEPS or not note:
        raise _refused(400, f"allowed: `old` and a size, at most {_MOST_STEPS} hashes, an empty line, a checkpoint")
    return int(old[1]), path, note


def _own_note(head: Checkpoint, ledger: VerifierKey) -> str:
    """The checkpoint with the ledger's signature alone: what others signed is not this witness's to vouch for."""
    marks = [line for line in head.text[len(head.body) + 1 :].splitlines() if _is_by(line, ledger)]
    return head.body + "\n" + "".join(f"{line}\n" for line in marks)


def _is_by(line: str, key: VerifierKey) -> bool:
    name, _, content = line.removeprefix("\u2014 ").partition(" ")
    return name == key.name and base64.b64decode(content)[:4] == key.id


def _file(name: str) -> str:
    return f"{hashlib.sha256(name.encode()).hexdigest()}.checkpoint"


def _refused(status: int, message: str) -> _Answered:
    return _Answered(Answer.text(status, message))
