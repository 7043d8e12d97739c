"""Carry out changes that were compared and shown."""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Callable, Sequence
from typing import TypeVar

from pydantic import SecretStr

from gebus.kafka.admin import Admin
from gebus.kafka.registry import Registry
from gebus.kafka.secrets import Secrets
from gebus.provision.changes import (
    Change,
    CreateTopic,
    DeleteTopic,
    Grant,
    RegisterSchema,
    RemovePrincipal,
    Revoke,
    SetLevel,
    SetPassword,
    SetTopicConfig,
)
from gebus.provision.forgetting import Note
from gebus.provision.notebook import Notebook

_AT_ONCE = 200
"""How many topics or rights one request carries: five thousand in one would outlive its timeout."""
_PASSWORD_BYTES = 24

T = TypeVar("T")


def apply(changes: Sequence[Change], admin: Admin, registry: Registry, secrets: Secrets, notebook: Notebook) -> None:
    """Make the changes, kind by kind.

    Promised: what an interrupted call has done is not done again by the next, and no password is lost between the
    broker and the home. Not promised: that all changes become visible at once.
    """
    _in_batches([change.topic for change in changes if isinstance(change, CreateTopic)], admin.create_topics)
    for change in changes:
        match change:
            case SetTopicConfig():
                admin.set_topic_config(change.name, change.after)
            case SetPassword():
                _set_password(change, admin, secrets)
            case RegisterSchema():
                registry.register(change.name, json.dumps(change.schema.avro, ensure_ascii=False))
            case SetLevel():
                registry.set_compatibility(change.name, change.level)
            case RemovePrincipal():
                admin.remove_principal(change.name)
                secrets.remove(change.name)
            case _:
                continue
    notebook.write({change.name: change.value for change in changes if isinstance(change, Note)})
    _in_batches([change.acl for change in changes if isinstance(change, Grant)], admin.create_acls)
    _in_batches([change.acl for change in changes if isinstance(change, Revoke)], admin.delete_acls)
    _in_batches([change.name for change in changes if isinstance(change, DeleteTopic)], admin.delete_topics)


def _set_password(change: SetPassword, admin: Admin, secrets: Secrets) -> None:
    if change.has_secret:
        admin.set_password(change.name, secrets.read(change.name))
        return
    # The broker first: if this process dies in between, the home has no secret and the next apply makes a new one. The
    # other way round the home would keep a password that the broker never heard of.
    password = SecretStr(random.token_urlsafe(_PASSWORD_BYTES))
    admin.set_password(change.name, password)
    secrets.write(change.name, password)


def _in_batches(items: Sequence[T], act: Callable[[Sequence[T]], None]) -> None:
    for start in range(0, len(items), _AT_ONCE):
        act(items[start : start + _AT_ONCE])
