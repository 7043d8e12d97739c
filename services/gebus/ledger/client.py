"""Asking a ledger over HTTP: its checkpoint, whether it only grew, and evidence."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from gebus.ledger.evidence import question
from gebus.ledger.tree import require_growth
from gebus.ledger.verify_evidence import Checkpoint, NotProven, VerifierKey, open_checkpoint, read_path, verify
from gebus.model.errors import GebusError, NotFound, Refused, Stopped, Unavailable
from gebus.model.receipt import Receipt

_TIMEOUT = 10.0
_PATIENCE = 15.0
_PAUSE = 0.5
_LARGEST = 1 << 20


class LedgerClient:
    """A ledger at a URL, whose answers are checked under its key. Use it in a `with` block."""

    def __init__(self, url: str, key: VerifierKey, witnesses: Sequence[VerifierKey] = ()) -> None:
        self._url, self._key, self._witnesses = url.rstrip("/"), key, tuple(witnesses)
        self._client = httpx.Client(timeout=_TIMEOUT, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def checkpoint(self) -> Checkpoint:
        """The newest one; Stopped if no signature of the ledger's key holds."""
        text = self._ask("GET", "checkpoint")
        try:
            return open_checkpoint(text, self._key, self._witnesses)
        except NotProven as error:
            raise Stopped(f"the checkpoint at {self._url}: {error}") from None

    def require_growth(self, old: Checkpoint, new: Checkpoint) -> None:
        """Stopped, which says how, unless the new tree begins with the old one."""
        try:
            path: list[bytes] = []
            if 0 < old.size < new.size:
                lines = self._ask("GET", f"proof/consistency?old={old.size}&new={new.size}")
                path = read_path(lines.splitlines(), "the proof")
            require_growth(old.size, old.root, new.size, new.root, path)
        except NotProven as error:
            raise Stopped(
                f"{self._url}: {error}; keep both checkpoints, they are evidence:\n{old.text}\n{new.text}"
            ) from None

    def evidence(self, receipt: Receipt) -> dict[str, Any]:
        """The evidence of a delivery, verified. What is not under a checkpoint yet is waited for, for some seconds."""
        end = time.monotonic() + _PATIENCE
        pause = threading.Event()
        while True:
            try:
                return self._evidence(receipt)
            except Unavailable:
                if time.monotonic() > end:
                    raise
                pause.wait(_PAUSE)

    def _evidence(self, receipt: Receipt) -> dict[str, Any]:
        answer = self._send("POST", "evidence", question(receipt))
        try:
            evidence: dict[str, Any] = answer.json()
            proven = verify(evidence, self._key, self._witnesses)
        except (NotProven, ValueError) as error:
            raise Stopped(f"what the ledger at {self._url} answered proves nothing: {error}") from None
        if proven.digest != receipt.digest:
            raise Stopped(f"the ledger at {self._url} answered about another record")
        return evidence

    def _ask(self, method: str, path: str) -> str:
        return self._send(method, path).text

    def _send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        try:
            answer = self._client.request(method, f"{self._url}/{path}", json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Refused(
                f"no ledger answers at {self._url}: {error}; `gebus run ledger` runs it, --url names another address"
            ) from None
        if answer.is_success and len(answer.content) <= _LARGEST:
            return answer
        raise self._error(answer)

    def _error(self, answer: httpx.Response) -> GebusError:
        said = answer.text.strip()[:500]
        kinds: dict[int, type[GebusError]] = {404: NotFound, 503: Unavailable}
        return kinds.get(answer.status_code, Stopped)(f"the ledger at {self._url}: {said}")
