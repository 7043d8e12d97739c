"""Who is connected: the groups of consumers, as the broker knows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaException

from gebus.kafka import Connection
from gebus.kafka.admin import Admin
from gebus.kafka.lane_clients import open_asker
from gebus.model.errors import Unavailable

_SECONDS = 10.0


def described(connection: Connection, groups: list[str]) -> dict[str, Any]:
    """These groups, without those that the broker does not know."""
    found: dict[str, Any] = {}
    if not groups:
        return found
    asker = open_asker(connection)  # its answers come only as long as it is held
    for group, answer in asker.describe_consumer_groups(groups).items():
        try:
            found[group] = answer.result(_SECONDS)
        except TimeoutError:
            raise Unavailable(f"group {group} was not described within {_SECONDS:g} s; try again") from None
        except KafkaException as error:
            if error.args[0].name() != "GROUP_ID_NOT_FOUND":
                raise Unavailable(f"group {group} cannot be described: {error.args[0].str()}; try again") from error
    return found


def reading(connection: Connection) -> Mapping[str, frozenset[str]]:
    """The topics that the members of each group have been given, by group."""
    asker = open_asker(connection)
    try:
        listed = asker.list_consumer_groups().result(_SECONDS)
    except KafkaException as error:
        raise Unavailable(f"the groups cannot be listed: {error.args[0].str()}; try again") from error
    names = [group.group_id for group in listed.valid]
    return {
        group: frozenset(
            place.topic
            for member in one.members
            if member.assignment is not None
            for place in member.assignment.topic_partitions
        )
        for group, one in described(connection, names).items()
    }


def settled(admin: Admin, groups: list[str]) -> frozenset[str]:
    """The topics of which one of these groups has stored a position."""
    return frozenset(topic for group in groups for topic, _ in admin.committed(group))
