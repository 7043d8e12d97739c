"""What the admin client describes and changes, on the real broker."""

from __future__ import annotations

import pytest

from gebus.kafka import Connection
from gebus.kafka.admin import Acl, Admin, Topic
from gebus.model.errors import Denied, NotFound, Refused


def test_topics_are_created_described_changed_and_deleted(stack) -> None:
    stack.admin.create_topics([Topic("admin.one", 2, {"retention.ms": "60000"}), Topic("admin.two", 1)])
    topics = stack.admin.topics()
    assert topics["admin.one"] == Topic("admin.one", 2, {"retention.ms": "60000"})
    assert topics["admin.two"] == Topic("admin.two", 1, {})
    stack.admin.set_topic_config("admin.one", {"retention.ms": None, "cleanup.policy": "compact"})
    assert stack.admin.topics()["admin.one"].config == {"cleanup.policy": "compact"}
    stack.admin.delete_topics(["admin.one", "admin.two"])
    assert "admin.one" not in stack.admin.topics()


def test_a_setting_that_kafka_does_not_know_is_refused(stack) -> None:
    stack.admin.create_topics([Topic("admin.setting", 1)])
    with pytest.raises(Refused, match=r"admin\.setting.*retention\.mss"):
        stack.admin.set_topic_config("admin.setting", {"retention.mss": "1"})
    with pytest.raises(Refused, match=r"creating topic admin\.bad"):
        stack.admin.create_topics([Topic("admin.bad", 1, {"retention.mss": "1"})])


def test_a_topic_that_is_there_is_not_created_again(stack) -> None:
    stack.admin.create_topics([Topic("admin.twice", 1)])
    with pytest.raises(Refused, match=r"admin\.twice"):
        stack.admin.create_topics([Topic("admin.twice", 1)])


def test_a_topic_that_is_not_there_is_not_found(stack) -> None:
    with pytest.raises(NotFound, match=r"admin\.missing"):
        stack.admin.delete_topics(["admin.missing"])
    with pytest.raises(NotFound):
        stack.admin.ends(["admin.missing"])


def test_rights_are_granted_described_and_taken_back(stack) -> None:
    acls = [
        Acl("party-a", "topic", "literal", "admin.rights", "write"),
        Acl("party-a", "group", "prefixed", "party-a.", "read"),
        Acl("party-a", "transactional_id", "prefixed", "party-a.", "describe"),
        Acl("party-a", "cluster", "literal", "kafka-cluster", "idempotent_write"),
    ]
    stack.admin.create_acls(acls)
    stack.admin.create_acls(acls)
    assert {acl for acl in stack.admin.acls() if acl.principal == "party-a"} == set(acls)
    stack.admin.delete_acls(acls[1:])
    assert {acl for acl in stack.admin.acls() if acl.principal == "party-a"} == {acls[0]}


def test_a_principal_can_log_in_until_it_is_removed(stack) -> None:
    connection = stack.add_principal("party-b")
    assert "party-b" in stack.admin.principals()
    with Admin(connection) as admin:
        assert admin.topics() == {}
    stack.admin.remove_principal("party-b")
    assert "party-b" not in stack.admin.principals()
    with pytest.raises(Denied, match="party-b"):
        Admin(connection)


def test_a_party_is_no_administrator(stack) -> None:
    with Admin(stack.add_principal("party-c")) as admin:
        with pytest.raises(Denied, match=r"party-c creating topic admin\.denied"):
            admin.create_topics([Topic("admin.denied", 1)])
        with pytest.raises(Denied, match="party-c listing rights"):
            admin.acls()
        with pytest.raises(Denied, match="party-c granting rights"):
            admin.create_acls([Acl("party-c", "topic", "prefixed", "admin.", "read")])


def test_ends_count_committed_records(stack) -> None:
    stack.admin.create_topics([Topic("admin.ends", 2)])
    assert stack.admin.ends(["admin.ends"]) == {("admin.ends", 0): 0, ("admin.ends", 1): 0}


def test_a_group_without_offsets_has_none(stack) -> None:
    assert stack.admin.committed("admin.no-group") == {}


def test_the_connection_of_an_unknown_principal_is_denied(stack) -> None:
    with pytest.raises(Denied, match="no secret of principal nobody"):
        Connection.load("nobody", stack.home)
