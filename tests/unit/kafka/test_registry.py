"""The registry's client against servers that answer as no registry should."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from gebus.kafka import Connection
from gebus.kafka.registry import Registry
from gebus.model.errors import Unavailable

ANSWERS = {
    "html": (200, b"<html>"),
    "empty": (200, b""),
    "list": (200, b"[]"),
    "half": (200, b'{"subject": "half", "version": 1}'),
    "broken": (500, b""),
    "odd": (503, b'["no message"]'),
}


class Odd(BaseHTTPRequestHandler):
    """Answers each subject as its name says."""

    def do_GET(self) -> None:
        kind = self.path.split("/")[5]
        if kind == "slow":
            self.server.released.wait(20)
        status, body = ANSWERS.get(kind, (200, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setattr(Connection, "trust", lambda _: ssl.create_default_context())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    server.released = threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    connection = Connection("127.0.0.1:9", url, Path("ca.pem"), "jd", SecretStr("secret"))
    with Registry(connection, timeout_seconds=0.5) as registry:
        yield registry
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("html", "something that a schema registry would not say; is another server on that port"),
        ("empty", "something that a schema registry would not say"),
        ("list", "something that a schema registry would not say"),
        ("half", "something that a schema registry would not say"),
        ("broken", "answered 500 to GET /subjects/broken/versions/latest: Internal Server Error"),
        ("odd", "answered 503 .*Service Unavailable"),
        ("slow", "does not answer: timed out"),
    ],
)
def test_it_is_unavailable(registry: Registry, subject: str, words: str) -> None:
    with pytest.raises(Unavailable, match=words):
        registry.latest(subject)


def test_a_subject_cannot_leave_its_place_in_the_path(registry: Registry) -> None:
    with pytest.raises(Unavailable, match=r"/subjects/\.\.%2F\.\.%2Fadmin%3Fx/versions"):
        registry.latest("../../admin?x")


def test_its_repr_names_the_principal_and_no_secret(registry: Registry) -> None:
    assert "jd" in repr(registry)
    assert "secret" not in repr(registry)
