"""A small HTTP server on loopback: bounded in connections, in bytes and in time."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from gebus.model.errors import GebusError, Stopped

TEXT, JSON, BYTES = "text/plain; charset=utf-8", "application/json", "application/octet-stream"
HOST = "127.0.0.1"
_LARGEST_BODY = 64 << 10
_CONNECTIONS = 32
_IDLE_SECONDS = 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: the path without its first slash."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    status: int
    content: bytes
    kind: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def text(cls, status: int, message: str) -> Answer:
        return cls(status, f"{message}\n".encode())


class Server:
    """Answers on 127.0.0.1 from its own threads, from `with` on until its end.

    Promised: at most 32 connections at once, each of them closed after ten idle seconds; a body of at most 64 KiB; what
    goes wrong in an answer ends that answer alone.
    """

    def __init__(self, port: int, answer: Callable[[Request], Answer]) -> None:
        """Stopped where the port cannot be had; 0 takes a free one."""
        try:
            self._server = _Bounded((HOST, port), _handler(answer))
        except OSError as error:
            raise Stopped(f"port {port} of {HOST} cannot be had: {error.strerror}; give another --port") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Bounded(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._places = threading.BoundedSemaphore(_CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request
        _log.debug("the connection of %s ended", client_address, exc_info=True)


def _handler(answer: Callable[[Request], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_SECONDS
        server_version, sys_version = "gebus", ""

        def setup(self) -> None:
            super().setup()
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > _LARGEST_BODY:
                self.close_connection = True
                self._send(Answer.text(413, f"a body needs a length of at most {_LARGEST_BODY} bytes"))
                return
            self._answer(self.rfile.read(int(length)))

        def _answer(self, body: bytes) -> None:
            target = urlsplit(self.path)
            query = dict(parse_qsl(target.query, max_num_fields=8)) if len(target.query) < 512 else {}
            try:
                answered = answer(Request(self.command, target.path.removeprefix("/"), query, body))
            except GebusError as error:
                answered = Answer.text(503 if error.retriable else 500, str(error))
            except Exception:
                _log.exception("answering %s %s", self.command, target.path)
                answered = Answer.text(500, "a fault of this server; its messages say more")
            self._send(answered)

        def _send(self, answered: Answer) -> None:
            self.send_response(answered.status)
            self.send_header("Content-Type", answered.kind)
            self.send_header("Content-Length", str(len(answered.content)))
            for name, value in answered.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answered.content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            _log.debug(format, *args)

    return Handler
