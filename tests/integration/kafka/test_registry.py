"""The registry's client on the real registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr
from tests.running_stack import RunningStack

from gebus.kafka.registry import Registry, Version
from gebus.model.errors import Denied, NotFound, Refused, Unavailable


def record(name: str, *fields: dict[str, object]) -> str:
    return json.dumps({"type": "record", "name": name, "fields": list(fields)})


ID = {"name": "id", "type": "string"}
AGE = {"name": "age", "type": "long"}
AGE_WITH_DEFAULT = {**AGE, "default": 0}


@pytest.fixture
def registry(stack: RunningStack) -> Iterator[Registry]:
    with stack.registry() as registry:
        yield registry


def test_a_schema_is_registered_once_and_found_by_every_way(registry: Registry) -> None:
    schema = record("Once", ID)
    number = registry.register("once-value", schema)
    assert registry.register("once-value", schema) == number
    assert registry.versions("once-value") == [1]
    assert registry.latest("once-value") == registry.version("once-value", 1)
    assert registry.latest("once-value") == Version("once-value", 1, number, registry.schema_by_id(number))
    assert json.loads(registry.schema_by_id(number)) == json.loads(schema)
    assert "once-value" in registry.subjects()
    assert registry.subjects_of(number) == {"once-value"}


def test_two_subjects_share_the_id_of_one_schema(registry: Registry) -> None:
    schema = record("Shared", ID)
    number = registry.register("shared.a-value", schema)
    assert registry.register("shared.b-value", schema) == number
    assert registry.subjects_of(number) == {"shared.a-value", "shared.b-value"}


def test_an_incompatible_schema_is_refused(registry: Registry) -> None:
    registry.set_compatibility("strict-value", "BACKWARD")
    assert registry.compatibility("strict-value") == "BACKWARD"
    registry.register("strict-value", record("Strict", ID))
    with pytest.raises(Refused, match=r"409 .*strict-value"):
        registry.register("strict-value", record("Strict", ID, AGE))
    registry.register("strict-value", record("Strict", ID, AGE_WITH_DEFAULT))
    assert registry.versions("strict-value") == [1, 2]


def test_what_is_no_schema_is_refused(registry: Registry) -> None:
    with pytest.raises(Refused, match=r"subjects/broken-value"):
        registry.register("broken-value", '{"type": "no such type"}')


def test_what_is_not_there_is_not_found(registry: Registry) -> None:
    with pytest.raises(NotFound, match=r"404 to GET /subjects/absent-value/versions/latest"):
        registry.latest("absent-value")
    with pytest.raises(NotFound):
        registry.versions("absent-value")
    with pytest.raises(NotFound):
        registry.schema_by_id(987_654)
    assert registry.subjects_of(987_654) == frozenset()
    assert registry.compatibility("absent-value") is None


def test_everyone_reads_and_only_the_administrator_writes(stack: RunningStack, registry: Registry) -> None:
    registry.register("guarded-value", record("Guarded", ID))
    stack.add_principal("registry-party")
    with stack.registry("registry-party") as party:
        assert party.latest("guarded-value").version == 1
        with pytest.raises(Denied, match=r"401 .*for principal registry-party: .*`gebus apply`"):
            party.register("guarded-value", record("Guarded", ID, AGE_WITH_DEFAULT))
        with pytest.raises(Denied):
            party.set_compatibility("guarded-value", "NONE")
        with pytest.raises(Denied):
            party.delete_subject("guarded-value")
    assert registry.versions("guarded-value") == [1]


def test_a_wrong_password_is_denied(stack: RunningStack) -> None:
    with Registry(replace(stack.connection(), password=SecretStr("wrong"))) as registry:
        with pytest.raises(Denied) as caught:
            registry.register("denied-value", record("Denied", ID))
        assert "wrong" not in str(caught.value)


def test_a_deleted_subject_is_gone(registry: Registry) -> None:
    registry.register("gone-value", record("Gone", ID))
    registry.delete_subject("gone-value")
    assert "gone-value" not in registry.subjects()


def test_a_registry_that_is_down_is_unavailable(stack: RunningStack) -> None:
    with (
        Registry(replace(stack.connection(), registry="https://127.0.0.1:1")) as registry,
        pytest.raises(Unavailable, match=r"https://127\.0\.0\.1:1 does not answer.*`gebus status`"),
    ):
        registry.subjects()


def test_a_server_of_another_authority_is_not_trusted(stack: RunningStack, tmp_path) -> None:
    from datetime import UTC, datetime

    from gebus.kafka.secrets import Secrets
    from gebus.stack.authority import CA, ensure_certificates

    ensure_certificates(Secrets(tmp_path), datetime.now(UTC))
    with (
        Registry(replace(stack.connection(), ca_file=tmp_path / CA)) as registry,
        pytest.raises(Unavailable, match=r"(?i)certificate"),
    ):
        registry.subjects()
