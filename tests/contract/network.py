"""A network that a test can break: a SOCKS5 relay between a client and the broker, and a connection that uses it.

A plain relay in front of the broker would be bypassed: after the first answer a client dials the address that the
broker advertises. Through SOCKS it dials that address by way of the relay.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gebus.kafka import Connection


@dataclass(frozen=True, slots=True)
class RelayedConnection(Connection):
    """A connection whose Kafka traffic goes through a relay on this port."""

    relay_port: int = 0

    def for_kafka_python(self) -> dict[str, Any]:
        # Not super(): a dataclass with slots is made anew, and the cell of super() still names the first one.
        return {**Connection.for_kafka_python(self), "proxy_url": f"socks5://127.0.0.1:{self.relay_port}"}


class Relay:
    """Relays until it is cut (connections drop, new ones are refused) or held (bytes stop, connections stay)."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._writers: set[asyncio.StreamWriter] = set()
        self._refusing = False
        self._flowing = asyncio.Event()
        self._server = self._run(self._start)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def through(self, connection: Connection) -> RelayedConnection:
        """The same connection by way of this relay."""
        return RelayedConnection(
            connection.bootstrap,
            connection.registry,
            connection.ca_file,
            connection.principal,
            connection.password,
            self.port,
        )

    def cut(self) -> None:
        """Drop every connection, and refuse new ones."""
        self._run(self._cut)

    def hold(self) -> None:
        """Let no byte through, in either direction."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def restore(self) -> None:
        """Relay again."""
        self._run(self._restore)

    def close(self) -> None:
        self._run(self._stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)  # type: ignore[arg-type]

    async def _start(self) -> asyncio.Server:
        self._flowing.set()
        return await asyncio.start_server(self._client, "127.0.0.1", 0)

    async def _cut(self) -> None:
        self._refusing = True
        for writer in list(self._writers):
            writer.transport.abort()

    async def _restore(self) -> None:
        self._refusing = False
        self._flowing.set()

    async def _stop(self) -> None:
        self._flowing.set()
        await self._cut()
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others, timeout=2) if others else None

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target = await self._greet(reader, writer)
            if target is None:
                return
            server_reader, server_writer = await asyncio.open_connection(*target)
            writer.write(b"\x05\x00\x00\x01" + bytes(6))
            self._writers |= {writer, server_writer}
            try:
                await asyncio.gather(self._pump(reader, server_writer), self._pump(server_reader, writer))
            finally:
                self._writers -= {writer, server_writer}
                server_writer.close()
        except (OSError, asyncio.IncompleteReadError):
            pass  # a connection that breaks is what this relay is for
        finally:
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        if self._refusing:
            # Refused in words rather than by a reset: kafka-python leaves the socket of a reset handshake open.
            writer.write(b"\x05\xff")
            return None
        writer.write(b"\x05\x00")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 1:
            host = ".".join(map(str, await reader.readexactly(4)))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        return host, struct.unpack(">H", await reader.readexactly(2))[0]

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(64 * 1024):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        writer.close()
