"""The control topics, and who may read them."""

from __future__ import annotations

from collections.abc import Iterator

from gebus.kafka.admin import Acl, Topic
from gebus.lanes.settings import CONTROL_GROUP, PRINCIPAL
from gebus.model.control import AUDIT_TOPIC, FOLLOWED

_APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}


def control_topics() -> Iterator[Topic]:
    """Grants and modes keep their newest word, the audit everything."""
    for name in FOLLOWED:
        yield Topic(name, 1, {**_APPEND_TIME, "cleanup.policy": "compact"})
    yield Topic(AUDIT_TOPIC, 1, {**_APPEND_TIME, "cleanup.policy": "delete", "retention.ms": "-1"})


def control_rights() -> Iterator[Acl]:
    """Workers read grants and modes; nobody but the administrator writes them."""
    for name in FOLLOWED:
        yield from (Acl(PRINCIPAL, "topic", "literal", name, right) for right in ("read", "describe"))
    yield Acl(PRINCIPAL, "group", "prefixed", f"{CONTROL_GROUP}.", "read")
