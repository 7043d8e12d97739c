"""A proxy between workers and broker that understands just enough of Kafka's protocol to find EndTxn.

It ends TLS with the stack's own certificate and speaks TLS to the broker, so that clients check and log in as ever.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

END_TXN = 26
_CORRELATION = struct.Struct(">i")
_REQUEST = struct.Struct(">hhi")
_LARGEST = 64 << 20

What = Literal["drop-answer", "hold-answer", "hold-request", "cut-after-request"]


@dataclass
class Fault:
    """What to do to the next EndTxn requests, or to their answers."""

    what: What
    times: int = 1
    seconds: float = 0.0
    """How long to hold; all that follows on the connection is held too, for it is one stream."""
    then: Callable[[], None] | None = None
    """Called as soon as it is done, or begins to be held."""


class Proxy:
    """Listens in a thread of its own while it is entered.

    Promised: every frame goes through in its order, whole, but for what a fault takes. Not promised: speed.
    """

    def __init__(self, port: int, broker_port: int, chain: Path, key: Path, authority: Path) -> None:
        self.port, self._broker_port = port, broker_port
        self._server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server_tls.load_cert_chain(chain, key)
        self._client_tls = ssl.create_default_context(cafile=str(authority))
        self._fault: Fault | None = None
        self._lock = threading.Lock()
        self.struck: list[tuple[float, str]] = []
        """When a fault hit, in seconds since the epoch, and which."""
        self._loop = asyncio.new_event_loop()
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def arm(self, fault: Fault) -> None:
        """Let it happen to the next EndTxn."""
        with self._lock:
            self._fault = fault

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10), f"the proxy does not listen on port {self.port}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._client, "127.0.0.1", self.port, ssl=self._server_tls)
        self._ready.set()
        await self._stop.wait()
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            up, down = await asyncio.open_connection("127.0.0.1", self._broker_port, ssl=self._client_tls)
            writers.append(down)
            asked: dict[int, Fault] = {}
            ways = (self._requests(reader, down, asked), self._answers(up, writer, asked))
            tasks = [asyncio.create_task(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the broker is away: the client sees its connection closed, as without a proxy
        finally:
            for one in writers:
                one.transport.abort()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: dict[int, Fault]
    ) -> None:
        while True:
            frame = await _frame(reader)
            api, _, correlation = _REQUEST.unpack_from(frame, 4)
            fault = self._take() if api == END_TXN else None
            if fault is not None:
                asked[correlation] = fault
                if fault.what == "hold-request":
                    self._strike(asked.pop(correlation))
                    await _held(fault.seconds)
            writer.write(frame)
            await writer.drain()
            if fault is not None and fault.what == "cut-after-request":
                self._strike(fault)
                return

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: dict[int, Fault]
    ) -> None:
        while True:
            frame = await _frame(reader)
            fault = asked.pop(_CORRELATION.unpack_from(frame, 4)[0], None)
            if fault is not None and fault.what in ("drop-answer", "hold-answer"):
                self._strike(fault)
                if fault.what == "drop-answer":
                    continue
                await _held(fault.seconds)
            writer.write(frame)
            await writer.drain()

    def _take(self) -> Fault | None:
        with self._lock:
            fault = self._fault
            if fault is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._fault = None
            return fault

    def _strike(self, fault: Fault) -> None:
        self.struck.append((time.time(), fault.what))
        if fault.then is not None:
            with suppress(OSError):
                fault.then()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """One request or answer with its length; OSError where the connection ends."""
    try:
        head = await reader.readexactly(4)
        (size,) = _CORRELATION.unpack(head)
        if not 0 <= size <= _LARGEST:
            raise ConnectionResetError(f"a frame of {size} bytes")
        return head + await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the connection ended") from error


async def _held(seconds: float) -> None:
    """The fault itself: a frame stays here for so long, or until the connection is given up."""
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), seconds)
