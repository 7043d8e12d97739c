"""What Kafka holds besides records: topics, principals, rights. Described and changed, as gebus-admin."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    MemberToRemove,
    OffsetSpec,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
    UnknownMemberIdError,
    for_code,
)
from kafka.structs import OffsetAndMetadata
from pydantic import SecretStr

from gebus.kafka.connection import ANSWER_SECONDS, Connection
from gebus.kafka.errors import check, told
from gebus.kafka.opening import open_client
from gebus.model.errors import Refused, Unavailable

Resource = Literal["topic", "group", "transactional_id", "cluster"]
Pattern = Literal["literal", "prefixed"]
Operation = Literal["read", "write", "create", "delete", "alter", "describe", "describe_configs", "idempotent_write"]

_MECHANISM = "SCRAM-SHA-512"
# The least that Kafka takes. The passwords are random, 192 bits: more would slow logins, not guesses.
_ITERATIONS = 4096
_RETRY_SECONDS = 0.2
_SHOWN_SECONDS = 0.02

T = TypeVar("T")


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One right: `principal` may do `operation` on what the pattern names, from any host."""

    principal: str
    resource: Resource
    pattern: Pattern
    name: str
    operation: Operation


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic; `config` holds only what is set on the topic itself."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


class Admin:
    """An administrator's client. Use it as a context manager, or close it.

    Promised: opening fails within 10 seconds where nobody answers; each change is confirmed by the server or raised as
    Denied, Refused, NotFound or Unavailable, and what this client describes afterwards shows it. Not promised: that
    several changes of one call are atomic; all are tried, and the first failure is raised.
    """

    def __init__(self, connection: Connection, *, replication_factor: int = -1) -> None:
        """Connect. `replication_factor` is that of new topics; -1 leaves it to the broker."""
        self._connection = connection
        self._replication_factor = replication_factor
        self._client: Any = open_client(
            connection,
            "opening an admin client",
            KafkaAdminClient,
            client_id=f"gebus-{connection.principal}",
            request_timeout_ms=ANSWER_SECONDS * 1000,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        self._client.close()

    def topics(self) -> dict[str, Topic]:
        """Every topic that is not Kafka's own, by name."""
        with told(self._connection, "listing topics"):
            rows = [row for row in self._client.describe_topics() if not row["is_internal"]]
            config = self._config([row["name"] for row in rows])
        return {row["name"]: Topic(row["name"], len(row["partitions"]), config[row["name"]]) for row in rows}

    def create_topics(self, topics: Iterable[Topic]) -> None:
        """Create topics, and wait until each partition has a leader."""
        wanted = {
            topic.name: {
                "num_partitions": topic.partitions,
                "replication_factor": self._replication_factor,
                "configs": dict(topic.config),
            }
            for topic in topics
        }
        if not wanted:
            return
        with told(self._connection, "creating topics"):
            answer = self._client.create_topics(wanted, raise_errors=False)
            for row in answer["topics"]:
                doing = f"creating topic {row['name']}"
                check(self._connection, doing, for_code(row["error_code"]), row.get("error_message"))
            self._client.wait_for_topics(list(wanted))

    def set_topic_config(self, name: str, changes: Mapping[str, str | None]) -> None:
        """Set what `changes` names on a topic; None gives back the broker's default."""
        operations = {key: ("DELETE", None) if value is None else ("SET", value) for key, value in changes.items()}
        resource = ConfigResource(ConfigResourceType.TOPIC, name, operations)
        with told(self._connection, f"changing topic {name}"), _as_refused(name):
            result = self._client.alter_configs([resource])["topic"][name]
        if result != "OK":
            raise Refused(f"Kafka at {self._connection.bootstrap} refused to change topic {name}: {result}")
        self._until(
            lambda: all(self._config([name])[name].get(key) == value for key, value in changes.items()),
            f"changing topic {name}",
        )

    def delete_topics(self, names: Collection[str]) -> None:
        """Delete topics with all their records."""
        if not names:
            return
        with told(self._connection, "deleting topics"):
            answer = self._client.delete_topics(list(names), raise_errors=False)
        for row in answer["topics"]:
            check(self._connection, f"deleting topic {row['name']}", for_code(row["error_code"]))
        self._until(lambda: not set(names) & set(self._client.list_topics()), "deleting topics")

    def principals(self) -> frozenset[str]:
        """Who can log in."""
        with told(self._connection, "listing principals"):
            return frozenset(self._client.describe_user_scram_credentials())

    def set_password(self, principal: str, password: SecretStr) -> None:
        """Let a principal log in with this password, and with no other."""
        change = UserScramCredentialUpsertion(principal, _MECHANISM, password.get_secret_value(), _ITERATIONS)
        self._alter_principal(principal, change, f"setting the password of {principal}")
        self._until(lambda: principal in self.principals(), f"setting the password of {principal}")

    def remove_principal(self, principal: str) -> None:
        """A principal can no longer log in; connections that it holds end when they log in anew."""
        change = UserScramCredentialDeletion(principal, _MECHANISM)
        self._alter_principal(principal, change, f"removing principal {principal}")
        self._until(lambda: principal not in self.principals(), f"removing principal {principal}")

    def acls(self) -> frozenset[Acl]:
        """Every right that gebus could have granted: ALLOW, from any host, to a user."""
        anything = ACLFilter(
            None,
            None,
            ACLOperation.ANY,
            ACLPermissionType.ANY,
            ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
        )
        with told(self._connection, "listing rights"):
            found, _ = self._client.describe_acls(anything)
        return frozenset(acl for acl in map(_from_kafka, found) if acl is not None)

    def create_acls(self, acls: Collection[Acl]) -> None:
        """Grant rights; one that exists stays as it is."""
        if not acls:
            return
        with told(self._connection, "granting rights"):
            failed = self._client.create_acls([_to_kafka(acl) for acl in acls])["failed"]
        for error in failed:
            check(self._connection, "granting rights", error)
        self._until(lambda: set(acls) <= self.acls(), "granting rights")

    def delete_acls(self, acls: Collection[Acl]) -> None:
        """Take rights back; one that is not there stays so."""
        if not acls:
            return
        with told(self._connection, "taking rights back"):
            answers = self._client.delete_acls([_filter(acl) for acl in acls])
        for _, _, error in answers:
            check(self._connection, "taking rights back", error)
        self._until(lambda: not set(acls) & self.acls(), "taking rights back")

    def ends(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """The offset after the last committed record of each partition of these topics."""
        return self._offsets(topics, OffsetSpec.LATEST)

    def beginnings(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """The offset of the first record that there still is of each partition of these topics."""
        return self._offsets(topics, OffsetSpec.EARLIEST)

    def offsets_at(self, topics: Iterable[str], at_ms: int) -> dict[tuple[str, int], int]:
        """The offset of the first record appended at this time or later; of a partition without one its end."""
        topics = list(topics)
        ends = self.ends(topics)
        found = self._offsets(topics, at_ms)
        return {place: found[place] if found[place] >= 0 else end for place, end in ends.items()}

    def _offsets(self, topics: Iterable[str], spec: int) -> dict[tuple[str, int], int]:
        with told(self._connection, "looking for the offsets of topics"):
            rows = self._client.describe_topics(list(topics))
            for row in rows:
                check(self._connection, f"looking for topic {row['name']}", for_code(row["error_code"]))
            wanted = {
                TopicPartition(row["name"], part["partition_index"]): spec for row in rows for part in row["partitions"]
            }
            if not wanted:
                return {}
            found = self._client.list_partition_offsets(wanted, isolation_level="read_committed")
        return {(place.topic, place.partition): answer.offset for place, answer in found.items()}

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """The offset that a group goes on from, of each partition that it has committed."""
        return {place: offset for place, (offset, _) in self.committed_marked(group).items()}

    def committed_marked(self, group: str) -> dict[tuple[str, int], tuple[int, str]]:
        """The same, each with the text that was committed with it."""
        with told(self._connection, f"looking for the offsets of group {group}"):
            found = self._once_coordinated(lambda: self._client.list_group_offsets(group)).get(group, {})
        return {
            (place.topic, place.partition): (answer.offset, answer.metadata or "")
            for place, answer in found.items()
            if answer.offset >= 0
        }

    def set_committed(self, group: str, offsets: Mapping[tuple[str, int], tuple[int, str]]) -> None:
        """Let a group go on elsewhere. Refused while it has members, and nothing is changed then."""
        doing = f"setting the offsets of group {group}"
        wanted = {TopicPartition(*place): OffsetAndMetadata(*offset, -1) for place, offset in offsets.items()}
        with told(self._connection, doing):
            answers = self._once_coordinated(lambda: self._client.alter_group_offsets(group, wanted))
        if UnknownMemberIdError in answers.values():
            raise Refused(
                f"group {group} has members: its offsets can be set only while nobody runs. Stop them all; one "
                "that was killed is a member until its session is over, 6 s later"
            )
        for error in answers.values():
            check(self._connection, doing, error)

    def remove_member(self, group: str, instance: str, member: str | None = None) -> None:
        """Take a static member out of a group, so that its partitions go to others before its session is over; where
        the member is named, only if it still has the instance's place."""
        removed = MemberToRemove(member_id=member, group_instance_id=instance)
        with told(self._connection, f"taking {instance} out of group {group}"):
            answers = self._client.remove_group_members(group, [removed])
        for error in answers.values():
            check(self._connection, f"taking {instance} out of group {group}", error)

    def _until(self, shown: Callable[[], bool], doing: str) -> None:
        """Wait until a confirmed change is described: the controller has it before the broker that answers."""
        deadline = time.monotonic() + ANSWER_SECONDS
        with told(self._connection, doing):
            while not shown():
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"Kafka at {self._connection.bootstrap} confirmed {doing}, and does not show it after "
                        f"{ANSWER_SECONDS} s; it may be overloaded: try again"
                    )
                time.sleep(_SHOWN_SECONDS)

    def _once_coordinated(self, ask: Callable[[], T]) -> T:
        """Ask again while the group's coordinator is not there yet: Kafka makes its offsets topic at first use."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                return ask()
            except (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)

    def _config(self, names: list[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        found = self._client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
        return {
            name: {
                key: entry["value"]
                for key, entry in found["topic"][name].items()
                if entry["config_source"] == "DYNAMIC_TOPIC_CONFIG"
            }
            for name in names
        }

    def _alter_principal(
        self, principal: str, change: UserScramCredentialUpsertion | UserScramCredentialDeletion, doing: str
    ) -> None:
        with told(self._connection, doing):
            problem = self._client.alter_user_scram_credentials([change])[principal]
        if problem is not None:
            raise Refused(
                f"Kafka at {self._connection.bootstrap} refused {self._connection.principal} {doing}: {problem}"
            )


@contextmanager
def _as_refused(topic: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # kafka-python's word for a setting that the broker does not know
        raise Refused(f"topic {topic}: {error}") from error


def _to_kafka(acl: Acl) -> ACL:
    return ACL(
        f"User:{acl.principal}",
        "*",
        ACLOperation[acl.operation.upper()],
        ACLPermissionType.ALLOW,
        ResourcePattern(ResourceType[acl.resource.upper()], acl.name, ACLResourcePatternType[acl.pattern.upper()]),
    )


def _filter(acl: Acl) -> ACLFilter:
    exact = _to_kafka(acl)
    return ACLFilter(exact.principal, exact.host, exact.operation, exact.permission_type, exact.resource_pattern)


def _from_kafka(found: ACL) -> Acl | None:
    if found.permission_type is not ACLPermissionType.ALLOW or found.host != "*":
        return None
    kind, _, principal = found.principal.partition(":")
    if kind != "User":
        return None
    pattern = found.resource_pattern
    return Acl(
        principal,
        pattern.resource_type.name.lower(),
        pattern.pattern_type.name.lower(),
        pattern.resource_name,
        found.operation.name.lower(),
    )
