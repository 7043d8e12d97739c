"""Where a connection comes from, and that it keeps its secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from gebus.kafka import Connection, stack_home
from gebus.kafka.registry import Registry
from gebus.kafka.secrets import Secrets
from gebus.model.errors import Denied, StackError

SECRET = "correct horse battery staple"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GEBUS_BOOTSTRAP", "GEBUS_REGISTRY", "GEBUS_CA_FILE", "GEBUS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GEBUS_HOME", str(tmp_path))
    state = {"bootstrap": "127.0.0.1:9", "registry": "https://127.0.0.1:8", "ca_file": str(tmp_path / "ca.pem")}
    (tmp_path / "stack.json").write_text(json.dumps(state))
    Secrets(tmp_path / "secrets").write("jd", SecretStr(SECRET))
    return tmp_path


def test_it_comes_from_the_home_that_the_environment_names(home: Path) -> None:
    connection = Connection.load("jd")
    assert connection.bootstrap == "127.0.0.1:9"
    assert connection.registry == "https://127.0.0.1:8"
    assert connection.password.get_secret_value() == SECRET
    assert stack_home() == home


def test_it_comes_from_the_environment_where_that_names_servers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEBUS_BOOTSTRAP", "kafka:1")
    monkeypatch.setenv("GEBUS_REGISTRY", "https://registry:2/")
    monkeypatch.setenv("GEBUS_CA_FILE", "/ca.pem")
    monkeypatch.setenv("GEBUS_PASSWORD", "x")
    assert Connection.load("jd") == Connection("kafka:1", "https://registry:2", Path("/ca.pem"), "jd", SecretStr("x"))
    assert Connection.load("jd", home).bootstrap == "127.0.0.1:9"


@pytest.mark.usefixtures("home")
def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEBUS_BOOTSTRAP", "kafka:1")
    with pytest.raises(StackError, match="GEBUS_REGISTRY, GEBUS_CA_FILE, GEBUS_PASSWORD missing"):
        Connection.load("jd")


def test_no_stack_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"no stack in .*stack\.json is missing; start one with `gebus up`"):
        Connection.load("jd", tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", "\x00", '{"bootstrap": 1}'])
def test_a_broken_state_is_refused(home: Path, content: str) -> None:
    (home / "stack.json").write_text(content)
    with pytest.raises(StackError, match=r"stack\.json cannot be read"):
        Connection.load("jd", home)


def test_an_unknown_principal_is_denied(home: Path) -> None:
    with pytest.raises(Denied, match=r"no secret of principal ali.*gebus apply"):
        Connection.load("ali", home)


def test_nothing_shows_the_password(home: Path) -> None:
    connection = Connection.load("jd", home)
    (home / "ca.pem").write_text("")
    shown = [
        repr(connection),
        str(connection),
        repr(connection.for_kafka_python()),
        repr(connection.for_librdkafka()),
        repr(Secrets(home / "secrets")),
    ]
    assert not [text for text in shown if SECRET in text]
    assert connection.for_kafka_python()["sasl_plain_password"] == SECRET
    assert connection.for_librdkafka()["sasl.password"] == SECRET


def test_the_registry_client_shows_no_password(home: Path) -> None:
    Secrets(home / "secrets").write_file("ca.pem", b"")
    with pytest.raises(StackError, match=r"ca\.pem"):
        Registry(Connection.load("jd", home))
