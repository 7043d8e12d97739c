"""The ledger's side of its witnesses: asks each for its cosignature (C2SP tlog-witness), and checks each."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Self

import httpx

from gebus.ledger.notes import WITNESS_KEY, parse_key
from gebus.ledger.tiles import TiledTree
from gebus.ledger.tree import consistency_path
from gebus.ledger.verify_evidence import NotProven, VerifierKey, open_note
from gebus.model.errors import Stopped

_TIMEOUT = 1.0
"""A witness on another continent answers within it; one that is gone holds up no checkpoint for longer."""
_WHOLE = 2.0
"""For the whole of an answer, which may come a byte at a time."""
_LATER = 10.0
_LONGEST_ANSWER = 1 << 16
_log = logging.getLogger(__name__)

Checkpoint = tuple[str, int, TiledTree]
"""The signed note, the size that it names, and the tree."""


@dataclass
class Cosigner:
    """One witness: where it answers, its key, the size that it saw last, and when to ask again after it failed."""

    key: VerifierKey
    url: str
    seen: int = 0
    again: float = 0.0
    problem: str = field(default="not asked yet", init=False)
    busy: bool = field(default=False, init=False)
    """Still answering the last question."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `KEY@URL`."""
        key, at, url = text.partition("@")
        if not at or not url.startswith(("http://", "https://")):
            raise Stopped(f"--witness {text[:80]!r}: allowed is KEY@URL; `gebus ledger keys` prints it")
        return cls(parse_key(key, WITNESS_KEY, "--witness"), url.rstrip("/"))


class Cosigners:
    """All witnesses of a ledger, asked at once.

    Promised: a cosignature that is given on holds for the checkpoint; a witness that is down, slow or lies costs its
    own cosignature and at most two seconds, is said so once, and is asked again ten seconds later.
    """

    def __init__(self, cosigners: Sequence[Cosigner], now: Callable[[], float]) -> None:
        self.cosigners, self._now = tuple(cosigners), now
        self._client = httpx.Client(timeout=_TIMEOUT, trust_env=False)
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(self.cosigners)))

    def close(self) -> None:
        """End what is under way."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def ask(self, note: str, size: int, tree: TiledTree) -> str:
        """The cosignature lines of those who gave one."""
        asked = [one for one in self.cosigners if self._now() >= one.again and not one.busy]
        for one in asked:
            one.busy = True
        # A tree's cache is not for several threads: each witness gets its own.
        answers = {self._pool.submit(self._one, one, (note, size, tree.again())): one for one in asked}
        done, late = wait(answers, timeout=_WHOLE)
        for answer in late:
            self._failed(answers[answer], f"no whole answer within {_WHOLE:g} s")
        return "".join(answer.result() for answer in answers if answer in done)

    def _one(self, cosigner: Cosigner, checkpoint: Checkpoint) -> str:
        try:
            line = self._cosignature(cosigner, checkpoint)
        except (httpx.HTTPError, NotProven, Stopped) as error:
            self._failed(cosigner, str(error) or type(error).__name__)
            return ""
        finally:
            cosigner.busy = False
        if cosigner.problem:
            _log.info("witness %s at %s cosigns", cosigner.key.name, cosigner.url)
        cosigner.problem, cosigner.seen = "", checkpoint[1]
        return line

    def _failed(self, cosigner: Cosigner, problem: str) -> None:
        if cosigner.problem != problem:
            who = f"witness {cosigner.key.name} at {cosigner.url}"
            _log.warning("%s did not cosign: %s; checkpoints go on without it", who, problem)
        cosigner.problem, cosigner.again = problem, self._now() + _LATER

    def _cosignature(self, cosigner: Cosigner, checkpoint: Checkpoint) -> str:
        status, text = self._post(cosigner, checkpoint)
        if status == httpx.codes.CONFLICT:
            cosigner.seen = self._size_of(text, checkpoint[1])
            status, text = self._post(cosigner, checkpoint)
        if status != httpx.codes.OK:
            raise Stopped(f"it answered {status}: {text.strip()[:200]}")
        try:
            _, signatures = open_note(checkpoint[0] + text, [cosigner.key])
        except NotProven as error:
            raise NotProven(f"what it sent as its cosignature is none: {error}") from None
        if not signatures:
            raise NotProven("it sent no cosignature of its key; give the ledger the right one, --witness KEY@URL")
        mark = f"\u2014 {cosigner.key.name} "
        return "".join(line + "\n" for line in text.splitlines() if line.startswith(mark))

    def _size_of(self, text: str, size: int) -> int:
        seen = text.strip()
        if not seen.isdecimal() or len(seen) > 18:
            raise NotProven(f"the size that it says it saw is none: {seen[:40]!r}")
        if int(seen) > size:
            raise NotProven(
                f"it says that it saw {seen} leaves, and this ledger has {size}: the ledger was rolled back, or the "
                "witness lies; compare with the checkpoints of others before you go on"
            )
        return int(seen)

    def _post(self, cosigner: Cosigner, checkpoint: Checkpoint) -> tuple[int, str]:
        note, size, tree = checkpoint
        path = consistency_path(min(cosigner.seen, size), size, tree.head)
        lines = [f"old {cosigner.seen}", *(base64.b64encode(step).decode() for step in path), "", note]
        with self._client.stream("POST", f"{cosigner.url}/add-checkpoint", content="\n".join(lines)) as answer:
            content = b""
            for chunk in answer.iter_bytes():
                content += chunk
                if len(content) > _LONGEST_ANSWER:
                    raise NotProven(f"it answered with more than {_LONGEST_ANSWER} bytes")
        return answer.status_code, content.decode(errors="replace")
